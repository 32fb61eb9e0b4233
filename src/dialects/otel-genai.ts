import type { Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, asText, textMember } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { conventionalOperation, operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, getString, hasAttribute, hasPrefix } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * OpenTelemetry's own GenAI conventions, every generation, read by keys and never by version: most emitters are recognisable only
 * as "some `gen_ai.*`".
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
 */
export const otelGenAi: Dialect = {
  name: 'otel-genai',
  detect: (span) =>
    hasPrefix(span.attributes, 'gen_ai.') || span.events.some((event) => event.name.startsWith('gen_ai.')),
  operationOf,
  read: readOtelGenAi,
};

function operationOf(span: SpanData): Operation {
  const operation = conventionalOperation(span);
  return operation === 'other' && countsTokens(span.attributes) ? 'inference' : operation;
}

/** A model that was asked and tokens that it wrote: a call, whatever its emitter calls that. Runs of Azure's agents name no such model. */
function countsTokens(attributes: Attributes): boolean {
  return (
    hasAttribute(attributes, 'gen_ai.usage.output_tokens') &&
    getString(attributes, 'gen_ai.request.model') !== undefined
  );
}

function readOtelGenAi(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const operation = operationOf(span);
  if (getString(span.attributes, 'gen_ai.operation.name') === 'create_agent') return { operation: 'other' };
  const base = readGenAiSpan(span, logs, {
    dialect: otelGenAi.name,
    operation,
    captureSetting: captureSettingOf(span),
  });
  if (operation === 'tool') return withToolMessages(base, span);
  // TanStack AI's run has the model of its calls, and no operation of its own; a run of others may have one that nobody knows.
  return operation === 'inference' && operationByName(span.attributes) !== 'inference'
    ? { ...base, yields: 'workflow' }
    : base;
}

/** TanStack AI says what a tool was given, and what it gave, in a message of the tool's. */
function withToolMessages(base: Reading, { attributes }: SpanData): Reading {
  const given = toolMessage(getAttribute(attributes, 'gen_ai.input.messages'));
  const result = toolMessage(getAttribute(attributes, 'gen_ai.output.messages'));
  if (given === undefined && result === undefined) return base;
  return {
    ...base,
    input: given === undefined ? base.input : undefined,
    inputValue: base.inputValue ?? (jsonValue(given) as Reading['inputValue']),
    outputValue: base.outputValue ?? (jsonValue(result) as Reading['outputValue']),
    toolArguments: base.toolArguments ?? given,
  };
}

function toolMessage(raw: unknown): string | undefined {
  if (raw === undefined) return undefined;
  const [message, ...others] = asArray(jsonValue(raw)) ?? [];
  const only = others.length === 0 ? asObject(message) : undefined;
  return textMember(only, 'role') === 'tool' ? asText(only?.content) : undefined;
}

function captureSettingOf({ attributes, scope }: SpanData): string {
  const byScope = SETTINGS.find(([name]) => name.test(scope.name))?.[1];
  if (byScope !== undefined) return byScope;
  return hasAttribute(attributes, 'tanstack.ai.iteration')
    ? 'otelMiddleware({ tracer, captureContent: true })'
    : CONVENTIONS_SETTING;
}

const CONVENTIONS_SETTING =
  'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true, or SPAN_ONLY where OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental';

/** Emitters with a switch of their own, by their scopes. */
const SETTINGS: readonly (readonly [scope: RegExp, setting: string])[] = [
  [/^agent_framework/, 'ENABLE_SENSITIVE_DATA=true, or enable_instrumentation(enable_sensitive_data=True)'],
  [
    /semantic_?kernel/i,
    'SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE=true, and the log records of Python exported too',
  ],
  [
    /\.botocore\./,
    'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true, and the log records of Python exported too',
  ],
  [
    /^io\.opentelemetry\.(openai-java|aws-sdk)/,
    'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true for the Java agent, setCaptureMessageContent(true) or setGenaiCaptureMessageContent(true) for the library, and log records exported too',
  ],
  [/^Agent365Sdk$/, 'recordInputMessages(…) and recordOutputMessages(…) of the InferenceScope'],
  [
    /^@flue\/opentelemetry$/,
    'createOpenTelemetryInstrumentation(…) without content: false, or whose transform keeps it',
  ],
  [/^@?azure[./]/, 'AZURE_TRACING_GEN_AI_CONTENT_RECORDING_ENABLED=true'],
];
