import type { Message, Note, Operation, Part, Reading, ToolDefinition } from '../completion/completion.ts';
import {
  asArray,
  asObject,
  asText,
  isObject,
  isText,
  type JsonObject,
  member,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue, readJson } from '../json/read-json.ts';
import {
  type RequestFacts,
  type ResponseFacts,
  readOutputSchema,
  readRequest,
  readResponse,
} from '../messages/exchange.ts';
import { splitFusedCalls } from '../messages/fused-calls.ts';
import { joinReply } from '../messages/messages.ts';
import { resultParts } from '../messages/parts.ts';
import { readTools } from '../messages/tools.ts';
import { type Content, nonEmpty } from '../readers/content.ts';
import { flatCompletions, flatMessages, flatPrompts } from '../readers/flat-messages.ts';
import { readGenAiSpan } from '../readers/genai-span.ts';
import { isAddress, readArguments, readToolAnswer } from '../readers/observation.ts';
import { mergeParameters } from '../readers/parameters.ts';
import { getAttribute, getString, hasAttribute, hasPrefix } from '../span/attributes.ts';
import { leaf, listOf, readFlat } from '../span/indexed.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * OpenInference (Arize): flattened `llm.input_messages.0.message.…` attributes, and the raw request and response beside them in
 * `input.value` and `output.value`.
 *
 * @see https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
 */
export const openInference: Dialect = {
  name: 'openinference',
  detect: ({ attributes }) =>
    hasAttribute(attributes, 'openinference.span.kind') ||
    hasPrefix(attributes, 'llm.input_messages.') ||
    hasPrefix(attributes, 'llm.output_messages.') ||
    (hasAttribute(attributes, 'llm.model_name') && hasAttribute(attributes, 'input.value')),
  operationOf,
  read: readOpenInference,
};

const KINDS: ReadonlyMap<string, Operation> = new Map([
  ['LLM', 'inference'],
  ['AGENT', 'agent'],
  ['CHAIN', 'workflow'],
  ['TOOL', 'tool'],
  ['EMBEDDING', 'embedding'],
  ['RETRIEVER', 'retrieval'],
  ['RERANKER', 'rerank'],
  ['GUARDRAIL', 'guardrail'],
]);

/** LlamaIndex's spans are its methods; of a model's, private ones prepare a call. */
const PREPARATION = /^\w+\._(?!_)\w+$/;

function operationOf({ attributes, name, scope }: SpanData): Operation {
  const kind = getString(attributes, 'openinference.span.kind')?.trim().toUpperCase();
  if (kind === undefined) return 'inference';
  const operation = KINDS.get(kind) ?? 'other';
  return operation === 'inference' && isLlamaIndex(scope) && PREPARATION.test(name) ? 'other' : operation;
}

function isLlamaIndex(scope: SpanData['scope']): boolean {
  return /llama_?index/i.test(scope.name);
}

function readOpenInference(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const invocation = asObject(jsonValue(getAttribute(attributes, 'llm.invocation_parameters')));
  const metadata = asObject(jsonValue(getAttribute(attributes, 'metadata')));
  const content = operation === 'inference' ? readContent(span, invocation) : { notes: [] };
  const base = readGenAiSpan(span, logs, {
    dialect: openInference.name,
    operation,
    content,
    usage: content.response?.usage,
    provider: [
      getString(attributes, 'llm.provider'),
      getString(attributes, 'llm.system'),
      textMember(metadata, 'ls_provider'),
    ],
    requestModel:
      getString(attributes, 'llm.request.model_name') ??
      textMember(invocation, 'model') ??
      content.request?.model ??
      getString(attributes, 'llm.model_name', 'embedding.model_name', 'reranker.model_name'),
    responseModel:
      getString(attributes, 'llm.response.model_name') ??
      content.response?.model ??
      servedModel(attributes, invocation),
    captureSetting:
      "hideInputs: false and hideOutputs: false in the instrumentation's traceConfig (OPENINFERENCE_HIDE_INPUTS and OPENINFERENCE_HIDE_OUTPUTS unset)",
  });
  const tool = operation === 'tool' ? toolFacts(span) : undefined;
  const answer = tool && (readToolAnswer(base.outputValue) ?? readFunctionResponse(base, tool.name));
  // CrewAI's agents have no other name, nor OpenAI's in JavaScript.
  const agent =
    operation === 'agent'
      ? getString(attributes, 'agent.name', 'gen_ai.agent.name', 'graph.node.name', 'graph.node.id')
      : undefined;
  return {
    ...base,
    yields: operation === 'inference' ? yieldsOf(span) : undefined,
    name: tool?.name ?? agent ?? getString(attributes, 'agent.name', 'graph.node.name') ?? base.name,
    agentName: operation === 'agent' ? (agent ?? base.agentName) : undefined,
    parameters: mergeParameters(base.parameters, readRequest(invocation ?? {}).parameters),
    inputValue:
      operation === 'tool' ? (readArguments(base.inputValue) as Reading['inputValue']) : base.inputValue,
    outputValue: answer ? (answer.value as Reading['outputValue']) : base.outputValue,
    toolCallId: base.toolCallId ?? answer?.id,
    toolArguments: base.toolArguments ?? tool?.arguments,
  };
}

