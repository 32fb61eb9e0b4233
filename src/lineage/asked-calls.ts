/** Tool calls that completions asked for, and the completion that a tool execution belongs under. */
import { createHash } from 'node:crypto';
import type { Reading } from '../completion/completion.ts';
import { detached } from '../json/detached.ts';
import { jsonOf } from '../json/json-text.ts';
import { before } from '../span/span-data.ts';
import { parentOf } from './parents.ts';
import type { Running } from './running.ts';
import type { AskedCall, Trace, TraceNode } from './trace.ts';

export function rememberCalls(trace: Trace, node: TraceNode): void {
  const { choices } = node.reading as Reading;
  if (node.recordId === undefined) return;
  const asked: AskedCall = { completionId: node.recordId, start: node.span.startTime };
  const parents = parentsOfReports(node);
  for (const choice of choices ?? []) {
    for (const call of choice.toolCalls) {
      if (call.id !== undefined) addAsked(trace, call.id, asked);
      const args = jsonOf(call.arguments);
      for (const parentId of parents) addAsked(trace, signature(parentId, call.name, args), asked);
    }
  }
}

/** Where the tools that a call asks for may run: beside it, and beside the outer reports of it. */
function parentsOfReports(node: TraceNode): readonly string[] {
  const parents: string[] = [];
  let outer: TraceNode | undefined = node;
  do {
    if (outer.parentId !== undefined) parents.push(outer.parentId);
    outer = outer.enclosing;
  } while (outer && node.merged.includes(outer.key));
  return parents;
}

/** A piece of a reply that ends before its call does, and before the tool it asks for: the call is its parent. */
export function rememberFragment(trace: Trace, node: TraceNode, running: Running): void {
  const { parentSpanId } = node.span;
  const calls = node.reading?.choices?.flatMap((choice) => choice.toolCalls) ?? [];
  if (calls.length === 0 || node.parent || parentSpanId === undefined || trace.seen.has(parentSpanId)) return;
  const completionId = parentOf(trace, node, false, running);
  for (const { id } of calls)
    if (id !== undefined) addAsked(trace, id, { completionId, start: node.span.startTime });
}

const MAX_ASKED = 16;

function addAsked(trace: Trace, key: string, asked: AskedCall): void {
  if (trace.asked.size >= trace.limit) trace.asked.delete(trace.asked.keys().next().value as string);
  const list = trace.asked.get(key);
  if (!list) trace.asked.set(detached(key), [asked]);
  else if (list.length < MAX_ASKED) list.push(asked);
  else list.splice(0, 1, asked);
}

/** Longer arguments are told apart by their hash: files that a model wrote must not be remembered with its calls. */
const MAX_ARGUMENTS = 256;

function signature(parentId: string, name: string, args: string): string {
  const said = canonicalArguments(args);
  const key = said.length <= MAX_ARGUMENTS ? said : createHash('sha256').update(said).digest('base64');
  return `${parentId}\u0000${name}\u0000${key}`;
}

/** Arguments compare as JSON, whatever order the keys were written in; as text where they are none, or too deep. */
function canonicalArguments(args: string): string {
  try {
    return JSON.stringify(sortKeys(JSON.parse(args)));
  } catch {
    return args;
  }
}

function sortKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sortKeys);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortKeys(item)]),
  );
}

/** The completion that asked for this tool: by call id, else by name and arguments under the same parent. */
export function parentOfTool(trace: Trace, node: TraceNode, whole: boolean, running: Running): string {
  const { toolCallId, toolArguments, name } = node.reading as Reading;
  const byId = toolCallId === undefined ? undefined : latestBefore(trace.asked.get(toolCallId), node);
  if (byId) {
    node.rules.push('under the completion that asked for the tool, by call id');
    return byId.completionId;
  }
  const enclosing = parentOf(trace, node, whole, running);
  if (toolArguments === undefined) return enclosing;
  const byCall = latestBefore(
    trace.asked.get(signature(enclosing, name ?? node.span.name, jsonOf(toolArguments))),
    node,
  );
  if (!byCall) return enclosing;
  node.rules.push('under the completion that asked for the tool, by name and arguments');
  return byCall.completionId;
}

function latestBefore(list: readonly AskedCall[] | undefined, node: TraceNode): AskedCall | undefined {
  return (list ?? [])
    .filter((asked) => !before(node.span.startTime, asked.start))
    .reduce<AskedCall | undefined>(
      (best, asked) => (best && before(asked.start, best.start) ? best : asked),
      undefined,
    );
}
