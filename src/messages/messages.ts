/** Messages of any dialect → neutral messages: one reader, sniffing the shape (parts, provider blocks, LangChain, Responses). */
import type { Message, Part, Role, ToolCall } from '../completion/completion.ts';
import { normaliseFinishReason, normaliseRole } from '../completion/normalise.ts';
import {
  asArray,
  asObject,
  asText,
  isText,
  type JsonObject,
  jsonOf,
  member,
  textMember,
} from '../json/json-text.ts';
import { jsonValue, readJson } from '../json/read-json.ts';
import { restoreCallIds } from './item-ids.ts';
import {
  emptyParts,
  isApproval,
  type Parts,
  readContent,
  readToolResult,
  resultParts,
  snakeCase,
  type ToolResult,
} from './parts.ts';
import { readToolCall } from './tool-call.ts';

/** Beyond this a message list is an attack or a bug; the span's own size limits bite long before. */
const MAX_MESSAGES = 20_000;

export type Side = 'input' | 'output';

const DEFAULT_ROLE: { readonly [side in Side]: Role } = { input: 'user', output: 'assistant' };

export function textMessage(role: Role, text: string): Message {
  return { role, parts: [{ kind: 'text', text }], toolCalls: [] };
}

/** A list of messages (or one, or a plain text) of any shape. */
export function readMessages(value: unknown, side: Side): readonly Message[] {
  const messages: Message[] = [];
  collect(value, side, messages, 0);
  return restoreCallIds(joinNeighbours(messages));
}

interface Joinable extends Message {
  /** Made from one item of a Responses-style list: belongs with its neighbours of the same turn. */
  readonly item?: true;
}

function collect(value: unknown, side: Side, messages: Joinable[], depth: number): void {
  if (value === undefined || value === null || depth > 4 || messages.length >= MAX_MESSAGES) return;
  if (isText(value)) {
    if (asText(value) !== '')
      messages.push({ role: DEFAULT_ROLE[side], parts: [{ kind: 'text', text: value }], toolCalls: [] });
    return;
  }
  const list = asArray(value);
  if (!list) {
    const object = asObject(value);
    if (object) messages.push(...readMessage(object, side));
    return;
  }
  const first = list[0];
  if (asArray(first)) return collect(first, side, messages, depth + 1); // LangChain batches
  for (const item of list) {
    if (messages.length >= MAX_MESSAGES) return;
    const object = asObject(item);
    if (object) messages.push(...readMessage(object, side));
    else if (isText(item)) collect(item, side, messages, depth + 1);
  }
}

/** One message object → one message, or several where tool results ride in it. */
function readMessage(raw: JsonObject, side: Side): readonly Joinable[] {
  const message = unwrap(raw);
  const item = readItem(message, side);
  if (item) return item;
  const role = roleOf(message, side);
  const into = emptyParts();
  readReasoningFields(message, into);
  const content = member(message, 'parts') ?? contentOf(message);
  if (role === 'tool') return toolMessages(message, content, into);
  readContent(content, into);
  if (member(message, 'parts') !== undefined && into.parts.length === 0)
    readContent(contentOf(message), into);
  readCallFields(message, into);
  const refusal = member(message, 'refusal');
  if (isText(refusal) && asText(refusal) !== '') into.parts.push({ kind: 'refusal', text: refusal });
  return split(role, nameOf(message), into, finishOf(message));
}

/** LangChain's `{lc, id, kwargs}` and `{type, data}`, Bedrock's and Genkit's `{message}`. */
function unwrap(raw: JsonObject): JsonObject {
  const kwargs = asObject(member(raw, 'kwargs'));
  const id = asArray(member(raw, 'id'));
  if (kwargs && id)
    return { ...kwargs, role: asText(id.at(-1)) ?? textMember(kwargs, 'role') ?? textMember(kwargs, 'type') };
  const data = asObject(member(raw, 'data'));
  const type = textMember(raw, 'type');
  if (data && normaliseRole(type)) return { ...data, role: type };
  const inner = asObject(member(raw, 'message'));
  if (inner && member(raw, 'role', 'content', 'parts') === undefined) {
    return {
      ...inner,
      finish_reason: member(raw, 'finish_reason', 'finishReason') ?? member(inner, 'finish_reason'),
    };
  }
  return raw;
}

