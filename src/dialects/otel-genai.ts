import type { Reading } from '../completion/completion.ts';
import { conventionalOperation, readGenAiSpan } from '../readers/genai-span.ts';
import { getString, hasPrefix } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * OpenTelemetry's own GenAI conventions, every generation, read by keys and never by version: most emitters are recognisable only
 * as "some `gen_ai.*`".
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
 */
export const otelGenAi: Dialect = {
  name: 'otel-genai',
  detect: (span) =>
    hasPrefix(span.attributes, 'gen_ai.') || span.events.some((event) => event.name.startsWith('gen_ai.')),
  operationOf: conventionalOperation,
  read: readOtelGenAi,
};

function readOtelGenAi(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const operation = conventionalOperation(span);
  if (getString(span.attributes, 'gen_ai.operation.name') === 'create_agent') return { operation: 'other' };
  return readGenAiSpan(span, logs, {
    dialect: otelGenAi.name,
    operation,
    captureSetting:
      'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true, or SPAN_ONLY where OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental',
  });
}
