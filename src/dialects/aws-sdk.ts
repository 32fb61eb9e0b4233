import type { Operation } from '../completion/completion.ts';
import { operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { hasPrefix } from '../span/attributes.ts';
import type { SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Bedrock calls as the official AWS SDK instrumentation reports them: metadata, never content. `InvokeModel` spans have no operation
 * name.
 *
 * @see https://github.com/open-telemetry/opentelemetry-js-contrib/tree/main/packages/instrumentation-aws-sdk
 */
export const awsSdk: Dialect = {
  name: 'aws-sdk',
  detect: (span) =>
    span.scope.name === '@opentelemetry/instrumentation-aws-sdk' && hasPrefix(span.attributes, 'gen_ai.'),
  operationOf,
  read: (span, logs) =>
    readGenAiSpan(span, logs, {
      dialect: awsSdk.name,
      operation: operationOf(span),
      captureSetting:
        'none: this instrumentation never records content; add an OpenInference or OpenLLMetry Bedrock instrumentation',
    }),
};

function operationOf({ attributes }: SpanData): Operation {
  const isEmbedding = /embed/i.test(String(attributes['gen_ai.request.model'] ?? ''));
  return operationByName(attributes) ?? (isEmbedding ? 'embedding' : 'inference');
}
