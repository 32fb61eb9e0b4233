import type { Note, Operation, Reading } from '../completion/completion.ts';
import {
  asArray,
  asObject,
  isText,
  type JsonObject,
  member,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readRequest, readResponse } from '../messages/exchange.ts';
import { readMessages } from '../messages/messages.ts';
import { readTools } from '../messages/tools.ts';
import { type Content, nonEmpty } from '../readers/content.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, getString, hasPrefix, toBoolean } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Haystack's own tracer: pipelines, their components, agents and their steps. A component is known by its class; what it was given
 * and what it gave are there with content tracing alone, the model and its tokens as well.
 *
 * @see https://docs.haystack.deepset.ai/docs/tracing
 */
export const haystack: Dialect = {
  name: 'haystack',
  detect: ({ scope, attributes }) => scope.name === 'haystack' || hasPrefix(attributes, 'haystack.'),
  operationOf,
  read: readHaystack,
};

const SPANS: ReadonlyMap<string, Operation> = new Map([
  ['haystack.pipeline.run', 'workflow'],
  ['haystack.async_pipeline.run', 'workflow'],
  ['haystack.agent.run', 'agent'],
  ['haystack.agent.step.llm', 'inference'],
  ['haystack.agent.step.tool', 'tool'],
]);

/** Those that are something of their own; an agent has a span below the component's, builders and joiners are links in the tree. */
const CLASSES: readonly (readonly [type: RegExp, operation: Operation])[] = [
  [/^ToolInvoker$/, 'tool'],
  [/(?<!Image)Generator$/, 'inference'],
  [/Embedder$/, 'embedding'],
  [/Retriever$/, 'retrieval'],
  [/Ranker$/, 'rerank'],
];

function operationOf({ name, attributes }: SpanData): Operation {
  const known = SPANS.get(name);
  if (known) return known;
  const type = getString(attributes, 'haystack.component.type') ?? '';
  return CLASSES.find(([pattern]) => pattern.test(type))?.[1] ?? 'other';
}

const INPUTS = [
  'haystack.component.input',
  'haystack.agent.step.llm.input',
  'haystack.agent.step.tool.input',
  'haystack.agent.input',
  'haystack.pipeline.input_data',
] as const;
const OUTPUTS = [
  'haystack.component.output',
  'haystack.agent.step.llm.output',
  'haystack.agent.step.tool.output',
  'haystack.agent.output',
  'haystack.pipeline.output_data',
] as const;

function readHaystack(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: haystack.name,
    operation,
    content: isCall ? readContent(attributes) : { notes: [] },
    captureSetting: 'HAYSTACK_CONTENT_TRACING_ENABLED=true',
  });
  if (isCall) return { ...base, yields: 'workflow' };
  const inputValue = ioValue(attributes, ...INPUTS);
  const outputValue = ioValue(attributes, ...OUTPUTS);
  if (operation === 'agent') return { ...base, ...conversation(inputValue, outputValue) };
  const step: Reading = {
    ...base,
    name: getString(attributes, 'haystack.tool.name', 'haystack.component.name'),
    inputValue,
    outputValue,
  };
  if (operation !== 'tool') return step;
  return getString(attributes, 'haystack.tool.name') === undefined
    ? invoked(step)
    : executed(step, attributes);
}

function conversation(given: unknown, gave: unknown): Partial<Reading> {
  const reply = readMessages(member(asObject(gave), 'messages'), 'output').at(-1);
  return {
    input: nonEmpty(readMessages(member(asObject(given), 'messages'), 'input')),
    choices: reply && [reply],
  };
}

function executed(step: Reading, attributes: Attributes): Reading {
  const { inputValue, outputValue } = step;
  const failed = toBoolean(getAttribute(attributes, 'haystack.tool.error')) === true;
  return {
    ...step,
    error: step.error ?? (failed ? { message: textMember(asObject(outputValue), 'error') } : undefined),
    toolArguments: inputValue === undefined ? undefined : toJsonString(inputValue),
  };
}

/** One span for all calls of a reply: where there is one only, it is that tool's. */
function invoked(step: Reading): Reading {
  const asked = readMessages(member(asObject(step.inputValue), 'messages'), 'input').at(-1)?.toolCalls ?? [];
  const [call, more] = asked;
  if (call === undefined) return step;
  const calls = asked.map(({ name, arguments: args }) => ({ name, arguments: jsonValue(args) }));
  const results = readMessages(member(asObject(step.outputValue), 'tool_messages'), 'input').map(
    ({ parts }) => (parts.length === 1 && parts[0]?.kind === 'text' ? jsonValue(parts[0].text) : parts),
  );
  const outputs = results.length > 0 ? results : undefined;
  return {
    ...step,
    name: more ? step.name : call.name,
    toolCallId: call.id,
    toolArguments: more ? undefined : call.arguments,
    inputValue: (more ? calls : calls[0]?.arguments) as Reading['inputValue'],
    outputValue: (more ? outputs : outputs?.[0]) as Reading['outputValue'],
  };
}

const PRINTED: Note = {
  kind: 'missing',
  text: 'the request: it is no JSON where a function given to the model stands inside another one',
};

function readContent(attributes: Attributes): Content {
  const content: Content = { notes: [] };
  const raw = ioValue(attributes, ...INPUTS);
  const given = asObject(raw);
  if (raw !== undefined && !given) content.notes.push(PRINTED);
  const request = readRequest({
    ...asObject(member(given, 'generation_kwargs')),
    system: member(given, 'system_prompt'),
    messages: member(given, 'messages', 'prompt'),
  });
  content.request = request;
  content.input = nonEmpty(request.messages);
  content.instructions = request.instructions;
  content.tools = readTools(openTools(member(given, 'tools')));
  const gave = asObject(ioValue(attributes, ...OUTPUTS));
  const replies = asArray(member(gave, 'replies')) ?? [];
  // What the provider said of a reply is in it, or beside it where it is a text.
  const [beside] = asArray(member(gave, 'meta')) ?? [];
  const meta = asObject(beside ?? member(asObject(replies[0]), 'meta'));
  content.response = meta && readResponse(meta);
  content.choices = nonEmpty(replies.flatMap((reply) => readMessages(withFinish(reply, meta), 'output')));
  return content;
}

function withFinish(reply: unknown, meta: JsonObject | undefined): unknown {
  const message = isText(reply) ? { content: reply } : asObject(reply);
  const own = asObject(member(message, 'meta')) ?? meta;
  return { role: 'assistant', ...message, finish_reason: member(own, 'finish_reason') };
}

/** A tool as it is stored: its class, and its members apart; a toolset holds such. */
function openTools(value: unknown): readonly unknown[] {
  const list = asArray(value) ?? (value === undefined ? [] : [value]);
  return list.flatMap((tool) => {
    const data = asObject(member(asObject(tool), 'data'));
    const held = member(data, 'tools');
    return held === undefined ? [data ?? tool] : openTools(held);
  });
}
