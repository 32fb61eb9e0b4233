import type { Message, Reading, ToolDefinition, Usage } from '../completion/completion.ts';
import {
  asText,
  isEmptyText,
  isForbiddenKey,
  type JsonValue,
  jsonOf,
  type LazyJson,
  toJsonValue,
} from '../json/json-text.ts';
import { JsonWriter } from '../json/json-writer.ts';
import { hasContent } from '../lineage/merge.ts';
import type { RecordPlan } from '../lineage/plan.ts';
import type { SpanData } from '../span/span-data.ts';
import {
  type BuildOptions,
  compact,
  customMetadata,
  type Remarks,
  testRunInfo,
  traceUrl,
} from './build-common.ts';
import { isUuidV4 } from './ids.ts';
import type { RecordBody } from './record.ts';
import {
  renderMessage,
  renderMessages,
  renderSchema,
  renderTools,
  writeMessages,
  writeTools,
} from './render.ts';
import { toUnixSeconds } from './times.ts';

/** A model call as the completions API has it (completions-api.md section 1). */
export function buildCompletion(
  plan: RecordPlan,
  span: SpanData,
  reading: Reading,
  options: BuildOptions,
  remarks: Remarks,
): RecordBody {
  const { policy } = options;
  const { conversation, inputs, tools, rest } = describe(plan, span, reading, options, remarks);
  return {
    messages: conversation
      ? renderMessages(conversation, policy, span.spanId, remarks.guessed)
      : [...NOT_CAPTURED],
    ...compact({ inputs, tool_schema: tools && renderTools(tools, policy) }),
    ...rest,
  };
}

/** `JSON.stringify(buildCompletion(…))`, with messages and tools that stand as JSON already copied. */
export function writeCompletion(
  plan: RecordPlan,
  span: SpanData,
  reading: Reading,
  options: BuildOptions,
): JsonWriter {
  const { policy } = options;
  const { conversation, inputs, tools, rest } = describe(plan, span, reading, options);
  const json = new JsonWriter();
  json.add('{"messages":');
  if (conversation) writeMessages(conversation, policy, span.spanId, json);
  else json.add(JSON.stringify(NOT_CAPTURED));
  if (inputs !== undefined) json.add(`,"inputs":${JSON.stringify(inputs)}`);
  if (tools !== undefined) json.add(`,"tool_schema":${writeTools(tools, policy)}`);
  json.add(`,${JSON.stringify(rest).slice(1)}`);
  return json;
}

const NOT_CAPTURED: readonly JsonValue[] = [{ role: 'assistant', content: null }];

/** A completion's body: what is large, and the rest of it. */
interface Description {
  /** `undefined`: nothing is known of it. */
  readonly conversation: readonly Message[] | undefined;
  readonly inputs: JsonValue | undefined;
  readonly tools: readonly ToolDefinition[] | undefined;
  /** Never empty. */
  readonly rest: RecordBody;
}

function describe(
  plan: RecordPlan,
  span: SpanData,
  reading: Reading,
  options: BuildOptions,
  remarks?: Remarks,
): Description {
  const { policy } = options;
  const conversation = conversationOf(reading);
  const captured = conversation.some(says);
  const call = reading.choices?.[0]?.toolCalls[0];
  if (remarks) {
    const missing = missingContent(reading);
    if (missing !== undefined) remarks.missing.push(missing);
  }
  const rest = compact({
    output_schema: outputSchema(reading, options),
    session_info: compact({ custom_metadata: compact(customMetadata(plan, options)) }),
    trace_info: { trace_id: plan.groupId },
    parent_id: plan.parentId,
    prompt_info: promptInfo(plan, remarks),
    call_info: callInfo(plan, span, reading, options, captured && policy.capture),
    test_run_info: testRunInfo(plan.surroundings),
    eval_results: reading.evalResults && compact({ ...reading.evalResults }),
    response_info: call && {
      function_call_response: { name: call.name, arguments: policy.capture ? jsonOf(call.arguments) : '{}' },
    },
    completion_id: plan.id,
  });
  return {
    conversation: conversation.some(hasShape) ? conversation : undefined,
    inputs: policy.capture ? renderInputs(plan.surroundings?.inputs) : undefined,
    tools: reading.tools && reading.tools.length > 0 ? reading.tools : undefined,
    rest: rest ?? {},
  };
}

/** Why a call has no messages, if it has none, and which setting of its library turns them on. */
export function missingContent(reading: Reading): string | undefined {
  if (reading.error) return undefined;
  const groups = [reading.input, reading.choices?.slice(0, 1), reading.instructions];
  if (groups.some((messages) => messages?.some(says))) return undefined;
  return `message content${reading.captureSetting ? `: turn it on with ${reading.captureSetting}` : ''}`;
}

/** Roles, ids and names of tools are known without content, too. */
function says({ parts, toolCalls }: Message): boolean {
  return (
    parts.some((part) => part.kind !== 'text' || !isEmptyText(part.text)) ||
    toolCalls.some((call) => !/^(\{\s*\})?$/.test(jsonOf(call.arguments)))
  );
}

function hasShape({ parts, toolCalls, toolCallId }: Message): boolean {
  return parts.length > 0 || toolCalls.length > 0 || toolCallId !== undefined;
}

/** Instructions, input, then the reply: always last, an empty one for a success that reports none, none for a failure. */
function conversationOf(reading: Reading): readonly Message[] {
  const input = reading.input ?? [];
  const instructions = (reading.instructions ?? []).filter((message) => !repeats(input, message));
  const reply = reading.choices?.[0];
  const said =
    reply && (!reading.error || hasContent([reply])) ? [{ ...reply, role: 'assistant' as const }] : [];
  const empty: Message = { role: 'assistant', parts: [], toolCalls: [] };
  return [...instructions, ...input, ...(said.length > 0 ? said : reading.error ? [] : [empty])];
}

