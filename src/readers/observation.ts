/** What tracers of functions write of a model call: one value that went in and one that came out, in whatever shape the function has. */
import {
  asArray,
  asObject,
  isText,
  type JsonObject,
  member,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { type RequestFacts, type ResponseFacts, readRequest, readResponse } from '../messages/exchange.ts';
import { readMessages, textMessage } from '../messages/messages.ts';
import { getAttribute } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import { asChoices, type Content, nonEmpty, readGenAiContent, readNoted } from './content.ts';

/**
 * The conventions' own messages, and for what they leave out the values under these keys.
 *
 * @param unwrap takes off what the tracer puts around a value
 */
export function readObservedContent(
  span: SpanData,
  logs: readonly LogData[],
  inputKey: string,
  outputKey: string,
  unwrap: (value: unknown) => unknown = (value) => value,
): Content {
  const content = readGenAiContent(span, logs);
  const { attributes } = span;
  if (content.input === undefined) {
    const value = readNoted(getAttribute(attributes, inputKey), inputKey, content.notes);
    const request = readCallInput(unwrap(value));
    content.request = request;
    content.input = nonEmpty(request.messages);
    content.instructions ??= request.instructions;
  }
  if (content.choices === undefined) {
    const raw = getAttribute(attributes, outputKey);
    const noted = content.notes.length;
    const value = readNoted(raw, outputKey, content.notes);
    const inner = unwrap(value);
    const wasCut = content.notes.length > noted;
    const { choices, response } = readCallOutput(inner === value ? raw : inner, inner, wasCut);
    content.choices = choices;
    content.response ??= response;
  }
  return content;
}

/** A request, a list of messages, or a function's arguments, the first of which is one of these. */
export function readCallInput(value: unknown): RequestFacts {
  if (value === undefined || value === '') return {};
  const [first] = asArray(value) ?? [];
  return readRequest(asArray(first) || isText(first) ? first : value);
}

/**
 * A reply, a response or messages. An answer in JSON is written as it was given: what neither is nor holds a message is what the model said.
 *
 * @param raw the attribute
 * @param value the same, opened
 * @param wasCut `value` is what survived of it
 */
export function readCallOutput(
  raw: unknown,
  value: unknown,
  wasCut: boolean,
): { readonly choices: Content['choices']; readonly response: ResponseFacts } {
  if (isAnswer(value) && !(wasCut && isEnvelope(value))) {
    const text = typeof raw === 'string' ? raw : toJsonString(value);
    return { choices: [textMessage('assistant', text)], response: {} };
  }
  const response = readResponse(value);
  const listed = asArray(value) && asChoices(readMessages(value, 'output'));
  return { choices: listed ?? response.choices, response };
}

function isAnswer(output: unknown): boolean {
  const list = asArray(output);
  if (list) return list.length > 0 && !list.some((item) => asArray(item) || isMessage(asObject(item)));
  if (asObject(output)) return readResponse(output).choices === undefined;
  return output !== undefined && output !== null && !isText(output);
}

const ENVELOPE_KEY =
  /^(id|object|type|role|model|provider|index|status|created|created_at|system_fingerprint|service_tier)$/;

/** A cut may leave no more of a response or a message than what stands before its content. */
function isEnvelope(value: unknown): boolean {
  const object = asObject(value);
  return (
    object !== undefined &&
    Object.entries(object).every(([key, item]) => item === null || ENVELOPE_KEY.test(key))
  );
}

function isMessage(item: JsonObject | undefined): boolean {
  return member(item, 'role', 'type', 'content', 'parts', 'kwargs', 'message', 'text') !== undefined;
}

/** What a traced function was called with: `{args, kwargs}` around one argument, or around named ones, says no more than these. */
export function readArguments(value: unknown): unknown {
  const call = asObject(value);
  const own = asObject(member(call, 'kwargs'));
  const args =
    asArray(member(call, 'args')) ?? (own && Object.keys(call ?? {}).length === 1 ? [] : undefined);
  if (!args) return value;
  const named = own ?? {};
  if (args.length === 0) return own ?? value;
  return args.length === 1 && Object.keys(named).length === 0 ? args[0] : value;
}

/** LangChain's tools answer with a message, which knows the tool's own name, the call and, apart from these, the result. */
export function readToolAnswer(
  output: unknown,
):
  | { readonly name: string | undefined; readonly id: string | undefined; readonly value: unknown }
  | undefined {
  const message = asObject(output);
  const fields =
    asObject(member(message, 'kwargs', 'data')) ??
    (textMember(message, 'type') === 'tool' ? message : undefined);
  const id = textMember(fields, 'tool_call_id');
  if (id === undefined) return undefined;
  return { name: textMember(fields, 'name'), id, value: jsonValue(member(fields, 'content')) };
}

/** A Python object that prints as no more than where it lies: `<coroutine object AsyncAPIResponse.parse at 0x7f8b3929ee30>`. */
export function isAddress(raw: unknown): boolean {
  return typeof raw === 'string' && raw.length < 512 && /^<[^<>]+ at 0x[0-9a-f]+>$/i.test(raw);
}
