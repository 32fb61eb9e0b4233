/** The facts that most dialects write under `gen_ai.*`: one reader, from which dialects take and to which they add. */
import type { Message, Operation, Reading, Usage } from '../completion/completion.ts';
import { guessProvider, normaliseFinishReason, normaliseProvider } from '../completion/normalise.ts';
import type { LazyJson } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { splitFusedCalls } from '../messages/fused-calls.ts';
import { beforeReply, saysAnything } from '../messages/reply.ts';
import { argumentsText } from '../messages/tool-call.ts';
import { schemaValue } from '../messages/tools.ts';
import {
  ATTR_GEN_AI_AGENT_NAME,
  ATTR_GEN_AI_OPERATION_NAME,
  ATTR_GEN_AI_PROVIDER_NAME,
  ATTR_GEN_AI_REQUEST_MODEL,
  ATTR_GEN_AI_RESPONSE_FINISH_REASONS,
  ATTR_GEN_AI_RESPONSE_ID,
  ATTR_GEN_AI_RESPONSE_MODEL,
  ATTR_GEN_AI_SYSTEM,
  ATTR_GEN_AI_TOOL_CALL_ARGUMENTS,
  ATTR_GEN_AI_TOOL_CALL_ID,
  ATTR_GEN_AI_TOOL_CALL_RESULT,
  ATTR_GEN_AI_TOOL_NAME,
  ATTR_GEN_AI_WORKFLOW_NAME,
} from '../semconv.ts';
import {
  getAttribute,
  getString,
  hasAttribute,
  pickId,
  pickNumber,
  pickString,
  pickStringArray,
} from '../span/attributes.ts';
import { ofKeys, presentKeys } from '../span/shape.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import { type Content, eventsOf, readGenAiContent } from './content.ts';
import { readError } from './errors.ts';
import { mergeParameters, readParameters } from './parameters.ts';
import { readEvalAttributes, readEvalEvents, readSurroundings } from './surroundings.ts';
import { mergeUsage, type RawUsage, readUsage, totalUsage, usageRule } from './usage.ts';

const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  ...[
    'chat',
    'text_completion',
    'textcompletion',
    'generate_content',
    'generatecontent',
    'completion',
    'generate',
    'message',
    'messages',
    'responses',
    'image_generation',
    'image_edit',
    'image_variation',
    'llm',
  ].map((name) => [name, 'inference'] as const),
  ...['invoke_agent', 'agent', 'handoff'].map((name) => [name, 'agent'] as const),
  ...['invoke_workflow', 'workflow', 'chain', 'task'].map((name) => [name, 'workflow'] as const),
  ...['execute_tool', 'tool', 'tool.execution'].map((name) => [name, 'tool'] as const),
  ...['embeddings', 'embedding'].map((name) => [name, 'embedding'] as const),
  ...['retrieval', 'search_memory', 'retrieve', 'vector_db_retrieve'].map(
    (name) => [name, 'retrieval'] as const,
  ),
  ['rerank', 'rerank'],
  ['guardrail', 'guardrail'],
  ['guardrail.run', 'guardrail'],
]);

/** `gen_ai.operation.name`, as an operation; `other` for words that are none of ours, `undefined` when it is not set. */
export function operationByName(attributes: Attributes): Operation | undefined {
  const name = getString(attributes, ATTR_GEN_AI_OPERATION_NAME)?.trim().toLowerCase();
  return name === undefined ? undefined : (OPERATIONS.get(name) ?? 'other');
}

/** What a span of the conventions says that it does, or else what it is about. */
export function conventionalOperation(span: SpanData): Operation {
  return operationByName(span.attributes) ?? operationByContent(span);
}

/** Without an operation name: what the span is about tells (dialects.md 2.2, tie-breakers). */
export function operationByContent(span: SpanData): Operation {
  const { attributes } = span;
  if (getString(attributes, ATTR_GEN_AI_TOOL_NAME, ATTR_GEN_AI_TOOL_CALL_ID) !== undefined) return 'tool';
  if (modelOf(attributes) !== undefined)
    return /embed/i.test(span.name) || hasAttribute(attributes, 'gen_ai.embeddings.dimension.count')
      ? 'embedding'
      : 'inference';
  if (hasMessages(span)) return 'inference';
  return getString(attributes, ATTR_GEN_AI_AGENT_NAME) === undefined ? 'other' : 'agent';
}

