/** A tool call of any dialect → the neutral one. */
import type { ToolCall } from '../completion/completion.ts';
import {
  asObject,
  asText,
  type JsonObject,
  JsonText,
  member,
  textMember,
  toJsonString,
} from '../json/json-text.ts';

/**
 * A tool call of any spelling, or `undefined` if it has no name. `call_id` comes before `id`: in the Responses API `id` is the
 * item's own (`fc_…`), and the results name the other.
 */
export function readToolCall(call: JsonObject): ToolCall | undefined {
  const inner = asObject(member(call, 'function', 'server_tool_call', 'tool_call', 'custom'));
  const name =
    textMember(call, 'name', 'toolName', 'tool_name') ??
    textMember(inner, 'name', 'toolName', 'type') ??
    (/_call$/.test(textMember(call, 'type') ?? '') &&
    textMember(call, 'type') !== 'function_call' &&
    textMember(call, 'type') !== 'tool_call'
      ? textMember(call, 'type')?.replace(/_call$/, '')
      : undefined);
  if (name === undefined) return undefined;
  const id =
    textMember(
      call,
      'call_id',
      'callId',
      'toolCallId',
      'tool_call_id',
      'toolUseId',
      'tool_use_id',
      'id',
      'ref',
    ) ?? textMember(inner, 'id');
  const args =
    member(call, 'arguments', 'args', 'input', 'parameters', 'action', 'tool_kwargs') ??
    member(inner, 'arguments', 'args', 'input', 'parameters') ??
    (inner && !textMember(inner, 'name') ? inner : undefined);
  return { id, name, arguments: argumentsText(args) };
}

/** Arguments as JSON text. Some emitters encode them twice; nothing at all is an empty object. */
export function argumentsText(value: unknown): string | JsonText {
  if (value === undefined || value === null) return '{}';
  if (value instanceof JsonText && !value.isString) return value;
  const text = asText(value);
  if (text === undefined) return toJsonString(value);
  if (text.trim() === '') return '{}';
  if (text.trimStart().startsWith('"')) {
    try {
      const inner: unknown = JSON.parse(text);
      if (typeof inner === 'string' && inner.trim() !== '') return inner;
    } catch {
      // not JSON after all: kept as captured
    }
  }
  return text;
}
