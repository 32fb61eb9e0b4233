import { operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { hasPrefix } from '../span/attributes.ts';
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
  read: (span, logs) =>
    readGenAiSpan(span, logs, {
      dialect: awsSdk.name,
      operation:
        operationByName(span.attributes) ??
        (/embed/i.test(String(span.attributes['gen_ai.request.model'] ?? '')) ? 'embedding' : 'inference'),
      captureSetting:
        'none: this instrumentation never records content; add an OpenInference or OpenLLMetry Bedrock instrumentation',
    }),
};
