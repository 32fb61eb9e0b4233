import type { Message, Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, member } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readRequest, readResponse } from '../messages/exchange.ts';
import { joinReply, readMessages } from '../messages/messages.ts';
import { readTools } from '../messages/tools.ts';
import { type Content, readGenAiContent } from '../readers/content.ts';
import { operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { mergeParameters, readParameterBag } from '../readers/parameters.ts';
import { getAttribute, getString, hasAttribute } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Mastra, through its exporter or bridge. `model_generation` spans a whole tool loop and holds `model_inference` spans in newer
 * releases: then those are the calls.
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
  ['model_generation', 'inference'],
  ['agent_run', 'agent'],
  ['workflow_run', 'workflow'],
  ['tool_call', 'tool'],
  ['mcp_tool_call', 'tool'],
  ['client_tool_call', 'tool'],
  ['provider_tool_call', 'tool'],
  ['rag_embedding', 'embedding'],
]);

function readMastra(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const type = getString(attributes, 'mastra.span.type')?.toLowerCase();
  const operation =
    type === undefined ? (operationByName(attributes) ?? 'other') : (TYPES.get(type) ?? 'other');
  if (operation === 'other') return { operation };
  const rawInput =
    type === undefined ? undefined : jsonValue(getAttribute(attributes, `mastra.${type}.input`));
  const rawOutput =
    type === undefined ? undefined : jsonValue(getAttribute(attributes, `mastra.${type}.output`));
  const base = readGenAiSpan(span, logs, {
    dialect: mastra.name,
    operation,
    content: operation === 'tool' ? { notes: [] } : readContent(span, logs, rawInput, rawOutput),
    captureSetting: 'none needed: Mastra records content unless a span processor filters it',
  });
  return {
    ...base,
    yields: type === 'model_generation',
    name: getString(attributes, 'gen_ai.tool.name', 'mastra.entity.name') ?? base.name,
    parameters: mergeParameters(
      base.parameters,
      readParameterBag(getAttribute(attributes, 'mastra.parameters')),
    ),
    inputValue: rawInput === undefined ? base.inputValue : (rawInput as Reading['inputValue']),
    outputValue: rawOutput === undefined ? base.outputValue : (rawOutput as Reading['outputValue']),
    toolArguments:
      operation === 'tool'
        ? (base.toolArguments ?? getString(attributes, `mastra.${type}.input`))
        : undefined,
    timeToFirstToken: base.timeToFirstToken ?? firstToken(span, attributes),
  };
}

/** The parts drop tool calls and reasoning; the raw values of the same span still have them. */
function readContent(
  span: SpanData,
  logs: readonly LogData[],
  rawInput: unknown,
  rawOutput: unknown,
): Content {
  const content = readGenAiContent(span, logs);
  if (content.input === undefined && rawInput !== undefined) {
    const facts = readRequest(rawInput);
    content.input = facts.messages;
    content.instructions ??= facts.instructions;
  }
  content.tools = realTools(content) ?? readTools(member(asObject(rawInput), 'tools'));
  const raw = rawReply(rawOutput);
  const own = content.choices?.[0];
  if (raw && (!own || weight(raw) > weight(own))) content.choices = [raw];
  content.response ??= rawOutput === undefined ? undefined : readResponse(rawOutput);
  return content;
}

/** On agents the definitions are a list of names. */
function realTools(content: Content): Content['tools'] {
  return content.tools?.some((tool) => tool.parameters !== undefined || tool.description !== undefined)
    ? content.tools
    : undefined;
}

function weight(message: Message): number {
  return message.parts.length + message.toolCalls.length;
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

function firstToken(span: SpanData, attributes: Attributes): number | undefined {
  const at = getString(attributes, 'mastra.completion_start_time');
  const seconds =
    at === undefined
      ? Number.NaN
      : Date.parse(at.replaceAll('"', '')) / 1000 - (span.startTime[0] + span.startTime[1] / 1e9);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
