/** Messages of a span wherever the GenAI conventions, in any generation, let an emitter put them. */
import type { Message, Note, Role, ToolDefinition } from '../completion/completion.ts';
import { normaliseFinishReason } from '../completion/normalise.ts';
import {
  asArray,
  asObject,
  asText,
  isObject,
  type JsonObject,
  type LazyJson,
  member,
} from '../json/json-text.ts';
import { memoiseByText } from '../json/memoise.ts';
import { jsonValue, readJson } from '../json/read-json.ts';
import { type RequestFacts, type ResponseFacts, readRequest, readResponse } from '../messages/exchange.ts';
import { joinReply, readInstructions, readMessages } from '../messages/messages.ts';
import { readTools } from '../messages/tools.ts';
import { walkInstructions, walkMessages } from '../messages/walk-messages.ts';
import {
  ATTR_GEN_AI_COMPLETION,
  ATTR_GEN_AI_INPUT_MESSAGES,
  ATTR_GEN_AI_OUTPUT_MESSAGES,
  ATTR_GEN_AI_PROMPT,
  ATTR_GEN_AI_SYSTEM_INSTRUCTIONS,
  ATTR_GEN_AI_TOOL_DEFINITIONS,
  EVENT_CHOICE,
  EVENT_CONTENT_COMPLETION,
  EVENT_CONTENT_PROMPT,
  EVENT_INFERENCE_DETAILS,
} from '../semconv.ts';
import { getAttribute, hasAttribute } from '../span/attributes.ts';
import { type FlatNode, leaf, leafText, listOf, readFlat } from '../span/indexed.ts';
import { ofKeys } from '../span/shape.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';

/** What the model was told and what it said. `undefined`: not captured. */
export interface Content {
  instructions?: readonly Message[] | undefined;
  input?: readonly Message[] | undefined;
  choices?: readonly Message[] | undefined;
  tools?: readonly ToolDefinition[] | undefined;
  outputSchema?: LazyJson | undefined;
  request?: RequestFacts | undefined;
  response?: ResponseFacts | undefined;
  notes: Note[];
}

const NO_EVENTS: readonly Event[] = [];

/** One event, on the span or as a log record: they carry the same things. */
interface Event {
  readonly name: string;
  readonly attributes: Attributes;
  readonly body: unknown;
}

export function eventsOf(span: SpanData, logs: readonly LogData[]): readonly Event[] {
  if (span.events.length === 0 && logs.length === 0) return NO_EVENTS;
  return [
    ...span.events.map((event) => ({ name: event.name, attributes: event.attributes, body: undefined })),
    ...logs.map((log) => ({ name: log.eventName, attributes: log.attributes, body: log.body })),
  ];
}

/** The first source that has the input, and the first that has the output: newest convention first. */
export function readGenAiContent(span: SpanData, logs: readonly LogData[]): Content {
  const content: Content = { notes: [] };
  fromAttributes(span.attributes, content);
  const events = eventsOf(span, logs);
  if (events.length > 0) fromEvents(events, content);
  const { bodies, indexed } = ofKeys(span.attributes, olderPlaces);
  if (bodies) fromBodies(span.attributes, content);
  if (indexed) fromIndexed(span.attributes, content);
  return content;
}

/** Where earlier generations put their messages. */
function olderPlaces(keys: readonly string[]): { readonly bodies: boolean; readonly indexed: boolean } {
  return {
    bodies: keys.some((key) => /^gen_ai\.(prompt|request\.messages|completion)$/.test(key)),
    indexed: keys.some((key) => /^(gen_ai\.(prompt|completion)|llm\.request\.functions)\./.test(key)),
  };
}

/** Reads JSON and remembers if it was cut. */
export function readNoted(raw: unknown, name: string, notes: Note[]): unknown {
  const read = readJson(raw);
  if (read?.cut) notes.push(cutNote(name));
  return read?.value;
}

function cutNote(name: string): Note {
  return { kind: 'cut', text: `${name} was cut by a span limit: repaired to what survives` };
}

