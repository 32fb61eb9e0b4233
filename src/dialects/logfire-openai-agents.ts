import type { Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, type LazyJson, member, textMember } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { type RequestFacts, readRequest, readResponse } from '../messages/exchange.ts';
import { type Content, nonEmpty } from '../readers/content.ts';
import { readGenAiSpan } from '../readers/genai-span.ts';
import { readUsageBag } from '../readers/usage.ts';
import { getAttribute, getString } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Logfire's instrumentation of the OpenAI Agents SDK: the SDK's own spans with what they export. The name of a span is the template of its
 * message. `request_data` and `events` are left alone: both mix the reply into what was asked.
 *
 * @see https://logfire.pydantic.dev/docs/integrations/llms/openai/#openai-agents
 */
export const logfireOpenAiAgents: Dialect = {
  name: 'logfire-openai-agents',
  detect: ({ scope }) => scope.name === 'logfire.openai_agents',
  operationOf,
  read: readAgentsSpan,
};

const TEMPLATES: readonly (readonly [template: RegExp, operation: Operation])[] = [
  [/^(Chat completion|Responses API)/, 'inference'],
  [/^Agent run/, 'agent'],
  [/^Function:/, 'tool'],
  [/^Guardrail/, 'guardrail'],
  [/^OpenAI Agents trace/, 'workflow'],
];

function operationOf({ name }: SpanData): Operation {
  return TEMPLATES.find(([template]) => template.test(name))?.[1] ?? 'other';
}

function readAgentsSpan(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: logfireOpenAiAgents.name,
    operation,
    content: isCall ? readContent(attributes) : { notes: [] },
    usage: readUsageBag(getAttribute(attributes, 'usage')),
    captureSetting:
      'OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA=true, and RunConfig(trace_include_sensitive_data=True)',
  });
  const name = getString(attributes, 'name');
  const group = getString(attributes, 'group_id');
  return {
    ...base,
    name: isCall ? getString(attributes, 'logfire.msg') : name,
    agentName: operation === 'agent' ? name : undefined,
    responseId: base.responseId ?? getString(attributes, 'response_id'),
    inputValue: isCall ? undefined : (jsonOf(attributes, 'input') as LazyJson),
    outputValue: isCall ? undefined : (jsonOf(attributes, 'output') as LazyJson),
    toolArguments: operation === 'tool' ? getString(attributes, 'input') : undefined,
    error: base.error && { ...base.error, message: readMessage(attributes) ?? base.error.message },
    surroundings:
      group === undefined ? base.surroundings : { ...base.surroundings, session: { value: group, rank: 1 } },
  };
}

/** Chat has messages and replies, the Responses API its input and the response, which repeats what else was asked. */
function readContent(attributes: Attributes): Content {
  const response = asObject(jsonOf(attributes, 'response'));
  const settings = asObject(jsonOf(attributes, 'model_settings') ?? jsonOf(attributes, 'model_config'));
  const request: RequestFacts = readRequest({
    ...settings,
    input: jsonOf(attributes, 'raw_input') ?? jsonOf(attributes, 'input'),
    instructions: member(response, 'instructions'),
    tools: asArray(member(response, 'tools')),
    text: member(response, 'text'),
  });
  const reply = readResponse(response ?? jsonOf(attributes, 'output'));
  return {
    request,
    response: reply,
    instructions: request.instructions,
    input: nonEmpty(request.messages),
    choices: nonEmpty(reply.choices),
    tools: request.tools,
    notes: [],
  };
}

/** The SDK's word for a failure and the reason beside it. */
function readMessage(attributes: Attributes): string | undefined {
  const error = asObject(jsonOf(attributes, 'error'));
  return textMember(asObject(member(error, 'data')), 'error') ?? textMember(error, 'message');
}

/** Python's `None` comes as JSON. */
function jsonOf(attributes: Attributes, key: string): unknown {
  return jsonValue(getString(attributes, key));
}
