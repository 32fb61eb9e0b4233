/**
 * Who is whose nearest recorded ancestor, which session and facts a span inherits, which completion asked for a tool, which spans
 * report the same call, and what a group's input and output are (design.md section 4). Pure: no I/O and no clock; bounded in count and
 * age; told of ended spans in batches, whole traces or pieces of them.
 */
import type { Operation } from '../completion/completion.ts';
import { rememberCalls, rememberFragment } from './asked-calls.ts';
import type { CallReport } from './call-report.ts';
import { fillHistories, fillReplies } from './history.ts';
import { describeDownwards, idForChildren } from './parents.ts';
import type { ReadSpan, RecordPlan, RecordRole } from './plan.ts';
import { planNode, planWaitingRoot, settleTrace } from './plans.ts';
import { carryUp } from './roles.ts';
import { meetRunning } from './running.ts';
import { findEnclosing, settleDoubles } from './second-reports.ts';
import { settleFallbacks } from './summaries.ts';
import { link, nameSession, newTrace, orderTopDown, type Trace, type TraceNode } from './trace.ts';
import { createTwins, type FindTwin, type Twin } from './twins.ts';

export interface LineageOptions {
  /**
   * Which records are made. A span whose record is not wanted is skipped over like any other, so that no record names a parent that is
   * none; where plain traces are not wanted, an unseen parent is not named either. Default: all.
   */
  readonly wants?: (role: RecordRole, operation: Operation | undefined) => boolean;
  /** A span that still runs, with what it says so far: the processor knows them, so that no ancestor has to be guessed. */
  readonly live?: (traceId: string, spanId: string) => ReadSpan | undefined;
  /** Whether spans of a trace still run or wait: only then can there be a second report of a call. Default: always. */
  readonly isOpen?: (traceId: string) => boolean;
  /** Traces remembered at once; the one unheard of for longest is settled first. Default 2,000. */
  readonly maxTraces?: number;
  /** Knows the calls of other lineages, too. Default: those of this one. */
  readonly findTwin?: FindTwin;
  /** Spans remembered in one trace. Default 20,000. */
  readonly maxSpansPerTrace?: number;
}

export interface Lineage {
  /**
   * Records for a batch of ended spans.
   *
   * @param whole the batch is all there is of its traces: an unseen parent will not come
   * @param now milliseconds, for ageing; any monotonic origin
   */
  resolve(batch: readonly ReadSpan[], whole: boolean, now?: number): readonly RecordPlan[];
  /** Whether anything of the trace is remembered. */
  knows(traceId: string): boolean;
  /** Placeholders for parents that were named and have not come; traces unheard of since `before` only, if given. */
  settle(before?: number): readonly RecordPlan[];
  /** How often state was given up to make room, and how often two span ids of a trace met after stamping. */
  stats(): {
    readonly evictedTraces: number;
    /** Of these, the ones of which more was to come: a span that ran, or a parent that was named. */
    readonly unfinishedTraces: number;
    readonly collisions: number;
    readonly steps: number;
    readonly traces: number;
  };
}

/** Recent calls of a trace that a late second report is compared with. */
const MAX_REPORTS = 64;
/** Of all traces, the calls whose messages may be held for that. */
const MAX_WHOLE_REPORTS = 32;

export function createLineage(options: LineageOptions = {}): Lineage {
  const wants = options.wants ?? (() => true);
  const live = options.live ?? (() => undefined);
  const maxTraces = options.maxTraces ?? 2_000;
  const maxSpans = options.maxSpansPerTrace ?? 20_000;
  const traces = new Map<string, Trace>();
  const isOpen = options.isOpen ?? (() => true);
  const counts = { evictedTraces: 0, unfinishedTraces: 0, collisions: 0, steps: 0 };
  const wholeReports: CallReport[] = [];
  const findTwin = options.findTwin ?? createTwins();

  /** The report of a call that is recorded: what came last is likeliest to be compared, and is kept as it is. */
  function hold(report: CallReport): void {
    wholeReports.push(report);
    if (wholeReports.length > MAX_WHOLE_REPORTS) wholeReports.shift()?.letGo?.();
  }

  function traceOf(traceId: string, spans: readonly ReadSpan[], now: number, settled: RecordPlan[]): Trace {
    let trace = traces.get(traceId);
    if (trace) traces.delete(traceId);
    if (!trace || isReplayed(trace, spans)) trace = newTrace(traceId, { wants, live, limit: maxSpans });
    trace.touched = now;
    traces.set(traceId, trace); // insertion order is the order of last use
    while (traces.size > maxTraces) {
      const [oldest] = traces.values();
      if (!oldest) break;
      counts.evictedTraces++;
      if (oldest.needed.size > 0 || options.isOpen?.(oldest.traceId)) counts.unfinishedTraces++;
      settled.push(...settleTrace(oldest, false));
      traces.delete(oldest.traceId);
    }
    return trace;
  }

  function resolve(batch: readonly ReadSpan[], whole: boolean, now: number = 0): readonly RecordPlan[] {
    const plans: RecordPlan[] = [];
    for (const [traceId, spans] of groupByTrace(batch)) {
      const trace = traceOf(traceId, spans, now, plans);
      if (trace.seen.size + spans.length > maxSpans && trace.seen.size > 0) {
        // Forget the older half of the trace: what it named is settled when the trace is.
        for (const spanId of [...trace.seen.keys()].slice(0, trace.seen.size >> 1)) trace.seen.delete(spanId);
        counts.evictedTraces++;
        counts.unfinishedTraces++;
      }
      for (const plan of resolveTrace(trace, spans, whole, counts))
        plans.push(withTwin(plan, findTwin(plan)));
      if (isOpen(traceId)) keepOpen(trace, hold);
      else keepClosed(trace);
    }
    return plans;
  }

  function settle(limit?: number): readonly RecordPlan[] {
    const plans: RecordPlan[] = [];
    for (const trace of [...traces.values()]) {
      if (limit !== undefined && trace.touched >= limit) break;
      plans.push(...settleTrace(trace, limit === undefined));
      traces.delete(trace.traceId);
    }
    return plans;
  }

  return {
    resolve,
    settle,
    knows: (traceId) => traces.has(traceId),
    stats: () => ({ ...counts, traces: traces.size }),
  };
}

