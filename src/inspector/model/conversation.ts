/** The messages of a completion as a reader wants them: tool calls beside their results, and what a part really is. */
import type { JsonValue } from '../../json/json-text.ts';
import type { RecordBody } from '../../record/record.ts';
import { isObject, type JsonObject, listOf, objectOf, textOf } from './values.ts';

export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'refusal'; readonly text: string }
  /** `url`: data URI, or an address that is never asked for. */
  | { readonly kind: 'image'; readonly url: string }
  | { readonly kind: 'audio'; readonly url: string; readonly format: string }
  | { readonly kind: 'file'; readonly name: string; readonly url: string | undefined }
  | { readonly kind: 'other'; readonly value: JsonValue };

export interface Call {
  readonly id: string | undefined;
  readonly name: string;
  /** As the model wrote them: usually JSON, at times broken. */
  readonly arguments: string;
  /** The tool message that answers it. */
  result: Turn | undefined;
}

export interface Turn {
  /** Place among the messages, from 0. */
  readonly index: number;
  readonly role: string;
  readonly name: string | undefined;
  readonly toolCallId: string | undefined;
  readonly reasoning: string | undefined;
  readonly parts: readonly Part[];
  readonly calls: readonly Call[];
  /** The model's answer to all before it. */
  readonly isReply: boolean;
  /** `content` is null or missing, which is not the same as an empty text. */
  readonly hasContent: boolean;
}

export interface Conversation {
  /** Every message once: those that answer a call hang at it, all others are here. */
  readonly turns: readonly Turn[];
  /** Further choices of the model. */
  readonly choices: readonly Turn[];
  readonly messageCount: number;
}

export function toConversation(body: RecordBody): Conversation {
  const messages = listOf(body.messages);
  const turns = messages.map((message, index) => toTurn(objectOf(message), index, messages.length));
  const paired = pairCalls(turns);
  const info = objectOf(objectOf(body.call_info).provider_info);
  return {
    turns: turns.filter((turn) => !paired.has(turn)),
    choices: listOf(info.choices).map((choice, index) => ({
      ...toTurn({ role: 'assistant', ...objectOf(choice) }, index + 1, 0),
      isReply: true,
    })),
    messageCount: messages.length,
  };
}

function toTurn(message: JsonObject, index: number, count: number): Turn {
  const role = textOf(message.role) ?? 'unknown';
  const refusal = textOf(message.refusal);
  return {
    index,
    role,
    name: textOf(message.name),
    toolCallId: textOf(message.tool_call_id),
    reasoning: textOf(message.reasoning_content) ?? textOf(message.reasoning),
    parts: [
      ...toParts(message.content),
      ...(refusal === undefined ? [] : [{ kind: 'refusal', text: refusal } as const]),
    ],
    calls: toCalls(message),
    isReply: role === 'assistant' && index === count - 1,
    hasContent: message.content !== null && message.content !== undefined,
  };
}

export function toParts(content: JsonValue | undefined): readonly Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ kind: 'text', text: content }];
  if (Array.isArray(content)) return content.map(toPart);
  return content === undefined || content === null ? [] : [{ kind: 'other', value: content }];
}

function toPart(value: JsonValue): Part {
  const part = objectOf(value);
  if (part.type === 'text' && typeof part.text === 'string') return { kind: 'text', text: part.text };
  if (part.type === 'refusal' && typeof part.refusal === 'string')
    return { kind: 'refusal', text: part.refusal };
  if (part.type === 'image_url') {
    const url = textOf(part.image_url) ?? textOf(objectOf(part.image_url).url);
    if (url !== undefined) return { kind: 'image', url };
  }
  if (part.type === 'input_audio') {
    const { data, format } = objectOf(part.input_audio);
    const kind = textOf(format) ?? 'wav';
    if (typeof data === 'string')
      return { kind: 'audio', url: `data:${audioType(kind)};base64,${data}`, format: kind };
  }
  if (part.type === 'file' && isObject(part.file)) {
    const { filename, file_id, file_data } = part.file;
    return {
      kind: 'file',
      name: textOf(filename) ?? textOf(file_id) ?? 'unnamed file',
      url: textOf(file_data),
    };
  }
  return { kind: 'other', value };
}

function audioType(format: string): string {
  const name = format.toLowerCase().replace(/[^a-z0-9.+-]/g, '');
  return `audio/${name === 'mp3' ? 'mpeg' : name}`;
}

function toCalls(message: JsonObject): readonly Call[] {
  const asked = listOf(message.tool_calls).map((call) => {
    const { id, function: named, custom } = objectOf(call);
    return toCall(textOf(id), objectOf(named ?? custom));
  });
  return isObject(message.function_call) ? [...asked, toCall(undefined, message.function_call)] : asked;
}

function toCall(id: string | undefined, named: JsonObject): Call {
  const given = named.arguments ?? named.input;
  return {
    id,
    name: textOf(named.name) ?? 'unnamed',
    arguments: typeof given === 'string' ? given : given === undefined ? '' : JSON.stringify(given),
    result: undefined,
  };
}

/**
 * Each result at its call. Some providers count ids anew in each round, so a result belongs to the latest call of its id that has
 * none yet; without an id, to the first open call of its name, else to the first open one.
 */
function pairCalls(turns: readonly Turn[]): ReadonlySet<Turn> {
  const paired = new Set<Turn>();
  let open: Call[] = [];
  for (const turn of turns) {
    open.push(...turn.calls);
    if (turn.role !== 'tool' && turn.role !== 'function') continue;
    const call =
      turn.toolCallId !== undefined
        ? open.findLast(({ id }) => id === turn.toolCallId)
        : (open.find(({ id, name }) => id === undefined && name === turn.name) ??
          open.find(({ id }) => id === undefined));
    if (call === undefined) continue;
    call.result = turn;
    paired.add(turn);
    open = open.filter((one) => one !== call);
  }
  return paired;
}
