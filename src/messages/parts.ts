/** One content part of any dialect → the neutral parts, tool calls and tool results. */
import type { Part, ToolCall } from '../completion/completion.ts';
import {
  asArray,
  asObject,
  asText,
  isText,
  type JsonObject,
  type LazyJson,
  member,
  open,
  type Text,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { isCutOff } from '../json/repair.ts';
import { hasPayload, readMedia } from './media.ts';
import { readToolCall } from './tool-call.ts';

/** A result of a tool, on its way to a message of its own. */
export interface ToolResult {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly parts: readonly Part[];
}

/** What the parts of one message add up to. */
export interface Parts {
  readonly parts: Part[];
  readonly calls: ToolCall[];
  readonly results: ToolResult[];
}

/** No message has more parts than this; the rest is dropped by the emitter's own limits long before. */
const MAX_PARTS = 5000;
const MAX_DEPTH = 8;

export function emptyParts(): Parts {
  return { parts: [], calls: [], results: [] };
}

/** Content of any shape: a text, a part, a list of parts, or nothing. */
export function readContent(content: unknown, into: Parts, depth: number = 0): void {
  if (content === undefined || content === null || depth > MAX_DEPTH) return;
  if (isText(content)) {
    into.parts.push({ kind: 'text', text: content });
    return;
  }
  const list = asArray(content);
  if (list) {
    for (const item of list.slice(0, MAX_PARTS)) readPart(item, into, depth + 1);
    return;
  }
  readPart(content, into, depth + 1);
}

type PartType = 'text' | 'reasoning' | 'call' | 'arguments' | 'result' | 'media' | 'refusal';

const TYPES: ReadonlyMap<string, PartType> = new Map<string, PartType>([
  ...(['text', 'input_text', 'output_text', 'summary_text', 'text_block', 'text_delta'] as const).map(
    (t) => [t, 'text'] as const,
  ),
  ...(['reasoning', 'thinking', 'redacted_thinking', 'reasoning_block', 'reasoning_text'] as const).map(
    (t) => [t, 'reasoning'] as const,
  ),
  ...(
    [
      'tool_call',
      'tool_use',
      'tool_use_block',
      'function_call',
      'function',
      'custom_tool_call',
      'tool_call_request',
      'server_tool_call',
      'server_tool_use',
      'mcp_tool_use',
    ] as const
  ).map((t) => [t, 'call'] as const),
  ...(
    [
      'tool_call_response',
      'tool_result',
      'tool_result_block',
      'function_call_output',
      'function_call_result',
      'custom_tool_call_output',
      'function_response',
      'server_tool_call_response',
      'web_search_tool_result',
      'code_execution_tool_result',
      'mcp_tool_result',
    ] as const
  ).map((t) => [t, 'result'] as const),
  ...(
    [
      'blob',
      'uri',
      'file',
      'image',
      'image_url',
      'input_image',
      'image_file',
      'audio',
      'input_audio',
      'output_audio',
      'audio_url',
      'input_file',
      'video',
      'video_url',
      'document',
      'document_url',
      'binary',
      'media',
      'image_block',
      'document_block',
      'video_block',
      'file_data',
      'inline_data',
    ] as const
  ).map((t) => [t, 'media'] as const),
  ['refusal', 'refusal'],
  ['input_json_delta', 'arguments'],
]);

/** `tool-call`, `toolCall`, `toolUseBlock` → `tool_call`, `tool_use_block`. */
export function snakeCase(type: string): string {
  return type
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase();
}

/** What the AI SDK and a user agreed on before a tool ran: no model sees it. */
const APPROVAL = /^tool-approval-(request|response)$/;

export function isApproval(part: unknown): boolean {
  return APPROVAL.test(textMember(asObject(part), 'type') ?? '');
}

function readPart(raw: unknown, into: Parts, depth: number): void {
  if (raw === null || raw === undefined) return;
  if (isText(raw)) {
    into.parts.push({ kind: 'text', text: raw });
    return;
  }
  const part = asObject(raw);
  if (!part) {
    into.parts.push({ kind: 'other', value: raw as LazyJson });
    return;
  }
  const type = textMember(part, 'type') ?? kindOf(part);
  if (type === undefined) return readUntyped(part, into, depth);
  const name = snakeCase(type);
  if (name === 'custom' && member(part, 'text', 'content') === undefined) return; // the AI SDK's note to itself about a provider's stream
  if (APPROVAL.test(type)) return;
  switch (TYPES.get(name) ?? TYPES.get(name.replace(/^anthropic_/, '')) ?? guessType(name, part)) {
    case 'text':
      return readText(part, into);
    case 'reasoning':
      return readReasoning(part, into);
    case 'call':
      return pushCall(readToolCall(part), part, into);
    case 'arguments':
      return appendArguments(part, into);
    case 'result':
      into.results.push(readToolResult(part, depth));
      return;
    case 'media':
      into.parts.push(mediaPart(part, name));
      return;
    case 'refusal':
      into.parts.push({ kind: 'refusal', text: textOf(part, 'refusal', 'content', 'text') ?? '' });
      return;
    case undefined:
      into.parts.push({ kind: 'other', value: part as LazyJson });
  }
}

/** Pydantic AI's older parts say `kind` where everyone else says `type`, LlamaIndex's `block_type`. */
function kindOf(part: JsonObject): string | undefined {
  const kind = textMember(part, 'kind', 'block_type');
  return kind !== undefined && TYPES.has(snakeCase(kind)) ? kind : undefined;
}

const MEDIA_LABELS: ReadonlySet<string> = new Set(['type', 'kind', 'block_type', 'modality', 'detail']);

function isEmpty(value: unknown): boolean {
  const object = asObject(value);
  return object !== undefined && Object.keys(object).length === 0;
}

/** Media that is there but was not captured stays media; a part that says other things in its place is kept as it is. */
function mediaPart(part: JsonObject, type: string): Part {
  const media = readMedia(part, type);
  if (media.kind !== 'media' || hasPayload(media.media)) return media;
  const bare =
    media.media.mimeType !== undefined ||
    Object.keys(part).length <= 1 ||
    Object.entries(part).every(([key, value]) => MEDIA_LABELS.has(key) || isEmpty(value));
  return bare ? media : { kind: 'other', value: part as LazyJson };
}

/** A streamed call's arguments, in pieces behind it. */
function appendArguments(part: JsonObject, into: Parts): void {
  const piece = asText(member(part, 'input', 'partial_json'));
  const call = into.calls.at(-1);
  if (piece === undefined || typeof call?.arguments !== 'string') return;
  const before = call.arguments === '{}' ? '' : call.arguments;
  into.calls[into.calls.length - 1] = { ...call, arguments: before + piece };
}

/** Types nobody has listed yet: by the pattern of their name and what they hold. */
function guessType(name: string, part: JsonObject): 'call' | 'result' | 'text' | undefined {
  if (
    /_(result|output)$/.test(name) &&
    member(part, 'tool_use_id', 'tool_call_id', 'call_id', 'toolCallId') !== undefined
  )
    return 'result';
  if (/^(web_search|file_search|code_interpreter|computer|image_generation|mcp|local_shell)_call$/.test(name))
    return 'call';
  return undefined;
}

/** A text member that may be empty: the emptiness itself is information. */
function textOf(object: JsonObject, ...keys: readonly string[]): Text | undefined {
  for (const key of keys) {
    if (Object.hasOwn(object, key)) {
      const value = object[key];
      if (isText(value)) return value;
    }
  }
  return undefined;
}

function readText(part: JsonObject, into: Parts): void {
  const text = textOf(part, 'text', 'content', 'value');
  if (text !== undefined) into.parts.push({ kind: 'text', text });
  else {
    const inner = member(part, 'text', 'content');
    if (inner !== undefined) into.parts.push({ kind: 'other', value: inner as LazyJson });
  }
}

/** Readable reasoning only: signatures and encrypted reasoning mean nothing to a reader. */
function readReasoning(part: JsonObject, into: Parts): void {
  const text = textOf(part, 'content', 'text', 'thinking', 'reasoning', 'reasoning_text');
  const summaries = text === undefined ? undefined : openSummaries(text);
  if (text !== undefined && !summaries) {
    if (asText(text) !== '') into.parts.push({ kind: 'reasoning', text });
    return;
  }
  const nested = asObject(member(part, 'reasoningText', 'reasoning_text'));
  if (nested) return readReasoning(nested, into);
  for (const list of [summaries, asArray(member(part, 'summary')), asArray(member(part, 'content'))]) {
    for (const item of list ?? []) {
      const inner = isText(item) ? item : textOf(asObject(item) ?? {}, 'text', 'content');
      if (inner !== undefined && asText(inner) !== '') into.parts.push({ kind: 'reasoning', text: inner });
    }
  }
}

/** OpenLLMetry writes the Responses API's list of summaries as a JSON text. */
function openSummaries(text: Text): readonly unknown[] | undefined {
  const raw = asText(text) ?? '';
  if (!/^\s*\[\s*\{/.test(raw)) return undefined;
  const list = asArray(jsonValue(raw));
  return list?.every((item) => /^(summary|reasoning)_text$/.test(textMember(asObject(item), 'type') ?? ''))
    ? list
    : undefined;
}

/** Parts without a `type`: Gemini, Bedrock, Genkit and Strands name the part by its only key. */
function readUntyped(part: JsonObject, into: Parts, depth: number): void {
  const text = textOf(part, 'text');
  if (text !== undefined) {
    into.parts.push({ kind: part.thought === true ? 'reasoning' : 'text', text });
    return;
  }
  const reasoning = member(part, 'reasoning', 'reasoningContent', 'reasoning_content');
  if (reasoning !== undefined) {
    if (isText(reasoning)) {
      if (asText(reasoning) !== '') into.parts.push({ kind: 'reasoning', text: reasoning });
    } else readReasoning(asObject(reasoning) ?? {}, into);
    return;
  }
  const call = asObject(
    member(
      part,
      'toolUse',
      'tool_use',
      'toolRequest',
      'functionCall',
      'function_call',
      'toolUseBlock',
      'tool_call',
    ),
  );
  if (call) return pushCall(readToolCall(call), part, into);
  const result = asObject(
    member(
      part,
      'toolResult',
      'tool_result',
      'toolResponse',
      'functionResponse',
      'function_response',
      'toolResultBlock',
      'tool_call_result',
    ),
  );
  if (result) {
    into.results.push(readToolResult(result, depth));
    return;
  }
  if (
    member(
      part,
      'inlineData',
      'inline_data',
      'fileData',
      'file_data',
      'media',
      'image',
      'document',
      'video',
      'audio',
    ) !== undefined
  ) {
    const key = Object.keys(part).find((k) => /data|media|image|document|video|audio/i.test(k)) ?? 'file';
    into.parts.push(mediaPart(part, snakeCase(key)));
    return;
  }
  const cited = asObject(member(part, 'citationsContent', 'citations'));
  if (cited && member(cited, 'content') !== undefined)
    return readContent(member(cited, 'content'), into, depth);
  const content = textOf(part, 'content');
  if (content !== undefined) {
    into.parts.push({ kind: 'text', text: content });
    return;
  }
  if (isJsonAnswer(part)) {
    into.parts.push({ kind: 'text', text: toJsonString(part.data) });
    return;
  }
  if (member(part, 'toolName', 'toolCallId') !== undefined && member(part, 'input', 'args') !== undefined) {
    return pushCall(readToolCall(part), part, into);
  }
  // AutoGen's `FunctionCall`.
  if (textMember(part, 'name') !== undefined && member(part, 'arguments') !== undefined) {
    return pushCall(readToolCall(part), part, into);
  }
  if (
    Object.keys(part).length === 1 &&
    textMember(part, 'mime_type', 'mimeType', 'mediaType') !== undefined
  ) {
    into.parts.push(mediaPart(part, 'file')); // cut before its content
    return;
  }
  if (isCutOff(part)) return readCutOff(part, into);
  if (Object.keys(part).length > 0 && !isBookkeeping(part))
    into.parts.push({ kind: 'other', value: part as LazyJson });
}

/** A part whose type stood behind the cut: a call that is told apart by its name, or nothing to show. */
function readCutOff(part: JsonObject, into: Parts): void {
  if (textMember(part, 'name') !== undefined && member(part, 'input') !== undefined)
    pushCall(readToolCall(part), part, into);
}

/** Genkit's `{data}`: a JSON answer that was parsed. */
function isJsonAnswer(part: JsonObject): boolean {
  return (
    member(part, 'data') !== undefined && Object.keys(part).every((key) => /^(data|metadata)$/.test(key))
  );
}

/** Cache points and thought signatures: no content. */
function isBookkeeping(part: JsonObject): boolean {
  return Object.keys(part).every((key) =>
    /^(cachePoint|cache_point|thoughtSignature|thought_signature|metadata)$/.test(key),
  );
}

function pushCall(call: ToolCall | undefined, part: JsonObject, into: Parts): void {
  if (call) into.calls.push(call);
  // Without content Azure's agents leave no more of a call than its id.
  else if (Object.keys(part).some((key) => key !== 'type' && key !== 'id'))
    into.parts.push({ kind: 'other', value: part as LazyJson });
}

/** A tool result of any spelling. */
export function readToolResult(result: JsonObject, depth: number): ToolResult {
  const payload = member(
    result,
    'response',
    'result',
    'output',
    'content',
    'server_tool_call_response',
    'results',
    'value',
  );
  // Haystack's result holds the call.
  const origin = asObject(member(result, 'origin'));
  return {
    id:
      textMember(
        result,
        'call_id',
        'callId',
        'toolCallId',
        'tool_call_id',
        'tool_use_id',
        'toolUseId',
        'id',
        'ref',
      ) ?? textMember(origin, 'id'),
    name: textMember(result, 'name', 'toolName', 'tool_name') ?? textMember(origin, 'tool_name'),
    parts: resultParts(agentsOutput(result, payload), depth + 1),
  };
}

/** The OpenAI Agents SDK keeps a result as `{type: "text", text}`; the model is sent the text. */
function agentsOutput(result: JsonObject, payload: unknown): unknown {
  if (textMember(result, 'type') !== 'function_call_result') return payload;
  const output = asObject(payload);
  return output && textMember(output, 'type') === 'text' ? (textOf(output, 'text') ?? payload) : payload;
}

/** The content of a tool message: texts stay texts, blocks become parts, anything else is JSON text. */
export function resultParts(payload: unknown, depth: number = 0): readonly Part[] {
  if (payload === undefined || payload === null) return [{ kind: 'text', text: '' }];
  if (isText(payload)) return [{ kind: 'text', text: payload }];
  const object = asObject(payload);
  if (object) {
    const wrapped = unwrapOutput(object);
    if (wrapped !== undefined) return resultParts(wrapped.value, depth + 1);
  }
  const list = asArray(payload);
  if (list && depth < MAX_DEPTH && list.length > 0 && list.every(isBlock)) {
    const into = emptyParts();
    for (const item of list) {
      const block = asObject(item);
      const json = block && textMember(block, 'type') === undefined ? member(block, 'json') : undefined;
      if (json !== undefined) into.parts.push({ kind: 'text', text: toJsonString(json) });
      else readPart(item, into, depth + 1);
    }
    if (into.calls.length === 0 && into.results.length === 0 && into.parts.length > 0)
      return mergeTexts(into.parts);
  }
  const opened = open(payload);
  return [{ kind: 'text', text: opened === null ? '' : toJsonString(payload) }];
}

/** AI SDK ≥ 5: `{type: "text" | "json" | "error-text" | "error-json" | "content" | "execution-denied", value}`. */
function unwrapOutput(object: JsonObject): { value: unknown } | undefined {
  const type = textMember(object, 'type');
  if (type === undefined || !/^(text|json|error-text|error-json|content)$/.test(type)) return undefined;
  if (
    !Object.hasOwn(object, 'value') ||
    Object.keys(object).some((key) => !/^(type|value|providerOptions|providerMetadata)$/.test(key))
  )
    return undefined;
  return { value: object.value };
}

/** Whether an item is a content block rather than a list entry of the tool's own data. */
function isBlock(item: unknown): boolean {
  const block = asObject(item);
  if (!block) return false;
  const type = textMember(block, 'type') ?? kindOf(block);
  if (type !== undefined)
    return (
      TYPES.has(snakeCase(type)) &&
      (member(block, 'text', 'content', 'source', 'data', 'image_url', 'image', 'value') !== undefined ||
        textOf(block, 'text') !== undefined)
    );
  const keys = Object.keys(block);
  return keys.length === 1 && /^(text|json|image|document|video)$/.test(keys[0] ?? '');
}

/** The blocks of one result are one answer: neighbouring texts are joined. */
function mergeTexts(parts: readonly Part[]): readonly Part[] {
  if (!parts.every((part) => part.kind === 'text')) return parts;
  return [
    {
      kind: 'text',
      text: parts.map((part) => (part.kind === 'text' ? (asText(part.text) ?? '') : '')).join(''),
    },
  ];
}