function withTwin(plan: RecordPlan, twin: Twin | undefined): RecordPlan {
  if (!twin) return plan;
  const rule = `reported by ${twin.scope} as well, in trace ${twin.traceId}: a completion of its own`;
  return { ...plan, twin, rules: [...plan.rules, rule] };
}

function groupByTrace(batch: readonly ReadSpan[]): Map<string, ReadSpan[]> {
  const groups = new Map<string, ReadSpan[]>();
  for (const item of batch) {
    const list = groups.get(item.span.traceId);
    if (list) list.push(item);
    else groups.set(item.span.traceId, [item]);
  }
  return groups;
}

function resolveTrace(
  trace: Trace,
  spans: readonly ReadSpan[],
  whole: boolean,
  counts: { collisions: number; steps: number },
): readonly RecordPlan[] {
  const nodes = link(trace, spans);
  const topDown = orderTopDown(nodes);
  counts.steps += nodes.length;
  nameSession(trace, nodes);
  const running = meetRunning(trace, nodes);
  settleFallbacks(trace, topDown);
  for (const node of topDown) findEnclosing(node);
  for (const node of nodes) if (node.reading?.operation === 'inference') node.role = 'completion';
  settleDoubles(trace, nodes);
  fillReplies(nodes);
  fillHistories(nodes);
  const bottomUp = [...topDown].reverse();
  // The root last: it is the group if anything at all was recorded, also below a parent that is missing.
  for (const node of bottomUp) if (!node.isRoot) carryUp(trace, node, running);
  for (const node of bottomUp) if (node.isRoot) carryUp(trace, node, running);
  for (const node of topDown) describeDownwards(trace, node, whole, running);
  for (const node of topDown) {
    if (node.role === 'completion') rememberCalls(trace, node);
    else if (!whole && node.reading?.operation === 'other') rememberFragment(trace, node, running);
  }
  const plans: RecordPlan[] = [];
  for (const node of nodes) node.idForChildren = idForChildren(trace, node);
  for (const node of nodes) planNode(trace, node, whole, running, plans);
  remember(trace, nodes);
  plans.push(...planWaitingRoot(trace));
  counts.collisions += countCollisions(nodes);
  return plans;
}

/** Spans that were resolved before, of a trace that was over: whoever hands them in again means it. Their ids are the same. */
function isReplayed(trace: Trace, spans: readonly ReadSpan[]): boolean {
  return trace.isOver && spans.every(({ span }) => trace.seen.has(span.spanId));
}

/** What later batches need to know; a span that was skipped hands what is below it on to its own parent. */
function remember(trace: Trace, nodes: readonly TraceNode[]): void {
  for (const node of nodes) {
    trace.seen.set(node.key, {
      parentSpanId: node.span.parentSpanId,
      parentIsRemote: node.span.parentIsRemote,
      recordId: node.idForChildren,
      surroundings: node.surroundings,
      lent: node.lent,
    });
    if (trace.below.size > 0) trace.below.delete(node.key);
    if (node.role === 'completion' && node.report && node.merged.length === 0)
      trace.reports.push(node.report);
  }
  if (trace.reports.length > MAX_REPORTS) trace.reports.splice(0, trace.reports.length - MAX_REPORTS);
}

/** More will come: what the calls said stays, the messages they said it in do not. */
function keepOpen(trace: Trace, hold: (report: CallReport) => void): void {
  for (const { first, last, call } of trace.latest) {
    first?.letGo();
    last?.letGo();
    if (call) hold(call);
  }
  dropTold(trace);
  trace.isOver = false;
  trace.latest.length = 0;
}

/** Nothing runs any more: all that is left to know is where a span that comes after all would hang. */
function keepClosed(trace: Trace): void {
  if (!dropTold(trace) || trace.below.size > 0) {
    for (const { first, last, call } of trace.latest) {
      first?.letGo();
      last?.letGo();
      call?.letGo?.();
    }
  }
  trace.isOver = true;
  trace.latest.length = 0;
  trace.reports.length = 0;
}

/** The group's record is made, or none will be: what was said first and last is wanted no more. */
function dropTold(trace: Trace): boolean {
  const isTold = trace.groupRecorded || !trace.rollsUp;
  const { completions, direct, records } = trace.total;
  if (isTold) trace.total = { completions, direct, records };
  return isTold;
}

function countCollisions(nodes: readonly TraceNode[]): number {
  const ids = new Set<string>();
  let met = 0;
  for (const { recordId } of nodes) {
    if (recordId === undefined) continue;
    if (ids.has(recordId)) met++;
    ids.add(recordId);
  }
  return met;
}