function hasMessages(span: SpanData): boolean {
  return (
    [
      'gen_ai.input.messages',
      'gen_ai.output.messages',
      'gen_ai.prompt',
      'gen_ai.completion',
      'gen_ai.prompt.0.content',
    ].some((key) => hasAttribute(span.attributes, key)) ||
    span.events.some((event) => event.name === 'gen_ai.choice' || event.name === 'gen_ai.content.prompt')
  );
}

function modelOf(attributes: Attributes): string | undefined {
  return getString(attributes, ATTR_GEN_AI_REQUEST_MODEL, ATTR_GEN_AI_RESPONSE_MODEL);
}

export interface GenAiOptions {
  readonly dialect: string;
  readonly operation: Operation;
  /** Content the dialect read itself; default: wherever the conventions put it. */
  readonly content?: Content;
  /** Counts the dialect found itself; the attributes win. */
  readonly usage?: RawUsage | undefined;
  readonly provider?: readonly (string | undefined)[];
  readonly requestModel?: string | undefined;
  readonly responseModel?: string | undefined;
  readonly captureSetting?: string;
  /** Version that decides in the usage table; default: the scope's. */
  readonly version?: string | undefined;
}

const INPUT_KEYS = [
  ATTR_GEN_AI_TOOL_CALL_ARGUMENTS,
  'gen_ai.tool.input',
  'gen_ai.tool.args',
  'tool_arguments',
  'traceloop.entity.input',
  'input.value',
  'input',
] as const;
const OUTPUT_KEYS = [
  ATTR_GEN_AI_TOOL_CALL_RESULT,
  'gen_ai.tool.output',
  'tool_response',
  'traceloop.entity.output',
  'output.value',
  'output',
] as const;
const SCHEMA_KEYS = ['gen_ai.request.structured_output_schema', 'gen_ai.request.schema'] as const;
const SERVICE_TIER_KEYS = ['openai.response.service_tier', 'gen_ai.openai.response.service_tier'] as const;

/** Everything under `gen_ai.*`, with content, usage totals, error and surroundings. */
export function readGenAiSpan(span: SpanData, logs: readonly LogData[], options: GenAiOptions): Reading {
  const { attributes } = span;
  const content = options.content ?? readGenAiContent(span, logs);
  const requestModel =
    options.requestModel ?? getString(attributes, ATTR_GEN_AI_REQUEST_MODEL) ?? content.request?.model;
  const responseModel =
    options.responseModel ?? getString(attributes, ATTR_GEN_AI_RESPONSE_MODEL) ?? content.response?.model;
  const named = normaliseProvider(
    [
      ...(options.provider ?? []),
      getString(attributes, ATTR_GEN_AI_PROVIDER_NAME),
      getString(attributes, ATTR_GEN_AI_SYSTEM),
    ],
    requestModel,
  );
  const provider = named ?? guessProvider(requestModel ?? responseModel);
  const tools = content.tools ?? content.request?.tools;
  const choices = withCallsApart(content.choices, tools);
  const finishReasons = readFinishReasons(attributes, content);
  const input = beforeReply(content.input, choices?.[0]);
  const events = eventsOf(span, logs);
  const error = readError(span);
  const { notes } = content;
  if (input !== content.input)
    notes.push({ kind: 'rule', text: 'messages appended after the call left out' });
  if (named === undefined && provider !== undefined)
    notes.push({ kind: 'guessed', text: `provider from the model name ${requestModel ?? responseModel}` });
  return {
    operation: options.operation,
    name: stepName(attributes, options.operation),
    agentName: getString(attributes, ATTR_GEN_AI_AGENT_NAME),
    instructions: content.instructions,
    input,
    // Emitters write an empty reply for a call that failed: no reply was given.
    choices: error && !choices?.some(saysAnything) ? undefined : choices,
    inputValue: firstValue(attributes, presentKeys(attributes, INPUT_KEYS)),
    outputValue: firstValue(attributes, presentKeys(attributes, OUTPUT_KEYS)),
    tools,
    outputSchema: content.outputSchema ?? content.request?.outputSchema ?? readSchema(attributes),
    parameters: mergeParameters(readParameters(attributes), content.request?.parameters),
    usage: usageOf(attributes, options, content, provider, span),
    provider,
    requestModel,
    responseModel,
    responseId: getString(attributes, ATTR_GEN_AI_RESPONSE_ID) ?? content.response?.id,
    finishReasons,
    serviceTier: pickString(attributes, SERVICE_TIER_KEYS) ?? content.response?.serviceTier,
    serverAddress: getString(attributes, 'server.address'),
    timeToFirstToken: readTimeToFirstToken(attributes),
    error,
    evalResults: mergeEvals(readEvalAttributes(attributes), readEvalEvents(events)),
    toolCallId: readToolCallId(attributes),
    toolArguments: toolArguments(attributes),
    surroundings: readSurroundings(attributes),
    captureSetting: options.captureSetting,
    extra: readExtra(attributes),
    notes,
  };
}

