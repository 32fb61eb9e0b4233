import type { Message, Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, asText, member, textMember, toJsonString } from '../json/json-text.ts';
import { readPythonLiteral } from '../json/python-literal.ts';
import { jsonValue, readJson } from '../json/read-json.ts';
import { openItems } from '../messages/item-texts.ts';
import { readMessages } from '../messages/messages.ts';
import { resultParts } from '../messages/parts.ts';
import { type Content, readGenAiContent } from '../readers/content.ts';
import { ioValue, operationByContent, operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { readToolAnswer } from '../readers/observation.ts';
import { getString, hasAttribute, hasPrefix } from '../span/attributes.ts';
import type { LogData, Scope, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * OpenLLMetry (Traceloop), JavaScript and Python: indexed `gen_ai.prompt.0.…` attributes in older releases, the GenAI conventions in
 * newer ones, `traceloop.*` for workflows, tasks, agents and tools.
 *
 * @see https://github.com/traceloop/openllmetry-js
 */
export const openLlmetry: Dialect = {
  name: 'openllmetry',
  detect({ attributes, scope }) {
    if (hasAttribute(attributes, 'traceloop.span.kind') || hasAttribute(attributes, 'llm.request.type'))
      return true;
    if (hasPrefix(attributes, 'gen_ai.prompt.0.') || hasPrefix(attributes, 'gen_ai.completion.0.'))
      return true;
    return (
      isOurs(scope) &&
      (hasPrefix(attributes, 'gen_ai.') ||
        hasPrefix(attributes, 'traceloop.entity.') ||
        hasPrefix(attributes, 'mcp.'))
    );
  },
  operationOf,
  read: readOpenLlmetry,
};

/** OpenTelemetry's own Python packages share the prefix: `…openai_v2`, `…google_genai`, versions such as `2.3b0`. */
function isOurs(scope: Scope): boolean {
  if (scope.name.startsWith('@traceloop/') || scope.name === 'traceloop.tracer') return true;
  return (
    scope.name.startsWith('opentelemetry.instrumentation.') &&
    !/(_v2|\.google_genai)$/.test(scope.name) &&
    !/b\d+$/.test(scope.version ?? '')
  );
}

const KINDS: ReadonlyMap<string, Operation> = new Map([
  ['workflow', 'workflow'],
  ['task', 'workflow'],
  ['agent', 'agent'],
  ['tool', 'tool'],
  ['session', 'other'],
  ['unknown', 'other'],
]);

const REQUEST_TYPES: ReadonlyMap<string, Operation> = new Map([
  ['chat', 'inference'],
  ['completion', 'inference'],
  ['acompletion', 'inference'],
  ['embedding', 'embedding'],
  ['rerank', 'rerank'],
]);

function operationOf(span: SpanData): Operation {
  const { attributes } = span;
  const kind = getString(attributes, 'traceloop.span.kind')?.toLowerCase();
  // LangChain's tools and retrievers are of kind `task`: the operation tells.
  const named = operationByName(attributes);
  if (kind === 'task' && (named === 'tool' || named === 'retrieval')) return named;
  // LlamaIndex's tools by their class; and its models are of kind `task` too, or `workflow` where nothing is around them.
  if (/llamaindex/.test(span.scope.name)) {
    if (kind === 'task' && /Tool\.task$/.test(span.name)) return 'tool';
    if (kind === 'task' && /Embedding(\.task$|\.get_)/i.test(span.name)) return 'embedding';
    if (named === 'inference' || named === 'embedding') return named;
  }
  if (kind !== undefined) return KINDS.get(kind) ?? 'workflow';
  const type = getString(attributes, 'llm.request.type')?.toLowerCase();
  const byType = type === undefined ? undefined : REQUEST_TYPES.get(type);
  if (byType) return byType;
  if (named) return named;
  // A component of LangChain or LlamaIndex that is no call: `traceloop.entity.*` alone.
  return hasPrefix(attributes, 'gen_ai.') ? operationByContent(span) : 'workflow';
}

function readOpenLlmetry(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const base = readGenAiSpan(span, logs, {
    dialect: openLlmetry.name,
    operation,
    content: readContent(span, logs),
    provider: [getString(attributes, 'gen_ai.provider.name'), getString(attributes, 'gen_ai.system')],
    captureSetting: 'traceContent: true (TRACELOOP_TRACE_CONTENT=true)',
  });
  const entity = getString(attributes, 'traceloop.entity.name');
  if (operation === 'inference') {
    const yields = isHaystack(span.scope) ? 'workflow' : undefined;
    return { ...base, yields, agentName: undefined, inputValue: undefined };
  }
  const input = ioValue(attributes, 'traceloop.entity.input');
  const given = callbackInput(input);
  const outcome = callbackOutput(base.outputValue);
  if (operation !== 'tool') {
    return {
      ...base,
      name: entity ?? base.name ?? getString(attributes, 'crewai.crew.name'),
      agentName: operation === 'agent' ? (base.agentName ?? entity) : undefined,
      inputValue: given ?? base.inputValue ?? getString(attributes, 'crewai.task.description'),
      outputValue: outcome ?? getString(attributes, 'crewai.crew.result'),
    };
  }
  const answer = readToolAnswer(outcome) ?? readToolOutput(outcome);
  const args = soleArgument(given);
  return {
    ...base,
    name: answer?.name ?? entity ?? base.name,
    agentName: undefined,
    inputValue: args ?? base.inputValue,
    outputValue: answer ? (answer.value as Reading['outputValue']) : printedResult(outcome),
    toolArguments:
      (given === input ? base.toolArguments : undefined) ??
      (args === undefined ? undefined : toJsonString(args)),
    toolCallId: base.toolCallId ?? answer?.id ?? callbackCallId(input),
  };
}

/** LlamaIndex's tools answer with an object that knows their name, the result as blocks of text. */
function readToolOutput(output: Reading['outputValue']): ReturnType<typeof readToolAnswer> {
  const name = textMember(asObject(output), 'tool_name');
  const blocks = asArray(member(asObject(output), 'blocks'));
  if (name === undefined || !blocks) return undefined;
  const texts = blocks.map((block) => textMember(asObject(block), 'text') ?? '');
  return { name, id: undefined, value: jsonValue(texts.join('\n')) };
}

/** Agno's tools answer with an object, which is written as Python prints it: what its `result` or `error` is, if that is a text. */
const PRINTED_RESULT = /^status='(success|failure)' result=(.*) error=(.*) updated_session_state=/s;

function printedResult(outcome: Reading['outputValue']): Reading['outputValue'] {
  const [, status, result, error] = PRINTED_RESULT.exec(asText(outcome) ?? '') ?? [];
  const [text] = asArray(readPythonLiteral(`[${status === 'failure' ? error : result}]`)) ?? [];
  if (typeof text !== 'string') return outcome;
  return status === 'failure' ? { status, error: text } : (jsonValue(text) as Reading['outputValue']);
}

/** `{args: [x], kwargs: {}}` around one argument says no more than the argument, nor `{kwargs: {}}` alone more than these. */
function soleArgument(value: Reading['inputValue']): Reading['inputValue'] {
  const call = asObject(value);
  if (call && Object.keys(call).length === 1 && asObject(call.kwargs))
    return call.kwargs as Reading['inputValue'];
  const args = asArray(member(call, 'args'));
  const named = asObject(member(call, 'kwargs')) ?? {};
  return args?.length === 1 && Object.keys(named).length === 0 ? (args[0] as Reading['inputValue']) : value;
}

/** All arguments that LangChain's callbacks were told with, in Python: one of them is what the step was given. */
function callbackInput(value: Reading['inputValue']): Reading['inputValue'] {
  const told = asObject(value);
  if (!told || !('tags' in told && 'metadata' in told)) return value;
  return (member(told, 'inputs', 'input_str', 'query') as Reading['inputValue']) ?? value;
}

function callbackCallId(value: Reading['inputValue']): string | undefined {
  return textMember(asObject(member(asObject(value), 'kwargs')), 'tool_call_id');
}

function callbackOutput(value: Reading['outputValue']): Reading['outputValue'] {
  const told = asObject(value);
  if (!told || !Object.keys(told).every((key) => /^(outputs?|kwargs)$/.test(key))) return value;
  return (member(told, 'outputs', 'output') as Reading['outputValue']) ?? value;
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readGenAiContent(span, logs);
  content.input = content.input?.flatMap(expandResponsesInput).map(openItems);
  content.choices = content.choices?.map(openItems);
  if (/bedrock$/.test(span.scope.name)) content.input = content.input?.map(openBlocks);
  // Of Haystack's reply only the name of its first member is there.
  if (isHaystack(span.scope)) content.choices = undefined;
  return content;
}

function isHaystack(scope: Scope): boolean {
  return scope.name === 'opentelemetry.instrumentation.haystack';
}

/** Bedrock's results are lists of blocks, and stand as JSON in a text. */
function openBlocks(message: Message): Message {
  const [part] = message.parts;
  if (message.role !== 'tool' || message.parts.length !== 1 || part?.kind !== 'text') return message;
  const blocks = asArray(jsonValue(part.text));
  return blocks && blocks.length > 0 ? { ...message, parts: resultParts(blocks) } : message;
}

/** The Responses API's whole input list stands as JSON in one user text. */
function expandResponsesInput(message: Message): readonly Message[] {
  const [part] = message.parts;
  if (message.role !== 'user' || message.parts.length !== 1 || part?.kind !== 'text') return [message];
  const text = asText(part.text) ?? '';
  if (!/^\s*\[\s*\{/.test(text)) return [message];
  const read = readJson(text);
  const list = asArray(read?.value);
  const items = list?.every((item) => isResponsesItem(item)) ? readMessages(list, 'input') : [];
  const isLost = list?.length === 0 && read?.cut === true && /^\[\{"(role|type)":"/.test(text);
  return items.length > 0 || isLost ? items : [message];
}

function isResponsesItem(item: unknown): boolean {
  if (typeof item !== 'object' || item === null) return false;
  const { role, type, content } = item as { role?: unknown; type?: unknown; content?: unknown };
  if (typeof role === 'string')
    return /^(system|developer|user|assistant|tool)$/.test(role) && content !== undefined;
  return (
    typeof type === 'string' &&
    /^(message|function_call|function_call_output|reasoning|item_reference)$/.test(type)
  );
}
