import type { Reading } from '../completion/completion.ts';
import { conventionalOperation, readGenAiSpan } from '../readers/genai-span.ts';
import { readObservedContent } from '../readers/observation.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * promptfoo's providers: the conventions, the prompt and the answer in attributes of its own.
 *
 * @see https://www.promptfoo.dev/docs/tracing/
 */
export const promptfoo: Dialect = {
  name: 'promptfoo',
  detect: ({ scope }) => scope.name === 'promptfoo.providers',
  operationOf: conventionalOperation,
  read: readPromptfoo,
};

function readPromptfoo(span: SpanData, logs: readonly LogData[]): Reading {
  return readGenAiSpan(span, logs, {
    dialect: promptfoo.name,
    operation: conventionalOperation(span),
    content: readObservedContent(span, logs, 'promptfoo.request.body', 'promptfoo.response.body'),
    captureSetting: 'none needed: promptfoo records content whenever it traces',
  });
}
