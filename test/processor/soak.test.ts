/**
 * The processor of an app that runs for long, in which one span in a thousand never ends: memory stays flat and every record is
 * accounted for. `VITEST_LONG=1` makes it a million spans.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FreeplaySpanProcessor } from '../../src/index.ts';
import { spanIdOf } from '../property/support.ts';
import { type PlannedSpan, PlayedSpan } from './random-traces.ts';
import { dispatcherFor } from './support.ts';

const SPANS = process.env.VITEST_LONG ? 1_000_000 : 50_000;
const SPANS_PER_TRACE = 10;
const NEVER_ENDS = 1_000;
/** By then every bound of state has been reached: 2,000 traces are remembered. */
const WARM_UP = 25_000;
/** Spans that never end cost something until they are forgotten: generous, and far below what a leak of spans would cost. */
const GROWTH_BYTES = 24 * 1024 * 1024;
const LIMIT_MILLIS = process.env.VITEST_LONG ? 900_000 : 60_000;

afterEach(() => vi.useRealTimers());

const CHAT = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4o',
};
const TEXT = 'It is sunny, and will be for days. '.repeat(8);

function reply(n: number): Record<string, unknown> {
  return {
    ...CHAT,
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.input.messages': JSON.stringify([
      { role: 'user', parts: [{ type: 'text', content: `${n}? ${TEXT}` }] },
    ]),
    'gen_ai.output.messages': JSON.stringify([
      { role: 'assistant', parts: [{ type: 'text', content: `${n}. ${TEXT}` }], finish_reason: 'stop' },
    ]),
  };
}

/** Of a trace: an HTTP root, an agent, calls below it with an HTTP request each. */
function planned(n: number): PlannedSpan {
  const place = n % SPANS_PER_TRACE;
  const common = { id: n, call: undefined, remote: false, late: false, ends: true } as const;
  if (place === 0)
    return { ...common, work: 'http', scope: 'http', name: 'POST', parent: undefined, attributes: {} };
  if (place === 1)
    return {
      ...common,
      work: 'agent',
      scope: 'app',
      name: 'agent',
      parent: n - 1,
      attributes: { 'gen_ai.operation.name': 'invoke_agent' },
    };
  if (place % 2 === 0)
    return {
      ...common,
      work: 'call',
      call: n,
      scope: 'app',
      name: 'chat',
      parent: n - place + 1,
      attributes: reply(n),
    };
  return {
    ...common,
    work: 'http',
    scope: 'http',
    name: 'POST',
    parent: n - 1,
    attributes: { 'http.request.method': 'POST' },
  };
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

describe('a processor that runs for long', () => {
  it(
    `stays flat over ${SPANS} spans, and its ledger balances`,
    async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
      const processor = new FreeplaySpanProcessor({
        apiKey: 'k',
        projectId: '0b8a6c1e-6f6f-4b52-9a55-3d1c7f1f9a10',
        baseUrl: 'http://127.0.0.1:9/api',
        // An API that remembers nothing.
        dispatcher: dispatcherFor(() => {}),
        unendedAfterMillis: 10_000,
        flushOnExit: false,
      });
      let unended = 0;
      let unendedCalls = 0;
      let calls = 0;
      let warm = 0;
      const heaps: number[] = [];
      for (let first = 0; first < SPANS; first += SPANS_PER_TRACE) {
        const traceId = `${'a'.repeat(16)}${spanIdOf(first)}`;
        const spans = Array.from(
          { length: SPANS_PER_TRACE },
          (_, i) => new PlayedSpan(planned(first + i), performance.now(), traceId),
        );
        for (const span of spans) processor.onStart(span);
        for (const span of spans.reverse()) {
          const { id, call } = span.planned;
          if (call !== undefined) calls++;
          // Each kind of span in its turn.
          if (id % NEVER_ENDS === Math.floor(id / NEVER_ENDS) % SPANS_PER_TRACE) {
            unended++;
            if (call !== undefined) unendedCalls++;
            continue;
          }
          span.finish(performance.now());
          processor.onEnding(span);
          span.end();
          processor.onEnd(span);
        }
        if (first % 1_000 === 0) {
          while (processor.ledger().records.pending > 0) await new Promise(setImmediate);
          vi.advanceTimersByTime(1_300);
          const { created, delivered, rejected, dropped, pending } = processor.ledger().records;
          const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
          expect(created).toBe(delivered + rejected + lost + pending);
        }
        if (first >= WARM_UP && (warm === 0 || first % Math.floor(SPANS / 10) === 0)) {
          const heap = heapUsed();
          if (warm === 0) warm = heap;
          else heaps.push(heap);
        }
      }
      await processor.forceFlush();
      while (processor.ledger().records.pending > 0) await new Promise(setImmediate);
      heaps.push(heapUsed());
      const stopped = processor.shutdown();
      while (processor.ledger().records.pending > 0) await new Promise(setImmediate);
      await Promise.all([stopped, vi.advanceTimersByTimeAsync(10_000)]);
      const { spans, records } = processor.ledger();
      expect(unended).toBe(SPANS / NEVER_ENDS);
      expect(unendedCalls).toBeGreaterThan(0);
      expect(spans.seen).toBe(SPANS - unended);
      expect(records).toMatchObject({ rejected: 0, dropped: {}, pending: 0 });
      expect(records.delivered).toBe(records.created);
      // Each call, each agent and each root, whether it ended or its place is held; nothing else.
      expect(records.created).toBeGreaterThanOrEqual(calls);
      expect(records.created).toBeLessThanOrEqual(calls + (2 * SPANS) / SPANS_PER_TRACE);
      expect(Math.max(...heaps) - warm).toBeLessThan(GROWTH_BYTES);
    },
    LIMIT_MILLIS,
  );
});
