import type { Message, Operation, Part, Reading, Scalar, Surroundings } from '../completion/completion.ts';
import {
  asArray,
  asObject,
  isEmptyText,
  type JsonObject,
  member,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { type ResponseFacts, readRequest, readResponse } from '../messages/exchange.ts';
import { joinReply, readMessages } from '../messages/messages.ts';
import { fullerReply } from '../messages/reply.ts';
import { type Content, readGenAiContent } from '../readers/content.ts';
import { operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { mergeParameters, readParameterBag } from '../readers/parameters.ts';
import { addMetadata } from '../readers/surroundings.ts';
import { PROVIDER_BODY } from '../readers/usage.ts';
import { getAttribute, getId, getString, hasAttribute } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Mastra, through its exporter or bridge: `model_generation` spans a whole tool loop, `model_step` is one call with its request and
 * response, `model_inference` (newer releases) the call itself. The innermost that there is becomes the completion; the others lend it
 * what they alone know. Releases before 1.0 write the same without the `mastra.` prefix.
 *
 * @see https://mastra.ai/docs/observability/tracing/overview
 */
export const mastra: Dialect = {
  name: 'mastra',
  detect: (span) =>
    hasAttribute(span.attributes, 'mastra.span.type') ||
    /^@mastra\/otel-(exporter|bridge)$/.test(span.scope.name),
  read: readMastra,
};

const TYPES: ReadonlyMap<string, Operation> = new Map([
  ['model_inference', 'inference'],
  ['model_step', 'inference'],
  ['model_generation', 'inference'],
  ['agent_run', 'agent'],
  ['workflow_run', 'workflow'],
  ['tool_call', 'tool'],
  ['mcp_tool_call', 'tool'],
  ['client_tool_call', 'tool'],
  ['provider_tool_call', 'tool'],
  ['rag_embedding', 'embedding'],
]);

const YIELDS: ReadonlyMap<string, Reading['yields']> = new Map([
  ['model_step', 'other'],
  ['model_generation', 'workflow'],
]);

/** What Mastra writes beside the conventions' attributes, under the names of either release line. */
interface Raw {
  readonly input: unknown;
  readonly output: unknown;
  /** The provider's whole response, on steps. */
  readonly response: ResponseFacts;
  readonly model: JsonObject | undefined;
}

function readRaw(attributes: Attributes, type: string | undefined): Raw {
  const metadata = (name: string): unknown =>
    jsonValue(getAttribute(attributes, `mastra.metadata.${name}`) ?? getAttribute(attributes, name));
  return {
    input: jsonValue(getAttribute(attributes, `mastra.${type}.input`) ?? getAttribute(attributes, 'input')),
    output: jsonValue(
      getAttribute(attributes, `mastra.${type}.output`) ?? getAttribute(attributes, 'output'),
    ),
    response: type === 'model_step' ? readBody(metadata('body')) : {},
    model: asObject(metadata('modelMetadata')),
  };
}

/** Older releases cut deep values to this word. */
const TOO_DEEP = '[MaxDepth]';

function readBody(body: unknown): ResponseFacts {
  const facts = readResponse(body);
  return toJsonString(body ?? null).includes(TOO_DEEP) ? { ...facts, choices: undefined } : facts;
}

function readMastra(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const type = getString(attributes, 'mastra.span.type')?.toLowerCase();
  const operation =
    type === undefined ? (operationByName(attributes) ?? 'other') : (TYPES.get(type) ?? 'other');
  if (operation === 'other') return { operation, error: chunkError(attributes, type) };
  const raw = readRaw(attributes, type);
  const content = operation === 'tool' ? { notes: [] } : readContent(span, logs, raw);
  if (type === 'model_step' && !isReport(content)) return { operation: 'other' };
  const base = readGenAiSpan(span, logs, {
    // A step's counts are those of the provider's response, everything else is counted by Mastra.
    dialect: type === 'model_step' ? PROVIDER_BODY : mastra.name,
    operation,
    content,
    provider: [textMember(raw.model, 'modelProvider')],
    requestModel:
      getString(attributes, 'gen_ai.request.model') ??
      content.request?.model ??
      textMember(raw.model, 'modelId'),
    captureSetting: 'hideInput and hideOutput unset in tracingOptions, and no span processor that filters',
  });
  const failed =
    operation === 'inference' && base.finishReasons?.[0] === 'error' && !saidAnything(base.choices);
  return {
    ...base,
    yields: YIELDS.get(type ?? ''),
    name: getString(attributes, 'gen_ai.tool.name', 'mastra.entity.name') ?? base.name,
    choices: failed ? undefined : base.choices,
    error: base.error ?? (failed ? { type: 'error' } : undefined),
    responseId: base.responseId ?? (type === 'model_step' ? getString(attributes, 'id') : undefined),
    parameters: mergeParameters(
      base.parameters,
      readParameterBag(getAttribute(attributes, 'mastra.parameters')),
    ),
    inputValue: raw.input === undefined ? base.inputValue : (raw.input as Reading['inputValue']),
    outputValue: raw.output === undefined ? base.outputValue : (raw.output as Reading['outputValue']),
    toolArguments:
      operation === 'tool'
        ? (base.toolArguments ?? getString(attributes, `mastra.${type}.input`))
        : undefined,
    timeToFirstToken: base.timeToFirstToken ?? firstToken(span, attributes),
    surroundings: withPlainMetadata(attributes, base.surroundings),
  };
}

/** A failed stream tells why in a chunk. */
function chunkError(attributes: Attributes, type: string | undefined): Reading['error'] {
  if (type !== 'model_chunk') return undefined;
  const error = asObject(member(asObject(readRaw(attributes, type).output), 'error'));
  const message = textMember(error, 'message');
  return message === undefined ? undefined : { type: textMember(error, 'name'), message };
}

/** A step that failed before it reached the model says neither what was asked nor what was answered. */
function isReport(content: Content): boolean {
  return (
    content.input !== undefined || content.response?.usage !== undefined || saidAnything(content.choices)
  );
}

function saidAnything(choices: Reading['choices']): boolean {
  return (
    choices?.some(
      (choice) => choice.toolCalls.length > 0 || choice.parts.some((part) => !isEmptyPart(part)),
    ) ?? false
  );
}

function isEmptyPart(part: Part): boolean {
  return part.kind === 'text' && isEmptyText(part.text);
}

/** The parts drop tool calls and reasoning; the raw values of the same span still have them. */
function readContent(span: SpanData, logs: readonly LogData[], raw: Raw): Content {
  const content = readGenAiContent(span, logs);
  // Steps of older releases hold the request as it was sent: {body: "…"}.
  const sent = asObject(jsonValue(member(asObject(raw.input), 'body')));
  const request = raw.input === undefined ? undefined : readRequest(sent ?? raw.input);
  if (content.input === undefined && request) {
    content.input = request.messages;
    content.instructions ??= request.instructions;
  }
  if (sent) content.request = request;
  content.tools = realTools(content) ?? request?.tools;
  const reply = [rawReply(raw.output), raw.response.choices?.[0]].reduce(fullerReply, content.choices?.[0]);
  content.choices = reply && [reply];
  content.response ??= raw.response;
  return content;
}

/** On agents the definitions are a list of names. */
function realTools(content: Content): Content['tools'] {
  return content.tools?.some((tool) => tool.parameters !== undefined || tool.description !== undefined)
    ? content.tools
    : undefined;
}

function rawReply(raw: unknown): Message | undefined {
  const output = asObject(raw);
  if (!output) return undefined;
  const calls = asArray(member(output, 'toolCalls', 'tool_calls'))?.map(
    (call) => asObject(member(asObject(call), 'payload')) ?? call,
  );
  const reasoning = member(output, 'reasoningText', 'reasoning');
  const text =
    member(output, 'text') ??
    (member(output, 'object') === undefined ? undefined : JSON.stringify(member(output, 'object')));
  if (calls === undefined && text === undefined) return undefined;
  const parts = asArray(reasoning)?.map((part) => ({
    type: 'reasoning',
    ...asObject(member(asObject(part), 'payload') ?? part),
  }));
  return joinReply(
    readMessages(
      [
        {
          role: 'assistant',
          content: [...(parts ?? []), ...(text === undefined || text === '' ? [] : [{ type: 'text', text }])],
          reasoning_content: typeof reasoning === 'string' ? reasoning : undefined,
          tool_calls: calls,
        },
      ],
      'output',
    ),
  );
}

const PLAIN_BOOKKEEPING = new Set([
  'input',
  'output',
  'id',
  'body',
  'headers',
  'timestamp',
  'modelId',
  'modelVersion',
  'modelProvider',
  'modelMetadata',
]);

/** Releases before 1.0 put the app's metadata on the span without any prefix. */
function withPlainMetadata(
  attributes: Attributes,
  found: Surroundings | undefined,
): Surroundings | undefined {
  if (!hasAttribute(attributes, 'mastra.trace_id')) return found;
  const metadata: { [key: string]: Scalar } = {};
  for (const [key, value] of Object.entries(attributes))
    if (!key.includes('.') && !PLAIN_BOOKKEEPING.has(key)) addMetadata(metadata, key, value);
  return {
    ...found,
    userId: found?.userId ?? getId(attributes, 'userId'),
    metadata: { ...metadata, ...found?.metadata },
  };
}

function firstToken(span: SpanData, attributes: Attributes): number | undefined {
  const at = getString(attributes, 'mastra.completion_start_time');
  const seconds =
    at === undefined
      ? Number.NaN
      : Date.parse(at.replaceAll('"', '')) / 1000 - (span.startTime[0] + span.startTime[1] / 1e9);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
