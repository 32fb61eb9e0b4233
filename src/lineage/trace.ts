/** What is known of one trace, and the spans of a batch on their way through it. */
import type { Reading, Surroundings } from '../completion/completion.ts';
import { keepOptimised } from '../keep-optimised.ts';
import { traceIdOf } from '../record/ids.ts';
import { before, type HrTime, NO_SPAN, type SpanData } from '../span/span-data.ts';
import type { CallReport } from './call-report.ts';
import type { Lent } from './inherit.ts';
import type { LineageOptions } from './lineage.ts';
import { type ReadSpan, type RecordRole, surroundingsOf } from './plan.ts';
import { NOTHING_BELOW, type Rollup } from './rollup.ts';

type Wants = NonNullable<LineageOptions['wants']>;

type Live = NonNullable<LineageOptions['live']>;

/** What is remembered of a span after its batch. */
export interface Seen {
  readonly parentSpanId: string | undefined;
  readonly parentIsRemote: boolean;
  /** What those below name as their parent. */
  readonly recordId: string | undefined;
  readonly surroundings: Surroundings | undefined;
  readonly lent: Lent | undefined;
}

export interface AskedCall {
  readonly completionId: string;
  readonly start: HrTime;
}

export interface Trace {
  readonly traceId: string;
  readonly wants: Wants;
  readonly live: Live;
  /** Some record of the trace shows what its calls were asked and said. */
  readonly rollsUp: boolean;
  /** Entries that any one map of this trace may hold. */
  readonly limit: number;
  readonly groupId: string;
  touched: number;
  /** Nothing of it runs or waits any more. */
  isOver: boolean;
  readonly seen: Map<string, Seen>;
  /** Span ids that records name as parents and that have not come. */
  readonly needed: Set<string>;
  /** Aggregates of what lies below a span id, its own span seen or not. */
  readonly below: Map<string, Rollup>;
  /** Tool calls by call id, and by parent, name and arguments. */
  readonly asked: Map<string, AskedCall[]>;
  /**
   * Recorded calls that a second report may still turn up for. Emptied and never replaced, like `latest`: the trace is old, so its first list
   * is, too, and a list that is thrown away would hold on to all that was in it until the next full garbage collection.
   */
  readonly reports: CallReport[];
  /** Of the calls recorded in the batch at hand. */
  readonly latest: Rollup[];
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
  /** Span id of the root, once it has ended. */
  rootId: string | undefined;
  groupRecorded: boolean;
}

/** One span of the batch on its way through the phases. */
export class TraceNode implements ReadSpan {
  readonly span: SpanData;
  readonly dialect: string;
  readonly key: string;
  /** The trace's own root: of several spans without a parent the first, for the group is one. */
  isRoot = false;
  /** Its dialect reported a model call, whatever became of it: it keeps an id of its own, also as a root (its stamp says so). */
  readonly isCall: boolean;
  /** Its parents form a ring, which only broken telemetry has: it hangs under the group. */
  inRing = false;
  reading: Reading | undefined;
  parent: TraceNode | undefined = undefined;
  readonly children: TraceNode[] = [];
  role: RecordRole | undefined = undefined;
  surroundings: Surroundings | undefined;
  lent: Lent | undefined = undefined;
  /** Nearest inference span above, in the batch. */
  enclosing: TraceNode | undefined = undefined;
  report: CallReport | undefined = undefined;
  below: Rollup = NOTHING_BELOW;
  recordId: string | undefined = undefined;
  /** What those below name as their parent, before the record's own plan has been made. */
  idForChildren: string | undefined = undefined;
  /** What those below name as their parent: this record, or the nearest one above in the batch. */
  nearest: string | undefined = undefined;
  /** The highest span above in the batch. */
  top: TraceNode | undefined = undefined;
  parentId: string | undefined = undefined;
  readonly merged: string[] = [];
  readonly rules: string[] = [];

  constructor(read: ReadSpan) {
    this.span = read.span;
    this.dialect = read.dialect;
    this.key = read.span.spanId;
    this.reading = read.reading;
    this.isCall = read.reading?.operation === 'inference';
    this.surroundings = surroundingsOf(read);
  }
}

keepOptimised(new TraceNode({ span: NO_SPAN, dialect: '', reading: undefined }));

