import type { Operation, Reading } from '../completion/completion.ts';
import { jsonValue } from '../json/read-json.ts';
import { readMessages } from '../messages/messages.ts';
import { conventionalOperation, readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, getString } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * AG2: the conventions, under a scope that looks like OpenLLMetry's, and beside each call a span of what it used.
 *
 * @see https://docs.ag2.ai/latest/docs/user-guide/tracing/opentelemetry/
 */
export const ag2: Dialect = {
  name: 'ag2',
  detect: ({ scope }) => scope.name === 'opentelemetry.instrumentation.ag2',
  operationOf,
  read: readAg2,
};

const TYPES: ReadonlyMap<string, Operation> = new Map([
  ['conversation', 'workflow'],
  ['multi_conversation', 'workflow'],
  // `record_usage`: the model and tokens of a call or a task that has a span of its own.
  ['usage', 'other'],
]);

function operationOf(span: SpanData): Operation {
  return TYPES.get(getString(span.attributes, 'ag2.span.type') ?? '') ?? conventionalOperation(span);
}

function readAg2(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const base = readGenAiSpan(span, logs, {
    dialect: ag2.name,
    operation,
    captureSetting:
      'TelemetryMiddleware(…) without capture_content=False, or instrument_llm_wrapper(…, capture_messages=True)',
  });
  if (operation !== 'workflow') return base;
  // All that was said, by whomever, stands as the output.
  const said = readMessages(jsonValue(getAttribute(span.attributes, 'gen_ai.output.messages')), 'output');
  return { ...base, choices: said.length > 0 ? said.slice(-1) : undefined };
}
