/**
 * Whether a `BatchSpanProcessor` can keep up. It exports one batch at a time, and drops spans without a word to anyone but its own log
 * when its queue is full. The arithmetic is in docs/cli.md.
 */
export interface BatchLimits {
  readonly maxQueueSize: number;
  readonly maxExportBatchSize: number;
  readonly scheduledDelayMillis: number;
  readonly exportTimeoutMillis: number;
}

export const SDK_LIMITS: BatchLimits = {
  maxQueueSize: 2_048,
  maxExportBatchSize: 512,
  scheduledDelayMillis: 5_000,
  exportTimeoutMillis: 30_000,
};

/** A busy service: some ten agent turns a second. */
const SPANS_PER_SECOND = 100;
/** Of the exporter: requests at once, and how long one takes, at best some, at worst its time limit. */
const CONCURRENCY = 64;
const REQUEST_SECONDS = 0.1;
const ATTEMPT_SECONDS = 10;
const MAX_DELAY_MILLIS = 30_000;

/** What is wrong with them, in words; empty if nothing is. */
export function judgeBatches(limits: BatchLimits): readonly string[] {
  const {
    maxQueueSize: queue,
    maxExportBatchSize: batch,
    scheduledDelayMillis,
    exportTimeoutMillis,
  } = limits;
  const size = Math.min(batch, queue);
  const perSecond = size / (Math.ceil(size / CONCURRENCY) * REQUEST_SECONDS);
  const needed = SPANS_PER_SECOND * ATTEMPT_SECONDS;
  return [
    batch > queue && `a batch of ${batch} spans is more than the queue of ${queue} holds`,
    perSecond < SPANS_PER_SECOND &&
      `batches of ${size} let about ${Math.floor(perSecond)} spans a second through, and a busy service has ${SPANS_PER_SECOND}`,
    queue < needed &&
      `a queue of ${queue} overflows while one slow request takes ${ATTEMPT_SECONDS} s (${SPANS_PER_SECOND} a second × ${ATTEMPT_SECONDS} s = ${needed}): spans are dropped`,
    exportTimeoutMillis < ATTEMPT_SECONDS * 1_000 &&
      `an export is given up after ${exportTimeoutMillis} ms, and one request may take ${ATTEMPT_SECONDS * 1_000}`,
    scheduledDelayMillis > MAX_DELAY_MILLIS &&
      `spans wait up to ${scheduledDelayMillis} ms: a process that is killed loses them`,
  ].filter((one) => one !== false);
}
