import type { Message, Operation, Reading } from '../completion/completion.ts';
import { asObject, member, toJsonString } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { type Content, fromEventList, nonEmpty } from '../readers/content.ts';
import { operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { readObservedContent } from '../readers/observation.ts';
import { readUsageBag } from '../readers/usage.ts';
import { getAttribute, getString, hasAttribute, toNumber } from '../span/attributes.ts';
import type { Attributes, HrTime, LogData, SpanData } from '../span/span-data.ts';
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
  if (operation === 'inference' && isBeginOfStream(span)) return { operation: 'other' };
  const { attributes } = span;
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: logfire.name,
    operation,
    content: isCall ? readContent(span, logs) : { notes: [] },
    usage: readUsageBag(member(asObject(jsonValue(getAttribute(attributes, 'response_data'))), 'usage')),
    provider: [getString(attributes, 'gen_ai.provider.name', 'gen_ai.system'), span.scope.name.slice(8)],
    captureSetting: 'none needed: Logfire records content whenever it traces',
  });
  return { ...base, name: getString(attributes, 'logfire.msg'), startTime: beginOf(span) };
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
    getString(attributes, 'logfire.span_type') !== 'log'
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
  fromEvents(span.attributes, content);
  content.choices = content.choices?.map(withPlainArguments);
  return content;
}

/** The Responses API before version 5: a list of events, of which the last is the reply. */
function fromEvents(attributes: Attributes, content: Content): void {
  fromEventList(getAttribute(attributes, 'events'), content);
  const last = content.input?.at(-1);
  if (content.choices || last?.role !== 'assistant') return;
  content.choices = [last];
  content.input = nonEmpty(content.input?.slice(0, -1) ?? []);
}

/** Before version 5 a call of Anthropic's has its arguments as `{"input": …}`. */
function withPlainArguments(message: Message): Message {
  return message.toolCalls.length === 0
    ? message
    : {
        ...message,
        toolCalls: message.toolCalls.map((call) => {
          const args = asObject(jsonValue(call.arguments));
          const input = member(args, 'input');
          const isWrapped = call.id === undefined && asObject(input) && Object.keys(args ?? {}).length === 1;
          return isWrapped ? { ...call, arguments: toJsonString(input) } : call;
        }),
      };
}
