import type { Operation, Reading } from '../completion/completion.ts';
import { readGenAiContent } from '../readers/content.ts';
import { conventionalOperation, readGenAiSpan } from '../readers/genai-span.ts';
import { getString, hasAttribute } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Koog: the conventions, under the name of the service, with strategies and nodes between agent and calls.
 *
 * @see https://docs.koog.ai/opentelemetry-support/
 */
export const koog: Dialect = {
  name: 'koog',
  detect: ({ attributes }) => hasAttribute(attributes, 'koog.event.id'),
  operationOf,
  read: readKoog,
};

function operationOf(span: SpanData): Operation {
  // `create_agent` is around all that the agent does.
  const operation = getString(span.attributes, 'gen_ai.operation.name');
  return operation === undefined || operation === 'create_agent' ? 'other' : conventionalOperation(span);
}

function readKoog(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const shown = withoutHidden(span);
  const content = readGenAiContent(shown, logs);
  // What was left of a list of parts that holds none.
  content.input = content.input?.filter(({ role, parts, toolCallId }) =>
    role === 'tool' ? toolCallId !== undefined : role === 'assistant' || parts.length > 0,
  );
  const base = readGenAiSpan(shown, logs, {
    dialect: koog.name,
    operation,
    content,
    captureSetting: 'setVerbose(true) in install(OpenTelemetry)',
  });
  if (operation !== 'agent') return base;
  // Its messages are those of the prompt alone: system messages.
  const agent = base.agentName ?? getString(span.attributes, 'gen_ai.agent.id');
  return { ...base, name: agent, agentName: agent, input: undefined, choices: undefined };
}

function withoutHidden(span: SpanData): SpanData {
  const entries = Object.entries(span.attributes);
  if (!entries.some(isHidden)) return span;
  return { ...span, attributes: Object.fromEntries(entries.filter((entry) => !isHidden(entry))) };
}

/** `HIDDEN:non-empty` */
function isHidden([, value]: readonly [string, unknown]): boolean {
  return typeof value === 'string' && value.startsWith('HIDDEN:');
}
