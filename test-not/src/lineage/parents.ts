/** Top down: record ids, nearest recorded ancestors, inheritance. */
import type { Reading } from '../completion/completion.ts';
import { isUuidV4, spanRecordId } from '../record/ids.ts';
import { borrow, inheritSurroundings, lend } from './inherit.ts';
import type { Running } from './running.ts';
import type { Seen, Trace, TraceNode } from './trace.ts';

/** Top down: ids, parents, inheritance. */
export function describeDownwards(trace: Trace, node: TraceNode, whole: boolean, running: Running): void {
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
  node.recordId =
    node.role === undefined
      ? undefined
      : node.isRoot && !node.isCall
        ? trace.groupId
        : spanRecordId(trace.traceId, node.key);
  if (node.role === 'completion') {
    const { reading, taken } = borrow(node.reading as Reading, above?.lent);
    node.reading = reading;
    if (taken.length > 0) node.rules.push(`${taken.join(', ')} from the enclosing span ${above?.lent?.from}`);
  }
  node.top = node.parent?.top ?? node;
  node.nearest = idForChildren(trace, node) ?? node.parent?.nearest;
  if (node.role === undefined || node.recordId === trace.groupId) return;
  // A tool hangs under the completion that asked for it; which one is known when all calls are.
  if (node.reading?.operation !== 'tool') node.parentId = parentOf(trace, node, whole, running);
}

/** The outer copy of a call lends like the wrapper it is; what it knew has been merged already. */
function asWrapper(reading: Reading | undefined): Reading | undefined {
  return reading && { ...reading, operation: 'workflow' };
}

/** The nearest recorded ancestor, else the group; an ancestor that may still come is named at once and remembered. */
export function parentOf(trace: Trace, node: TraceNode, whole: boolean, running: Running): string {
  const given = node.surroundings?.parentId?.toLowerCase();
  if (isUuidV4(given) && given !== node.recordId) {
    node.rules.push('parent given by freeplay.parent.id');
    return given;
  }
  if (node.parent?.nearest !== undefined) return node.parent.nearest;
  const top = node.top ?? node;
  let spanId = top.inRing ? undefined : top.span.parentSpanId;
  let remote = top.span.parentIsRemote;
  for (let steps = 0; spanId !== undefined && steps < 10_000; steps++) {
    if (spanId === node.key) return trace.groupId; // a ring over several batches
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
export function idForChildren(trace: Trace, node: TraceNode): string | undefined {
  return node.recordId === trace.groupId && trace.needed.has(node.key)
    ? spanRecordId(trace.traceId, node.key)
    : node.recordId;
}
