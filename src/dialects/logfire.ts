import type { Message, Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, member, toJsonString } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { joinReply, readMessages } from '../messages/messages.ts';
import { type Content, nonEmpty } from '../readers/content.ts';
import { operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { readObservedContent } from '../readers/observation.ts';
import { mergeUsage, readUsageBag } from '../readers/usage.ts';
import { getAttribute, getString, hasAttribute, toNumber } from '../span/attributes.ts';
import type { HrTime, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Logfire's instrumentations of the OpenAI and Anthropic clients: request and response as JSON, from version 5 on as the conventions have
 * them. The span of a streamed call ends when the stream begins; what came out is in a second span, a mark at the stream's end.
 *
 * @see https://logfire.pydantic.dev/docs/integrations/llms/openai/
 */
export const logfire: Dialect = {
  name: 'logfire',
  detect: ({ attributes, scope }) =>
    scope.name.startsWith('logfire.') &&
    (hasAttribute(attributes, 'request_data') || hasAttribute(attributes, 'gen_ai.request.model')),
  read: readLogfire,
};

function readLogfire(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const operation = operationByName(span.attributes) ?? operationOf(span);
  const { attributes } = span;
  const name = getString(attributes, 'logfire.msg');
  if (operation === 'inference' && isBeginOfStream(span)) return { operation: 'other', name };
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: logfire.name,
    operation,
    content: isCall ? readContent(span, logs) : { notes: [] },
    usage: mergeUsage(
      readUsageBag(member(asObject(jsonValue(getAttribute(attributes, 'response_data'))), 'usage')),
      readUsageBag(getAttribute(attributes, 'gen_ai.usage.raw')),
    ),
    provider: [getString(attributes, 'gen_ai.provider.name', 'gen_ai.system'), span.scope.name.slice(8)],
    captureSetting: 'none needed: Logfire records content whenever it traces',
  });
  return { ...base, name, startTime: beginOf(span) };
}

function operationOf({ name }: SpanData): Operation {
  return /^Embedding/.test(name) ? 'embedding' : 'inference';
}

function isBeginOfStream({ attributes, statusCode }: SpanData): boolean {
  return (
    statusCode !== 2 &&
    hasAttribute(attributes, 'request_data') &&
    !hasAttribute(attributes, 'response_data') &&
    !hasAttribute(attributes, 'gen_ai.output.messages') &&
    getString(attributes, 'logfire.span_type') !== 'log' &&
    member(asObject(jsonValue(getAttribute(attributes, 'request_data'))), 'stream') !== false
  );
}

/** The mark at a stream's end says how long the stream took. */
function beginOf({ attributes, endTime }: SpanData): HrTime | undefined {
  const seconds = toNumber(getAttribute(attributes, 'duration'));
  if (getString(attributes, 'logfire.span_type') !== 'log' || seconds === undefined || !(seconds >= 0))
    return undefined;
  const nanos = endTime[1] - Math.round((seconds % 1) * 1e9);
  return nanos < 0
    ? [endTime[0] - Math.floor(seconds) - 1, nanos + 1e9]
    : [endTime[0] - Math.floor(seconds), nanos];
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readObservedContent(span, logs, 'request_data', 'response_data', (value) => {
    const body = asObject(value);
    return member(body, 'messages', 'input', 'prompt') === undefined
      ? member(body, 'message', 'combined_chunk_content', 'text')
      : value;
  });
  fromEvents(span, content);
  if (span.scope.name === 'logfire.anthropic' && !hasAttribute(span.attributes, 'gen_ai.output.messages'))
    content.choices = content.choices?.map(withPlainArguments);
  return content;
}

/** The Responses API in the older format: a list of events, of which the assistant's last in a row are the reply. */
function fromEvents({ attributes, statusCode }: SpanData, content: Content): void {
  const events = asArray(jsonValue(getAttribute(attributes, 'events')));
  if (!events || content.input) return;
  const messages = readMessages(events.map(itemOf), 'input');
  const asked = statusCode === 2 ? messages.length : messages.findLastIndex(isAsked) + 1;
  const reply = joinReply(messages.slice(asked));
  content.input = nonEmpty(messages.slice(0, asked));
  content.choices ??= reply && [reply];
}

function isAsked({ role }: Message): boolean {
  return role !== 'assistant';
}

/** Reasoning and other items without an event of their own are kept as they were. */
function itemOf(event: unknown): unknown {
  const item = asObject(event);
  return member(item, 'event.name') === 'gen_ai.unknown' ? member(item, 'data') : event;
}

/** In the older format a call of Anthropic's has its arguments as `{"input": …}`. */
function withPlainArguments(message: Message): Message {
  return message.toolCalls.length === 0
    ? message
    : {
        ...message,
        toolCalls: message.toolCalls.map((call) => {
          const input = member(asObject(jsonValue(call.arguments)), 'input');
          return input === undefined ? call : { ...call, arguments: toJsonString(input) };
        }),
      };
}
