import type { Operation, Reading } from '../completion/completion.ts';
import { textMessage } from '../messages/messages.ts';
import type { Content } from '../readers/content.ts';
import { ioValue, operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { readObservedContent } from '../readers/observation.ts';
import { getString, hasAttribute } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Laminar's own spans: functions under `observe`, with their arguments and what they returned. Its instrumentations of clients are
 * OpenLLMetry's, and the AI SDK writes its own keys through Laminar's tracer.
 *
 * @see https://docs.lmnr.ai/tracing/structure/observe
 */
export const laminar: Dialect = {
  name: 'laminar',
  detect: ({ attributes, scope }) =>
    hasAttribute(attributes, 'lmnr.span.type') || scope.name === 'lmnr.tracer',
  operationOf,
  read: readLaminar,
};

const TYPES: ReadonlyMap<string, Operation> = new Map([
  ['LLM', 'inference'],
  ['TOOL', 'tool'],
]);

function operationOf(span: SpanData): Operation {
  const { attributes } = span;
  const operation =
    TYPES.get(getString(attributes, 'lmnr.span.type') ?? '') ?? operationByName(attributes) ?? 'other';
  return operation === 'inference' && isEmbedding(span) ? 'embedding' : operation;
}

/** In Python every span of a client is an LLM's. */
function isEmbedding({ name, attributes }: SpanData): boolean {
  return (
    /(^|\.)embeddings?$/.test(name) || /embedding/i.test(getString(attributes, 'gen_ai.request.model') ?? '')
  );
}

function readLaminar(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: laminar.name,
    operation,
    content: isCall ? readContent(span, logs) : { notes: [] },
    captureSetting:
      'ignoreInput and ignoreOutput of observe unset, traceContent of the instrumentations true',
  });
  if (isCall) return base;
  return {
    ...base,
    name: base.name ?? span.name,
    inputValue: ioValue(attributes, 'lmnr.span.input') ?? base.inputValue,
    outputValue: ioValue(attributes, 'lmnr.span.output') ?? base.outputValue,
    toolArguments:
      base.toolArguments ?? (operation === 'tool' ? getString(attributes, 'lmnr.span.input') : undefined),
  };
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readObservedContent(span, logs, 'lmnr.span.input', 'lmnr.span.output');
  // Instructions of the Responses API are in Python only among the older, indexed messages.
  const told = getString(span.attributes, 'gen_ai.prompt.0.content');
  const isTold = getString(span.attributes, 'gen_ai.prompt.0.role') === 'system';
  if (isTold && told !== undefined && !content.input?.some(({ role }) => role === 'system'))
    content.instructions ??= [textMessage('system', told)];
  return content;
}
