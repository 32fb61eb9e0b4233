/** Neutral messages, tools and values → the shapes of the completions API. */
import type { Media, Message, Part, ToolCall, ToolDefinition } from '../completion/completion.ts';
import {
  asObject,
  asText,
  isEmptyText,
  type JsonValue,
  jsonOf,
  type Text,
  toJsonString,
  toJsonValue,
  writeText,
} from '../json/json-text.ts';
import type { JsonWriter } from '../json/json-writer.ts';
import { hasPayload } from '../messages/media.ts';
import type { ContentPolicy } from './policy.ts';

type Body = { [key: string]: JsonValue };

/** Messages as the API has them, call ids filled in where an emitter lost them. */
export function renderMessages(
  messages: readonly Message[],
  policy: ContentPolicy,
  spanId: string,
  guessed: string[],
): JsonValue[] {
  return linkCalls(messages, spanId, guessed).map((message) => renderMessage(message, policy));
}

export function renderMessage(message: Message, policy: ContentPolicy): Body {
  const body: Body = { role: message.role, content: policy.capture ? renderContent(message, policy) : null };
  if (message.name !== undefined) body.name = message.name;
  if (message.role === 'tool') {
    if (message.toolCallId !== undefined) body.tool_call_id = message.toolCallId;
    return body;
  }
  if (message.role === 'assistant') {
    const reasoning = message.parts.flatMap((part) =>
      part.kind === 'reasoning' ? [asText(part.text) ?? ''] : [],
    );
    if (reasoning.length > 0 && policy.capture) body.reasoning_content = reasoning.join('\n');
    const refusal = message.parts.flatMap((part) =>
      part.kind === 'refusal' ? [asText(part.text) ?? ''] : [],
    );
    if (refusal.length > 0 && policy.capture) body.refusal = refusal.join('\n');
    if (message.toolCalls.length > 0)
      body.tool_calls = message.toolCalls.map((call) => renderCall(call, policy));
  }
  return body;
}

/** `JSON.stringify(renderMessages(…))`, with texts that stand as JSON already copied. */
export function writeMessages(
  messages: readonly Message[],
  policy: ContentPolicy,
  spanId: string,
  json: JsonWriter,
): void {
  let before = '[';
  for (const message of linkCalls(messages, spanId)) {
    json.add(before);
    writeMessage(message, policy, json);
    before = ',';
  }
  json.add(before === '[' ? '[]' : ']');
}

/** Messages of texts and tool calls are written piece by piece; what is rarer is rendered first. */
function writeMessage(message: Message, policy: ContentPolicy, json: JsonWriter): void {
  const { role, name, toolCallId } = message;
  if (!policy.capture || !message.parts.every(isTextPart)) {
    json.add(JSON.stringify(renderMessage(message, policy)));
    return;
  }
  json.add(`{"role":"${role}","content":`);
  json.add(writeContent(message.parts));
  if (name !== undefined) json.add(`,"name":${JSON.stringify(name)}`);
  if (role === 'tool')
    json.add(toolCallId === undefined ? '}' : `,"tool_call_id":${JSON.stringify(toolCallId)}}`);
  else if (role !== 'assistant' || message.toolCalls.length === 0) json.add('}');
  else json.add(`,"tool_calls":[${message.toolCalls.map(writeCall).join(',')}]}`);
}

type TextPart = Extract<Part, { kind: 'text' }>;

function isTextPart(part: Part): part is TextPart {
  return part.kind === 'text';
}

function writeContent(parts: readonly TextPart[]): string {
  const [first] = parts;
  if (!first) return 'null';
  if (parts.length === 1) return writeText(first.text);
  const spoken = parts.filter((part) => !isEmptyText(part.text));
  if (spoken.length === 0) return '""';
  return `[${spoken.map((part) => `{"type":"text","text":${writeText(part.text)}}`).join(',')}]`;
}

function writeCall(call: ToolCall): string {
  const id = call.id === undefined ? '' : `"id":${JSON.stringify(call.id)},`;
  return `{${id}"type":"function","function":{"name":${JSON.stringify(call.name)},"arguments":${JSON.stringify(jsonOf(call.arguments))}}}`;
}

function renderCall(call: ToolCall, policy: ContentPolicy): JsonValue {
  return {
    ...(call.id === undefined ? {} : { id: call.id }),
    type: 'function',
    function: { name: call.name, arguments: policy.capture ? jsonOf(call.arguments) : '{}' },
  };
}

/** One text is a string; several parts, or any media, are content parts. */
function renderContent(message: Message, policy: ContentPolicy): JsonValue {
  const aside = message.role === 'assistant' ? new Set(['reasoning', 'refusal']) : new Set<string>();
  const parts = message.parts.filter((part) => !aside.has(part.kind));
  const [first] = parts;
  if (!first) return null;
  if (parts.length === 1 && first.kind !== 'media') return partText(first);
  const spoken = parts.filter((part) => part.kind !== 'text' || !isEmptyText(part.text));
  return spoken.length === 0 ? '' : spoken.map((part) => renderPart(part, policy));
}

function partText(part: Exclude<Part, { kind: 'media' }>): string {
  return part.kind === 'other' ? toJsonString(part.value) : (asText(part.text) ?? '');
}