function yieldsOf(span: SpanData): Reading['yields'] {
  if (isAdkAgent(span)) return 'agent';
  return isLayer(span) ? 'workflow' : undefined;
}

/** Where Google ADK has no span of its own for a call, its agent's is written to, by one call over the other. */
function isAdkAgent({ name, scope }: SpanData): boolean {
  return scope.name === 'gcp.vertex.agent' && name.startsWith('invoke_agent');
}

/** LlamaIndex reports each of its own layers around a call as a call; only the innermost has counts and a reply. */
function isLayer({ attributes, scope }: SpanData): boolean {
  return (
    isLlamaIndex(scope) &&
    !hasPrefix(attributes, 'llm.token_count.') &&
    !hasPrefix(attributes, 'llm.output_messages.')
  );
}

/** `llm.model_name` is overwritten with the response's model; where it still repeats the request's, nothing was said of the response. */
function servedModel(attributes: Attributes, invocation: JsonObject | undefined): string | undefined {
  const named = getString(attributes, 'llm.model_name');
  // Bedrock's answers name no model: it is what is left of the requested one, cut at its dots.
  if (getString(attributes, 'llm.provider') === 'aws') return undefined;
  return named === textMember(invocation, 'model') ? undefined : named;
}

function toolFacts({ attributes, name }: SpanData): {
  name: string | undefined;
  arguments: string | undefined;
} {
  const input = getAttribute(attributes, 'input.value');
  const value = jsonValue(input);
  const args = readArguments(value);
  const own = args === value ? input : toJsonString(args);
  const parameters = getString(attributes, 'tool.parameters');
  // CrewAI's are the tool's schema.
  const given = asObject(member(asObject(jsonValue(parameters)), 'properties')) ? undefined : parameters;
  return {
    // DSPy names the method.
    name: getString(attributes, 'tool.name') ?? /^(.+)\.__call__$/.exec(name)?.[1],
    // What the tool was called with tells more than its parameters, which may be declared ones.
    arguments: typeof own === 'string' ? (asObject(args) ? own : (given ?? own)) : undefined,
  };
}

/** Google ADK's tools answer with `{id, name, response}`. */
function readFunctionResponse(
  { toolCallId, outputValue }: Reading,
  name: string | undefined,
): ReturnType<typeof readToolAnswer> {
  const answer = asObject(outputValue);
  const value = member(answer, 'response');
  if (value === undefined || name === undefined || textMember(answer, 'name') !== name) return undefined;
  const id = textMember(answer, 'id');
  return id === undefined || id !== toolCallId ? undefined : { name, id, value };
}

/** What an instrumentation told to hide writes instead. */
const REDACTED = '__REDACTED__';

function readContent(span: SpanData, invocation: JsonObject | undefined): Content {
  const { attributes } = span;
  const notes: Note[] = [];
  const rawInput = readRaw(attributes, 'input', notes);
  const rawOutput = readRaw(attributes, 'output', notes);
  const flatInput = flatMessages(attributes, 'llm.input_messages.', 'input');
  // Of a longer reply before this one its end is left.
  const flatOutput =
    rawOutput !== undefined && isAdkAgent(span)
      ? undefined
      : flatMessages(attributes, 'llm.output_messages.', 'output');
  const request = requestOf(rawInput);
  const response: ResponseFacts = rawOutput === undefined ? {} : readResponse(rawOutput);
  const tools =
    readTools(
      listOf(readFlat(attributes, 'llm.tools.')).map((node) => jsonValue(leaf(node, 'tool.json_schema'))),
    ) ??
    request.tools ??
    readTools(invocation && member(invocation, 'tools', 'functions')) ??
    readTools(asArray(jsonValue(getAttribute(attributes, 'llm.tools')))?.map(withoutPrintedSchema));
  const reply = replyOf(flatOutput, response, rawOutput, tools);
  // What was hidden is not taken from where it was forgotten.
  const outside = getAttribute(attributes, 'input.value') === REDACTED ? {} : readRequest(invocation ?? {});
  return {
    instructions: request.instructions ?? outside.instructions,
    input: (
      response.history ??
      richer(request.messages, flatInput ?? flatPrompts(attributes)) ??
      outside.messages
    )?.map(isStrands(span) ? withoutBlocks : unprinted),
    choices: reply ?? flatCompletions(attributes),
    tools,
    outputSchema: request.outputSchema ?? outside.outputSchema ?? echoedSchema(rawOutput),
    request,
    response,
    notes,
  };
}

/** Responses repeat the format that was asked for. */
function echoedSchema(output: unknown): Content['outputSchema'] {
  const body = asObject(output);
  return body && textMember(body, 'object') === 'response' ? readOutputSchema(body) : undefined;
}

