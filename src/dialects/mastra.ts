import type { Message, Operation, Reading, Scalar, Surroundings } from '../completion/completion.ts';
import {
  asArray,
  asObject,
  asText,
  type JsonObject,
  member,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { type ResponseFacts, readRequest, readResponse } from '../messages/exchange.ts';
import { joinReply, readMessages } from '../messages/messages.ts';
import { fullerReply, saysAnything } from '../messages/reply.ts';
import { argumentsText } from '../messages/tool-call.ts';
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
  operationOf,
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
    response: type === 'model_step' ? readResponse(withoutCuts(metadata('body'))) : {},
    model: asObject(metadata('modelMetadata')),
  };
}

/** Older releases cut deep values to this word. */
const TOO_DEEP = '[MaxDepth]';

/** Without what was cut: half a schema would be a wrong one. */
function withoutCuts(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== TOO_DEEP).map(withoutCuts);
  const object = asObject(value);
  if (!object) return value;
  const whole = Object.entries(object).filter(
    ([key, item]) =>
      item !== TOO_DEEP &&
      !(/^(parameters|schema|input_schema)$/.test(key) && toJsonString(item).includes(TOO_DEEP)),
  );
  return Object.fromEntries(whole.map(([key, item]) => [key, withoutCuts(item)]));
}

function typeOf(attributes: Attributes): string | undefined {
  return getString(attributes, 'mastra.span.type')?.toLowerCase();
}

/** Not of a step: whether it is a call depends on what it says. */
function operationOf({ attributes }: SpanData): Operation | undefined {
  const type = typeOf(attributes);
  return type === 'model_step' ? undefined : operationOfType(type, attributes);
}

function operationOfType(type: string | undefined, attributes: Attributes): Operation {
  return type === undefined ? (operationByName(attributes) ?? 'other') : (TYPES.get(type) ?? 'other');
}

function readMastra(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const type = typeOf(attributes);
  const operation = operationOfType(type, attributes);
  if (operation === 'other') return type === 'model_chunk' ? readChunk(attributes, type) : { operation };
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
    responseModel:
      getString(attributes, 'gen_ai.response.model') ??
      (type === 'model_step' ? getString(attributes, 'modelId', 'mastra.metadata.modelId') : undefined),
    captureSetting: 'hideInput and hideOutput unset in tracingOptions, and no span processor that filters',
  });
  const failed =
    operation === 'inference' && base.finishReasons?.[0] === 'error' && !base.choices?.some(saysAnything);
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

/** A piece of the stream: a failed one tells why, one that calls a tool ends before the tool runs. */
function readChunk(attributes: Attributes, type: string): Reading {
  const output = asObject(readRaw(attributes, type).output);
  const error = asObject(member(output, 'error'));
  const message = textMember(error, 'message');
  const id = textMember(output, 'toolCallId');
  const name = textMember(output, 'toolName');
  const asks = id !== undefined && name !== undefined && member(output, 'result') === undefined;
  const call = asks ? [{ id, name, arguments: argumentsText(member(output, 'toolInput', 'args')) }] : [];
  return {
    operation: 'other',
    error: message === undefined ? undefined : { type: textMember(error, 'name'), message },
    choices: call.length > 0 ? [{ role: 'assistant', parts: [], toolCalls: call }] : undefined,
  };
}

/** A step that failed before it reached the model says neither what was asked nor what was answered. */
function isReport(content: Content): boolean {
  return (
    content.input !== undefined ||
    content.response?.usage !== undefined ||
    content.choices?.some(saysAnything) === true
  );
}

/** The parts drop tool calls and reasoning; the raw values of the same span still have them. */
function readContent(span: SpanData, logs: readonly LogData[], raw: Raw): Content {
  const content = readGenAiContent(span, logs);
  // Steps of older releases hold the request as it was sent: {body: "…"}.
  const sent = asObject(withoutCuts(jsonValue(member(asObject(raw.input), 'body'))));
  const request = raw.input === undefined ? undefined : readRequest(sent ?? raw.input);
  if (content.input === undefined && request) {
    content.input = request.messages && readDigest(request.messages);
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

const CALL_MARKS = /(?:\[tool: [^\]\n]+\])+$/;
const RESULT_MARKS = /^(?:\[tool-result: [^\]\n]+\])+$/;

/** Releases from 1.0 write a step's input as a digest: its marks become calls and results that only have a name. */
function readDigest(messages: readonly Message[]): readonly Message[] {
  return messages.flatMap((message) => {
    const [part] = message.parts;
    const text = message.parts.length === 1 && part?.kind === 'text' ? asText(part.text) : undefined;
    const marks = text?.match(message.role === 'tool' ? RESULT_MARKS : CALL_MARKS)?.[0];
    if (text === undefined || marks === undefined) return [message];
    const names = [...marks.matchAll(/: ([^\]\n]+)\]/g)].map((match) => match[1] ?? '');
    if (message.role === 'tool')
      return names.map((name): Message => ({ ...message, name, captured: { ...message, name } }));
    if (message.role !== 'assistant') return [message];
    const said = text.slice(0, text.length - marks.length);
    return [
      {
        ...message,
        parts: said === '' ? [] : [{ kind: 'text', text: said }],
        toolCalls: names.map((name) => ({ id: undefined, name, arguments: '{}' })),
        captured: message,
      },
    ];
  });
}
