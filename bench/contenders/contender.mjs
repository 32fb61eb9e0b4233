/** What every contender is made of. */
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

/**
 * @typedef {import('../traffic.mjs').Span} Span
 * @typedef {object} Options
 * @property {string} url Of the sink.
 * @property {string} package The module under test, as a file URL.
 * @property {'completions' | 'all'} records
 * @property {number} inFlight Most requests at once, where that is the contender's to say.
 *
 * @typedef {object} Contender
 * @property {(span: Span) => void} onEnd
 * @property {() => Promise<void>} flush Resolves when everything so far has been answered.
 * @property {() => string[]} problems What was lost or failed, in words.
 * @property {(spans: Span[]) => void} [prepare] Makes beforehand what is not to be measured; the spans are those of all texts, in order.
 */

/**
 * An exporter as most applications run it: behind a `BatchSpanProcessor` with its defaults.
 *
 * @param {{ export(spans: Span[], done: (result: { code: number, error?: Error }) => void): void, shutdown(): Promise<void> }} exporter
 * @returns {Contender}
 */
export function batched(exporter) {
  let failed = 0;
  let lastError = '';
  const processor = new BatchSpanProcessor({
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code !== 0) {
          failed += 1;
          lastError = result.error?.message ?? '';
        }
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  });
  return {
    onEnd: (span) => processor.onEnd(span),
    // A failed export is counted above; the processor throws it once more.
    flush: () => processor.forceFlush().catch(() => {}),
    problems: () => (failed === 0 ? [] : [`${failed} exports failed: ${lastError}`]),
  };
}

/**
 * An exporter that makes one request of each span it wants, a bounded number at once.
 *
 * @param {(span: Span) => boolean} wants
 * @param {number} inFlight
 * @param {(span: Span, done: (error?: Error) => void) => void} send
 */
export function oneByOne(wants, inFlight, send) {
  const queue = [];
  let first = 0;
  let running = 0;
  let isScheduled = false;

  function pump() {
    while (running < inFlight && first < queue.length) {
      const { span, done } = queue[first];
      first += 1;
      running += 1;
      send(span, (error) => {
        running -= 1;
        done(error);
        schedule();
      });
    }
    if (first === queue.length) {
      queue.length = 0;
      first = 0;
    }
  }

  /** Not where a response ends: its connection counts as busy there. */
  function schedule() {
    if (isScheduled) return;
    isScheduled = true;
    queueMicrotask(() => {
      isScheduled = false;
      pump();
    });
  }

  return {
    /** @param {Span[]} spans @param {(result: { code: number, error?: Error }) => void} done */
    export(spans, done) {
      const wanted = spans.filter(wants);
      let left = wanted.length;
      let failure;
      if (left === 0) done({ code: 0 });
      for (const span of wanted) {
        queue.push({
          span,
          done(error) {
            failure ??= error;
            left -= 1;
            if (left === 0) done(failure ? { code: 1, error: failure } : { code: 0 });
          },
        });
      }
      pump();
    },
    shutdown: () => Promise.resolve(),
  };
}
