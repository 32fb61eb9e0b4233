/** Request and response bodies of providers and frameworks, as emitters copy them whole into one attribute. */
import type { Message, ToolDefinition } from '../completion/completion.ts';
import { normaliseFinishReason } from '../completion/normalise.ts';
import {
  asArray,
  asObject,
  asText,
  isText,
  type JsonObject,
  type LazyJson,
  member,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readParameterBag } from '../readers/parameters.ts';
import { type RawUsage, readUsageBag } from '../readers/usage.ts';
import { joinReply, readInstructions, readMessages } from './messages.ts';
import { joinChunks } from './reply.ts';
import { readTools, schemaValue } from './tools.ts';

/** Facts found in a request body. */
export interface RequestFacts {
  readonly instructions?: readonly Message[] | undefined;
  readonly messages?: readonly Message[] | undefined;
  readonly tools?: readonly ToolDefinition[] | undefined;
  readonly outputSchema?: LazyJson | undefined;
  readonly parameters?: { readonly [key: string]: LazyJson | undefined } | undefined;
  readonly model?: string | undefined;
}

/** Facts found in a response body. */
export interface ResponseFacts {
  readonly choices?: readonly Message[] | undefined;
  readonly model?: string | undefined;
  readonly id?: string | undefined;
  readonly usage?: RawUsage | undefined;
  readonly finishReasons?: readonly string[] | undefined;
  readonly serviceTier?: string | undefined;
  /** What the model saw in the end, where the client ran tools in between and made a call of its own for each turn. */
  readonly history?: readonly Message[] | undefined;
}

/** A request: a whole body, a message list, or a plain text. */
export function readRequest(raw: unknown): RequestFacts {
  const value = jsonValue(raw);
  const body = asObject(value);
  if (!body) {
    const messages = readMessages(value, 'input');
    return messages.length > 0 ? { messages } : {};
  }
  const args = asArray(member(body, 'args'));
  if (args && member(body, 'messages', 'input') === undefined) return readRequest(args[0]); // a traced function's arguments
  const config = asObject(member(body, 'config', 'generationConfig', 'generation_config')) ?? {};
  const messages = member(
    body,
    'messages',
    'contents',
    'input',
    'prompt',
    'prompts',
    'inputText',
    'chat_history',
  );
  if (
    messages === undefined &&
    textMember(body, 'role', 'content') === undefined &&
    member(body, 'content', 'parts') === undefined
  )
    return bodyFacts(body, config, undefined);
  if (messages === undefined) return { messages: readMessages([body], 'input') };
  return bodyFacts(body, config, messages);
}

function bodyFacts(body: JsonObject, config: JsonObject, messages: unknown): RequestFacts {
  const system =
    member(body, 'system', 'instructions', 'systemInstruction', 'system_instruction') ??
    member(config, 'systemInstruction', 'system_instruction', 'system');
  const instructions = system === undefined ? [] : readInstructions(system);
  const opened = jsonValue(messages);
  const inner = asObject(opened);
  // LangGraph keeps its state as {messages: {messages: […]}}; the AI SDK its prompt as {prompt: {messages: […]}}.
  const list = inner && member(inner, 'messages') !== undefined ? member(inner, 'messages') : opened;
  const read = list === undefined ? undefined : readMessages(list, 'input');
  const tools =
    member(body, 'tools', 'functions') ??
    member(asObject(member(body, 'toolConfig')), 'tools') ??
    member(config, 'tools');
  return {
    ...(instructions.length > 0 ? { instructions } : {}),
    ...(read && read.length > 0 ? { messages: read } : {}),
    tools: tools === undefined ? undefined : readTools(tools),
    outputSchema: readOutputSchema(body) ?? readOutputSchema(config),
    parameters: readParameterBag({
      ...config,
      ...asObject(member(body, 'inferenceConfig', 'textGenerationConfig')),
      ...body,
    }),
    model: textMember(body, 'model', 'modelId', 'model_id'),
  };
}

