import type { Operation, Reading } from '../completion/completion.ts';
import { guessProvider } from '../completion/normalise.ts';
import { asArray, asObject, member } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { joinReply, readMessages, textMessage } from '../messages/messages.ts';
import { saysAnything } from '../messages/reply.ts';
import { type Content, readGenAiContent } from '../readers/content.ts';
import { readError } from '../readers/errors.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { readUsageBag } from '../readers/usage.ts';
import { getAttribute, getString, hasPrefix } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * LiveKit Agents. `llm_request` is the call; `llm_request_run` are its attempts, `llm_node` repeats its content. Providers whose plugin
 * speaks another's API are named by the host of their address.
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
  ['agent_turn', 'agent'],
  ['agent_session', 'workflow'],
]);

function operationOf({ name }: SpanData): Operation {
  return NAMES.get(name) ?? 'other';
}

function readLivekit(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation, error: readError(span) };
  const base = readGenAiSpan(span, logs, {
    dialect: livekit.name,
    operation,
    content: operation === 'inference' ? readContent(span, logs) : { notes: [] },
    usage: readUsageBag(getAttribute(attributes, 'lk.llm_metrics')),
    captureSetting:
      'set_tracer_provider(…, allow_pii=True) or setTracerProvider(…, { allowPii: true }), LIVEKIT_TELEMETRY_ALLOW_PII and OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT not false',
  });
  const { provider, notes } = providerOf(base);
  if (operation === 'agent') {
    const said = getString(attributes, 'lk.pii.user_input', 'lk.user_input');
    const reply = getString(attributes, 'lk.pii.response.text', 'lk.response.text');
    return {
      ...base,
      input: said === undefined ? undefined : [textMessage('user', said)],
      choices: reply === undefined ? undefined : [textMessage('assistant', reply)],
    };
  }
  const cameToNothing =
    operation === 'inference' && base.error === undefined && gaveNothing(base, attributes);
  return {
    ...base,
    ...(cameToNothing ? { error: {}, choices: undefined, finishReasons: undefined } : {}),
    provider,
    notes,
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

/** Node's calls end well, with "stop", when every try has failed: its metrics say that no chunk came, the tries inside say why. */
function gaveNothing({ responseId, choices }: Reading, attributes: Attributes): boolean {
  const metrics = asObject(jsonValue(getAttribute(attributes, 'lk.llm_metrics')));
  return (
    responseId === undefined &&
    !choices?.some(saysAnything) &&
    member(metrics, 'requestId') === '' &&
    member(metrics, 'ttftMs') === -1 &&
    member(metrics, 'cancelled') === false
  );
}

/** An address that is not a provider's own: whose API it speaks, the model may tell. */
function providerOf(base: Reading): Pick<Reading, 'provider' | 'notes'> {
  const { provider, notes } = base;
  const guess =
    provider !== undefined && /[.:]/.test(provider) ? guessProvider(base.requestModel) : undefined;
  if (guess === undefined) return { provider, notes };
  const text = `provider from the model name ${base.requestModel}`;
  return { provider: guess, notes: [...(notes ?? []), { kind: 'guessed', text }] };
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
