/**
 * Who is whose nearest recorded ancestor, which session and facts a span inherits, which completion asked for a tool, which spans
 * report the same call, and what a group's input and output are (design.md section 4). Pure: no I/O and no clock; bounded in count and
 * age; told of ended spans in batches, whole traces or pieces of them.
 */
import type { Operation, Reading, Surroundings } from '../completion/completion.ts';
import { readSurroundings } from '../readers/surroundings.ts';
import { isUuidV4, spanRecordId, traceIdOf } from '../record/ids.ts';
import { before, type HrTime, type SpanData } from '../span/span-data.ts';
import { areDoubles, type CallReport, mostAlike, reportOf } from './call-report.ts';
import { groupDoubles } from './doubles.ts';
import { fillHistories, fillReplies } from './history.ts';
import { borrow, inheritSurroundings, type Lent, lend } from './inherit.ts';
import { mergeReadings, weigh } from './merge.ts';
import type { ReadSpan, RecordPlan, RecordRole } from './plan.ts';
import { addRollups, NOTHING_BELOW, type Rollup, rollupOfCompletion } from './rollup.ts';

export interface LineageOptions {
  /**
   * Which records are made. A span whose record is not wanted is skipped over like any other, so that no record names a parent that is
   * none; where plain traces are not wanted, an unseen parent is not named either. Default: all.
   */
  readonly wants?: (role: RecordRole, operation: Operation | undefined) => boolean;
  /** A span that still runs, with what it says so far: the processor knows them, so that no ancestor has to be guessed. */
  readonly live?: (traceId: string, spanId: string) => ReadSpan | undefined;
  /** Traces remembered at once; the one unheard of for longest is settled first. Default 2,000. */
  readonly maxTraces?: number;
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
  /** Placeholders for parents that were named and have not come; traces unheard of since `before` only, if given. */
  settle(before?: number): readonly RecordPlan[];
  /** How often state had to be given up early, and how often two span ids of a trace met after stamping. */
  stats(): {
    readonly evictedTraces: number;
    readonly collisions: number;
    readonly steps: number;
    readonly traces: number;
  };
}

/** What is remembered of a span after its batch. */
interface Seen {
  readonly parentSpanId: string | undefined;
  readonly parentIsRemote: boolean;
  /** What those below name as their parent. */
  readonly recordId: string | undefined;
  readonly surroundings: Surroundings | undefined;
  readonly lent: Lent | undefined;
}

interface AskedCall {
  readonly completionId: string;
  readonly start: HrTime;
  readonly parentId: string;
}

type Wants = NonNullable<LineageOptions['wants']>;
type Live = NonNullable<LineageOptions['live']>;

interface Trace {
  readonly traceId: string;
  readonly wants: Wants;
  readonly live: Live;
  /** Entries that any one map of this trace may hold. */
  readonly limit: number;
  readonly groupId: string;
  touched: number;
  readonly seen: Map<string, Seen>;
  /** Span ids that records name as parents and that have not come. */
  readonly needed: Set<string>;
  /** Aggregates of what lies below a span id, its own span seen or not. */
  readonly below: Map<string, Rollup>;
  /** Tool calls by call id, and by parent, name and arguments. */
  readonly asked: Map<string, AskedCall[]>;
  /** Recorded calls that a second report may still turn up for. */
  reports: CallReport[];
  /** Everything recorded so far: what the group rolls up. */
  total: Rollup;
  session: { value: string; at: HrTime } | undefined;
  /** The root, seen before anything was recorded under it. */
  waitingRoot:
    | {
        span: SpanData;
        reading: Reading | undefined;
        dialect: string;
        surroundings: Surroundings | undefined;
      }
    | undefined;
  groupRecorded: boolean;
}

/** Recent calls of a trace that a late second report is compared with. */
const MAX_REPORTS = 64;

/** One span of the batch on its way through the phases. */
interface Node extends ReadSpan {
  readonly key: string;
  reading: Reading | undefined;
  parent: Node | undefined;
  readonly children: Node[];
  role: RecordRole | undefined;
  surroundings: Surroundings | undefined;
  lent: Lent | undefined;
  /** Nearest inference span above, in the batch. */
  enclosing: Node | undefined;
  report: CallReport | undefined;
  below: Rollup;
  recordId: string | undefined;
  parentId: string | undefined;
  merged: string[];
  rules: string[];
}

