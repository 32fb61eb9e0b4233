/** Ended spans on their way to conversion, by trace: a trace leaves when its first span has waited long enough, but for calls that wait for a second report. */
import { type CallReport, likeness } from '../lineage/call-report.ts';
import type { SdkSpan } from '../span/from-sdk.ts';

export interface EndedSpan {
  readonly span: SdkSpan;
  readonly traceId: string;
  readonly spanId: string;
  /** Milliseconds, of the processor's clock. */
  readonly endedAt: number;
  /** What it says of a model call, if it is one. */
  readonly report: () => CallReport | undefined;
}

export interface PendingTraces {
  add(ended: EndedSpan): void;
  /** The spans of traces whose first one has waited for `delayMillis`, but for those that should wait on. */
  takeDue(
    now: number,
    delayMillis: number,
    waiting: (ended: readonly EndedSpan[]) => ReadonlySet<EndedSpan>,
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
    takeDue(now, delayMillis, waiting) {
      const due: EndedSpan[] = [];
      for (const [traceId, list] of [...traces]) {
        const [first] = list;
        if (!first || now - first.endedAt < delayMillis) continue;
        const kept = waiting(list);
        const taken = take(traceId, list);
        due.push(...(kept.size === 0 ? taken : taken.filter((ended) => !kept.has(ended))));
        if (kept.size === 0) continue;
        traces.set(traceId, [...kept]);
        size += kept.size;
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

const NONE: ReadonlySet<EndedSpan> = new Set();

/**
 * Calls that wait for a second report, each for `waitMillis` after its end, and whatever ended after them and is none: the tools they
 * asked for need to know them. A call whose second report may be one that leaves, leaves with it.
 *
 * @param ended in the order in which they ended
 */
export function waitingForReports(
  ended: readonly EndedSpan[],
  now: number,
  waitMillis: number,
): ReadonlySet<EndedSpan> {
  const calls = ended.filter((one) => one.report() !== undefined);
  const leaving = calls.filter((call) => now - call.endedAt >= waitMillis);
  const held = calls.filter(
    (call) => now - call.endedAt < waitMillis && !leaving.some((other) => mayReportTheSame(call, other)),
  );
  const [first] = held;
  if (!first) return NONE;
  const kept = new Set(held);
  return new Set(
    ended.filter((one) => kept.has(one) || (one.endedAt >= first.endedAt && one.report() === undefined)),
  );
}

/** Taken for one inside the other, which is the more lenient comparison. */
function mayReportTheSame(a: EndedSpan, b: EndedSpan): boolean {
  const [one, other] = [a.report(), b.report()];
  return one !== undefined && other !== undefined && likeness(one, other, { nested: true }) !== undefined;
}
