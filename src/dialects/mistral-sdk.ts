import { conventionalOperation, readGenAiSpan } from '../readers/genai-span.ts';
import { hasPrefix } from '../span/attributes.ts';
import type { Dialect } from './dialect.ts';

/**
 * The Mistral SDK's own spans, in TypeScript and Python. Its conversations API reports `invoke_agent` with synthesised `chat` children.
 *
 * @see https://github.com/mistralai/client-ts
 */
export const mistralSdk: Dialect = {
  name: 'mistral-sdk',
  detect: (span) => span.scope.name === 'mistralai_sdk_tracer' && hasPrefix(span.attributes, 'gen_ai.'),
  operationOf: conventionalOperation,
  read: (span, logs) =>
    readGenAiSpan(span, logs, {
      dialect: mistralSdk.name,
      operation: conventionalOperation(span),
      provider: ['mistral'],
      captureSetting: 'none needed: this SDK records content whenever it traces (1.x for Python never does)',
    }),
};