/** The JSON schema of the structured output that was asked for. */
export function readOutputSchema(body: JsonObject): LazyJson | undefined {
  const format = asObject(member(body, 'response_format', 'responseFormat'));
  const text = asObject(member(asObject(member(body, 'text')), 'format'));
  const output = asObject(member(body, 'output', 'output_object', 'output_config'));
  return schemaValue(
    member(asObject(member(format, 'json_schema', 'jsonSchema')), 'schema') ??
      member(format, 'schema') ??
      member(text, 'schema', 'schema_') ??
      member(body, 'responseJsonSchema', 'response_json_schema', 'responseSchema', 'response_schema') ??
      member(output, 'schema', 'json_schema') ??
      member(asObject(member(output, 'format')), 'schema'),
  );
}

/** A response: a whole body, a message, a list of output items, or a plain text. */
export function readResponse(raw: unknown): ResponseFacts {
  const value = jsonValue(raw);
  if (isText(value)) return asText(value) === '' ? {} : { choices: readMessages(value, 'output') };
  const list = asArray(value);
  if (list) return listFacts(list);
  const body = eventData(asObject(value));
  if (!body) return {};
  const choices = readChoices(body);
  const generated = readGenerationFacts(body);
  return {
    ...(choices && choices.length > 0 ? { choices } : {}),
    model: textMember(body, 'model', 'modelVersion', 'model_version', 'modelId') ?? generated.model,
    id: textMember(body, 'id', 'responseId', 'response_id') ?? generated.id,
    usage:
      readUsageBag(member(body, 'usage', 'usageMetadata', 'usage_metadata', 'tokenUsage', 'token_usage')) ??
      generated.usage,
    finishReasons: finishReasonsOf(body, choices),
    serviceTier: textMember(body, 'service_tier', 'serviceTier') ?? generated.serviceTier,
    history: readHistory(body),
  };
}

/** Mistral's client hands out a stream as events, whose data is the body. */
function eventData(body: JsonObject | undefined): JsonObject | undefined {
  const data = asObject(member(body, 'data'));
  return data && asArray(member(data, 'choices')) ? data : body;
}

/** Google's clients call functions by themselves and tell so beside the last response. */
function readHistory(body: JsonObject): readonly Message[] | undefined {
  const history = asArray(
    member(body, 'automatic_function_calling_history', 'automaticFunctionCallingHistory'),
  );
  return history && history.length > 0 ? readMessages(history, 'input') : undefined;
}

/** Where LangChain's LLMResult keeps what the provider said: in its summary and around the first message. */
function readGenerationFacts(body: JsonObject): ResponseFacts {
  const [first] = asArray(member(body, 'generations')) ?? [];
  const generation = asObject(asArray(first)?.[0] ?? first);
  if (!generation) return {};
  const summary = asObject(member(body, 'llmOutput', 'llm_output'));
  const message = asObject(member(generation, 'message'));
  const fields = asObject(member(message, 'kwargs', 'data')) ?? message;
  const places = [
    summary,
    asObject(member(fields, 'response_metadata')),
    asObject(member(generation, 'generationInfo', 'generation_info')),
    asObject(member(fields, 'additional_kwargs')),
    fields,
  ].filter((place) => place !== undefined);
  const named = (...keys: readonly string[]): string | undefined =>
    places.map((place) => textMember(place, ...keys)).find((text) => text !== undefined && !isRunId(text));
  return {
    id: named('id', 'message_id'),
    model: named('model_name', 'model', 'model_id'),
    serviceTier: named('service_tier'),
    usage:
      readUsageBag(member(fields, 'usage_metadata')) ??
      readUsageBag(member(summary, 'tokenUsage', 'token_usage', 'estimatedTokenUsage', 'usage')),
  };
}

/** A message that got no id from its provider is given its run's. */
function isRunId(text: string): boolean {
  return /^(lc_)?run-/.test(text);
}

