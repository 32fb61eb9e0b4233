/** Client, transport, server and a server behind it each report one call of an MCP tool: the innermost is the tool's record. */
import type { Reading } from '../completion/completion.ts';
import { retype } from './summaries.ts';
import type { TraceNode } from './trace.ts';

/** Servers put a prefix before the names of tools they take from others. */
export function settleToolCall(node: TraceNode): void {
  const { reading, below } = node;
  if (node.dialect !== 'mcp' || reading?.operation !== 'tool' || !below.tool) return;
  if (!reading.name?.endsWith(below.tool)) return;
  retype(node, 'other', 'the tool call is reported by a span below it');
  // Like every second report it keeps a record of its own, a plain one: its stamp names it.
  node.role = 'double';
  const inner = toolBelow(node);
  if (!inner) return;
  inner.reading = completed(inner.reading as Reading, reading);
  inner.merged.push(node.key);
  inner.rules.push('one tool call, several reports: merged');
}

const MAX_BELOW = 64;

function toolBelow(node: TraceNode): TraceNode | undefined {
  const waiting = [...node.children];
  for (const child of waiting) {
    if (child.reading?.operation === 'tool') return child;
    if ((child.reading?.operation ?? 'other') === 'other' && waiting.length < MAX_BELOW)
      waiting.push(...child.children);
  }
  return undefined;
}

/** The outer report has the name that the model knows. */
function completed(inner: Reading, outer: Reading): Reading {
  return {
    ...inner,
    name: outer.name ?? inner.name,
    inputValue: inner.inputValue ?? outer.inputValue,
    outputValue: inner.outputValue ?? outer.outputValue,
    toolCallId: inner.toolCallId ?? outer.toolCallId,
    toolArguments: inner.toolArguments ?? outer.toolArguments,
    error: inner.error ?? outer.error,
  };
}
