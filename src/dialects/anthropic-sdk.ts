import type { Operation } from '../completion/completion.ts';
import { ioValue, operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { hasAttribute } from '../span/attributes.ts';
import type { SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * The Anthropic TypeScript SDK's own spans (on by default from 1.0 on), content only by opt-in. Server-side spans of the same trace
 * (`com.anthropic.claude-platform`) repeat the call from the other end.
 *
 * @see https://github.com/anthropics/anthropic-sdk-typescript
 */
export const anthropicSdk: Dialect = {
  name: 'anthropic-sdk',
  detect: (span) =>
    span.scope.name.startsWith('com.anthropic.sdk.') ||
    span.scope.name.startsWith('com.anthropic.claude-platform'),
  operationOf,
  read(span, logs) {
    const operation = operationOf(span);
    if (operation === 'other') return { operation };
    const base = readGenAiSpan(span, logs, {
      dialect: anthropicSdk.name,
      operation,
      provider: ['anthropic'],
      captureSetting: 'ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE=content',
    });
    const truncated = hasAttribute(span.attributes, 'anthropic.content.truncated');
    return {
      ...base,
      outputValue: ioValue(span.attributes, 'anthropic.tool_result.content') ?? base.outputValue,
      notes: [
        ...(base.notes ?? []),
        ...(truncated
          ? [
              {
                kind: 'cut' as const,
                text: 'the SDK dropped the oldest messages (anthropic.content.truncated)',
              },
            ]
          : []),
      ],
    };
  },
};

function operationOf(span: SpanData): Operation {
  if (span.scope.name.startsWith('com.anthropic.claude-platform')) return 'other';
  const named = operationByName(span.attributes);
  if (named === 'inference' && /count_tokens|batches|models/.test(span.name)) return 'other';
  if (/tool_use/.test(span.name)) return 'tool';
  if (/tool_runner/.test(span.name)) return 'agent';
  return named ?? (/^anthropic\.(beta\.)?messages\.(create|stream)/.test(span.name) ? 'inference' : 'other');
}
