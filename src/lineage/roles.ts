/** Bottom up: which spans are recorded, and what they roll up. */
import type { Reading } from '../completion/completion.ts';
import type { RecordRole } from './plan.ts';
import {
  addRollups,
  NOTHING_BELOW,
  ONE_RECORD,
  type Rollup,
  rollupOfAgent,
  rollupOfCompletion,
} from './rollup.ts';
import type { Running } from './running.ts';
import { settleToolCall } from './tool-calls.ts';
import type { Trace, TraceNode } from './trace.ts';

/** Bottom up: what lies below decides whether roots are recorded, and what they roll up. */
export function carryUp(trace: Trace, node: TraceNode, running: Running): void {
  node.below = addRollups(trace.below.get(node.key), node.below);
  settleToolCall(node);
  node.role ??= roleOf(trace, node, running);
  if (node.role !== undefined && !trace.wants(node.role, node.reading?.operation)) node.role = undefined;
  const own = ownRollup(trace, node);
  node.below = addRollups(node.below, own);
  trace.total = addRollups(trace.total, own.call ? { ...own, call: undefined } : own);
  const parentId = node.span.parentSpanId;
  const below = seenFromAbove(node);
  if (below === NOTHING_BELOW) return;
  if (node.parent) node.parent.below = addRollups(node.parent.below, below);
  else if (parentId !== undefined && (trace.below.size < trace.limit || trace.below.has(parentId)))
    trace.below.set(parentId, addRollups(trace.below.get(parentId), below));
}

function seenFromAbove({ reading, below }: TraceNode): Rollup {
  const operation = reading?.operation ?? 'other';
  const isWork = operation === 'tool' || operation === 'agent';
  const direct = isWork ? 0 : below.direct;
  const tool = operation === 'tool' ? (reading?.name ?? '') : operation === 'other' ? below.tool : undefined;
  return direct === below.direct && tool === below.tool ? below : { ...below, direct, tool };
}

function ownRollup(trace: Trace, node: TraceNode): Rollup {
  if (node.role === undefined) return NOTHING_BELOW;
  const own = rollupOf(trace, node);
  if (own !== ONE_RECORD) trace.latest.push(own);
  return own;
}

function rollupOf({ rollsUp }: Trace, { role, span, reading, report, below }: TraceNode): Rollup {
  if (role === 'completion' && report)
    return rollsUp
      ? rollupOfCompletion(span.startTime, span.endTime, reading as Reading, report)
      : { completions: 1, direct: 1, records: 1, call: report };
  // A workflow's steps hand each other whatever they like: only agents are asked and answer.
  if (!rollsUp || reading?.operation !== 'agent') return ONE_RECORD;
  return rollupOfAgent(span.startTime, span.endTime, reading, below);
}

function roleOf(trace: Trace, node: TraceNode, running: Running): RecordRole | undefined {
  const operation = node.reading?.operation;
  if (operation !== undefined && operation !== 'other') return node.isRoot && !node.isCall ? 'group' : 'step';
  if (node.isRoot) return trace.total.records > 0 ? 'group' : undefined;
  if (trace.needed.has(node.key)) return 'plain';
  // The first span of this process, its parent in another one that is not in hand.
  const parentSpanId = node.span.parentSpanId ?? '';
  const isParentInHand =
    node.parent !== undefined || trace.seen.has(parentSpanId) || running.has(parentSpanId);
  const isLocalRoot = node.span.parentIsRemote && !isParentInHand;
  return isLocalRoot && node.below.records > 0 ? 'plain' : undefined;
}
