import type { Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, asText, member } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readInstructions, readMessages } from '../messages/messages.ts';
import { readTools, schemaValue } from '../messages/tools.ts';
import { type Content, fromEventList, nonEmpty, readGenAiContent } from '../readers/content.ts';
import { ioValue, operationByContent, operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, getString, hasAttribute } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Pydantic AI in all its format versions, and Logfire's spans around it. Placeholders of unfinished spans (`pending_span`) say nothing.
 *
 * @see https://ai.pydantic.dev/logfire/
 */
export const pydanticAi: Dialect = {
  name: 'pydantic-ai',
  detect: ({ attributes, scope }) =>
    getString(attributes, 'logfire.span_type') === 'pending_span' ||
    scope.name === 'pydantic-ai' ||
    hasAttribute(attributes, 'model_request_parameters') ||
    hasAttribute(attributes, 'all_messages_events') ||
    hasAttribute(attributes, 'pydantic_ai.all_messages'),
  operationOf,
  read: readPydanticAi,
};

function operationOf(span: SpanData): Operation | undefined {
  if (getString(span.attributes, 'logfire.span_type') === 'pending_span') return undefined;
  const named = operationByName(span.attributes);
  if (named) return named;
  if (/^(agent run|invoke_agent)/.test(span.name)) return 'agent';
  if (/^running tool(: |$)/.test(span.name) && getString(span.attributes, 'gen_ai.tool.name') !== undefined)
    return 'tool';
  if (/^running (\d+ )?tools/.test(span.name)) return 'other';
  return operationByContent(span);
}

function readPydanticAi(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === undefined) return undefined;
  if (operation === 'other') return { operation };
  const base = readGenAiSpan(span, logs, {
    dialect: pydanticAi.name,
    operation,
    content: contentOf(span, logs, operation),
    captureSetting: 'InstrumentationSettings(include_content=True)',
  });
  return {
    ...base,
    agentName: base.agentName ?? getString(attributes, 'agent_name'),
    inputValue:
      ioValue(attributes, 'gen_ai.tool.call.arguments', 'tool_arguments') ??
      (operation === 'agent' ? firstUserText(base) : undefined),
    outputValue: ioValue(attributes, 'gen_ai.tool.call.result', 'tool_response', 'final_result'),
    toolArguments: base.toolArguments ?? getString(attributes, 'tool_arguments'),
  };
}

function contentOf(span: SpanData, logs: readonly LogData[], operation: Operation): Content {
  if (operation === 'inference') return readContent(span, logs);
  return operation === 'agent' ? readConversation(span.attributes) : { notes: [] };
}

/** The agent's whole conversation: of use to a call below it that says nothing itself, as failed ones do. */
function readConversation(attributes: Attributes): Content {
  const messages = readMessages(
    jsonValue(
      getAttribute(attributes, 'pydantic_ai.all_messages') ?? getAttribute(attributes, 'all_messages_events'),
    ),
    'input',
  );
  const instructions = getAttribute(attributes, 'gen_ai.system_instructions');
  const last = messages.at(-1);
  const isAnswered = last?.role === 'assistant';
  return {
    instructions: instructions === undefined ? undefined : nonEmpty(readInstructions(instructions)),
    input: nonEmpty(isAnswered ? messages.slice(0, -1) : messages),
    choices: isAnswered ? [last] : undefined,
    notes: [],
  };
}

function firstUserText({ input }: Reading): Reading['inputValue'] {
  const part = input?.find((message) => message.role === 'user')?.parts[0];
  return part?.kind === 'text' ? asText(part.text) : undefined;
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readGenAiContent(span, logs);
  fromEventList(getAttribute(span.attributes, 'events'), content);
  const request = asObject(jsonValue(getAttribute(span.attributes, 'model_request_parameters')));
  if (request) {
    const offered = [
      ...(asArray(member(request, 'function_tools')) ?? []),
      ...(asArray(member(request, 'output_tools')) ?? []),
    ];
    content.tools ??= readTools(offered);
    content.outputSchema ??= schemaValue(member(asObject(member(request, 'output_object')), 'json_schema'));
  }
  return content;
}
