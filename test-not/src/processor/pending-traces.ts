/** Ended spans on their way to conversion, by trace: a trace leaves when its first span has waited long enough, but for calls that wait for a second report. */
import { type CallReport, likeness } from '../lineage/call-report.ts';
import type { ReadSpan } from '../lineage/plan.ts';
import type { SdkSpan } from '../span/from-sdk.ts';

export interface EndedSpan {
  readonly span: SdkSpan;
  readonly traceId: string;
  readonly spanId: string;
  /** Milliseconds, of the processor's clock. */
  readonly endedAt: number;
  /** What its dialect reads, once someone has looked. */
  read?: ReadSpan | undefined;
  /** What it says of a model call, once someone has looked; `null` if it is none. */
  report?: CallReport | null;
}

export interface PendingTraces {
  add(ended: EndedSpan): void;
  /** Makes traces ready whose first span has waited for `delayMillis`, but for those of their spans that should wait on. */
  release(
    now: number,
    delayMillis: number,
    waiting: (ended: readonly EndedSpan[]) => ReadonlySet<EndedSpan>,
  ): void;
  /** Makes everything ready, whatever it waits for. */
  releaseAll(): void;
  /** The spans of the next trace that is ready, all at once. */
  take(): readonly EndedSpan[] | undefined;
  has(traceId: string): boolean;
  /** Spans of both kinds, that wait and that are ready. */
  readonly size: number;
  readonly hasReady: boolean;
}

export function createPendingTraces(): PendingTraces {
  const waits = new Map<string, EndedSpan[]>();
  const ready = new Map<string, EndedSpan[]>();
  let size = 0;

  function makeReady(traceId: string, list: EndedSpan[]): void {
    const before = ready.get(traceId);
    if (before) for (const ended of list) before.push(ended);
    else ready.set(traceId, list);
  }

  return {
    add(ended) {
      const list = waits.get(ended.traceId);
      if (list) list.push(ended);
      else waits.set(ended.traceId, [ended]);
      size++;
    },
    release(now, delayMillis, waiting) {
      for (const [traceId, list] of waits) {
        const [first] = list;
        if (!first || now - first.endedAt < delayMillis) continue;
        const kept = waiting(list);
        if (kept.size === list.length) continue;
        makeReady(traceId, kept.size === 0 ? list : list.filter((ended) => !kept.has(ended)));
        // Not taken out first: then it would be met again at the end of the map.
        if (kept.size === 0) waits.delete(traceId);
        else waits.set(traceId, [...kept]);
      }
    },
    releaseAll() {
      for (const [traceId, list] of waits) makeReady(traceId, list);
      waits.clear();
    },
    take() {
      for (const [traceId, list] of ready) {
        ready.delete(traceId);
        size -= list.length;
        return list;
      }
      return undefined;
    },
    has: (traceId) => waits.has(traceId) || ready.has(traceId),
    get size() {
      return size;
    },
    get hasReady() {
      return ready.size > 0;
    },
  };
}

const NONE: ReadonlySet<EndedSpan> = new Set();

/**
 * Calls that wait for a second report, each for `waitMillis` after its end, and whatever ended after them and is none: the tools they
 * asked for need to know them. A call whose second report may be one that leaves, leaves with it.
 *
 * @param ended in the order in which they ended
 * @param reportOf what a span says of a model call, if it is one
 */
export function waitingForReports(
  ended: readonly EndedSpan[],
  now: number,
  waitMillis: number,
  reportOf: (ended: EndedSpan) => CallReport | undefined,
): ReadonlySet<EndedSpan> {
  const calls = ended.filter((one) => reportOf(one) !== undefined);
  const leaving = calls.filter((call) => now - call.endedAt >= waitMillis);
  const held = calls.filter(
    (call) =>
      now - call.endedAt < waitMillis &&
      !leaving.some((other) => mayReportTheSame(reportOf(call), reportOf(other))),
  );
  const [first] = held;
  if (!first) return NONE;
  const kept = new Set(held);
  return new Set(
    ended.filter((one) => kept.has(one) || (one.endedAt >= first.endedAt && reportOf(one) === undefined)),
  );
}

/** Taken for one inside the other, which is the more lenient comparison. */
function mayReportTheSame(one: CallReport | undefined, other: CallReport | undefined): boolean {
  return one !== undefined && other !== undefined && likeness(one, other, { nested: true }) !== undefined;
}
