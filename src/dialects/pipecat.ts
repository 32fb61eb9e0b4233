import type { Operation, Reading, Surroundings } from '../completion/completion.ts';
import { readMessages, textMessage } from '../messages/messages.ts';
import { readTools } from '../messages/tools.ts';
import { type Content, nonEmpty, readGenAiContent, readNoted } from '../readers/content.ts';
import { readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, getId, getNumber, getString } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Pipecat: a conversation, its turns, and the calls in them with the messages as their provider gets them. Of a reply only the text is
 * recorded: a call that asked for tools alone has none, and what it asked for is in the input of the next.
 *
 * @see https://docs.pipecat.ai/server/utilities/opentelemetry
 */
export const pipecat: Dialect = {
  name: 'pipecat',
  detect: ({ scope }) => scope.name === 'pipecat' || scope.name === 'pipecat.turn',
  operationOf,
  read: readPipecat,
};

const NAMES: ReadonlyMap<string, Operation> = new Map([
  ['llm', 'inference'],
  ['turn', 'workflow'],
  ['conversation', 'workflow'],
]);

function operationOf({ name }: SpanData): Operation {
  return NAMES.get(name) ?? 'other';
}

function readPipecat(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: pipecat.name,
    operation,
    content: isCall ? readContent(span, logs) : { notes: [] },
    provider: [providerOf(attributes)],
    captureSetting: 'none needed: calls hold their messages',
  });
  if (!isCall) return { ...base, name: span.name, surroundings: conversation(attributes, base.surroundings) };
  return {
    ...base,
    inputValue: undefined,
    outputValue: undefined,
    // A call that failed has one as well: the time until it did.
    timeToFirstToken: base.error ? undefined : getNumber(attributes, 'metrics.ttfb'),
  };
}

/** On the conversation and its turns alike; what the app adds is on the conversation alone. */
function conversation(attributes: Attributes, found: Surroundings | undefined): Surroundings | undefined {
  const id = getId(attributes, 'conversation.id');
  return id === undefined ? found : { ...found, session: { value: id, rank: 1 } };
}

/** Named after the service's class. */
function providerOf(attributes: Attributes): string | undefined {
  const named = getString(attributes, 'gen_ai.provider.name');
  return named?.startsWith('openairesponses') ? 'openai' : named;
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readGenAiContent(span, logs);
  const { attributes } = span;
  content.input ??= nonEmpty(
    readMessages(readNoted(getAttribute(attributes, 'input'), 'input', content.notes), 'input'),
  );
  const reply = getString(attributes, 'output');
  content.choices ??= reply === undefined ? undefined : [textMessage('assistant', reply)];
  content.tools ??= readTools(readNoted(getAttribute(attributes, 'tools'), 'tools', content.notes));
  return content;
}
