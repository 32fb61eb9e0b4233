/**
 * The messages of the current conventions, read without parsing: a walk over their JSON text that hands out slices of it. It knows the
 * everyday shapes only (texts, reasoning, tool calls and their results, each with the keys that the conventions give it) and gives the
 * very messages that `readMessages` gives; for anything else it gives up, and the text is parsed.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-input-messages.json
 */
import type { Message, Part, Role, ToolCall } from '../completion/completion.ts';
import { normaliseFinishReason } from '../completion/normalise.ts';
import { isWalkable, JsonWalk, quoteWalked } from '../json/canonical.ts';
import { JsonText } from '../json/json-text.ts';
import { argumentsText } from './tool-call.ts';

const ROLES = ['user', 'assistant', 'tool', 'system', 'developer'] as const;

type Kind = 'text' | 'reasoning' | 'tool_call' | 'tool_call_response';

const KINDS = ['text', 'tool_call', 'tool_call_response', 'reasoning'] as const satisfies readonly Kind[];

const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const QUOTE = 0x22;
const SPACE = 0x20;
const BACKSLASH = 0x5c;

const NO_CALLS: readonly ToolCall[] = [];
const NO_PARTS: readonly Part[] = [];

/** No list is longer; beyond, the parser's own bounds decide. */
const MAX_ITEMS = 4096;

/** A list of messages as JSON text, or `undefined` where the text has to be parsed. */
export function walkMessages(text: unknown): readonly Message[] | undefined {
  return walkList(text, walkMessage);
}

/** A list of text parts as JSON text, as one system message. */
export function walkInstructions(text: unknown): readonly Message[] | undefined {
  const parts = walkList<Part>(text, (walk, into) => {
    const fields = walkPart(walk);
    // A text that looks like a list of parts is opened by the parser.
    if (fields?.type !== 'text' || !isPlainText(walk.text, fields.content)) return false;
    into.push({ kind: 'text', text: fields.content as JsonText });
    return true;
  });
  return parts && [{ role: 'system', parts, toolCalls: [] }];
}

function walkList<T>(
  text: unknown,
  walkItem: (walk: JsonWalk, into: T[]) => boolean,
): readonly T[] | undefined {
  if (typeof text !== 'string' || text.charCodeAt(0) !== OPEN_LIST || text.charCodeAt(1) !== OPEN_OBJECT)
    return undefined;
  if (!isWalkable(text)) return undefined;
  const walk = new JsonWalk(text, 1);
  const items: T[] = [];
  do {
    if (!walkItem(walk, items) || items.length > MAX_ITEMS) return undefined;
  } while (walk.takes(COMMA));
  return walk.takes(CLOSE_LIST) && walk.at === text.length ? items : undefined;
}

/** What the parts of a message hold, in order. */
interface Held {
  readonly parts: Part[];
  readonly calls: ToolCall[];
  readonly results: Message[];
}

function walkMessage(walk: JsonWalk, into: Message[]): boolean {
  if (!walk.takes(OPEN_OBJECT)) return false;
  let role: Role | undefined;
  let finish: JsonText | undefined;
  let held: Held | undefined;
  do {
    const key = keyOf(walk, MESSAGE_KEYS);
    if (key === undefined || !walk.takes(COLON)) return false;
    if (key === 'role') {
      const from = walk.at;
      if (role !== undefined || walk.string() === -1) return false;
      role = wordOf(walk, from, ROLES);
      if (role === undefined) return false;
    } else if (key === 'parts') {
      if (held !== undefined) return false;
      held = walkParts(walk);
      if (held === undefined) return false;
    } else {
      if (finish !== undefined) return false;
      finish = slice(walk, true);
      if (finish === undefined) return false;
    }
  } while (walk.takes(COMMA));
  if (!walk.takes(CLOSE_OBJECT) || role === undefined || held === undefined) return false;
  const { parts, calls, results } = held;
  if (role === 'tool') {
    if (parts.length > 0 || calls.length > 0 || results.length === 0) return false;
    into.push(...results);
    return true;
  }
  if (results.length > 0 || (role !== 'assistant' && parts.some((part) => part.kind !== 'text')))
    return false;
  into.push({
    role,
    name: undefined,
    parts: parts.length > 0 ? parts : NO_PARTS,
    toolCalls: calls.length > 0 ? calls : NO_CALLS,
    finishReason: finish && normaliseFinishReason(finish),
  });
  return true;
}

function walkParts(walk: JsonWalk): Held | undefined {
  if (!walk.takes(OPEN_LIST)) return undefined;
  const held: Held = { parts: [], calls: [], results: [] };
  if (walk.takes(CLOSE_LIST)) return held;
  do {
    const fields = walkPart(walk);
    if (!fields || !hold(walk.text, fields, held)) return undefined;
    if (held.parts.length + held.calls.length + held.results.length > MAX_ITEMS) return undefined;
  } while (walk.takes(COMMA));
  return walk.takes(CLOSE_LIST) ? held : undefined;
}

