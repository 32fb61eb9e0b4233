import type { Message, Operation, Reading, Surroundings } from '../completion/completion.ts';
import { normaliseFinishReason, normaliseRole } from '../completion/normalise.ts';
import {
  asArray,
  asObject,
  type JsonObject,
  type LazyJson,
  member,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readOutputSchema, readRequest, readStateReply } from '../messages/exchange.ts';
import { joinReply, readInstructions, readMessages } from '../messages/messages.ts';
import { readTools } from '../messages/tools.ts';
import { type Content, nonEmpty, readNoted } from '../readers/content.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { readArguments, readCallOutput } from '../readers/observation.ts';
import { mergeParameters, readParameterBag } from '../readers/parameters.ts';
import type { RawUsage } from '../readers/usage.ts';
import { getAttribute, getString, hasAttribute, toCount } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Langfuse's own tracing (JS 4 and 5): observations with input and output as JSON texts.
 *
 * @see https://langfuse.com/docs/observability/sdk/overview
 */
export const langfuse: Dialect = {
  name: 'langfuse',
  detect: (span) =>
    hasAttribute(span.attributes, 'langfuse.observation.type') || span.scope.name === 'langfuse-sdk',
  operationOf,
  read: readLangfuse,
};

const TYPES: ReadonlyMap<string, Operation> = new Map([
  ['generation', 'inference'],
  ['agent', 'agent'],
  ['chain', 'workflow'],
  ['span', 'workflow'],
  ['tool', 'tool'],
  ['embedding', 'embedding'],
  ['retriever', 'retrieval'],
  ['guardrail', 'guardrail'],
]);

function operationOf(span: SpanData): Operation {
  const type = getString(span.attributes, 'langfuse.observation.type')?.toLowerCase() ?? 'span';
  const operation = TYPES.get(type) ?? 'other';
  return operation === 'inference' && isEmbedding(span) ? 'embedding' : operation;
}

/** The client wrapper calls everything it sees a generation. */
function isEmbedding({ name, attributes }: SpanData): boolean {
  return (
    name === 'OpenAI.embeddings' ||
    /embedding/i.test(getString(attributes, 'langfuse.observation.model.name') ?? '')
  );
}

function readLangfuse(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const bag = asObject(jsonValue(getAttribute(attributes, 'langfuse.observation.model.parameters')));
  const content: Content =
    operation === 'inference'
      ? readContent(attributes, bag)
      : { notes: [], response: readStateReply(getAttribute(attributes, 'langfuse.observation.output')) };
  const base = readGenAiSpan(span, logs, {
    dialect: langfuse.name,
    operation,
    content,
    usage: usageDetails(attributes),
    requestModel: getString(attributes, 'langfuse.observation.model.name', 'gen_ai.request.model'),
    responseModel: content.response?.model ?? getString(attributes, 'langfuse.observation.model.name'),
    captureSetting: 'none needed: observations hold what the app gives them',
  });
  return {
    ...base,
    name: span.name,
    agentName: operation === 'agent' ? span.name : undefined,
    parameters: mergeParameters(base.parameters, readParameterBag(bag)),
    inputValue:
      operation === 'inference'
        ? undefined
        : (readArguments(ioValue(attributes, 'langfuse.observation.input', 'langfuse.trace.input')) as
            | LazyJson
            | undefined),
    outputValue:
      operation === 'inference'
        ? undefined
        : ioValue(attributes, 'langfuse.observation.output', 'langfuse.trace.output'),
    toolArguments: operation === 'tool' ? toolArguments(attributes) : undefined,
    timeToFirstToken: base.timeToFirstToken ?? firstToken(span),
    surroundings: operation === 'inference' ? withoutRequest(base.surroundings) : base.surroundings,
  };
}

function toolArguments(attributes: Attributes): string | undefined {
  const args = readArguments(ioValue(attributes, 'langfuse.observation.input'));
  return args === undefined ? undefined : toJsonString(args);
}

function readContent(attributes: Attributes, parameters: JsonObject | undefined): Content {
  const content: Content = { notes: [] };
  const rawInput = readNoted(
    getAttribute(attributes, 'langfuse.observation.input'),
    'langfuse.observation.input',
    content.notes,
  );
  const output = getAttribute(attributes, 'langfuse.observation.output');
  const noted = content.notes.length;
  const rawOutput = readNoted(output, 'langfuse.observation.output', content.notes);
  const wasCut = content.notes.length > noted;
  const { messages, offered } = partTools(rawInput === '' ? undefined : rawInput);
  const request = readRequest(toolRoles(messages));
  // The client wrapper moves what it takes for no input into the metadata.
  const instructions = getString(attributes, 'langfuse.observation.metadata.instructions');
  const { choices, response } = readCallOutput(output, rawOutput, wasCut);
  // Responses only have a status; of the chat API's wrapper nothing tells.
  const status = normaliseFinishReason(
    getAttribute(attributes, 'langfuse.observation.metadata.status') ?? statusOf(rawOutput),
  );
  content.request = request;
  content.response = {
    ...response,
    finishReasons: response.finishReasons ?? (status === undefined ? undefined : [status]),
  };
  content.input = request.messages;
  content.instructions =
    request.instructions ??
    (instructions === undefined ? undefined : nonEmpty(readInstructions(instructions)));
  content.tools =
    request.tools ??
    readTools(offered) ??
    readTools(getAttribute(attributes, 'langfuse.observation.metadata.tools')) ??
    readTools(parameters && member(parameters, 'tools'));
  content.outputSchema = request.outputSchema ?? readFormat(attributes, parameters);
  content.choices = (apart(rawOutput, parameters) ?? choices)?.map(reply);
  return content;
}