/** Some emitters write the system text both apart and among the messages. */
function repeats(input: readonly Message[], instruction: Message): boolean {
  const spoken = input.filter(({ role }) => role === 'system' || role === 'developer');
  if (spoken.length === 0) return false;
  const text = squash(instruction);
  return spoken.some((message) => squash(message).includes(text));
}

function squash(message: Message): string {
  return message.parts
    .map((part) => (part.kind === 'text' ? (asText(part.text) ?? '') : ''))
    .join('')
    .replace(/\s+/g, '');
}

function renderInputs(
  inputs: { readonly [key: string]: LazyJson | undefined } | undefined,
): JsonValue | undefined {
  return (
    inputs &&
    compact(
      Object.fromEntries(
        Object.entries(inputs)
          .filter(([key]) => !isForbiddenKey(key))
          .map(([key, value]) => [key, toJsonValue(value)]),
      ),
    )
  );
}

function outputSchema(reading: Reading, options: BuildOptions): JsonValue | undefined {
  if (reading.outputSchema === undefined) return undefined;
  const schema = renderSchema(reading.outputSchema, options.policy);
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema)
    ? compact(schema as { [key: string]: JsonValue })
    : undefined;
}

function promptInfo(plan: RecordPlan, remarks?: Remarks): JsonValue | undefined {
  const version = plan.surroundings?.promptTemplateVersionId;
  if (version === undefined) return undefined;
  if (!isUuidV4(version.toLowerCase())) {
    remarks?.missing.push('prompt_info: the prompt template version id is not a v4 UUID');
    return undefined;
  }
  return compact({
    prompt_template_version_id: version.toLowerCase(),
    environment: plan.surroundings?.environment,
  });
}

function callInfo(
  plan: RecordPlan,
  span: SpanData,
  reading: Reading,
  options: BuildOptions,
  captured: boolean,
): JsonValue | undefined {
  const usage = reading.usage;
  return compact({
    start_time: toUnixSeconds(span.startTime),
    end_time: toUnixSeconds(span.endTime),
    model: reading.responseModel ?? reading.requestModel,
    provider: reading.provider,
    provider_info: providerInfo(plan, span, reading, options, captured),
    llm_parameters: parameters(reading, options),
    usage: usage && compact({ prompt_tokens: usage.input, completion_tokens: usage.output }),
    api_style: plan.surroundings?.apiStyle,
  });
}

function parameters(reading: Reading, options: BuildOptions): JsonValue | undefined {
  const found: { [name: string]: JsonValue } = {};
  for (const [name, value] of Object.entries(reading.parameters ?? {})) {
    if (value !== undefined)
      found[name] = name === 'response_format' ? renderSchema(value, options.policy) : toJsonValue(value);
  }
  return compact(found);
}

function providerInfo(
  plan: RecordPlan,
  span: SpanData,
  reading: Reading,
  options: BuildOptions,
  captured: boolean,
): JsonValue | undefined {
  const { policy } = options;
  const others = reading.choices?.slice(1) ?? [];
  const differs =
    reading.requestModel !== undefined &&
    reading.responseModel !== undefined &&
    reading.requestModel !== reading.responseModel;
  return compact({
    response_id: reading.responseId,
    request_model: differs ? reading.requestModel : undefined,
    finish_reasons: reading.finishReasons && [...reading.finishReasons],
    service_tier: reading.serviceTier,
    time_to_first_token:
      reading.timeToFirstToken === undefined ? undefined : Math.round(reading.timeToFirstToken * 1e6) / 1e6,
    server_address: reading.serverAddress,
    ...usageDetails(reading.usage),
    ...compactExtra(reading.extra),
    choices:
      others.length > 0
        ? others.map((choice) => ({
            ...renderMessage(choice, policy),
            ...(choice.finishReason === undefined ? {} : { finish_reason: choice.finishReason }),
          }))
        : undefined,
    content_captured:
      captured || (reading.error && policy.capture && hasContent(reading.input))
        ? undefined
        : reading.error && policy.capture
          ? undefined
          : false,
    error:
      reading.error &&
      compact({
        type: reading.error.type ?? 'error',
        message: policy.capture ? reading.error.message : undefined,
        stack: policy.capture ? reading.error.stack : undefined,
      }),
    metadata: reading.surroundings?.metadata && compact({ ...reading.surroundings.metadata }),
    otel: otel(plan, span, options),
  });
}

function usageDetails(usage: Usage | undefined): { [key: string]: JsonValue | undefined } {
  return {
    cache_read_tokens: usage?.cacheRead,
    cache_creation_tokens: usage?.cacheWrite,
    reasoning_tokens: usage?.reasoning,
  };
}

function compactExtra(extra: Reading['extra']): { [key: string]: JsonValue } {
  return (
    compact(
      Object.fromEntries(
        Object.entries(extra ?? {}).map(([key, value]) => [
          key,
          value === undefined ? undefined : toJsonValue(value),
        ]),
      ),
    ) ?? {}
  );
}

function otel(plan: RecordPlan, span: SpanData, options: BuildOptions): JsonValue | undefined {
  return compact({
    trace_id: span.traceId,
    span_id: span.spanId,
    parent_span_id: span.parentSpanId,
    scope: compact({
      name: span.scope.name === '' ? undefined : span.scope.name,
      version: span.scope.version,
    }),
    url: traceUrl(plan, options),
  });
}
