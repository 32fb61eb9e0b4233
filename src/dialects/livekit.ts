import type { Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, member } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { joinReply, readMessages } from '../messages/messages.ts';
import { type Content, readGenAiContent } from '../readers/content.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { readUsageBag } from '../readers/usage.ts';
import { getAttribute, getString, hasPrefix } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * LiveKit Agents. `llm_request` is the call; `llm_request_run` are its attempts, `llm_node` and `agent_turn` repeat its content.
 *
 * @see https://docs.livekit.io/agents/ops/recording/
 */
export const livekit: Dialect = {
  name: 'livekit',
  detect: (span) => span.scope.name === 'livekit-agents' || hasPrefix(span.attributes, 'lk.'),
  operationOf,
  read: readLivekit,
};

const NAMES: ReadonlyMap<string, Operation> = new Map([
  ['llm_request', 'inference'],
  ['realtime_inference', 'inference'],
  ['function_tool', 'tool'],
  ['agent_session', 'workflow'],
]);

function operationOf({ name }: SpanData): Operation {
  return NAMES.get(name) ?? 'other';
}

function readLivekit(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const base = readGenAiSpan(span, logs, {
    dialect: livekit.name,
    operation,
    content: operation === 'inference' ? readContent(span, logs) : { notes: [] },
    usage: readUsageBag(getAttribute(attributes, 'lk.llm_metrics')),
    captureSetting: "content is stripped for exporters that are not LiveKit's unless PII is allowed",
  });
  return {
    ...base,
    name:
      operation === 'tool'
        ? (getString(attributes, 'lk.function_tool.name', 'gen_ai.tool.name') ?? base.name)
        : base.name,
    inputValue:
      ioValue(attributes, 'lk.pii.function_tool.arguments', 'lk.function_tool.arguments') ?? base.inputValue,
    outputValue:
      ioValue(attributes, 'lk.pii.function_tool.output', 'lk.function_tool.output') ?? base.outputValue,
    toolCallId: base.toolCallId ?? getString(attributes, 'lk.function_tool.id'),
    toolArguments:
      base.toolArguments ??
      getString(attributes, 'lk.pii.function_tool.arguments', 'lk.function_tool.arguments'),
  };
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readGenAiContent(span, logs);
  const { attributes } = span;
  const context = asObject(
    jsonValue(getAttribute(attributes, 'lk.pii.chat_ctx') ?? getAttribute(attributes, 'lk.chat_ctx')),
  );
  const items = asArray(member(context, 'items'));
  if (content.input === undefined && items) content.input = readMessages(items, 'input');
  content.choices ??= readReply(attributes);
  return content;
}

function readReply(attributes: Attributes): Content['choices'] {
  const text = getString(attributes, 'lk.pii.response.text', 'lk.response.text');
  const calls = asArray(
    jsonValue(
      getAttribute(attributes, 'lk.pii.response.function_calls') ??
        getAttribute(attributes, 'lk.response.function_calls'),
    ),
  );
  if (text === undefined && !calls) return undefined;
  const reply = joinReply(
    readMessages([{ role: 'assistant', content: text ?? null, tool_calls: calls }], 'output'),
  );
  return reply ? [reply] : undefined;
}
