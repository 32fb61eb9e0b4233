/** Resolved spans → plans of records; groups that come late, and parents that never come. */
import { spanRecordId } from '../record/ids.ts';
import { parentOfTool } from './asked-calls.ts';
import type { RecordPlan, RecordRole } from './plan.ts';
import type { Running } from './running.ts';
import type { Trace, TraceNode } from './trace.ts';

export function planNode(
  trace: Trace,
  node: TraceNode,
  whole: boolean,
  running: Running,
  plans: RecordPlan[],
): void {
  if (node.role === undefined || node.recordId === undefined) {
    if (node.isRoot) waitAsRoot(trace, node);
    return;
  }
  const isGroup = node.recordId === trace.groupId;
  if (isGroup) trace.groupRecorded = true;
  else node.parentId ??= parentOfTool(trace, node, whole, running);
  const plan = planOf(trace, node, isGroup ? 'group' : node.role, node.recordId, node.parentId);
  const named = trace.needed.delete(node.key);
  plans.push(plan);
  if (!isGroup || !named) return;
  // Children named the root by its span id before anyone could know that it was the root.
  node.rules.push('named by children before it ended');
  plans.push(planOf(trace, node, 'plain', spanRecordId(trace.traceId, node.key), trace.groupId));
}

function planOf(
  trace: Trace,
  node: TraceNode,
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
    rolledInput: (role === 'group' ? trace.total : node.below).first,
    rolledOutput: (role === 'group' ? trace.total : node.below).last,
    merged: node.merged,
    rules: node.rules,
  };
}

function waitAsRoot(trace: Trace, node: TraceNode): void {
  trace.waitingRoot = {
    span: node.span,
    reading: node.reading,
    dialect: node.dialect,
    surroundings: node.surroundings,
  };
}

/** A root that ended before anything was recorded under it becomes the group when something is. */
export function planWaitingRoot(trace: Trace): readonly RecordPlan[] {
  const root = trace.waitingRoot;
  if (!root || trace.groupRecorded || !trace.wants('group', root.reading?.operation)) return [];
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
      rolledInput: below.first,
      rolledOutput: below.last,
      merged: [],
      rules: ['recorded after its root had ended'],
    },
  ];
}

/** Parents that never came, so that the tree is whole. */
export function settleTrace(trace: Trace, isLast: boolean): readonly RecordPlan[] {
  // One that still runs will have a record of its own.
  const missing = [...trace.needed].filter((spanId) => isLast || !trace.live(trace.traceId, spanId));
  const plans = missing.map<RecordPlan>((spanId) => ({
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
