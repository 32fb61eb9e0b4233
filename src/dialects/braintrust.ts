import type { Operation, Reading } from '../completion/completion.ts';
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
import { readRequest } from '../messages/exchange.ts';
import { type Content, nonEmpty, readNoted } from '../readers/content.ts';
import { readGenAiSpan } from '../readers/genai-span.ts';
import { readCallOutput } from '../readers/observation.ts';
import type { RawUsage } from '../readers/usage.ts';
import { getAttribute, hasAttribute, toCount } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Braintrust's SDKs for Go and Java, which are instrumentations for OpenTelemetry, and spans of one's own with its attributes: messages,
 * reply, request and counts as JSON, in the provider's words. What its span processor adds to the spans of others (`braintrust.parent`)
 * makes none of them its own.
 *
 * @see https://www.braintrust.dev/docs/integrations/sdk-integrations/opentelemetry
 */
export const braintrust: Dialect = {
  name: 'braintrust',
  detect: ({ attributes }) => OWN.some((key) => hasAttribute(attributes, key)),
  operationOf,
  read: readBraintrust,
};

const INPUT = ['braintrust.input_json', 'braintrust.input'] as const;
const OUTPUT = ['braintrust.output_json', 'braintrust.output'] as const;
const TYPE = 'braintrust.span_attributes';
const OWN = [...INPUT, ...OUTPUT, TYPE];

const TYPES: ReadonlyMap<string, Operation> = new Map([
  ['llm', 'inference'],
  ['tool', 'tool'],
  ['function', 'tool'],
]);

function operationOf({ attributes }: SpanData): Operation {
  const type = textMember(objectAt(attributes, TYPE), 'type');
  if (type !== undefined) return TYPES.get(type) ?? 'workflow';
  const metadata = objectAt(attributes, 'braintrust.metadata');
  if (textMember(metadata, 'model') === undefined) return 'workflow';
  return /embed/.test(textMember(metadata, 'endpoint') ?? '') ? 'embedding' : 'inference';
}

function readBraintrust(span: SpanData, logs: readonly LogData[]): Reading {
  const { attributes } = span;
  const operation = operationOf(span);
  const metadata = objectAt(attributes, 'braintrust.metadata');
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: braintrust.name,
    operation,
    content: isCall ? readContent(attributes, metadata) : { notes: [] },
    usage: readMetrics(objectAt(attributes, 'braintrust.metrics')),
    provider: [textMember(metadata, 'provider')],
    requestModel: textMember(metadata, 'model'),
    captureSetting: 'none needed: Braintrust records content whenever it traces',
  });
  if (isCall)
    return {
      ...base,
      responseId: base.responseId ?? textMember(metadata, 'id'),
      serviceTier: base.serviceTier ?? textMember(metadata, 'service_tier'),
      timeToFirstToken: base.timeToFirstToken ?? firstToken(attributes, metadata),
    };
  const inputValue = valueAt(attributes, INPUT);
  return {
    ...base,
    name: base.name ?? textMember(objectAt(attributes, TYPE), 'name') ?? span.name,
    inputValue,
    outputValue: valueAt(attributes, OUTPUT),
    toolArguments: operation === 'tool' && inputValue !== undefined ? toJsonString(inputValue) : undefined,
  };
}

function readContent(attributes: Attributes, metadata: JsonObject | undefined): Content {
  const notes: Content['notes'] = [];
  const asked = read(attributes, INPUT, notes);
  const request = readRequest(requestOf(metadata ?? {}, asked));
  const before = notes.length;
  const said = read(attributes, OUTPUT, notes);
  const { choices, response } = readCallOutput(said, responseOf(said), notes.length > before);
  return {
    notes,
    request,
    instructions: request.instructions,
    input: nonEmpty(request.messages),
    choices,
    response: { ...response, finishReasons: response.finishReasons ?? stopReason(metadata) },
  };
}

function read(attributes: Attributes, keys: readonly string[], notes: Content['notes']): unknown {
  const key = keys.find((one) => hasAttribute(attributes, one));
  return key === undefined ? undefined : readNoted(getAttribute(attributes, key), key, notes);
}

/** The rest of the request is metadata, and so is what the response says of itself. */
function requestOf({ service_tier: _, ...metadata }: JsonObject, asked: unknown): JsonObject {
  const body = asObject(asked);
  if (body && member(body, 'contents', 'messages', 'input') !== undefined) return { ...metadata, ...body };
  return { ...metadata, input: asked };
}

/** Of a response only its choices are kept, or its output's items. */
function responseOf(said: unknown): unknown {
  const [first] = asArray(said) ?? [];
  return member(asObject(first), 'message') === undefined ? said : { choices: said };
}

function stopReason(metadata: JsonObject | undefined): readonly string[] | undefined {
  const reason = textMember(metadata, 'stop_reason');
  return reason === undefined ? undefined : [reason];
}

/** Totals, cached tokens and reasoning included, whatever the provider counts. */
function readMetrics(metrics: JsonObject | undefined): RawUsage | undefined {
  if (!metrics) return undefined;
  const count = (key: string): number | undefined => toCount(metrics[key]);
  return {
    input: count('prompt_tokens'),
    output: count('completion_tokens'),
    cacheRead: count('prompt_cached_tokens'),
    cacheWrite: count('prompt_cache_creation_tokens'),
    reasoning: count('completion_reasoning_tokens') ?? count('reasoning_tokens'),
  };
}

/** Seconds. In Go it is told of every call: of one that was not streamed it is the time of the whole answer. */
function firstToken(attributes: Attributes, metadata: JsonObject | undefined): number | undefined {
  if (metadata?.endpoint !== undefined && metadata.stream !== true) return undefined;
  const seconds = objectAt(attributes, 'braintrust.metrics')?.time_to_first_token;
  return typeof seconds === 'number' ? seconds : undefined;
}

function objectAt(attributes: Attributes, key: string): JsonObject | undefined {
  return asObject(jsonValue(getAttribute(attributes, key)));
}

function valueAt(attributes: Attributes, keys: readonly string[]): LazyJson | undefined {
  const key = keys.find((one) => hasAttribute(attributes, one));
  return key === undefined ? undefined : (jsonValue(getAttribute(attributes, key)) as LazyJson);
}