export function createLineage(options: LineageOptions = {}): Lineage {
  const wants = options.wants ?? (() => true);
  const live = options.live ?? (() => undefined);
  const maxTraces = options.maxTraces ?? 2_000;
  const maxSpans = options.maxSpansPerTrace ?? 20_000;
  const traces = new Map<string, Trace>();
  const counts = { evictedTraces: 0, collisions: 0, steps: 0 };

  function traceOf(traceId: string, now: number, settled: RecordPlan[]): Trace {
    let trace = traces.get(traceId);
    if (trace) traces.delete(traceId);
    else trace = newTrace(traceId, { wants, live, limit: maxSpans });
    trace.touched = now;
    traces.set(traceId, trace); // insertion order is the order of last use
    while (traces.size > maxTraces) {
      const [oldest] = traces.values();
      if (!oldest) break;
      settled.push(...settleTrace(oldest));
      traces.delete(oldest.traceId);
      counts.evictedTraces++;
    }
    return trace;
  }

  function resolve(batch: readonly ReadSpan[], whole: boolean, now: number = 0): readonly RecordPlan[] {
    const plans: RecordPlan[] = [];
    for (const [traceId, spans] of groupByTrace(batch)) {
      const trace = traceOf(traceId, now, plans);
      if (trace.seen.size + spans.length > maxSpans && trace.seen.size > 0) {
        // Forget the older half of the trace: what it named is settled when the trace is.
        for (const spanId of [...trace.seen.keys()].slice(0, trace.seen.size >> 1)) trace.seen.delete(spanId);
        counts.evictedTraces++;
      }
      plans.push(...resolveTrace(trace, spans, whole, counts));
    }
    return plans;
  }

  function settle(limit?: number): readonly RecordPlan[] {
    const plans: RecordPlan[] = [];
    for (const trace of [...traces.values()]) {
      if (limit !== undefined && trace.touched >= limit) break;
      plans.push(...settleTrace(trace));
      traces.delete(trace.traceId);
    }
    return plans;
  }

  return { resolve, settle, stats: () => ({ ...counts, traces: traces.size }) };
}

function newTrace(traceId: string, rules: Pick<Trace, 'wants' | 'live' | 'limit'>): Trace {
  return {
    traceId,
    ...rules,
    groupId: traceIdOf(traceId),
    touched: 0,
    seen: new Map(),
    needed: new Set(),
    below: new Map(),
    asked: new Map(),
    reports: [],
    total: NOTHING_BELOW,
    session: undefined,
    waitingRoot: undefined,
    groupRecorded: false,
  };
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
  for (const node of bottomUp) if (node.span.parentSpanId !== undefined) carryUp(trace, node);
  for (const node of bottomUp) if (node.span.parentSpanId === undefined) carryUp(trace, node);
  for (const node of topDown) describeDownwards(trace, node, whole, running);
  for (const node of topDown) {
    if (node.role === 'completion') rememberCalls(trace, node);
    else if (!whole && node.reading?.operation === 'other') rememberFragment(trace, node, running);
  }
  const plans: RecordPlan[] = [];
  const idsBelow = new Map(nodes.map((node) => [node, idForChildren(trace, node)]));
  for (const node of nodes) plans.push(...planNode(trace, node, whole, running));
  remember(trace, nodes, idsBelow);
  plans.push(...planWaitingRoot(trace));
  counts.collisions += countCollisions(nodes);
  return plans;
}

