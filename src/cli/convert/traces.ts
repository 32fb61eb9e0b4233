/** Spans of a file, put together to traces: a trace is resolved as a whole, so it is held until nothing more of it can come. */
import type { SpanWithLogs } from '../../explain/convert-data.ts';
import { joinLogs } from '../../explain/convert-data.ts';
import type { LogData, SpanData } from '../../span/span-data.ts';

export interface HeldTrace {
  readonly traceId: string;
  readonly spans: SpanData[];
  readonly logs: LogData[];
  /** Text that it came from, about. */
  length: number;
  /** Its place among all traces of the file. */
  readonly began: number;
  /** Not all of it: the rest came, or comes, on its own. */
  isPiece: boolean;
}

export interface TraceHolder {
  /** @param length of the text they came from */
  add(spans: readonly SpanData[], logs: readonly LogData[], length: number): void;
  /** Traces that have to go to make room, those unheard of for longest first. */
  overflow(): Generator<HeldTrace>;
  /** All that is left, in the order in which they began. */
  rest(): Generator<HeldTrace>;
}

export interface HolderLimits {
  readonly maxSpans: number;
  /** In UTF-16 code units of the text they came from. */
  readonly maxLength: number;
}

export const HOLDER_LIMITS: HolderLimits = { maxSpans: 200_000, maxLength: 256 * 1024 * 1024 };

export function createTraceHolder(limits: HolderLimits = HOLDER_LIMITS): TraceHolder {
  /** In the order in which they were last heard of. */
  const traces = new Map<string, HeldTrace>();
  let begun = 0;
  /** Ids alone: of what was let go of early. */
  const broken = new Set<string>();
  let count = 0;
  let total = 0;

  function traceOf(traceId: string): HeldTrace {
    let trace = traces.get(traceId);
    if (trace === undefined) {
      trace = { traceId, spans: [], logs: [], length: 0, began: begun++, isPiece: broken.has(traceId) };
    } else traces.delete(traceId);
    traces.set(traceId, trace);
    return trace;
  }

  function release(trace: HeldTrace): HeldTrace {
    traces.delete(trace.traceId);
    count -= trace.spans.length + trace.logs.length;
    total -= trace.length;
    return trace;
  }

  return {
    add(spans, logs, length) {
      const each = length / Math.max(1, spans.length + logs.length);
      for (const span of spans) {
        const trace = traceOf(span.traceId);
        trace.spans.push(span);
        trace.length += each;
      }
      for (const log of logs) {
        const trace = traceOf(log.traceId);
        trace.logs.push(log);
        trace.length += each;
      }
      count += spans.length + logs.length;
      total += length;
    },
    *overflow() {
      while (count > limits.maxSpans || total > limits.maxLength) {
        const [oldest] = traces.values();
        if (oldest === undefined) return;
        broken.add(oldest.traceId);
        oldest.isPiece = true;
        yield release(oldest);
      }
    },
    *rest() {
      for (const trace of [...traces.values()].sort((a, b) => a.began - b.began)) yield release(trace);
    },
  };
}

export function itemsOf({ spans, logs }: HeldTrace): readonly SpanWithLogs[] {
  return joinLogs(spans, logs);
}