function fromAttributes(attributes: Attributes, content: Content): void {
  if (hasAttribute(attributes, ATTR_GEN_AI_SYSTEM_INSTRUCTIONS)) {
    const raw = attributes[ATTR_GEN_AI_SYSTEM_INSTRUCTIONS];
    content.instructions =
      walkInstructions(raw) ??
      nonEmpty(readInstructions(readNoted(raw, ATTR_GEN_AI_SYSTEM_INSTRUCTIONS, content.notes)));
  }
  if (hasAttribute(attributes, ATTR_GEN_AI_INPUT_MESSAGES)) {
    const raw = attributes[ATTR_GEN_AI_INPUT_MESSAGES];
    const messages = walkMessages(raw);
    const facts = messages
      ? { messages }
      : readRequest(readNoted(raw, ATTR_GEN_AI_INPUT_MESSAGES, content.notes));
    content.input = nonEmpty(facts.messages);
    content.instructions ??= facts.instructions;
    content.request = facts;
  }
  if (hasAttribute(attributes, ATTR_GEN_AI_OUTPUT_MESSAGES)) {
    const raw = attributes[ATTR_GEN_AI_OUTPUT_MESSAGES];
    const messages = walkMessages(raw);
    content.choices = messages
      ? asChoices(messages)
      : readOutputMessages(readNoted(raw, ATTR_GEN_AI_OUTPUT_MESSAGES, content.notes));
  }
  if (hasAttribute(attributes, ATTR_GEN_AI_TOOL_DEFINITIONS)) {
    const { tools, cut } = readDefinitions(attributes[ATTR_GEN_AI_TOOL_DEFINITIONS]);
    content.tools = tools;
    if (cut) content.notes.push(cutNote(ATTR_GEN_AI_TOOL_DEFINITIONS));
  }
}

/** The same tools are offered call after call. */
const readDefinitions: (raw: unknown) => {
  readonly tools: readonly ToolDefinition[] | undefined;
  readonly cut: boolean;
} = memoiseByText((raw) => {
  const read = readJson(raw);
  return { tools: readTools(read?.value), cut: read?.cut ?? false };
});

/** Output messages are choices if each says how it finished; else, or if each is a tool call and no more, they are the pieces of one reply. */
export function readOutputMessages(value: unknown): readonly Message[] | undefined {
  const list = asArray(value) ?? asArray(member(asObject(value), 'messages'));
  return list === undefined ? nonEmpty(readResponse(value).choices) : asChoices(readMessages(list, 'output'));
}

export function asChoices(messages: readonly Message[]): readonly Message[] | undefined {
  const spoken = messages.filter((message) => message.role === 'assistant');
  if (
    spoken.length > 1 &&
    spoken.length === messages.length &&
    spoken.every((message) => message.finishReason !== undefined) &&
    spoken.some((message) => message.parts.length > 0 || message.toolCalls.length === 0)
  )
    return spoken;
  const reply = joinReply(messages);
  return reply === undefined ? undefined : [reply];
}

const EVENT_ROLES: ReadonlyMap<string, Role> = new Map([
  ['gen_ai.system.message', 'system'],
  ['gen_ai.developer.message', 'developer'],
  ['gen_ai.user.message', 'user'],
  ['gen_ai.assistant.message', 'assistant'],
  ['gen_ai.tool.message', 'tool'],
]);

function fromEvents(events: readonly Event[], content: Content): void {
  const input: Message[] = [];
  const choices = new Map<number, Message[]>();
  const details: Message[][] = [];
  for (const event of events) {
    const role = EVENT_ROLES.get(event.name);
    if (role) input.push(...readMessages([{ ...eventBody(event), role: eventRole(event, role) }], 'input'));
    else if (event.name === EVENT_CHOICE) readChoiceEvent(event, choices);
    else if (event.name === EVENT_INFERENCE_DETAILS) fromDetails(event, content, details);
    else if (event.name === EVENT_CONTENT_PROMPT)
      content.input ??= nonEmpty(readPromptText(eventBody(event)[ATTR_GEN_AI_PROMPT]));
    else if (event.name === EVENT_CONTENT_COMPLETION)
      content.choices ??= nonEmpty(readResponse(eventBody(event)[ATTR_GEN_AI_COMPLETION]).choices);
  }
  if (details.length === 1) content.choices ??= asChoices(details[0] ?? []);
  else if (details.length > 1) content.choices ??= oneReply(details.flat());
  content.input ??= nonEmpty(withoutRepeatedResults(input));
  if (choices.size > 0) {
    const ordered = [...choices].sort(([a], [b]) => a - b);
    content.choices ??= ordered.flatMap(([, pieces]) => joinReply(pieces) ?? []);
  }
}

/** botocore's instrumentation tells of a tool's result in an event of its own, and once more in the user's message that brings it. */
function withoutRepeatedResults(messages: readonly Message[]): readonly Message[] {
  const told = new Set<string>();
  return messages.filter(({ role, toolCallId }) => {
    if (role === 'assistant') told.clear();
    if (role !== 'tool' || toolCallId === undefined) return true;
    if (told.has(toolCallId)) return false;
    told.add(toolCallId);
    return true;
  });
}