/** Nodes with their parents; a span id that was seen before is the same span again. */
function link(trace: Trace, spans: readonly ReadSpan[]): readonly Node[] {
  const byId = new Map<string, Node>();
  for (const item of spans) {
    const key = item.span.spanId;
    if (byId.has(key) || trace.seen.has(key)) continue;
    byId.set(key, {
      ...item,
      key,
      parent: undefined,
      children: [],
      role: undefined,
      surroundings: undefined,
      lent: undefined,
      enclosing: undefined,
      report: undefined,
      below: NOTHING_BELOW,
      recordId: undefined,
      parentId: undefined,
      merged: [],
      rules: [],
    });
  }
  for (const node of byId.values()) {
    node.parent = node.span.parentSpanId === undefined ? undefined : byId.get(node.span.parentSpanId);
    node.parent?.children.push(node);
  }
  return [...byId.values()];
}

/** Parents before children. Rings, which only broken telemetry has, are cut open where they are entered. */
function orderTopDown(nodes: readonly Node[]): readonly Node[] {
  const order: Node[] = nodes.filter((node) => node.parent === undefined);
  const reached = new Set<Node>(order);
  const extend = (from: number): void => {
    for (let i = from; i < order.length; i++) {
      for (const child of order[i]?.children ?? []) {
        if (reached.has(child)) continue;
        reached.add(child);
        order.push(child);
      }
    }
  };
  extend(0);
  for (const node of nodes) {
    if (reached.has(node)) continue;
    node.parent = undefined;
    reached.add(node);
    order.push(node);
    extend(order.length - 1);
  }
  return order;
}

/** The session that the trace named first; records that inherit none use it. */
function nameSession(trace: Trace, nodes: readonly Node[]): void {
  for (const node of nodes) {
    const own = node.reading?.surroundings ?? readSurroundings(node.span.attributes);
    node.surroundings = own;
    if (own?.session && (!trace.session || before(node.span.startTime, trace.session.at))) {
      trace.session = { value: own.session.value, at: node.span.startTime };
    }
  }
}

/** Running ancestors: the records they will be, as far as can be told from what they say by now. */
type Running = ReadonlyMap<string, Seen>;

/** No trace is that deep; a ring of parents ends here. */
const MAX_ABOVE = 1_000;

/** The running ancestors of a batch, outermost first, with what they hand down. They may name the trace's session, too. */
function meetRunning(trace: Trace, nodes: readonly Node[]): Running {
  const met = new Map<string, Seen>();
  for (const { parent, span } of nodes) {
    if (parent || span.parentSpanId === undefined) continue;
    const chain: ReadSpan[] = [];
    let spanId: string | undefined = span.parentSpanId;
    while (spanId !== undefined && !met.has(spanId) && !trace.seen.has(spanId) && chain.length < MAX_ABOVE) {
      const live = trace.live(trace.traceId, spanId);
      if (!live) break;
      chain.push(live);
      spanId = live.span.parentSpanId;
    }
    for (const live of chain.reverse()) met.set(live.span.spanId, runningSpan(trace, live, met));
  }
  return met;
}

function runningSpan(trace: Trace, { span, reading }: ReadSpan, met: Running): Seen {
  const above =
    span.parentSpanId === undefined
      ? undefined
      : (trace.seen.get(span.parentSpanId) ?? met.get(span.parentSpanId));
  const own = reading?.surroundings ?? readSurroundings(span.attributes);
  if (own?.session && (!trace.session || before(span.startTime, trace.session.at))) {
    trace.session = { value: own.session.value, at: span.startTime };
  }
  return {
    parentSpanId: span.parentSpanId,
    parentIsRemote: span.parentIsRemote,
    recordId: runningRecordId(trace, span, reading, above !== undefined),
    surroundings: inheritSurroundings(own, above?.surroundings),
    // What it knows of one call only, it will know when it has ended.
    lent: lend(span.spanId, reading, above?.lent, 0),
  };
}

function runningRecordId(
  trace: Trace,
  span: SpanData,
  reading: Reading | undefined,
  hasParent: boolean,
): string | undefined {
  const operation = reading?.operation;
  const isRoot = span.parentSpanId === undefined;
  if (operation === 'inference')
    return trace.wants('completion', operation) ? spanRecordId(trace.traceId, span.spanId) : undefined;
  if (isRoot) return trace.groupId;
  if (operation !== undefined && operation !== 'other')
    return trace.wants('step', operation) ? spanRecordId(trace.traceId, span.spanId) : undefined;
  // The first span of this process: recorded, since something below it is.
  const isLocalRoot = span.parentIsRemote && !hasParent && trace.wants('plain', operation);
  return isLocalRoot ? spanRecordId(trace.traceId, span.spanId) : undefined;
}

