import type { Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, member, toJsonString } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readInstructions } from '../messages/messages.ts';
import { resultParts } from '../messages/parts.ts';
import { nonEmpty } from '../readers/content.ts';
import { operationByContent, operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { readUsage } from '../readers/usage.ts';
import { getAttribute, getString, hasAttribute } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * AWS Strands Agents. Its scope is the service's name, so it is known by what it calls its system; content is in span events,
 * details events or attributes, as an opt-in variable decides. A tool's arguments and result are events of the tool span.
 *
 * @see https://strandsagents.com/latest/documentation/docs/user-guide/observability-evaluation/traces/
 */
export const strands: Dialect = {
  name: 'strands',
  detect: ({ attributes, scope }) =>
    scope.name === 'strands-agents' ||
    scope.name.startsWith('strands.') ||
    getString(attributes, 'gen_ai.system', 'gen_ai.provider.name') === 'strands-agents' ||
    hasAttribute(attributes, 'event_loop.cycle_id') ||
    hasAttribute(attributes, 'agent_loop.cycle_id'),
  operationOf,
  read: readStrands,
};

function operationOf(span: SpanData): Operation {
  const named = operationByName(span.attributes);
  if (named) return named;
  if (/^(execute_agent_loop_cycle|execute_event_loop_cycle|Cycle)/.test(span.name)) return 'other';
  if (/^invoke_(graph|swarm)/.test(span.name)) return 'workflow';
  return operationByContent(span);
}

function readStrands(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const base = readGenAiSpan(span, logs, {
    dialect: countsTotals(attributes) ? 'otel-genai' : strands.name,
    operation,
    // A tool's messages are its arguments and its result once more, wrapped as parts of a message.
    ...(operation === 'tool' ? { content: { notes: [] } } : {}),
    captureSetting: 'none needed: Strands records content whenever it traces',
  });
  const prompt = getAttribute(attributes, 'system_prompt');
  const tool = operation === 'tool' ? toolFacts(span) : undefined;
  return {
    ...base,
    instructions:
      base.instructions ?? (prompt === undefined ? undefined : nonEmpty(readInstructions(prompt))),
    inputValue: base.inputValue ?? tool?.input,
    outputValue: tool?.output ?? base.outputValue,
    toolArguments: base.toolArguments ?? (tool?.input === undefined ? undefined : toJsonString(tool.input)),
  };
}

/** From 1.55 for Python on; before, cached tokens of Bedrock and Anthropic stand beside the input, and in the total. */
function countsTotals(attributes: Attributes): boolean {
  if (!hasAttribute(attributes, 'gen_ai.usage.cache_read.input_tokens')) return false;
  const { input = 0, output = 0, total = 0, cacheRead = 0, cacheWrite = 0 } = readUsage(attributes) ?? {};
  return input >= cacheRead + cacheWrite && total <= input + output;
}

/** `gen_ai.tool.message {content}` is what the tool was given; what it gave is a list of blocks, mostly of one. */
function toolFacts(span: SpanData): { input?: Reading['inputValue']; output?: Reading['outputValue'] } {
  const asked = span.events.find((event) => event.name === 'gen_ai.tool.message');
  const input = asked && jsonValue(getAttribute(asked.attributes, 'content'));
  const raw = toolResult(span);
  if (raw === undefined) return { input: input as Reading['inputValue'] };
  const [block, ...more] = asArray(raw) ?? [];
  const only = more.length === 0 ? member(asObject(block), 'json', 'text') : undefined;
  const part = resultParts(raw)[0];
  return {
    input: input as Reading['inputValue'],
    output: (only ?? (part?.kind === 'text' ? jsonValue(part.text) : raw)) as Reading['outputValue'],
  };
}

/** `gen_ai.choice {message}`, or the attribute of its own that newer ones have, or, where the tool failed, only a message. */
function toolResult({ attributes, events }: SpanData): unknown {
  const answered = events.find((event) => event.name === 'gen_ai.choice');
  const given =
    getAttribute(attributes, 'gen_ai.tool.call.result') ??
    (answered && getAttribute(answered.attributes, 'message'));
  if (given !== undefined) return jsonValue(given);
  const told = [{ attributes }, ...events]
    .map((place) => getAttribute(place.attributes, 'gen_ai.output.messages'))
    .find((messages) => messages !== undefined);
  const [message] = asArray(jsonValue(told)) ?? [];
  const [part] = asArray(member(asObject(message), 'parts')) ?? [];
  return member(asObject(part), 'response');
}