function readSchema(attributes: Attributes): LazyJson | undefined {
  for (const key of presentKeys(attributes, SCHEMA_KEYS)) {
    const raw = getAttribute(attributes, key);
    if (raw !== undefined && raw !== null) return schemaValue(jsonValue(raw));
  }
  return undefined;
}

function withCallsApart(choices: Content['choices'], tools: Reading['tools']): Content['choices'] {
  if (!choices?.some((choice) => choice.toolCalls.length > 0)) return choices;
  const names = tools?.map((tool) => tool.name) ?? [];
  return choices.map((choice) =>
    choice.toolCalls.length === 0
      ? choice
      : { ...choice, toolCalls: choice.toolCalls.flatMap((call) => splitFusedCalls(call, names)) },
  );
}

function mergeEvals(a: Reading['evalResults'], b: Reading['evalResults']): Reading['evalResults'] {
  return a && b ? { ...b, ...a } : (a ?? b);
}

function usageOf(
  attributes: Attributes,
  options: GenAiOptions,
  content: Content,
  provider: string | undefined,
  span: SpanData,
): Usage | undefined {
  const raw = mergeUsage(mergeUsage(readUsage(attributes), options.usage), content.response?.usage);
  const version = 'version' in options ? options.version : span.scope.version;
  return totalUsage(raw && isCounted(raw) ? raw : undefined, usageRule(options.dialect, version, provider));
}

/** Some write zeros where a stream told them nothing: no call reads and writes no token. */
function isCounted({ input, output }: RawUsage): boolean {
  return input !== 0 || output !== 0;
}

const NAME_KEYS: { readonly [operation in Operation]?: readonly string[] } = {
  tool: [ATTR_GEN_AI_TOOL_NAME],
  agent: [ATTR_GEN_AI_AGENT_NAME],
  workflow: [ATTR_GEN_AI_WORKFLOW_NAME],
};

function stepName(attributes: Attributes, operation: Operation): string | undefined {
  return getString(attributes, ...(NAME_KEYS[operation] ?? []));
}

/** A step's input or output: JSON if it is JSON, else as it stands. */
export function ioValue(attributes: Attributes, ...keys: readonly string[]): LazyJson | undefined {
  return firstValue(attributes, keys);
}

function firstValue(attributes: Attributes, keys: readonly string[]): LazyJson | undefined {
  for (const key of keys) {
    const raw = getAttribute(attributes, key);
    if (raw === undefined || raw === null || raw === '') continue;
    return jsonValue(raw) as LazyJson;
  }
  return undefined;
}

const TOOL_CALL_ID_KEYS = [
  ATTR_GEN_AI_TOOL_CALL_ID,
  'gen_ai.tool_call.id',
  'ai.toolCall.id',
  'tool_call.id',
  'tool.id',
  'tool_call_id',
  'tool_use_id',
  'toolCallId',
  'mastra.metadata.toolCallId',
] as const;