function findEnclosing(node: Node): void {
  const { parent } = node;
  // What a tool does is its own work, never a second report of the call that asked for it.
  if (!parent || parent.reading?.operation === 'tool') return;
  node.enclosing = parent.reading?.operation === 'inference' ? parent : parent.enclosing;
}

/**
 * A framework's own summary span stands for the call only if nothing below it does; an embedding around an embedding and a model span
 * around several calls of other instrumentations are wrappers.
 */
function settleFallbacks(trace: Trace, topDown: readonly Node[]): void {
  const found = new Map<Node, Below>();
  for (let i = topDown.length - 1; i >= 0; i--) {
    const node = topDown[i] as Node;
    const { reading } = node;
    const inHand = found.get(node) ?? NO_CALLS;
    const calls = inHand.calls + (trace.below.get(node.key)?.direct ?? 0);
    if (reading?.operation === 'inference') explainFailure(node, inHand.failure);
    const sole = calls === 1 ? inHand.sole : undefined;
    if (sole?.reading?.yields && reading?.yields) standInFor(sole, node);
    else if (reading?.operation === 'inference' && calls > 0 && reading.yields) {
      if (sole) addReport(sole, node);
      retype(node, reading.yields, 'a call below it is reported by a span of its own');
    }
    if (reading?.operation === 'embedding' && node.parent?.reading?.operation === 'embedding')
      retype(node.parent, 'workflow', 'the embedding is reported by a span below it');
    if (node.parent)
      found.set(node.parent, addBelow(found.get(node.parent) ?? NO_CALLS, node, inHand, calls));
  }
}

/** What a span encloses, tools and agents apart: the calls they make are not the span's own. */
interface Below {
  readonly calls: number;
  readonly sole: Node | undefined;
  readonly failure: Reading['error'];
}

const NO_CALLS: Below = { calls: 0, sole: undefined, failure: undefined };

function addBelow(beside: Below, node: Node, inHand: Below, calls: number): Below {
  const operation = node.reading?.operation;
  if (operation === 'tool' || operation === 'agent') return beside;
  const isCall = operation === 'inference';
  return {
    calls: beside.calls + (isCall ? Math.max(1, calls) : calls),
    sole: beside.sole ?? (isCall ? node : inHand.sole),
    failure:
      beside.failure ??
      (isCall ? undefined : operation === 'other' ? node.reading?.error : undefined) ??
      inHand.failure,
  };
}

/** A call that only says that it failed; why, a step inside it says. */
function explainFailure(node: Node, failure: Reading['error']): void {
  const { error } = node.reading as Reading;
  if (error && error.message === undefined && failure)
    node.reading = { ...(node.reading as Reading), error: { ...error, ...failure } };
}

/** A step that stands in for its call begins when the reply does; a summary around that call alone began with it. */
function standInFor(step: Node, summary: Node): void {
  summary.reading = {
    ...mergeReadings(step.reading as Reading, [summary.reading as Reading]),
    yields: undefined,
  };
  summary.merged.push(step.key);
  summary.rules.push(`one call, several reports: merged with the step in span ${step.key}`);
  retype(step, step.reading?.yields ?? 'other', 'the summary around it stands for the call');
}

/** A summary around this call and no other says what the call's own span does not. */
function addReport(call: Node, summary: Node): void {
  call.reading = mergeReadings(call.reading as Reading, [summary.reading as Reading]);
  call.merged.push(summary.key);
  call.rules.push(`one call, several reports: merged with the summary in span ${summary.key}`);
}

function retype(node: Node, operation: Operation, rule: string): void {
  if (!node.reading) return;
  node.reading = { ...node.reading, operation };
  node.rules.push(rule);
}

