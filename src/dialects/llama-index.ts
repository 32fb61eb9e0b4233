import type { Note, Operation, Reading } from '../completion/completion.ts';
import {
  asObject,
  isForbiddenKey,
  isObject,
  type JsonObject,
  member,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { readPythonLiteral } from '../json/python-literal.ts';
import { jsonValue } from '../json/read-json.ts';
import { readRequest, readResponse } from '../messages/exchange.ts';
import { readMessages } from '../messages/messages.ts';
import { asChoices, type Content, nonEmpty } from '../readers/content.ts';
import { readGenAiSpan } from '../readers/genai-span.ts';
import { readUsageBag } from '../readers/usage.ts';
import { getString } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * LlamaIndex's own exporter: every dispatched method is a span, named `Class.method`; what happened stands in its events, flattened.
 * A stream is read after its span has ended: of it only the request is known.
 *
 * @see https://developers.llamaindex.ai/python/framework/module_guides/observability/
 */
export const llamaIndex: Dialect = {
  name: 'llama-index',
  detect: ({ scope }) => scope.name === 'llamaindex.opentelemetry.tracer',
  operationOf,
  read: readLlamaIndex,
};

const METHODS: readonly (readonly [name: RegExp, operation: Operation])[] = [
  [/Agent\.a?(run|chat)$/, 'agent'],
  [/Workflow\.run$|Engine\.a?(query|(stream_)?chat)$/, 'workflow'],
  [/\.a?(stream_)?(chat|complete)$/, 'inference'],
  [/\.call_tool$/, 'tool'],
  [/\.a?get_(text|query)_embedding(_batch)?$/, 'embedding'],
  [/\.a?retrieve$/, 'retrieval'],
];

function operationOf({ name }: SpanData): Operation {
  return METHODS.find(([method]) => method.test(name))?.[1] ?? 'other';
}

function readLlamaIndex(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const start = eventOf(span, /StartEvent$/);
  const end = eventOf(span, /EndEvent$/);
  const isCall = operation === 'inference';
  const model = asObject(member(start, 'model_dict'));
  const base = readGenAiSpan(span, logs, {
    dialect: llamaIndex.name,
    operation,
    content: isCall ? readContent(start, end) : { notes: [] },
    usage: readUsageBag(member(asObject(member(end, 'response')), 'additional_kwargs')),
    provider: [textMember(model, 'class_name')],
    requestModel: textMember(model, 'model_name', 'model'),
    captureSetting: 'none needed: calls hold their messages',
  });
  if (isCall) {
    const unread = start !== undefined && end === undefined && !base.error;
    return { ...base, yields: 'workflow', notes: unread ? [...(base.notes ?? []), UNREAD] : base.notes };
  }
  if (operation === 'tool') return { ...base, ...readTool(span) };
  const [owner] = span.name.split('.');
  const query = asObject(member(start, 'str_or_query_bundle'));
  return {
    ...base,
    name: operation === 'agent' || operation === 'workflow' ? owner : undefined,
    agentName: operation === 'agent' ? owner : undefined,
    inputValue: (member(start, 'query') ??
      member(query, 'query_str') ??
      member(end, 'chunks')) as Reading['inputValue'],
    outputValue: (member(asObject(member(end, 'response')), 'response') ??
      jsonValue(member(end, 'nodes'))) as Reading['outputValue'],
  };
}

const UNREAD: Note = {
  kind: 'missing',
  text: 'the reply and tokens of a stream: it is read after its span has ended',
};

/** The one event that tells of the method itself; streams have one for each piece besides. */
function eventOf(span: SpanData, name: RegExp): JsonObject | undefined {
  const event = span.events.find((candidate) => name.test(candidate.name));
  return event && unflatten(event.attributes);
}

/** `a.b.c` keys as the object that they were: nested dictionaries are flattened, lists of them are JSON. */
function unflatten(attributes: Attributes): JsonObject {
  const root: { [key: string]: unknown } = {};
  for (const [path, raw] of Object.entries(attributes)) {
    const keys = path.split('.');
    const last = keys.pop();
    if (last === undefined || raw === 'null' || isForbiddenKey(last) || keys.some(isForbiddenKey)) continue;
    let at = root;
    for (const key of keys) {
      const inner = at[key];
      const next = isObject(inner) ? (inner as { [key: string]: unknown }) : {};
      at[key] = next;
      at = next;
    }
    at[last] = raw;
  }
  return root;
}

function readContent(start: JsonObject | undefined, end: JsonObject | undefined): Content {
  const content: Content = { notes: [] };
  const request = readRequest({
    ...asObject(member(start, 'additional_kwargs')),
    messages: jsonValue(member(start, 'messages', 'prompt')),
  });
  content.request = request;
  content.input = nonEmpty(request.messages);
  const response = asObject(member(end, 'response'));
  const raw = asObject(member(response, 'raw'));
  content.response = raw && readResponse({ ...raw, choices: jsonValue(member(raw, 'choices')) });
  const message = asObject(member(response, 'message'));
  const reply = message
    ? { ...message, blocks: jsonValue(member(message, 'blocks')) }
    : member(response, 'text');
  content.choices = content.response?.choices ?? asChoices(readMessages(reply, 'output'));
  return content;
}

/** `ToolCall(tool_name='…', tool_kwargs={…}, tool_id='…')`, cut at 200 characters; of the result no more is told than its beginning. */
function readTool(span: SpanData): Partial<Reading> {
  const summary = getString(span.attributes, 'llamaindex.step.input_summary') ?? '';
  const [, name] = /\btool_name='([^']+)'/.exec(summary) ?? [];
  const [, id] = /\btool_id='([^']+)'/.exec(summary) ?? [];
  const [, written] = /\btool_kwargs=(\{.*\}), tool_id=/s.exec(summary) ?? [];
  const args = written === undefined ? undefined : readPythonLiteral(written);
  return {
    name,
    toolCallId: id,
    inputValue: args as Reading['inputValue'],
    toolArguments: args === undefined ? undefined : toJsonString(args),
  };
}
