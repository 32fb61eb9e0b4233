import type { Message, Operation, Reading } from '../completion/completion.ts';
import { normaliseFinishReason } from '../completion/normalise.ts';
import { asArray, asObject, asText, type JsonObject, member } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readMessages, textMessage } from '../messages/messages.ts';
import { type Content, nonEmpty } from '../readers/content.ts';
import { operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import type { RawUsage } from '../readers/usage.ts';
import { getString, hasAttribute, pickCount } from '../span/attributes.ts';
import type { LogData, SpanData, SpanEvent } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Ax. All it has to say of a call beyond the request is in events: each chunk of a stream is a choice of its own, what users said comes
 * last and as one text. From 24 on the events only count.
 *
 * @see https://axllm.dev/observability/
 */
export const ax: Dialect = {
  name: 'ax',
  detect: ({ attributes }) =>
    hasAttribute(attributes, STREAMING) ||
    (hasAttribute(attributes, 'signature_name') && hasAttribute(attributes, 'input_field_count')) ||
    hasAttribute(attributes, 'ax.program.id') ||
    (hasAttribute(attributes, CALL_ID) && hasAttribute(attributes, 'tool.mode')),
  operationOf,
  read: readAx,
};

const STREAMING = 'gen_ai.request.llm_is_streaming';
const CALL_ID = 'function.id';
/** What Ax writes for a parameter that the app left to the provider. */
const NOT_SET = 'Not set';

function operationOf({ attributes }: SpanData): Operation {
  if (hasAttribute(attributes, CALL_ID)) return 'tool';
  if (hasAttribute(attributes, STREAMING)) return operationByName(attributes) ?? 'inference';
  return hasAttribute(attributes, 'ax.program.id') ? 'agent' : 'workflow';
}

function readAx(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes, events } = span;
  const operation = operationOf(span);
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: ax.name,
    operation,
    content: isCall ? readContent(events) : { notes: [] },
    usage: readTokens(events),
    captureSetting:
      'none: Ax never records content from 24 on; up to 23 it does, unless excludeContentFromTrace is set',
  });
  if (operation === 'tool') {
    const told = events.find(({ name }) => name === 'gen_ai.tool.message')?.attributes ?? {};
    const args = getString(told, 'args');
    return {
      ...base,
      name: getString(attributes, 'tool.name'),
      toolCallId: getString(attributes, CALL_ID),
      toolArguments: args,
      inputValue: jsonValue(args) as Reading['inputValue'],
      outputValue: jsonValue(told.result) as Reading['outputValue'],
    };
  }
  if (!isCall) return { ...base, agentName: getString(attributes, 'ax.program.id') };
  const { parameters } = base;
  return getString(attributes, 'gen_ai.request.stop_sequences') === NOT_SET
    ? { ...base, parameters: { ...parameters, stop: undefined } }
    : base;
}

/** Input without the tokens that a cache had, beside a total that has all. */
function readTokens(events: readonly SpanEvent[]): RawUsage | undefined {
  const told = events.findLast(({ name }) => name === 'gen_ai.usage')?.attributes;
  if (!told) return undefined;
  const said = pickCount(told, ['gen_ai.usage.output_tokens']);
  const thoughts = pickCount(told, ['gen_ai.usage.thoughts_tokens']);
  const total = pickCount(told, ['gen_ai.usage.total_tokens']);
  const output = said === undefined ? undefined : said + (thoughts ?? 0);
  const input = total === undefined || output === undefined ? undefined : total - output;
  const fresh = pickCount(told, ['gen_ai.usage.input_tokens']);
  return { input: input === undefined ? fresh : Math.max(input, fresh ?? 0), output, reasoning: thoughts };
}

function readContent(events: readonly SpanEvent[]): Content {
  const system: Message[] = [];
  const asked: Message[] = [];
  const rest: Message[] = [];
  const replies = new Map<unknown, Reply>();
  for (const { name, attributes } of events) {
    const text = getString(attributes, 'content');
    if (name === 'gen_ai.choice') addChoice(replies, attributes);
    else if (name === 'gen_ai.assistant.message') rest.push(...readAnswer(attributes, text));
    else if (text === undefined) continue;
    else if (name === 'gen_ai.system.message') system.push(textMessage('system', text));
    else if (name === 'gen_ai.user.message') asked.push(textMessage('user', text));
    else if (name === 'gen_ai.tool.message')
      rest.push({ ...textMessage('tool', text), toolCallId: getString(attributes, 'id') });
  }
  const isTold = asked.length > 0 || system.length > 0;
  return {
    input: isTold ? nonEmpty([...system, ...asked, ...rest]) : undefined,
    choices: nonEmpty([...replies.values()].flatMap((reply) => said(reply, isTold))),
    notes: isTold && rest.length > 0 ? [{ kind: 'rule', text: 'what users said put first' }] : [],
  };
}

function readAnswer(attributes: JsonObject, text: string | undefined): readonly Message[] {
  const calls = asArray(jsonValue(member(attributes, 'function_calls')))?.map((raw) =>
    withFunction(asObject(raw)),
  );
  if (calls === undefined && text === undefined) return [];
  return readMessages([{ role: 'assistant', content: text ?? null, tool_calls: calls }], 'input');
}

/** `{id, function: 'f', arguments}` */
function withFunction(raw: JsonObject | undefined): JsonObject {
  return {
    id: raw?.id,
    type: 'function',
    function: { name: raw?.function, arguments: raw?.arguments ?? '' },
  };
}

interface Reply {
  text: string | undefined;
  finish: string | undefined;
  readonly calls: Map<unknown, { readonly id: unknown; readonly function: unknown; arguments: unknown }>;
}

function addChoice(replies: Map<unknown, Reply>, { index, finish_reason, message }: JsonObject): void {
  const reply = replies.get(index) ?? { text: undefined, finish: undefined, calls: new Map() };
  replies.set(index, reply);
  reply.finish = normaliseFinishReason(finish_reason) ?? reply.finish;
  const piece = asObject(jsonValue(message));
  const text = asText(member(piece, 'content'));
  if (text !== undefined) reply.text = (reply.text ?? '') + text;
  for (const raw of asArray(member(piece, 'tool_calls')) ?? []) {
    const call = asObject(raw);
    const args = member(call, 'arguments') ?? '';
    const known = reply.calls.get(call?.id);
    if (known) known.arguments = `${asText(known.arguments) ?? ''}${asText(args) ?? ''}`;
    else reply.calls.set(call?.id, { id: call?.id, function: call?.function, arguments: args });
  }
}

function said({ text, finish, calls }: Reply, isTold: boolean): readonly Message[] {
  if (!isTold && text === undefined && calls.size === 0)
    return finish === undefined
      ? []
      : [{ role: 'assistant', parts: [], toolCalls: [], finishReason: finish }];
  const toolCalls = [...calls.values()].map(withFunction);
  const [reply] = readMessages(
    [{ role: 'assistant', content: text ?? null, ...(toolCalls.length > 0 && { tool_calls: toolCalls }) }],
    'output',
  );
  return reply ? [{ ...reply, finishReason: finish }] : [];
}