/** An object as Python prints it. */
const PRINTED = /^[A-Z]\w*\(\w+=/;

/** LlamaIndex writes the arguments of its own methods, messages as Python prints them; what went on to the client is among them. */
function requestOf(raw: unknown): RequestFacts {
  if (raw === undefined) return {};
  const body = asObject(raw);
  const asked = member(body, 'messages', 'prompt');
  const first = asText((asArray(asked) ?? [asked])[0]);
  if (first === undefined || !PRINTED.test(first)) return readRequest(raw);
  const { messages, prompt, kwargs, ...named } = body ?? {};
  return readRequest({ ...named, ...asObject(kwargs) });
}

/**
 * The raw body, unless it is none or the user had texts hidden: that they still lie in a raw body is no reason to send them.
 */
function readRaw(attributes: Attributes, side: 'input' | 'output', notes: Note[]): unknown {
  const raw = getAttribute(attributes, `${side}.value`);
  if (raw === undefined || raw === REDACTED || raw === '' || isAddress(raw)) return undefined;
  for (const [key, value] of Object.entries(attributes)) {
    if (value === REDACTED && key.startsWith(`llm.${side}_messages.`)) return undefined;
  }
  const read = readJson(raw);
  if (read?.cut) notes.push({ kind: 'cut', text: `${side}.value was cut by a span limit` });
  // A cut body may have lost the last messages: the flattened ones are whole.
  return read?.cut && hasPrefix(attributes, `llm.${side}_messages.`) ? undefined : read?.value;
}

/** The raw body is what was sent; the flattened copy of it drops parts, ids and tool results. */
function richer(
  raw: readonly Message[] | undefined,
  flat: readonly Message[] | undefined,
): readonly Message[] | undefined {
  if (!raw || raw.length === 0) return nonEmpty(flat);
  if (!flat || flat.length === 0) return raw;
  const withoutSystem = flat.filter((message) => message.role !== 'system' && message.role !== 'developer');
  return weight(raw) >= weight(withoutSystem)
    ? raw.some(isSystem)
      ? raw
      : [...flat.filter(isSystem), ...raw]
    : flat;
}

function isSystem(message: Message): boolean {
  return message.role === 'system' || message.role === 'developer';
}

function weight(messages: readonly Message[]): number {
  return messages.reduce(
    (sum, { parts, toolCalls }) => sum + parts.filter(says).length + toolCalls.length,
    0,
  );
}

function says(part: Part): boolean {
  return part.kind !== 'text' || part.text !== '';
}

function replyOf(
  flat: readonly Message[] | undefined,
  response: ResponseFacts,
  raw: unknown,
  tools: readonly ToolDefinition[] | undefined,
): readonly Message[] | undefined {
  const names = (tools ?? []).map((tool) => tool.name);
  const whole = isObject(raw) || Array.isArray(raw) ? nonEmpty(response.choices) : undefined;
  const joined = flat && joinReply(flat);
  const own = joined
    ? [{ ...joined, toolCalls: joined.toolCalls.flatMap((call) => splitFusedCalls(call, names)) }]
    : undefined;
  if (whole && own) return weight(whole) >= weight(own) ? whole : own;
  return whole ?? own ?? nonEmpty(response.choices);
}

function isStrands({ scope }: SpanData): boolean {
  return scope.name.startsWith('strands');
}

/** Of a result's blocks, and of media, the processor for Strands makes text. */
const BLOCKS = /^\[?\{"(json|image|document|video)": /;

function withoutBlocks(message: Message): Message {
  if (!message.parts.some(isBlocks)) return message;
  const parts = message.parts.flatMap((part) => {
    if (!isBlocks(part)) return [part];
    const value = jsonValue(part.text);
    // Of several results in one message nothing tells which is whose.
    return isText(value) ? [part] : resultParts(asArray(value) ?? [value]);
  });
  return { ...message, parts };
}

function isBlocks(part: Part): part is Part & { readonly kind: 'text' } {
  return part.kind === 'text' && BLOCKS.test(asText(part.text) ?? '');
}

/** CrewAI's event listener lists the tools in one attribute, what lies deep in their schemas as Python prints it: such a schema is none. */
function withoutPrintedSchema(tool: unknown): unknown {
  const { parameters, ...named } = asObject(member(asObject(tool), 'function')) ?? {};
  const properties = Object.values(asObject(member(asObject(parameters), 'properties')) ?? {});
  return properties.some(isText) ? { type: 'function', function: named } : tool;
}

/** And the texts inside a call. */
function unprinted(message: Message): Message {
  if (!message.toolCalls.some(({ name }) => /^'[^']+'$/.test(name))) return message;
  const toolCalls = message.toolCalls.map((call) => ({
    ...call,
    name: printedText(call.name),
    arguments: printedText(asText(call.arguments) ?? ''),
  }));
  return { ...message, toolCalls };
}

function printedText(text: string): string {
  return /^'.*'$/s.test(text) ? text.slice(1, -1).replace(/\\(['\\])/g, '$1') : text;
}