/** All events of the call as one JSON list in an attribute: Pydantic AI's first format, and Logfire's. */
export function fromEventList(raw: unknown, content: Content): void {
  const events = asArray(jsonValue(raw));
  if (!events) return;
  const input: JsonObject[] = [];
  let reply: JsonObject | undefined;
  for (const item of events) {
    const event = asObject(item);
    const name = asText(member(event, 'event.name')) ?? '';
    if (!event) continue;
    if (name === 'gen_ai.choice') {
      reply = asObject(member(event, 'message'));
    } else {
      const role = /^gen_ai\.(\w+)\.message$/.exec(name)?.[1];
      if (role !== undefined) input.push({ ...event, role: asText(member(event, 'role')) ?? role });
    }
  }
  content.input ??= nonEmpty(readMessages(input, 'input'));
  const choice = reply && joinReply(readMessages([{ ...reply, role: 'assistant' }], 'output'));
  if (choice) content.choices ??= [choice];
}

function oneReply(messages: readonly Message[]): readonly Message[] | undefined {
  const reply = joinReply(messages);
  return reply === undefined ? undefined : [reply];
}

/** A log's body and attributes, or a span event's attributes; Azure puts all into one JSON text. */
function eventBody(event: Event): JsonObject {
  const whole = asObject(jsonValue(getAttribute(event.attributes, 'gen_ai.event.content')));
  const body = asObject(jsonValue(event.body));
  return { ...event.attributes, ...whole, ...body };
}

function eventRole(event: Event, fallback: Role): string {
  const role = asText(member(eventBody(event), 'role'));
  return role ?? fallback;
}

/**
 * `{index, finish_reason, message: {...} | JSON text, tool_calls?}`: a later event of one index goes on where the first ended, and one
 * that says the same is the first again.
 */
function readChoiceEvent(event: Event, choices: Map<number, Message[]>): void {
  const body = eventBody(event);
  const raw = jsonValue(member(body, 'message'));
  const message: JsonObject = isObject(raw) ? raw : { content: raw ?? member(body, 'content') };
  const index = typeof body.index === 'number' ? body.index : choices.size;
  const calls = member(message, 'tool_calls', 'toolCalls') ?? member(body, 'tool_calls', 'toolCalls');
  const read = joinReply(readMessages([{ ...message, role: 'assistant', tool_calls: calls }], 'output'));
  if (!read) return;
  const finishReason = normaliseFinishReason(member(body, 'finish_reason', 'finishReason'));
  const piece = { ...read, finishReason };
  const before = choices.get(index);
  if (!before) choices.set(index, [piece]);
  else if (!before.some((known) => JSON.stringify(known) === JSON.stringify(piece))) before.push(piece);
}

function fromDetails(event: Event, content: Content, outputs: Message[][]): void {
  const body = eventBody(event);
  const instructions = member(body, ATTR_GEN_AI_SYSTEM_INSTRUCTIONS);
  if (instructions !== undefined) content.instructions ??= nonEmpty(readInstructions(instructions));
  const input = member(body, ATTR_GEN_AI_INPUT_MESSAGES);
  if (input !== undefined)
    content.input ??= nonEmpty(
      readMessages(readNoted(input, ATTR_GEN_AI_INPUT_MESSAGES, content.notes), 'input'),
    );
  const output = member(body, ATTR_GEN_AI_OUTPUT_MESSAGES);
  if (output !== undefined)
    outputs.push([...readMessages(readNoted(output, ATTR_GEN_AI_OUTPUT_MESSAGES, content.notes), 'output')]);
  content.tools ??= readTools(member(body, ATTR_GEN_AI_TOOL_DEFINITIONS));
}

const ROLE_LINE = /^(system|user|assistant|tool|developer): /;

/** Older emitters write the prompt as `role: text` lines. */
export function readPromptText(raw: unknown): readonly Message[] {
  const value = jsonValue(raw);
  const text = asText(value);
  if (text === undefined || !ROLE_LINE.test(text)) return readRequest(value).messages ?? [];
  const messages: { role: string; content: string }[] = [];
  for (const line of text.split('\n')) {
    const role = ROLE_LINE.exec(line)?.[1];
    const last = messages.at(-1);
    if (role !== undefined) messages.push({ role, content: line.slice(role.length + 2) });
    else if (last) last.content += `\n${line}`;
  }
  return readMessages(messages, 'input');
}

/** Whole bodies in one attribute: `gen_ai.prompt`, `gen_ai.completion`, Sentry's request and response keys. */
function fromBodies(attributes: Attributes, content: Content): void {
  const prompt =
    getAttribute(attributes, ATTR_GEN_AI_PROMPT) ?? getAttribute(attributes, 'gen_ai.request.messages');
  if (prompt !== undefined && prompt !== '') {
    const value = readNoted(prompt, ATTR_GEN_AI_PROMPT, content.notes);
    const facts = typeof value === 'string' ? { messages: readPromptText(value) } : readRequest(value);
    content.request ??= facts;
    content.input ??= nonEmpty(facts.messages);
    content.instructions ??= facts.instructions;
    content.tools ??= facts.tools;
  }
  const completion = getAttribute(attributes, ATTR_GEN_AI_COMPLETION);
  if (completion !== undefined && completion !== '') {
    const facts = readResponse(readNoted(completion, ATTR_GEN_AI_COMPLETION, content.notes));
    content.response ??= facts;
    content.choices ??= nonEmpty(facts.choices);
  }
}

