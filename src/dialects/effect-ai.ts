import type { Operation, Reading } from '../completion/completion.ts';
import { conventionalOperation, ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { getString, hasAttribute } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Effect AI. Its scope is the app's service: what it adds to the conventions tells. Tools have a span without any of theirs.
 *
 * @see https://effect.website/docs/ai/introduction/
 */
export const effectAi: Dialect = {
  name: 'effect-ai',
  detect: ({ attributes }) =>
    (hasAttribute(attributes, 'toolChoice') && hasAttribute(attributes, 'concurrency')) ||
    (hasAttribute(attributes, 'tool') && hasAttribute(attributes, 'parameters')),
  operationOf,
  read: readEffectAi,
};

function operationOf(span: SpanData): Operation {
  const { name, attributes } = span;
  if (name === 'Toolkit.handle') return 'tool';
  // Whoever else has a tool and parameters says what it does as everybody does.
  const isOurs = hasAttribute(attributes, 'toolChoice');
  return isOurs && !name.startsWith('LanguageModel.') ? 'other' : conventionalOperation(span);
}

function readEffectAi(span: SpanData, logs: readonly LogData[]): Reading {
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const base = readGenAiSpan(span, logs, {
    dialect: effectAi.name,
    operation,
    captureSetting:
      'a Telemetry.CurrentSpanTransformer of yours that writes gen_ai.input.messages and gen_ai.output.messages',
  });
  if (operation !== 'tool') return base;
  const { attributes } = span;
  return {
    ...base,
    name: getString(attributes, 'tool'),
    inputValue: ioValue(attributes, 'parameters'),
    toolArguments: getString(attributes, 'parameters'),
  };
}
