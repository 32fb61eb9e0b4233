import type { Message, Reading } from '../completion/completion.ts';
import { asText, type JsonValue, type LazyJson, toJsonValue } from '../json/json-text.ts';
import { hasContent } from '../lineage/merge.ts';
import type { RecordPlan } from '../lineage/plan.ts';
import { plainText } from '../lineage/rollup.ts';
import { type BuildOptions, compact, customMetadata, testRunInfo, traceUrl } from './build-common.ts';
import type { RecordBody } from './record.ts';
import { renderMessage } from './render.ts';
import { toIso } from './times.ts';

const TOOL_OPERATIONS = new Set(['tool', 'embedding', 'retrieval', 'rerank', 'guardrail']);

/** An agent, workflow, tool, group or plain span as the API has it (completions-api.md section 2). */
export function buildTrace(plan: RecordPlan, options: BuildOptions): RecordBody {
  const { span, reading } = plan;
  const isTool = reading !== undefined && TOOL_OPERATIONS.has(reading.operation);
  const rest = compact({
    parent_id: plan.parentId,
    kind: isTool ? 'tool' : undefined,
    name: nameOf(plan, options.policy.capture),
    agent_name: reading?.operation === 'agent' ? (reading.agentName ?? reading.name) : undefined,
    custom_metadata: compact(traceMetadata(plan, options)),
    eval_results: reading?.evalResults && compact({ ...reading.evalResults }),
    test_run_info: testRunInfo(plan.surroundings),
    start_time: span && toIso(span.startTime),
    end_time: span && toIso(span.endTime),
  });
  const show = options.policy.capture;
  return {
    input: show ? inputOf(plan, reading, isTool, options) : null,
    output: show ? outputOf(plan, reading, isTool, options) : null,
    ...rest,
  };
}

/** Shorter ones may be a name by chance. */
const MIN_TOLD_CHARACTERS = 8;

function nameOf({ role, reading, span }: RecordPlan, capture: boolean): string {
  if (role === 'placeholder') return '(span not exported)';
  const name = reading?.name ?? span?.name ?? '';
  // CrewAI's instrumentations name a task by what it asks for.
  const told = capture ? undefined : asText(reading?.inputValue)?.trim();
  if (!told || told.length < MIN_TOLD_CHARACTERS || !name.includes(told)) return name;
  return reading?.operation ?? '';
}

/** Errors, and the way back to the span: a trace record has no other place for them. */
function traceMetadata(plan: RecordPlan, options: BuildOptions): { [key: string]: JsonValue | undefined } {
  const { span, reading } = plan;
  // A dialect that has read the span knows better than its status.
  const isRead = reading !== undefined && reading.operation !== 'other';
  const failed = span?.statusCode === 2 ? { message: span.statusMessage } : undefined;
  const error = isRead ? reading.error : failed;
  return {
    ...customMetadata(plan, options),
    'error.type': error && ('type' in error ? (error.type ?? 'error') : 'error'),
    'error.message': options.policy.capture ? error?.message : undefined,
    'otel.trace_id': plan.traceId,
    'otel.span_id': plan.span?.spanId,
    'otel.url': traceUrl(plan, options),
  };
}

function inputOf(
  plan: RecordPlan,
  reading: Reading | undefined,
  isTool: boolean,
  options: BuildOptions,
): JsonValue {
  const own = messagesValue(reading?.input, options) ?? value(reading?.inputValue);
  return own ?? (isTool ? null : (plan.rolledInput?.text ?? null));
}

function outputOf(
  plan: RecordPlan,
  reading: Reading | undefined,
  isTool: boolean,
  options: BuildOptions,
): JsonValue {
  const own = messagesValue(reading?.choices?.slice(0, 1), options) ?? value(reading?.outputValue);
  return own ?? (isTool ? null : (plan.rolledOutput?.text ?? null));
}

function value(lazy: LazyJson | undefined): JsonValue | undefined {
  if (lazy === undefined || lazy === null) return undefined;
  return toJsonValue(lazy);
}

/** One plain message is its text; anything more is the messages themselves. */
function messagesValue(
  messages: readonly Message[] | undefined,
  options: BuildOptions,
): JsonValue | undefined {
  if (!messages || !hasContent(messages)) return undefined;
  const [only] = messages;
  if (
    only &&
    messages.length === 1 &&
    only.toolCalls.length === 0 &&
    only.parts.every((part) => part.kind === 'text')
  )
    return plainText(only) ?? '';
  return messages.map((message) => renderMessage(message, options.policy));
}