/** Second reports of one call: merged into one, the others become plain trace records. */
function settleDoubles(trace: Trace, nodes: readonly Node[]): void {
  const inferences = nodes.filter((node) => node.role === 'completion');
  for (const node of inferences) {
    node.report = reportOf(
      node.key,
      node.span.scope.name,
      node.span.startTime,
      node.span.endTime,
      node.reading as Reading,
    );
  }
  const byKey = new Map(inferences.map((node) => [node.key, node]));
  const reports = inferences.map((node) => node.report as CallReport);
  for (const group of groupDoubles(reports, (spanId) => byKey.get(spanId)?.enclosing?.key)) {
    mergeGroup(group.flatMap((report) => byKey.get(report.spanId) ?? []));
  }
  settleWrappers(inferences);
  for (const node of inferences) if (node.role === 'completion') settleLateDouble(trace, node);
}

/** A model span around several calls that another instrumentation reports, and no report of any of them, is the work they were made for. */
function settleWrappers(inferences: readonly Node[]): void {
  const calls = new Map<Node, number>();
  for (const { role, enclosing, span } of inferences)
    if (role === 'completion' && enclosing && enclosing.span.scope.name !== span.scope.name)
      calls.set(enclosing, (calls.get(enclosing) ?? 0) + 1);
  for (const [node, count] of calls) {
    const stands = node.role === 'completion' && node.merged.length === 0;
    if (count < 2 || !stands || node.reading?.responseId !== undefined) continue;
    node.role = undefined;
    retype(node, 'workflow', 'several calls below it are reported by spans of their own');
  }
}

/** The innermost report becomes the completion; of siblings the one with more content. */
function mergeGroup(group: readonly Node[]): void {
  const enclosing = new Set<Node>();
  for (const node of group)
    for (let up = node.enclosing, steps = 0; up && steps < 64; up = up.enclosing, steps++) enclosing.add(up);
  const inner = group.filter((node) => !enclosing.has(node));
  const chosen = inner.reduce(
    (best, node) => (weigh(node.reading as Reading) > weigh(best.reading as Reading) ? node : best),
    inner[0] ?? (group[0] as Node),
  );
  const others = group
    .filter((node) => node !== chosen)
    .sort((a, b) => weigh(b.reading as Reading) - weigh(a.reading as Reading));
  chosen.reading = mergeReadings(
    chosen.reading as Reading,
    others.map((node) => node.reading as Reading),
  );
  chosen.surroundings = others.reduce(
    (own, node) => inheritSurroundings(own, node.surroundings),
    chosen.surroundings,
  );
  chosen.merged.push(...others.map((node) => node.key));
  chosen.rules.push('one call, several reports: merged');
  for (const other of others) {
    other.role = 'double';
    other.rules.push(`second report of the call recorded for span ${chosen.key}`);
  }
}

/** A report that comes after its call was recorded. */
function settleLateDouble(trace: Trace, node: Node): void {
  const report = node.report as CallReport;
  const inner = trace.below.get(node.key)?.call;
  const known =
    inner && areDoubles(report, inner, true)
      ? inner
      : mostAlike(report, trace.reports, node.span.parentSpanId);
  if (!known) return;
  trace.reports = trace.reports.filter((other) => other !== known);
  node.role = 'double';
  node.rules.push(`second report of the call recorded for span ${known.spanId}, too late to merge`);
}

/** Bottom up: what lies below decides whether roots are recorded, and what they roll up. */
function carryUp(trace: Trace, node: Node): void {
  node.below = addRollups(trace.below.get(node.key), node.below);
  node.role ??= roleOf(trace, node);
  if (node.role !== undefined && !trace.wants(node.role, node.reading?.operation)) node.role = undefined;
  const own = ownRollup(node);
  node.below = addRollups(node.below, own);
  trace.total = addRollups(trace.total, own);
  const parentId = node.span.parentSpanId;
  const isWork = node.reading?.operation === 'tool' || node.reading?.operation === 'agent';
  const below = isWork ? { ...node.below, direct: 0 } : node.below;
  if (node.parent) node.parent.below = addRollups(node.parent.below, below);
  else if (parentId !== undefined) trace.below.set(parentId, addRollups(trace.below.get(parentId), below));
}