export function newTrace(traceId: string, rules: Pick<Trace, 'wants' | 'live' | 'limit'>): Trace {
  return {
    traceId,
    wants: rules.wants,
    live: rules.live,
    limit: rules.limit,
    rollsUp:
      rules.wants('group', 'workflow') || rules.wants('group', undefined) || rules.wants('step', 'agent'),
    groupId: traceIdOf(traceId),
    touched: 0,
    isOver: false,
    seen: new Map(),
    needed: new Set(),
    below: new Map(),
    asked: new Map(),
    reports: [],
    latest: [],
    total: NOTHING_BELOW,
    session: undefined,
    waitingRoot: undefined,
    rootId: undefined,
    groupRecorded: false,
  };
}

/** Nodes with their parents; a span id that was seen before is the same span again. */
export function link(trace: Trace, spans: readonly ReadSpan[]): readonly TraceNode[] {
  const byId = new Map<string, TraceNode>();
  for (const item of spans) {
    const key = item.span.spanId;
    if (byId.has(key) || trace.seen.has(key)) continue;
    byId.set(key, new TraceNode(item));
  }
  for (const node of byId.values()) {
    node.parent = nearestInBatch(trace, byId, node.span.parentSpanId);
    if (node.parent === node) node.parent = undefined;
    node.parent?.children.push(node);
  }
  const nodes = [...byId.values()];
  trace.rootId ??= firstRoot(nodes)?.key;
  for (const node of nodes) node.isRoot = node.key === trace.rootId;
  return nodes;
}

/** The parent, or who is above it where it has come and gone without a record, or runs and will have none. */
function nearestInBatch(
  trace: Trace,
  batch: ReadonlyMap<string, TraceNode>,
  from: string | undefined,
): TraceNode | undefined {
  let spanId = from;
  for (let steps = 0; spanId !== undefined && steps < 1_000; steps++) {
    const node = batch.get(spanId);
    if (node) return node;
    const seen = trace.seen.get(spanId);
    if (seen && seen.recordId !== undefined) return undefined;
    const live = seen ? undefined : trace.live(trace.traceId, spanId);
    if (live?.reading && live.reading.operation !== 'other') return undefined;
    spanId = seen?.parentSpanId ?? live?.span.parentSpanId;
  }
  return undefined;
}

function firstRoot(nodes: readonly TraceNode[]): TraceNode | undefined {
  return nodes
    .filter(({ span }) => span.parentSpanId === undefined)
    .reduce<TraceNode | undefined>(
      (first, node) => (first && !isEarlier(node, first) ? first : node),
      undefined,
    );
}

function isEarlier(a: TraceNode, b: TraceNode): boolean {
  if (before(a.span.startTime, b.span.startTime)) return true;
  return !before(b.span.startTime, a.span.startTime) && a.key < b.key;
}

/** Parents before children. Rings, which only broken telemetry has, are cut open where they are entered. */
export function orderTopDown(nodes: readonly TraceNode[]): readonly TraceNode[] {
  const order: TraceNode[] = nodes.filter((node) => node.parent === undefined);
  for (let i = 0; i < order.length; i++)
    for (const child of (order[i] as TraceNode).children) order.push(child);
  return order.length === nodes.length ? order : withRings(order, nodes);
}

function withRings(order: TraceNode[], nodes: readonly TraceNode[]): readonly TraceNode[] {
  const reached = new Set<TraceNode>(order);
  for (const node of nodes) {
    if (reached.has(node)) continue;
    node.parent = undefined;
    node.inRing = true;
    reached.add(node);
    order.push(node);
    for (let i = order.length - 1; i < order.length; i++) {
      for (const child of order[i]?.children ?? []) {
        if (reached.has(child)) continue;
        reached.add(child);
        order.push(child);
      }
    }
  }
  return order;
}

/** The session that the trace named first; records that inherit none use it. */
export function nameSession(trace: Trace, nodes: readonly TraceNode[]): void {
  for (const node of nodes) {
    const own = node.surroundings;
    if (own?.session && (!trace.session || before(node.span.startTime, trace.session.at))) {
      trace.session = { value: own.session.value, at: node.span.startTime };
    }
  }
}
