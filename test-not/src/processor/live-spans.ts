/** Spans that run right now: what makes the processor sure of its ancestors. Bounded by count; the oldest are forgotten first. */

import type { Surroundings } from '../completion/completion.ts';
import type { ContextFacts } from '../context/freeplay-context.ts';
import type { SdkSpan } from '../span/from-sdk.ts';

export interface LiveSpan {
  readonly span: SdkSpan;
  readonly traceId: string;
  readonly spanId: string;
  /** Milliseconds, of the processor's clock. */
  readonly startedAt: number;
  readonly context: ContextFacts | undefined;
  readonly baggage: Surroundings | undefined;
  /** It has ended and waits for conversion. */
  ended: boolean;
  /** It ran for too long: asked once whether it is a call. */
  overdue: boolean;
  /** Recorded as incomplete, as a call of its own or as a second report of one; its late end appends to the former. */
  reported: 'call' | 'double' | undefined;
}

export interface LiveSpans {
  add(live: LiveSpan): void;
  get(traceId: string, spanId: string): LiveSpan | undefined;
  remove(traceId: string, spanId: string): LiveSpan | undefined;
  ofTrace(traceId: string): Iterable<LiveSpan>;
  hasTrace(traceId: string): boolean;
  countOf(traceId: string): number;
  all(): Iterable<LiveSpan>;
  readonly size: number;
  /** Spans forgotten for want of room: their children fall back to what is known without them. */
  readonly forgotten: number;
}

export function createLiveSpans(maxSpans: number = 100_000): LiveSpans {
  const traces = new Map<string, Map<string, LiveSpan>>();
  let size = 0;
  let forgotten = 0;

  function remove(traceId: string, spanId: string): LiveSpan | undefined {
    const trace = traces.get(traceId);
    const live = trace?.get(spanId);
    if (!trace || !live) return undefined;
    trace.delete(spanId);
    size--;
    if (trace.size === 0) traces.delete(traceId);
    return live;
  }

  function forgetOldest(): void {
    const [trace] = traces.values();
    const [live] = trace?.values() ?? [];
    if (!live) return;
    remove(live.traceId, live.spanId);
    forgotten++;
  }

  return {
    add(live) {
      let trace = traces.get(live.traceId);
      if (!trace) {
        trace = new Map();
        traces.set(live.traceId, trace);
      }
      if (!trace.has(live.spanId)) size++;
      trace.set(live.spanId, live);
      if (size > maxSpans) forgetOldest();
    },
    get: (traceId, spanId) => traces.get(traceId)?.get(spanId),
    remove,
    ofTrace: (traceId) => traces.get(traceId)?.values() ?? [],
    hasTrace: (traceId) => traces.has(traceId),
    countOf: (traceId) => traces.get(traceId)?.size ?? 0,
    *all() {
      for (const trace of traces.values()) yield* trace.values();
    },
    get size() {
      return size;
    },
    get forgotten() {
      return forgotten;
    },
  };
}
