import type { Operation, Reading } from '../completion/completion.ts';
import { jsonValue } from '../json/read-json.ts';
import { schemaValue } from '../messages/tools.ts';
import { operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, hasAttribute } from '../span/attributes.ts';
import type { SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Vercel AI SDK 7 through `@ai-sdk/otel`: the GenAI conventions under the scope `gen_ai`, with `ai.*` supplements when switched on.
 *
 * @see https://ai-sdk.dev/docs/ai-sdk-core/telemetry
 */
export const vercelAiOtel: Dialect = {
  name: 'vercel-ai-otel',
  detect: (span) => span.scope.name === 'gen_ai' && hasAttribute(span.attributes, 'gen_ai.operation.name'),
  operationOf,
  read(span, logs): Reading | undefined {
    const operation = operationOf(span);
    if (operation === 'other') return { operation };
    const base = readGenAiSpan(span, logs, {
      dialect: vercelAiOtel.name,
      operation,
      captureSetting: 'telemetry: { recordInputs: true, recordOutputs: true }',
    });
    return {
      ...base,
      // It maps its Azure OpenAI provider to Azure's inference service.
      provider: base.provider === 'azure' ? 'azure_openai' : base.provider,
      outputSchema: base.outputSchema ?? schemaValue(jsonValue(getAttribute(span.attributes, 'ai.schema'))),
    };
  },
};

function operationOf({ attributes }: SpanData): Operation {
  return operationByName(attributes) ?? 'other';
}
