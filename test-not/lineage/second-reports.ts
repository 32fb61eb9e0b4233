/** Second reports of one call, in the batch or after it: one becomes the completion, the others plain trace records. */
import type { Reading } from '../completion/completion.ts';
import { areDoubles, type CallReport, mostAlike, reportOf } from './call-report.ts';
import { groupDoubles } from './doubles.ts';
import { inheritSurroundings } from './inherit.ts';
import { mergeReadings, weigh } from './merge.ts';
import { retype } from './summaries.ts';
import type { Trace, TraceNode } from './trace.ts';

export function findEnclosing(node: TraceNode): void {
  const { parent } = node;
  // What a tool does is its own work, never a second report of the call that asked for it.
  if (!parent || parent.reading?.operation === 'tool') return;
  node.enclosing = parent.reading?.operation === 'inference' ? parent : parent.enclosing;
}

/** Second reports of one call: merged into one, the others become plain trace records. */
export function settleDoubles(trace: Trace, nodes: readonly TraceNode[]): void {
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
function settleWrappers(inferences: readonly TraceNode[]): void {
  const calls = new Map<TraceNode, number>();
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
function mergeGroup(group: readonly TraceNode[]): void {
  const enclosing = new Set<TraceNode>();
  for (const node of group)
    for (let up = node.enclosing, steps = 0; up && steps < 64; up = up.enclosing, steps++) enclosing.add(up);
  const inner = group.filter((node) => !enclosing.has(node));
  const chosen = inner.reduce(
    (best, node) => (weigh(node.reading as Reading) > weigh(best.reading as Reading) ? node : best),
    inner[0] ?? (group[0] as TraceNode),
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
function settleLateDouble(trace: Trace, node: TraceNode): void {
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
