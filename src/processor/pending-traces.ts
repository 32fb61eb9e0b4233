/** Ended spans on their way to conversion, by trace: a trace leaves when it has been quiet or has waited long enough. */
import type { SdkSpan } from '../span/from-sdk.ts';

export interface EndedSpan {
  readonly span: SdkSpan;
  readonly traceId: string;
  readonly spanId: string;
  /** Milliseconds, of the processor's clock. */
  readonly endedAt: number;
}

export interface PendingTraces {
  add(ended: EndedSpan): void;
  /** Traces whose first span has waited for `delayMillis`, unless `holds` says that one of them should wait on. */
  takeDue(
    now: number,
    delayMillis: number,
    holds: (ended: readonly EndedSpan[]) => boolean,
  ): readonly EndedSpan[];
  takeAll(): readonly EndedSpan[];
  readonly size: number;
}

export function createPendingTraces(): PendingTraces {
  const traces = new Map<string, EndedSpan[]>();
  let size = 0;

  function take(traceId: string, list: readonly EndedSpan[]): readonly EndedSpan[] {
    traces.delete(traceId);
    size -= list.length;
    return list;
  }

  return {
    add(ended) {
      const list = traces.get(ended.traceId);
      if (list) list.push(ended);
      else traces.set(ended.traceId, [ended]);
      size++;
    },
    takeDue(now, delayMillis, holds) {
      const due: EndedSpan[] = [];
      for (const [traceId, list] of traces) {
        const [first] = list;
        if (first && now - first.endedAt >= delayMillis && !holds(list)) due.push(...take(traceId, list));
      }
      return due;
    },
    takeAll() {
      const all = [...traces].flatMap(([traceId, list]) => take(traceId, list));
      return all;
    },
    get size() {
      return size;
    },
  };
}
