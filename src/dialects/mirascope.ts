import type { Operation, Reading } from '../completion/completion.ts';
import { conventionalOperation, ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { readUsageBag } from '../readers/usage.ts';
import { getAttribute, getString, hasAttribute } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Mirascope: the conventions for calls, with cached and reasoning tokens apart, and the functions that `ops.trace` is around.
 *
 * @see https://mirascope.com/docs/ops/tracing
 */
export const mirascope: Dialect = {
  name: 'mirascope',
  detect: ({ attributes }) =>
    hasAttribute(attributes, 'mirascope.type') || hasAttribute(attributes, 'mirascope.response.content'),
  operationOf,
  read: readMirascope,
};

function operationOf(span: SpanData): Operation {
  const type = getString(span.attributes, 'mirascope.type');
  if (type === undefined) return conventionalOperation(span);
  // `response_resume` is around the call that it makes.
  return type === 'trace' ? 'workflow' : 'other';
}

function readMirascope(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: mirascope.name,
    operation,
    ...(isCall ? {} : { content: { notes: [] } }),
    usage: readUsageBag(getAttribute(attributes, 'mirascope.response.usage')),
    requestModel: modelOf(getString(attributes, 'gen_ai.request.model')),
    responseModel: modelOf(getString(attributes, 'gen_ai.response.model')),
    captureSetting: 'none needed: calls hold their messages',
  });
  if (isCall) return base;
  return {
    ...base,
    name: span.name,
    inputValue: ioValue(attributes, 'mirascope.trace.arg_values'),
    outputValue: ioValue(attributes, 'mirascope.trace.output'),
  };
}

/** `openai/gpt-4o-mini:completions`: provider, model, and which of OpenAI's APIs. */
function modelOf(id: string | undefined): string | undefined {
  return id?.replace(/^(openai|anthropic|google)\//, '').replace(/:(completions|responses)$/, '');
}