function renderPart(part: Part, policy: ContentPolicy): JsonValue {
  if (part.kind !== 'media') return { type: 'text', text: partText(part) };
  const chosen = policy.media(part.media);
  if (typeof chosen === 'string') return { type: 'text', text: chosen };
  return renderMedia(chosen);
}

function renderMedia(media: Media): JsonValue {
  const data = media.data === undefined ? undefined : (asText(media.data) ?? '');
  const uri =
    data === undefined ? textOf(media.url) : `data:${media.mimeType ?? defaultType(media)};base64,${data}`;
  if (media.modality === 'image' && uri !== undefined) return { type: 'image_url', image_url: { url: uri } };
  if (media.modality === 'audio' && data !== undefined)
    return { type: 'input_audio', input_audio: { data, format: audioFormat(media.mimeType) } };
  return {
    type: 'file',
    file: {
      ...(hasPayload(media) ? {} : { filename: `${media.modality} (not captured)` }),
      ...(media.filename === undefined ? {} : { filename: media.filename }),
      ...(media.fileId === undefined ? {} : { file_id: media.fileId }),
      ...(uri === undefined ? {} : { file_data: uri }),
    },
  };
}

function textOf(text: Text | undefined): string | undefined {
  return text === undefined ? undefined : asText(text);
}

function defaultType(media: Media): string {
  return media.modality === 'image' ? 'image/png' : 'application/octet-stream';
}

function audioFormat(mimeType: string | undefined): string {
  const subtype = mimeType?.split('/')[1]?.replace(/^x-/, '') ?? 'wav';
  return subtype === 'mpeg' ? 'mp3' : subtype;
}

/**
 * Call ids that an emitter lost: the i-th call of a message belongs to the i-th result after it. Where neither has an id, both get the
 * same stable one; counts that differ link nothing.
 */
function linkCalls(messages: readonly Message[], spanId: string, guessed?: string[]): readonly Message[] {
  if (messages.every(isLinked)) return messages;
  const linked = [...messages];
  for (let i = 0; i < linked.length; i++) {
    const message = linked[i];
    if (!message || message.toolCalls.length === 0) continue;
    const results: number[] = [];
    for (let j = i + 1; linked[j]?.role === 'tool'; j++) results.push(j);
    const pairs = results.length === message.toolCalls.length;
    if (
      message.toolCalls.every((call) => call.id !== undefined) &&
      (!pairs || results.every((j) => linked[j]?.toolCallId !== undefined))
    )
      continue;
    const calls = message.toolCalls.map((call, n) => {
      const result = pairs ? linked[results[n] ?? -1] : undefined;
      return call.id === undefined ? { ...call, id: result?.toolCallId ?? `call_${spanId}_${i}_${n}` } : call;
    });
    if (calls.some((call, n) => call.id !== message.toolCalls[n]?.id)) guessed?.push('tool call ids');
    linked[i] = { ...message, toolCalls: calls };
    if (!pairs) continue;
    for (const [n, j] of results.entries()) {
      const result = linked[j];
      if (result && result.toolCallId === undefined) linked[j] = { ...result, toolCallId: calls[n]?.id };
    }
  }
  return linked;
}

function isLinked(message: Message): boolean {
  return message.role === 'tool'
    ? message.toolCallId !== undefined
    : message.toolCalls.every((call) => call.id !== undefined);
}

export function renderTools(tools: readonly ToolDefinition[], policy: ContentPolicy): JsonValue[] {
  return tools.map((tool) => {
    const parameters = asObject(tool.parameters);
    return {
      type: 'function',
      function: {
        name: tool.name,
        ...(tool.description === undefined || !policy.capture
          ? {}
          : { description: asText(tool.description) ?? '' }),
        ...(parameters === undefined ? {} : { parameters: renderSchema(parameters, policy) }),
        ...(tool.strict === undefined ? {} : { strict: tool.strict }),
      },
    };
  });
}

/** The tools of call after call are one and the same list, see `memoiseByText`. */
const writtenTools = new WeakMap<readonly ToolDefinition[], string>();

/** `JSON.stringify(renderTools(…))`. */
export function writeTools(tools: readonly ToolDefinition[], policy: ContentPolicy): string {
  if (!policy.capture) return JSON.stringify(renderTools(tools, policy));
  let json = writtenTools.get(tools);
  if (json === undefined) {
    json = JSON.stringify(renderTools(tools, policy));
    writtenTools.set(tools, json);
  }
  return json;
}

/** A JSON schema; without content, without the prose in it. */
export function renderSchema(schema: unknown, policy: ContentPolicy): JsonValue {
  const value = toJsonValue(schema);
  return policy.capture ? value : withoutProse(value);
}

const PROSE = new Set(['description', 'title', 'examples', 'example', 'default', '$comment']);

function withoutProse(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withoutProse);
  if (typeof value !== 'object' || value === null) return value;
  const kept: Body = {};
  for (const [key, item] of Object.entries(value)) {
    // A property may be called "description": then it is a schema, not a text.
    if (item !== undefined && !(PROSE.has(key) && (typeof item !== 'object' || Array.isArray(item))))
      kept[key] = withoutProse(item);
  }
  return kept;
}
