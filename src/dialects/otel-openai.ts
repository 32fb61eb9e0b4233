import { conventionalOperation, readGenAiSpan } from '../readers/genai-span.ts';
import type { Dialect } from './dialect.ts';

const SCOPES = new Set([
  '@opentelemetry/instrumentation-openai',
  '@elastic/opentelemetry-instrumentation-openai',
]);

/**
 * The official instrumentation of the `openai` client and its ancestor. Content is in log events only, joined to the span by ids.
 *
 * @see https://github.com/open-telemetry/opentelemetry-js-contrib/tree/main/packages/instrumentation-openai
 */
export const otelOpenAi: Dialect = {
  name: 'otel-openai',
  detect: (span) => SCOPES.has(span.scope.name),
  operationOf: conventionalOperation,
  read: (span, logs) =>
    readGenAiSpan(span, logs, {
      dialect: otelOpenAi.name,
      operation: conventionalOperation(span),
      captureSetting:
        'new OpenAIInstrumentation({ captureMessageContent: true }), and exporter.logRecordProcessor on the LoggerProvider',
    }),
};