function ownRollup(node: Node): Rollup {
  if (node.role === undefined) return NOTHING_BELOW;
  if (node.role !== 'completion' || !node.report) return { ...NOTHING_BELOW, records: 1 };
  return rollupOfCompletion(node.span.startTime, node.span.endTime, node.reading as Reading, node.report);
}

function roleOf(trace: Trace, node: Node): RecordRole | undefined {
  const operation = node.reading?.operation;
  const isRoot = node.span.parentSpanId === undefined;
  if (operation !== undefined && operation !== 'other') return isRoot ? 'group' : 'step';
  if (isRoot) return trace.total.records > 0 ? 'group' : undefined;
  if (trace.needed.has(node.key)) return 'plain';
  // The first span of this process, its parent in another one that is not in hand.
  const isLocalRoot =
    node.span.parentIsRemote && node.parent === undefined && !trace.seen.has(node.span.parentSpanId ?? '');
  return isLocalRoot && node.below.records > 0 ? 'plain' : undefined;
}

/** Top down: ids, parents, inheritance. */
function describeDownwards(trace: Trace, node: Node, whole: boolean, running: Running): void {
  const parentSpanId = node.span.parentSpanId;
  const above =
    node.parent ??
    (parentSpanId === undefined ? undefined : (trace.seen.get(parentSpanId) ?? running.get(parentSpanId)));
  node.surroundings = inheritSurroundings(node.surroundings, above?.surroundings);
  node.lent = lend(
    node.key,
    node.role === 'double' ? asWrapper(node.reading) : node.reading,
    above?.lent,
    node.below.completions,
  );
  const isRoot = node.span.parentSpanId === undefined;
  node.recordId =
    node.role === undefined
      ? undefined
      : isRoot && node.role !== 'completion'
        ? trace.groupId
        : spanRecordId(trace.traceId, node.key);
  if (node.role === 'completion') {
    const { reading, taken } = borrow(node.reading as Reading, above?.lent);
    node.reading = reading;
    if (taken.length > 0) node.rules.push(`${taken.join(', ')} from the enclosing span ${above?.lent?.from}`);
  }
  if (node.role === undefined || node.recordId === trace.groupId) return;
  // A tool hangs under the completion that asked for it; which one is known when all calls are.
  if (node.reading?.operation !== 'tool') node.parentId = parentOf(trace, node, whole, running);
}

/** The outer copy of a call lends like the wrapper it is; what it knew has been merged already. */
function asWrapper(reading: Reading | undefined): Reading | undefined {
  return reading && { ...reading, operation: 'workflow' };
}

/** The nearest recorded ancestor, else the group; an ancestor that may still come is named at once and remembered. */
function parentOf(trace: Trace, node: Node, whole: boolean, running: Running): string {
  const given = node.surroundings?.parentId?.toLowerCase();
  if (isUuidV4(given) && given !== node.recordId) {
    node.rules.push('parent given by freeplay.parent.id');
    return given;
  }
  let at: Node | undefined = node;
  for (let parent = node.parent; parent; parent = parent.parent) {
    const parentId = idForChildren(trace, parent);
    if (parentId !== undefined) return parentId;
    at = parent;
  }
  let spanId = at.span.parentSpanId;
  let remote = at.span.parentIsRemote;
  for (let steps = 0; spanId !== undefined && steps < 10_000; steps++) {
    const known: Seen | undefined = trace.seen.get(spanId) ?? running.get(spanId);
    if (!known) break;
    if (known.recordId !== undefined) {
      // It runs and may never end: then its place is held.
      if (known.recordId !== trace.groupId && !trace.seen.has(spanId)) trace.needed.add(spanId);
      return known.recordId;
    }
    remote = known.parentIsRemote;
    spanId = known.parentSpanId;
  }
  if (spanId === undefined) return trace.groupId;
  if (whole || remote || !trace.wants('plain', undefined)) {
    node.rules.push(remote ? 'parent in another process: the group' : 'parent span not in hand: the group');
    return trace.groupId;
  }
  if (trace.needed.size >= trace.limit) return trace.groupId;
  trace.needed.add(spanId);
  return spanRecordId(trace.traceId, spanId);
}