function hold(text: string, fields: Fields, { parts, calls, results }: Held): boolean {
  const { content, id, name, args, response } = fields;
  switch (fields.type) {
    case 'text':
      if (!content || id || name || args || response) return false;
      parts.push({ kind: 'text', text: content });
      return true;
    case 'reasoning':
      if (id || name || args || response || !isPlainText(text, content)) return false;
      if (content.end - content.start > 2) parts.push({ kind: 'reasoning', text: content });
      return true;
    case 'tool_call': {
      if (content || response || !isId(text, id) || !isSaid(name)) return false;
      calls.push({
        id: stringOf(id),
        name: stringOf(name),
        arguments: argumentsOf(args),
      });
      return true;
    }
    case 'tool_call_response': {
      const said = !content && !name && !args && response ? resultOf(text, response) : undefined;
      if (said === undefined || !isId(text, id)) return false;
      results.push({
        role: 'tool',
        name: undefined,
        parts: [{ kind: 'text', text: said }],
        toolCalls: NO_CALLS,
        toolCallId: stringOf(id),
      });
      return true;
    }
    default:
      return false;
  }
}

interface Fields {
  type: Kind | undefined;
  content: JsonText | undefined;
  id: JsonText | undefined;
  name: JsonText | undefined;
  args: JsonText | undefined;
  response: JsonText | undefined;
}

/** Read by whoever asked before the next part is walked. */
const FIELDS: Fields = {
  type: undefined,
  content: undefined,
  id: undefined,
  name: undefined,
  args: undefined,
  response: undefined,
};

/** The members of one part; each at most once, none that is not listed here. */
function walkPart(walk: JsonWalk): Fields | undefined {
  if (!walk.takes(OPEN_OBJECT)) return undefined;
  const fields = FIELDS;
  fields.type = undefined;
  fields.content = undefined;
  fields.id = undefined;
  fields.name = undefined;
  fields.args = undefined;
  fields.response = undefined;
  do {
    const key = keyOf(walk, PART_KEYS);
    if (key === undefined || !walk.takes(COLON)) return undefined;
    if (key === 'type') {
      const from = walk.at;
      if (fields.type !== undefined || walk.string() === -1) return undefined;
      fields.type = wordOf(walk, from, KINDS);
      if (fields.type === undefined) return undefined;
      continue;
    }
    const isText = key === 'content' || key === 'id' || key === 'name';
    const value = slice(walk, isText);
    if (value === undefined || !put(fields, key, value)) return undefined;
  } while (walk.takes(COMMA));
  return walk.takes(CLOSE_OBJECT) ? fields : undefined;
}

const MESSAGE_KEYS = ['role', 'parts', 'finish_reason'] as const;
const PART_KEYS = ['type', 'content', 'id', 'name', 'arguments', 'response', 'result'] as const;

/** Puts a member in its place, if that is free. */
function put(fields: Fields, key: (typeof PART_KEYS)[number], value: JsonText): boolean {
  switch (key) {
    case 'content':
      if (fields.content) return false;
      fields.content = value;
      return true;
    case 'id':
      if (fields.id) return false;
      fields.id = value;
      return true;
    case 'name':
      if (fields.name) return false;
      fields.name = value;
      return true;
    case 'arguments':
      if (fields.args) return false;
      fields.args = value;
      return true;
    default:
      if (fields.response) return false;
      fields.response = value;
      return true;
  }
}

function keyOf<T extends string>(walk: JsonWalk, keys: readonly T[]): T | undefined {
  const start = walk.at;
  return walk.string() === -1 ? undefined : wordOf(walk, start, keys);
}

/** Which of these words the literal from there to here is. */
function wordOf<T extends string>(walk: JsonWalk, from: number, words: readonly T[]): T | undefined {
  for (const word of words) if (walk.isWord(from, word)) return word;
  return undefined;
}

function stringOf(literal: JsonText): string {
  const inside = literal.source.slice(literal.start + 1, literal.end - 1);
  return inside.includes('\\') ? (literal.parse() as string) : inside;
}

/** The value that comes next; `null` is left to the parser. */
function slice(walk: JsonWalk, isText: boolean): JsonText | undefined {
  const start = walk.at;
  const first = walk.peek();
  if (first === 0x6e || (isText && first !== QUOTE)) return undefined;
  const end = walk.value();
  return end === -1 ? undefined : new JsonText(walk.text, start, end, true);
}

function isSaid(text: JsonText | undefined): text is JsonText {
  return text !== undefined && text.end - text.start > 2;
}

/** An id that no rule looks into: the Responses API's item ids are restored from those that the results name. */
function isId(text: string, id: JsonText | undefined): id is JsonText {
  return isSaid(id) && !text.startsWith('"fc_', id.start);
}

/** A text that nobody takes for JSON: some emitters write lists of parts as text. */
function isPlainText(text: string, content: JsonText | undefined): content is JsonText {
  if (content === undefined) return false;
  const first = text.charCodeAt(content.start + 1);
  if (first > 0x7e) return !/\s/.test(text.charAt(content.start + 1));
  return first !== OPEN_LIST && first !== SPACE && first !== BACKSLASH;
}

function argumentsOf(args: JsonText | undefined): string {
  if (args === undefined) return '{}';
  return args.isString ? (argumentsText(args.parse()) as string) : args.json;
}

/** A text, or JSON as text; values that `resultParts` would open are left to it. */
function resultOf(text: string, response: JsonText): JsonText | undefined {
  if (response.isString) return response;
  const first = text.charCodeAt(response.start);
  if (first === OPEN_LIST && text.charCodeAt(response.start + 1) === OPEN_OBJECT) return undefined;
  const { json } = response;
  if (first === OPEN_OBJECT && json.includes('"type":')) return undefined;
  const literal = quoteWalked(json);
  return new JsonText(literal, 0, literal.length, true);
}
