import type { Operation, Reading } from '../completion/completion.ts';
import { textMessage } from '../messages/messages.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { getString, hasAttribute } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Claude Code and the Claude Agent SDK (traces beta). Usage is flat and excludes cached tokens; content is gated by variables.
 *
 * @see https://code.claude.com/docs/en/monitoring-usage
 */
export const claudeCode: Dialect = {
  name: 'claude-code',
  detect: (span) =>
    span.name.startsWith('claude_code.') ||
    (/^(interaction|llm_request|tool)$/.test(getString(span.attributes, 'span.type') ?? '') &&
      (hasAttribute(span.attributes, 'query_source') || hasAttribute(span.attributes, 'request_id'))),
  operationOf,
  read: readClaudeCode,
};

const KINDS: ReadonlyMap<string, Operation> = new Map([
  ['interaction', 'agent'],
  ['llm_request', 'inference'],
  ['tool', 'tool'],
]);

function operationOf({ name, attributes }: SpanData): Operation {
  const kind = name.startsWith('claude_code.')
    ? name.slice('claude_code.'.length)
    : getString(attributes, 'span.type');
  return KINDS.get(kind ?? '') ?? 'other';
}

function readClaudeCode(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const base = readGenAiSpan(span, logs, {
    dialect: claudeCode.name,
    operation,
    provider: ['anthropic'],
    requestModel: getString(attributes, 'gen_ai.request.model', 'model'),
    captureSetting: 'OTEL_LOG_USER_PROMPTS=1, OTEL_LOG_TOOL_DETAILS=1, OTEL_LOG_TOOL_CONTENT=1',
  });
  const prompt = getString(attributes, 'user_prompt');
  const system = getString(attributes, 'user_system_prompt');
  return {
    ...base,
    name: getString(attributes, 'tool_name') ?? base.name,
    agentName: operation === 'agent' ? 'claude-code' : undefined,
    instructions: base.instructions ?? (system === undefined ? undefined : [textMessage('system', system)]),
    input: base.input ?? (prompt === undefined ? undefined : [textMessage('user', prompt)]),
    responseId: base.responseId ?? getString(attributes, 'request_id'),
    inputValue: ioValue(attributes, 'tool_input', 'user_prompt') ?? base.inputValue,
    outputValue: ioValue(attributes, 'tool_output', 'tool_result') ?? base.outputValue,
  };
}