/** A root that children named by its span id, before it could be known for the root, has a record under that id too: all hang there. */
function idForChildren(trace: Trace, node: Node): string | undefined {
  return node.recordId === trace.groupId && trace.needed.has(node.key)
    ? spanRecordId(trace.traceId, node.key)
    : node.recordId;
}

function rememberCalls(trace: Trace, node: Node): void {
  const { choices } = node.reading as Reading;
  if (node.recordId === undefined || node.parentId === undefined) return;
  const asked: AskedCall = {
    completionId: node.recordId,
    start: node.span.startTime,
    parentId: node.parentId,
  };
  for (const choice of choices ?? []) {
    for (const call of choice.toolCalls) {
      if (call.id !== undefined) addAsked(trace, call.id, asked);
      const args = typeof call.arguments === 'string' ? call.arguments : call.arguments.json;
      addAsked(trace, signature(node.parentId, call.name, args), asked);
    }
  }
}

/** A piece of a reply that ends before its call does, and before the tool it asks for: the call is its parent. */
function rememberFragment(trace: Trace, node: Node, running: Running): void {
  const { parentSpanId } = node.span;
  const calls = node.reading?.choices?.flatMap((choice) => choice.toolCalls) ?? [];
  if (calls.length === 0 || node.parent || parentSpanId === undefined || trace.seen.has(parentSpanId)) return;
  const completionId = parentOf(trace, node, false, running);
  for (const { id } of calls)
    if (id !== undefined)
      addAsked(trace, id, { completionId, start: node.span.startTime, parentId: completionId });
}

const MAX_ASKED = 16;

function addAsked(trace: Trace, key: string, asked: AskedCall): void {
  if (trace.asked.size >= trace.limit) trace.asked.delete(trace.asked.keys().next().value as string);
  const list = trace.asked.get(key);
  if (!list) trace.asked.set(key, [asked]);
  else if (list.length < MAX_ASKED) list.push(asked);
  else list.splice(0, 1, asked);
}

function signature(parentId: string, name: string, args: string): string {
  return `${parentId}\u0000${name}\u0000${canonicalArguments(args)}`;
}

/** Arguments compare as JSON, whatever order the keys were written in. */
function canonicalArguments(args: string): string {
  try {
    return JSON.stringify(sortKeys(JSON.parse(args), 0));
  } catch {
    return args;
  }
}

function sortKeys(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > 32) return value;
  if (Array.isArray(value)) return value.map((item) => sortKeys(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortKeys(item, depth + 1)]),
  );
}

/** The completion that asked for this tool: by call id, else by name and arguments under the same parent. */
function parentOfTool(trace: Trace, node: Node, whole: boolean, running: Running): string {
  const { toolCallId, toolArguments, name } = node.reading as Reading;
  const byId = toolCallId === undefined ? undefined : latestBefore(trace.asked.get(toolCallId), node);
  if (byId) {
    node.rules.push('under the completion that asked for the tool, by call id');
    return byId.completionId;
  }
  const enclosing = parentOf(trace, node, whole, running);
  if (toolArguments === undefined) return enclosing;
  const args = typeof toolArguments === 'string' ? toolArguments : toolArguments.json;
  const byCall = latestBefore(trace.asked.get(signature(enclosing, name ?? node.span.name, args)), node);
  if (!byCall) return enclosing;
  node.rules.push('under the completion that asked for the tool, by name and arguments');
  return byCall.completionId;
}

function latestBefore(list: readonly AskedCall[] | undefined, node: Node): AskedCall | undefined {
  return (list ?? [])
    .filter((asked) => !before(node.span.startTime, asked.start))
    .reduce<AskedCall | undefined>(
      (best, asked) => (best && before(asked.start, best.start) ? best : asked),
      undefined,
    );
}