export function readToolCallId(attributes: Attributes): string | undefined {
  return pickId(attributes, TOOL_CALL_ID_KEYS);
}

const ARGUMENT_KEYS = [ATTR_GEN_AI_TOOL_CALL_ARGUMENTS, 'gen_ai.tool.input', 'tool_arguments'] as const;

function toolArguments(attributes: Attributes): Reading['toolArguments'] {
  for (const key of presentKeys(attributes, ARGUMENT_KEYS)) {
    const raw = getAttribute(attributes, key);
    if (raw !== undefined && raw !== null) return argumentsText(raw);
  }
  return undefined;
}

const FINISH_REASON_KEYS = [
  ATTR_GEN_AI_RESPONSE_FINISH_REASONS,
  'gen_ai.response.finish_reason',
  'llm.finish_reason',
  'llm.stop_reason',
  'gen_ai.response.stop_reason',
  'ai.response.finishReason',
  'anthropic.message.stop_reason',
  'stop_reason',
] as const;

/** The span's list, else what the messages say of themselves. */
export function readFinishReasons(attributes: Attributes, content: Content): readonly string[] | undefined {
  const listed = pickStringArray(attributes, FINISH_REASON_KEYS) ?? content.response?.finishReasons;
  return finishReasonsOf(listed, content.choices);
}

/** As {@link readFinishReasons}, of a list that has been read. */
export function finishReasonsOf(
  listed: readonly string[] | undefined,
  choices: readonly Message[] | undefined,
): readonly string[] | undefined {
  const own: string[] = [];
  for (const { finishReason } of choices ?? []) if (finishReason !== undefined) own.push(finishReason);
  const reasons: string[] = [];
  for (const told of listed ?? []) {
    // Kotlin and Java print a list as `[stop]`.
    const reported = told.startsWith('[') ? told.replace(/^\[|\]$/g, '') : told;
    for (const word of reported.includes(',') ? reported.split(/,\s*/) : [reported]) {
      const reason = normaliseFinishReason(word);
      if (reason !== undefined) reasons.push(reason);
    }
  }
  const first = reasons[0];
  // "stop although a tool was called", and the message that knows better than the span's list.
  const calls = (choices?.[0]?.toolCalls.length ?? 0) > 0;
  if (
    calls &&
    (first === undefined || first === 'stop') &&
    (own[0] === undefined || own[0] === 'tool_calls' || own[0] === 'stop')
  )
    return ['tool_calls', ...reasons.slice(1)];
  return reasons.length > 0 ? reasons : own.length > 0 ? own : undefined;
}

const SECOND_KEYS = [
  'gen_ai.response.time_to_first_chunk',
  'gen_ai.response.time_to_first_token',
  'gen_ai.client.operation.time_to_first_chunk',
  'lk.response.ttft',
] as const;
const MILLISECOND_KEYS = ['ai.response.msToFirstChunk', 'ttft_ms', 'metrics.ttft_ms'] as const;

/** Seconds. */
function readTimeToFirstToken(attributes: Attributes): number | undefined {
  const seconds = pickNumber(attributes, SECOND_KEYS);
  if (seconds !== undefined) return seconds >= 0 ? seconds : undefined;
  const millis = pickNumber(attributes, MILLISECOND_KEYS);
  return millis !== undefined && millis >= 0 ? millis / 1000 : undefined;
}

const FINGERPRINT_KEYS = [
  'openai.response.system_fingerprint',
  'gen_ai.openai.response.system_fingerprint',
] as const;

function saysExtra(keys: readonly string[]): boolean {
  return keys.some((key) => /system_fingerprint$|^openai\.api\.type$|^gen_ai\.output\.type$/.test(key));
}

function readExtra(attributes: Attributes): Reading['extra'] {
  if (!ofKeys(attributes, saysExtra)) return undefined;
  const fingerprint = pickString(attributes, FINGERPRINT_KEYS);
  const api = getString(attributes, 'openai.api.type');
  const outputType = getString(attributes, 'gen_ai.output.type');
  const found = { system_fingerprint: fingerprint, api_type: api, output_type: outputType };
  return Object.values(found).some((value) => value !== undefined) ? found : undefined;
}