function contentOf(message: JsonObject): unknown {
  const content = member(message, 'content', 'text', 'blocks');
  return partsInText(content) ?? content;
}

/** A list of provider parts written as a JSON text: by older OpenLLMetry, and by Sentry for LangChain's system messages. */
function partsInText(content: unknown): readonly unknown[] | undefined {
  const text = asText(content);
  if (text === undefined || !/^\s*\[\s*\{/.test(text)) return undefined;
  const read = readJson(text);
  const list = asArray(read?.value);
  if (!list || (list.length === 0 && !(read?.cut && BLOCKS_BEGIN.test(text)))) return undefined;
  return list.every((part) => isContentPart(part)) ? list : undefined;
}

/** A block without a type is an object of one member, which names it: Bedrock's, and Strands' own. Only a text is no object. */
const BLOCKS: ReadonlySet<string> = new Set([
  'toolUse',
  'toolResult',
  'reasoningContent',
  'reasoning',
  'image',
  'document',
  'video',
  'audio',
  'cachePoint',
  'guardContent',
  'citationsContent',
  'citations',
]);

/** Such a list that a span limit cut before it said anything. */
const BLOCKS_BEGIN = new RegExp(`^\\s*\\[\\s*\\{\\s*"(type|text|${[...BLOCKS].join('|')})"`);

function isContentPart(part: unknown): boolean {
  const object = asObject(part);
  if (!object) return false;
  const type = textMember(object, 'type');
  if (type === undefined) {
    const [key, ...more] = Object.keys(object);
    if (key === undefined || more.length > 0) return false;
    return key === 'text' ? isText(object.text) : BLOCKS.has(key) && asObject(object[key]) !== undefined;
  }
  return /text|image|audio|file|tool|thinking|reasoning|document|refusal|video/i.test(type);
}

function roleOf(message: JsonObject, side: Side): Role {
  const role = normaliseRole(member(message, 'role')) ?? normaliseRole(member(message, 'type'));
  if (role) return role;
  if (member(message, 'tool_call_id', 'toolCallId') !== undefined) return 'tool';
  return DEFAULT_ROLE[side];
}

function nameOf(message: JsonObject): string | undefined {
  const name = textMember(message, 'name');
  return name !== undefined && name.length <= 256 ? name : undefined;
}

function finishOf(message: JsonObject): string | undefined {
  const metadata = asObject(member(message, 'response_metadata'));
  return normaliseFinishReason(
    textMember(message, 'finish_reason', 'finishReason', 'stop_reason', 'stopReason') ??
      textMember(metadata, 'finish_reason', 'stop_reason'),
  );
}

function readReasoningFields(message: JsonObject, into: Parts): void {
  const extra = asObject(member(message, 'additional_kwargs'));
  const reasoning =
    member(message, 'reasoning_content', 'reasoning', 'thinking') ?? member(extra, 'reasoning_content');
  if (isText(reasoning) && asText(reasoning) !== '') into.parts.push({ kind: 'reasoning', text: reasoning });
}

/** Calls beside the content: OpenAI's and LangChain's `tool_calls`, the AI SDK's `toolCalls`, legacy `function_call`. */
function readCallFields(message: JsonObject, into: Parts): void {
  const extra = asObject(member(message, 'additional_kwargs'));
  const lists = [member(message, 'tool_calls', 'toolCalls'), member(extra, 'tool_calls')];
  for (const list of lists) {
    const calls = asArray(jsonValue(list));
    if (!calls || calls.length === 0) continue;
    for (const raw of calls) addCall(asObject(raw), into);
    break;
  }
  const legacy =
    asObject(member(message, 'function_call', 'functionCall')) ?? asObject(member(extra, 'function_call'));
  if (legacy && into.calls.length === 0) addCall(legacy, into);
}

/** The same call may stand in the content and beside it, in either place without its arguments. */
function addCall(raw: JsonObject | undefined, into: Parts): void {
  const call = raw && readToolCall(raw);
  if (!call) return;
  const at = into.calls.findIndex(
    (known) =>
      (known.id !== undefined && known.id === call.id) ||
      (known.id === undefined &&
        call.id === undefined &&
        known.name === call.name &&
        jsonOf(known.arguments) === jsonOf(call.arguments)),
  );
  if (at < 0) into.calls.push(call);
  else if (into.calls[at]?.arguments === '{}') into.calls[at] = call;
}

/** A message of role `tool` holds one result, or several as parts. */
function toolMessages(message: JsonObject, content: unknown, into: Parts): readonly Joinable[] {
  const list = asArray(content);
  if (list) {
    if (list.length > 0 && list.every(isApproval)) return [];
    readContent(list, into);
    if (into.results.length > 0)
      return into.results.map((result) => toolMessage(withId(result, message, into.results.length)));
  } else {
    const object = asObject(content);
    if (object && /result|response/.test(snakeCase(textMember(object, 'type') ?? '')))
      return [toolMessage(readToolResult(object, 0))];
  }
  const extra = asObject(member(message, 'additional_kwargs'));
  const id =
    textMember(message, 'tool_call_id', 'toolCallId', 'call_id', 'tool_use_id') ??
    textMember(extra, 'tool_call_id') ??
    legacyId(message);
  const payload = (list && untypedResult(list)) ?? content ?? member(message, 'response', 'result', 'output');
  return [toolMessage({ id, name: nameOf(message), parts: resultParts(payload) })];
}

/** A result that was cut before its type. */
function untypedResult([part, ...more]: readonly unknown[]): unknown {
  const object = asObject(part);
  return more.length === 0 && object && Object.keys(object).length === 1
    ? member(object, 'response', 'result')
    : undefined;
}

/** A `tool` message event names the call in `id`; a message's own id never looks like a call's. */
function legacyId(message: JsonObject): string | undefined {
  return textMember(message, 'id');
}

function withId(result: ToolResult, message: JsonObject, count: number): ToolResult {
  if (result.id !== undefined || count > 1) return result;
  return { ...result, id: textMember(message, 'tool_call_id', 'toolCallId', 'id') };
}

function toolMessage(result: ToolResult): Message {
  return { role: 'tool', name: result.name, parts: result.parts, toolCalls: [], toolCallId: result.id };
}

/**
 * Results become messages of their own. From a user message they come first, then what the user added; from an assistant message
 * (tools run by the provider) the answered calls go before them, and what was said goes last.
 */
function split(
  role: Role,
  name: string | undefined,
  into: Parts,
  finishReason: string | undefined,
): readonly Message[] {
  const rest = (parts: readonly Part[], toolCalls: readonly ToolCall[]): Message => ({
    role,
    name,
    parts,
    toolCalls,
    finishReason,
  });
  if (into.results.length === 0) return [rest(into.parts, into.calls)];
  const results = into.results.map(toolMessage);
  if (role !== 'assistant') {
    return into.parts.length + into.calls.length > 0 ? [...results, rest(into.parts, into.calls)] : results;
  }
  const answeredIds = new Set(into.results.map((result) => result.id));
  const answered = into.calls.filter((call) => answeredIds.has(call.id));
  const open = into.calls.filter((call) => !answeredIds.has(call.id));
  const asked: Message[] = answered.length > 0 ? [{ role, name, parts: [], toolCalls: answered }] : [];
  return [...asked, ...results, rest(into.parts, open)];
}

/** Items of the Responses API: a type and no role (or a role inside a `message` item). */
function readItem(raw: JsonObject, side: Side): readonly Joinable[] | undefined {
  const type = textMember(raw, 'type');
  if (type === undefined || normaliseRole(member(raw, 'role')) || normaliseRole(type)) return undefined;
  if (member(raw, 'parts', 'kwargs') !== undefined) return undefined;
  const name = snakeCase(type);
  if (name === 'message') return undefined;
  const into = emptyParts();
  if (/^(function_call|custom_tool_call|mcp_call|.*_call)$/.test(name)) {
    const call = readToolCall(raw);
    if (!call) return undefined;
    const output = member(raw, 'output');
    const asked: Joinable = { role: 'assistant', parts: [], toolCalls: [call], item: true };
    // A tool the provider ran: its result is in the same item.
    return name === 'mcp_call' && output !== undefined
      ? [asked, toolMessage({ id: call.id, name: call.name, parts: resultParts(output) })]
      : [asked];
  }
  if (/_call_(output|result)$/.test(name)) return [toolMessage(readToolResult(raw, 0))];
  if (name === 'item_reference') return [];
  readContent([raw], into);
  if (into.results.length > 0) return into.results.map(toolMessage);
  const spoken =
    name === 'reasoning' || name === 'thinking' || name === 'output_text' || into.calls.length > 0;
  return [
    { role: spoken ? 'assistant' : DEFAULT_ROLE[side], parts: into.parts, toolCalls: into.calls, item: true },
  ];
}

/** Neighbouring items of one assistant turn become one message, as long as the order reasoning → text → calls is kept. */
function joinNeighbours(messages: readonly Joinable[]): readonly Message[] {
  if (!messages.some((message) => message.item)) return messages;
  const joined: Message[] = [];
  let lastIsItem = false;
  for (const message of messages) {
    const { item, ...plain } = message;
    const last = joined.at(-1);
    if (
      last &&
      item &&
      last.role === plain.role &&
      (lastIsItem || plain.role === 'assistant') &&
      fits(last, plain)
    ) {
      joined[joined.length - 1] = {
        ...last,
        parts: [...last.parts, ...plain.parts],
        toolCalls: [...last.toolCalls, ...plain.toolCalls],
      };
    } else if (plain.role === 'assistant' && last?.role === 'assistant' && lastIsItem && fits(last, plain)) {
      joined[joined.length - 1] = {
        ...plain,
        parts: [...last.parts, ...plain.parts],
        toolCalls: [...last.toolCalls, ...plain.toolCalls],
      };
    } else joined.push(plain);
    lastIsItem = item === true;
  }
  return joined;
}

function fits(before: Message, after: Message): boolean {
  return before.toolCalls.length === 0 || after.parts.length === 0;
}

/** All messages of one reply as one: providers report the items of a reply one by one. */
export function joinReply(messages: readonly Message[]): Message | undefined {
  const spoken = messages.filter((message) => message.role === 'assistant');
  const first = spoken[0];
  if (!first || spoken.length === 1) return first;
  return {
    ...first,
    parts: spoken.flatMap((message) => message.parts),
    toolCalls: spoken.flatMap((message) => message.toolCalls),
    finishReason: spoken.map((message) => message.finishReason).find((reason) => reason !== undefined),
  };
}

/** System instructions kept apart: a text, parts without a role, or messages. */
export function readInstructions(value: unknown): readonly Message[] {
  const parsed = jsonValue(value);
  const list = asArray(parsed) ?? (parsed === undefined ? [] : [parsed]);
  if (list.some((item) => member(asObject(item), 'role') !== undefined)) {
    return readMessages(parsed, 'input').map((message) => ({
      ...message,
      role: message.role === 'developer' ? 'developer' : 'system',
    }));
  }
  const object = asObject(parsed);
  const inner = object && member(object, 'parts');
  const into = emptyParts();
  for (const part of asArray(inner) ?? list)
    readContent(partsInText(member(asObject(part), 'content', 'text')) ?? part, into);
  return into.parts.length > 0 ? [{ role: 'system', parts: into.parts, toolCalls: [] }] : [];
}