function planNode(trace: Trace, node: Node, whole: boolean, running: Running): readonly RecordPlan[] {
  if (node.role === undefined || node.recordId === undefined) {
    if (node.span.parentSpanId === undefined) waitAsRoot(trace, node);
    return [];
  }
  const isGroup = node.recordId === trace.groupId;
  if (isGroup) trace.groupRecorded = true;
  else node.parentId ??= parentOfTool(trace, node, whole, running);
  const plan = planOf(trace, node, isGroup ? 'group' : node.role, node.recordId, node.parentId);
  const named = trace.needed.delete(node.key);
  if (!isGroup || !named) return [plan];
  // Children named the root by its span id before anyone could know that it was the root.
  node.rules.push('named by children before it ended');
  return [plan, planOf(trace, node, 'plain', spanRecordId(trace.traceId, node.key), trace.groupId)];
}

function planOf(
  trace: Trace,
  node: Node,
  role: RecordRole,
  id: string,
  parentId: string | undefined,
): RecordPlan {
  return {
    role,
    id,
    traceId: trace.traceId,
    span: node.span,
    dialect: node.reading === undefined ? 'plain' : node.dialect,
    reading: role === 'plain' && node.recordId === trace.groupId ? undefined : node.reading,
    parentId,
    groupId: trace.groupId,
    session: node.surroundings?.session?.value ?? trace.session?.value,
    surroundings: node.surroundings,
    rolledInput: (role === 'group' ? trace.total : node.below).first?.text,
    rolledOutput: (role === 'group' ? trace.total : node.below).last?.text,
    merged: node.merged,
    rules: node.rules,
  };
}

function waitAsRoot(trace: Trace, node: Node): void {
  trace.waitingRoot = {
    span: node.span,
    reading: node.reading,
    dialect: node.dialect,
    surroundings: node.surroundings,
  };
}

/** A root that ended before anything was recorded under it becomes the group when something is. */
function planWaitingRoot(trace: Trace): readonly RecordPlan[] {
  const root = trace.waitingRoot;
  if (!root || trace.groupRecorded) return [];
  const below = trace.total;
  if (below.records === 0) return [];
  trace.groupRecorded = true;
  trace.waitingRoot = undefined;
  return [
    {
      role: 'group',
      id: trace.groupId,
      traceId: trace.traceId,
      span: root.span,
      dialect: 'plain',
      reading: root.reading,
      parentId: undefined,
      groupId: trace.groupId,
      session: root.surroundings?.session?.value ?? trace.session?.value,
      surroundings: root.surroundings,
      rolledInput: below.first?.text,
      rolledOutput: below.last?.text,
      merged: [],
      rules: ['recorded after its root had ended'],
    },
  ];
}

/** What later batches need to know; a span that was skipped hands what is below it on to its own parent. */
function remember(
  trace: Trace,
  nodes: readonly Node[],
  idsBelow: ReadonlyMap<Node, string | undefined>,
): void {
  for (const node of nodes) {
    trace.seen.set(node.key, {
      parentSpanId: node.span.parentSpanId,
      parentIsRemote: node.span.parentIsRemote,
      recordId: idsBelow.get(node),
      surroundings: node.surroundings,
      lent: node.lent,
    });
    trace.below.delete(node.key);
    if (node.role === 'completion' && node.report && node.merged.length === 0) {
      trace.reports.push(node.report);
      if (trace.reports.length > MAX_REPORTS) trace.reports.shift();
    }
  }
}

function countCollisions(nodes: readonly Node[]): number {
  const ids = new Set<string>();
  let met = 0;
  for (const { recordId } of nodes) {
    if (recordId === undefined) continue;
    if (ids.has(recordId)) met++;
    ids.add(recordId);
  }
  return met;
}

/** Parents that never came, so that the tree is whole. */
function settleTrace(trace: Trace): readonly RecordPlan[] {
  const plans = [...trace.needed].map<RecordPlan>((spanId) => ({
    role: 'placeholder',
    id: spanRecordId(trace.traceId, spanId),
    traceId: trace.traceId,
    span: undefined,
    dialect: 'placeholder',
    reading: undefined,
    parentId: trace.groupId,
    groupId: trace.groupId,
    session: trace.session?.value,
    surroundings: undefined,
    merged: [],
    rules: ['named as a parent, never exported'],
  }));
  trace.needed.clear();
  return plans;
}