/** Python's client wrapper lists the choices: as many messages as were asked for. */
function apart(output: unknown, parameters: JsonObject | undefined): Content['choices'] {
  const list = asArray(output);
  if (!list || list.length < 2 || toCount(member(parameters, 'n')) !== list.length) return undefined;
  const messages = readMessages(list, 'output');
  return messages.length === list.length ? messages : undefined;
}

/** Of the message that a Responses reply ends with. */
function statusOf(output: unknown): string | undefined {
  const last = asObject(asArray(output)?.at(-1) ?? output);
  return textMember(last, 'type') === 'message' ? textMember(last, 'status') : undefined;
}

/** What the client wrapper takes for metadata: parts of the request and of the response, which are read as such. */
const REQUEST_KEYS =
  /^(instructions|tools|tool_choice|functions|function_call|response_format|text|reasoning|status|metadata)(\.|$)/;

function withoutRequest(found: Surroundings | undefined): Surroundings | undefined {
  if (!found?.metadata) return found;
  const own = Object.entries(found.metadata).filter(([key]) => !REQUEST_KEYS.test(key));
  return { ...found, metadata: own.length > 0 ? Object.fromEntries(own) : undefined };
}

/** The client wrapper keeps what it was given for the format among the parameters, or, as a whole, in the metadata. */
function readFormat(attributes: Attributes, parameters: JsonObject | undefined): Content['outputSchema'] {
  const given = (name: string): readonly unknown[] => [
    member(parameters, name),
    getAttribute(attributes, `langfuse.observation.metadata.${name}`),
  ];
  return ['response_format', 'text']
    .flatMap((name) => given(name).map((value) => readOutputSchema({ [name]: jsonValue(value) })))
    .find((schema) => schema !== undefined);
}

function reply(message: Message): Message {
  return message.role === 'assistant' ? message : (joinReply([{ ...message, role: 'assistant' }]) ?? message);
}

/** Python's LangChain handler adds the tools that were offered to the messages, as messages of role `tool`. */
function partTools(input: unknown): {
  readonly messages: unknown;
  readonly offered: readonly unknown[] | undefined;
} {
  const list = asArray(input);
  const offered = list?.flatMap((item) => offeredTool(item) ?? []) ?? [];
  if (offered.length === 0) return { messages: input, offered: undefined };
  return { messages: list?.filter((item) => offeredTool(item) === undefined), offered };
}

function offeredTool(item: unknown): JsonObject | undefined {
  const message = asObject(item);
  const content = asObject(member(message, 'content'));
  const isOffer =
    textMember(message, 'role') === 'tool' &&
    textMember(message, 'tool_call_id') === undefined &&
    textMember(content, 'type') === 'function' &&
    asObject(member(content, 'function')) !== undefined;
  return isOffer ? content : undefined;
}

/** The LangChain handler writes a tool message's role as the tool's name, and its call id, if at all, among the extra arguments. */
function toolRoles(input: unknown): unknown {
  const list = asArray(input) ?? asArray(member(asObject(input), 'messages'));
  if (!list) return input;
  const messages = list.map((item) => {
    const message = asObject(item);
    const id = textMember(asObject(member(message, 'additional_kwargs')), 'tool_call_id');
    const role = textMember(message, 'role');
    const isTool = id !== undefined || (role !== undefined && normaliseRole(role) === undefined);
    return message && isTool ? { ...message, role: 'tool', tool_call_id: id, name: role } : item;
  });
  return asArray(input) ? messages : { ...asObject(input), messages };
}

/**
 * `input` and `output` exclude every `input_*` and `output_*` sub-count, unless they add up to the total as they are.
 */
function usageDetails(attributes: Attributes): RawUsage | undefined {
  const bag = asObject(jsonValue(getAttribute(attributes, 'langfuse.observation.usage_details')));
  if (!bag) return undefined;
  const count = (...keys: readonly string[]): number | undefined =>
    keys.map((key) => toCount(member(bag, key))).find((n) => n !== undefined);
  const input = count('input', 'prompt_tokens', 'input_tokens', 'promptTokens');
  const output = count('output', 'completion_tokens', 'output_tokens', 'completionTokens');
  const total = count('total', 'total_tokens', 'totalTokens');
  const sum = (prefix: string): number =>
    Object.keys(bag).reduce((all, key) => all + (key.startsWith(prefix) ? (toCount(bag[key]) ?? 0) : 0), 0);
  const whole =
    total !== undefined && input !== undefined && output !== undefined && input + output === total;
  const other = whole ? 0 : sum('input_');
  return {
    input: input === undefined ? undefined : input + other,
    output: output === undefined ? undefined : output + (whole ? 0 : sum('output_')),
    cacheRead: count('input_cached_tokens', 'input_cache_read', 'cache_read_input_tokens', 'input_cached'),
    cacheWrite: count('input_cache_creation', 'cache_creation_input_tokens'),
    reasoning: count('output_reasoning_tokens', 'output_reasoning'),
    total,
  };
}

/** The first token's time is an absolute one, in quotes. */
function firstToken(span: SpanData): number | undefined {
  const at = jsonValue(getAttribute(span.attributes, 'langfuse.observation.completion_start_time'));
  if (typeof at !== 'string') return undefined;
  const seconds = Date.parse(at) / 1000 - (span.startTime[0] + span.startTime[1] / 1e9);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
