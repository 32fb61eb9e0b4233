/** Spans that sum up calls which spans of their own report. */
import type { Operation, Reading } from '../completion/completion.ts';
import { mergeReadings } from './merge.ts';
import type { Trace, TraceNode } from './trace.ts';

/**
 * A framework's own summary span stands for the call only if nothing below it does; an embedding around an embedding and a model span
 * around several calls of other instrumentations are wrappers.
 */
export function settleFallbacks(trace: Trace, topDown: readonly TraceNode[]): void {
  if (!topDown.some(mayStandForOthers)) return;
  const found = new Map<TraceNode, Below>();
  for (let i = topDown.length - 1; i >= 0; i--) {
    const node = topDown[i] as TraceNode;
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

function mayStandForOthers({ reading }: TraceNode): boolean {
  if (!reading) return false;
  const isMute = reading.error !== undefined && reading.error.message === undefined;
  return (
    reading.yields !== undefined ||
    reading.operation === 'embedding' ||
    (reading.operation === 'inference' && isMute)
  );
}

/** What a span encloses, tools and agents apart: the calls they make are not the span's own. */
interface Below {
  readonly calls: number;
  readonly sole: TraceNode | undefined;
  readonly failure: Reading['error'];
}

const NO_CALLS: Below = { calls: 0, sole: undefined, failure: undefined };

function addBelow(beside: Below, node: TraceNode, inHand: Below, calls: number): Below {
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
function explainFailure(node: TraceNode, failure: Reading['error']): void {
  const { error } = node.reading as Reading;
  if (error && error.message === undefined && failure)
    node.reading = { ...(node.reading as Reading), error: { ...error, ...failure } };
}

/** A step that stands in for its call begins when the reply does; a summary around that call alone began with it. */
function standInFor(step: TraceNode, summary: TraceNode): void {
  summary.reading = {
    ...mergeReadings(step.reading as Reading, [summary.reading as Reading]),
    yields: undefined,
  };
  summary.merged.push(step.key);
  summary.rules.push(`one call, several reports: merged with the step in span ${step.key}`);
  retype(step, step.reading?.yields ?? 'other', 'the summary around it stands for the call');
}

/** A summary around this call and no other says what the call's own span does not. */
function addReport(call: TraceNode, summary: TraceNode): void {
  call.reading = mergeReadings(call.reading as Reading, [summary.reading as Reading]);
  call.merged.push(summary.key);
  call.rules.push(`one call, several reports: merged with the summary in span ${summary.key}`);
}

export function retype(node: TraceNode, operation: Operation, rule: string): void {
  if (!node.reading) return;
  node.reading = { ...node.reading, operation };
  node.rules.push(rule);
}