/** `gen_ai.prompt.0.role`, `gen_ai.completion.0.tool_calls.0.name`, `llm.request.functions.0.name`. */
function fromIndexed(attributes: Attributes, content: Content): void {
  if (content.input === undefined) {
    const prompts = listOf(readFlat(attributes, 'gen_ai.prompt.'));
    content.input = nonEmpty(prompts.flatMap((node) => readMessages([indexedMessage(node)], 'input')));
  }
  // LiteLLM's reply that only calls tools has no parts; the calls are here.
  if (!content.choices?.some((choice) => choice.parts.length + choice.toolCalls.length > 0)) {
    const [reply] = content.choices ?? [];
    const indexed = indexedChoices(listOf(readFlat(attributes, 'gen_ai.completion.')));
    if (indexed)
      content.choices = indexed.map((one) => ({
        ...one,
        finishReason: one.finishReason ?? reply?.finishReason,
      }));
  }
  if (content.tools !== undefined) return;
  const functions = listOf(readFlat(attributes, 'llm.request.functions.'));
  if (functions.length > 0) {
    content.tools = readTools(
      functions.map((node) => ({
        name: leafText(node, 'name'),
        description: leafText(node, 'description'),
        parameters: jsonValue(
          leaf(node, 'parameters') ?? leaf(node, 'input_schema') ?? leaf(node, 'arguments'),
        ),
      })),
    );
  }
}

/** The text "null" stands for an assistant message without content (trap 15), a list without parts beside calls as well. */
function indexedMessage(node: FlatNode): JsonObject {
  const role = leafText(node, 'role') ?? (leaf(node, 'user') === undefined ? undefined : 'user');
  const content = leaf(node, 'content') ?? leaf(node, 'user');
  const calls = listOf(node.children.get('tool_calls')).map(indexedCall);
  const nothing =
    role === 'assistant' &&
    (content === 'null' || content === 'None' || (content === '[]' && calls.length > 0));
  return {
    ...(role === undefined ? {} : { role }),
    content: nothing ? null : content,
    name: leafText(node, 'name'),
    tool_call_id: leafText(node, 'tool_call_id'),
    refusal: leafText(node, 'refusal'),
    finish_reason: leafText(node, 'finish_reason'),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(leaf(node, 'function_call.name') === undefined
      ? {}
      : {
          function_call: {
            name: leafText(node, 'function_call.name'),
            arguments: leaf(node, 'function_call.arguments'),
          },
        }),
  };
}

function indexedCall(node: FlatNode): JsonObject {
  return {
    id: leafText(node, 'id'),
    name: leafText(node, 'name', 'function.name'),
    arguments: leaf(node, 'arguments') ?? leaf(node, 'function.arguments'),
  };
}

/** Python's older instrumentation reports thinking as a completion of its own before the reply. */
function indexedChoices(nodes: readonly FlatNode[]): readonly Message[] | undefined {
  const choices: Message[] = [];
  let thinking: Message['parts'] = [];
  for (const node of nodes) {
    const raw = indexedMessage(node);
    const call = onlyCall(raw);
    const before = call && choices.at(-1);
    if (call && before) {
      choices[choices.length - 1] = { ...before, toolCalls: [...before.toolCalls, ...readCalls(call)] };
      continue;
    }
    if (raw.role === 'thinking') {
      thinking = [...thinking, { kind: 'reasoning', text: asText(raw.content) ?? '' }];
      continue;
    }
    const message = joinReply(readMessages([{ ...raw, role: 'assistant' }], 'output'));
    if (!message) continue;
    choices.push(thinking.length > 0 ? { ...message, parts: [...thinking, ...message.parts] } : message);
    thinking = [];
  }
  if (thinking.length > 0) choices.push({ role: 'assistant', parts: thinking, toolCalls: [] });
  return nonEmpty(choices);
}

/** LiteLLM counts on for each call of one reply: an entry that is a call and nothing else belongs to the one before. */
function onlyCall(raw: JsonObject): JsonObject | undefined {
  const alone = ['role', 'content', 'finish_reason', 'tool_calls', 'refusal'].every(
    (key) => raw[key] === undefined,
  );
  return alone ? raw : undefined;
}

function readCalls(raw: JsonObject): Message['toolCalls'] {
  return readMessages([{ ...raw, role: 'assistant' }], 'output').flatMap((message) => message.toolCalls);
}

export function nonEmpty<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list !== undefined && list.length > 0 ? list : undefined;
}