function finishReasonsOf(
  body: JsonObject,
  choices: readonly Message[] | undefined,
): readonly string[] | undefined {
  const reason = textMember(
    body,
    'stop_reason',
    'stopReason',
    'finish_reason',
    'finishReason',
    'completionReason',
  );
  const list = (choices ?? [])
    .map((choice) => choice.finishReason)
    .filter((r): r is string => r !== undefined);
  const own = normaliseFinishReason(reason);
  return list.length > 0 ? list : own ? [own] : undefined;
}

/** A list as an output: messages, or the items of one Responses reply. */
function listFacts(list: readonly unknown[]): ResponseFacts {
  // The OpenAI Agents SDK lists the one response it got.
  if (list.length === 1 && asArray(member(asObject(list[0]), 'choices'))) return readResponse(list[0]);
  // CrewAI's reply is the calls alone.
  if (list.length > 0 && list.every((item) => asObject(member(asObject(item), 'function'))))
    return readResponse({ tool_calls: list });
  const messages = readMessages(list, 'output');
  const items = list.some(
    (item) =>
      textMember(asObject(item), 'type') !== undefined &&
      member(asObject(item), 'kwargs', 'parts') === undefined,
  );
  if (!items) return messages.length > 0 ? { choices: messages } : {};
  const reply = joinReply(messages);
  return reply ? { choices: [reply] } : {};
}

function readChoices(body: JsonObject): readonly Message[] | undefined {
  const choices = asArray(member(body, 'choices'));
  if (choices) return choices.flatMap((choice) => oneOf(readChoice(asObject(choice))));
  const generations = asArray(member(body, 'generations'));
  if (generations) return readGenerations(generations);
  const candidates = asArray(member(body, 'candidates'));
  if (candidates) return candidates.flatMap((candidate) => oneOf(readCandidate(asObject(candidate))));
  const results = asArray(member(body, 'results'));
  if (results?.every((r) => textMember(asObject(r), 'outputText') !== undefined)) {
    return results.map((r) => ({
      role: 'assistant',
      parts: [{ kind: 'text', text: textMember(asObject(r), 'outputText') ?? '' }],
      toolCalls: [],
      finishReason: normaliseFinishReason(member(asObject(r), 'completionReason')),
    }));
  }
  const output = member(body, 'output');
  const items = asArray(output);
  if (items) return oneOf(withFinish(joinReply(readMessages(items, 'output')), statusReason(body)));
  const nested = asObject(member(asObject(output), 'message'));
  if (nested)
    return oneOf(withFinish(joinReply(readMessages([nested], 'output')), textMember(body, 'stopReason')));
  const message = asObject(member(body, 'message'));
  if (message)
    return oneOf(
      withFinish(
        joinReply(readMessages([message], 'output')),
        textMember(body, 'finishReason', 'finish_reason'),
      ),
    );
  const content = member(
    body,
    'content',
    'parts',
    'tool_calls',
    'toolCalls',
    'function_call',
    'refusal',
    'kwargs',
  );
  if (content !== undefined || body.content === null) {
    return oneOf(
      withFinish(
        joinReply(readMessages([geminiContent(body)], 'output')),
        textMember(body, 'stop_reason', 'finishReason', 'finish_reason'),
      ),
    );
  }
  return readSummary(body);
}

/** ADK's response is `{content: {role, parts}}`. */
function geminiContent(body: JsonObject): JsonObject {
  const content = asObject(member(body, 'content'));
  return content && member(content, 'parts') !== undefined ? content : { ...body, role: 'assistant' };
}

/** What OpenAI's API calls what it answers with. */
const OBJECT_NAME = /^(chat\.completion|chat\.completion\.chunk|text_completion|response|list)$/;

/** What frameworks write about a result: `{text, toolCalls, reasoning, object, files}`. */
function readSummary(body: JsonObject): readonly Message[] | undefined {
  const text = member(body, 'text', 'response', 'completion', 'outputText', 'generated_text');
  const given = member(body, 'object');
  const object = OBJECT_NAME.test(asText(given) ?? '') ? undefined : given;
  if (text === undefined && object === undefined && !Object.hasOwn(body, 'text')) return undefined;
  const spoken = text ?? (object === undefined ? '' : toJsonString(object));
  return readMessages(
    [{ role: 'assistant', content: spoken, reasoning: member(body, 'reasoning', 'reasoningText') }],
    'output',
  );
}

function oneOf<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

function readChoice(choice: JsonObject | undefined): Message | undefined {
  if (!choice) return undefined;
  const message = asObject(member(choice, 'message', 'delta'));
  const text = member(choice, 'text');
  const read = message
    ? joinReply(readMessages([{ ...message, role: textMember(message, 'role') ?? 'assistant' }], 'output'))
    : joinReply(readMessages([{ role: 'assistant', content: text ?? '' }], 'output'));
  return withFinish(read, textMember(choice, 'finish_reason', 'finishReason'));
}

function readCandidate(candidate: JsonObject | undefined): Message | undefined {
  if (!candidate) return undefined;
  // Gemini's own candidates hold the content, Genkit's the message.
  const content = asObject(member(candidate, 'content', 'message')) ?? {};
  const reply = joinReply(readMessages([{ ...content, role: 'model' }], 'output'));
  return withFinish(reply && joinChunks(reply), textMember(candidate, 'finishReason', 'finish_reason'));
}

/** What the state that a LangGraph node returns says of the call inside it: its last message is the reply. */
export function readStateReply(raw: unknown): ResponseFacts {
  const value = jsonValue(raw);
  const state = asObject(value);
  const [command] = asArray(value) ?? asArray(member(state, 'output')) ?? [];
  const messages =
    member(state, 'messages') ?? member(asObject(member(asObject(command), 'update')), 'messages');
  const last = asObject(asArray(messages)?.at(-1));
  const isReply = asArray(member(last, 'id'))?.includes('AIMessage') || textMember(last, 'type') === 'ai';
  if (!last || !isReply) return {};
  const { id, model, finishReasons } = readResponse({ generations: [[{ message: last }]] });
  return { id, model, finishReasons };
}

/** LangChain's LLMResult: one list of generations for each prompt. */
function readGenerations(generations: readonly unknown[]): readonly Message[] {
  const first = asArray(generations[0]) ?? generations;
  return first.flatMap((item) => {
    const generation = asObject(item);
    const message = asObject(member(generation, 'message'));
    const info = asObject(member(generation, 'generationInfo', 'generation_info'));
    const read = message
      ? readMessages([message], 'output')
      : readMessages([{ role: 'assistant', content: member(generation, 'text') ?? '' }], 'output');
    const fields = asObject(member(message, 'kwargs', 'data')) ?? message;
    const reason =
      textMember(info, 'finish_reason', 'finishReason', 'stop_reason') ??
      textMember(asObject(member(fields, 'additional_kwargs')), 'stop_reason', 'finish_reason') ??
      // The Responses API has a status instead.
      textMember(asObject(member(fields, 'response_metadata')), 'status');
    return oneOf(withFinish(joinReply(read), reason));
  });
}

function withFinish(message: Message | undefined, reason: string | undefined): Message | undefined {
  if (!message || message.finishReason !== undefined) return message;
  const finishReason = normaliseFinishReason(reason);
  return finishReason === undefined ? message : { ...message, finishReason };
}

/** The Responses API has a status instead of a finish reason; calls for a tool show in the items only. */
function statusReason(body: JsonObject): string | undefined {
  const items = asArray(member(body, 'output')) ?? [];
  const status = textMember(body, 'status');
  const calls = items.some((item) => textMember(asObject(item), 'type') === 'function_call');
  return status === 'completed' && calls ? 'tool_calls' : status;
}
