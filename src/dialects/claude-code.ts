import type {
  Message,
  Note,
  Operation,
  Reading,
  ToolCall,
  ToolDefinition,
} from '../completion/completion.ts';
import { asArray, asObject, type LazyJson, member } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { textMessage } from '../messages/messages.ts';
import { resultParts } from '../messages/parts.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { getString, hasAttribute, toCount } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Claude Code and the Claude Agent SDK (traces beta). Usage is flat and excludes cached tokens; content is gated by variables. What the
 * model said, and what its tools were called with, is in log events that name the call or tool; detailed tracing puts it on the spans,
 * with the messages that were new to the call.
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
    captureSetting:
      'OTEL_LOG_USER_PROMPTS=1 OTEL_LOG_TOOL_DETAILS=1 OTEL_LOG_TOOL_CONTENT=1, and of every call: ENABLE_BETA_TRACING_DETAILED=1 with BETA_TRACING_ENDPOINT',
  });
  if (operation === 'tool') return { ...base, ...readTool(span, logs) };
  if (operation === 'agent') return { ...base, ...readInteraction(attributes, logs) };
  const system = readSystem(attributes);
  const context = shown(attributes, 'new_context');
  const input = base.input ?? (context === undefined ? undefined : readContext(context));
  const choices = base.choices ?? readReply(attributes, logs);
  const isPartial = input === undefined ? choices !== undefined : lacksEarlier(input);
  const served = lastOf(logs, 'api_request');
  return {
    ...base,
    instructions: base.instructions ?? (system === undefined ? undefined : [textMessage('system', system)]),
    input,
    notes: isPartial ? [...(base.notes ?? []), NOT_REPEATED] : base.notes,
    choices,
    tools: base.tools ?? readToolNames(attributes),
    responseModel: base.responseModel ?? (served && getString(served, 'model')),
    responseId: base.responseId ?? getString(attributes, 'request_id'),
    surroundings: withoutSubagent(base.surroundings, attributes),
  };
}

/** A subagent's calls name it as their conversation, and the session beside it. */
function withoutSubagent(
  surroundings: Reading['surroundings'],
  attributes: Attributes,
): Reading['surroundings'] {
  const session = getString(attributes, 'session.id');
  if (session === undefined || surroundings?.session?.value !== getString(attributes, 'agent_id'))
    return surroundings;
  return { ...surroundings, session: { value: session, rank: 1 } };
}

/** The attributes of the last event of that name. */
function lastOf(logs: readonly LogData[], name: string): Attributes | undefined {
  return logs.findLast(({ eventName }) => eventName.replace('claude_code.', '') === name)?.attributes;
}

/** Its text, and the calls of which the arguments are told; in the order in which they were decided on. */
function readReply(attributes: Attributes, logs: readonly LogData[]): readonly Message[] | undefined {
  const told = lastOf(logs, 'assistant_response');
  const text = shown(attributes, 'response.model_output') ?? (told && shown(told, 'response'));
  const ids = new Set(logs.flatMap((log) => getString(log.attributes, 'tool_use_id') ?? []));
  const toolCalls = [...ids].flatMap((id) => readCall(id, logs) ?? []);
  if (text === undefined && toolCalls.length === 0) return undefined;
  const parts = text === undefined ? [] : [{ kind: 'text' as const, text }];
  return [{ role: 'assistant', parts, toolCalls }];
}

function readCall(id: string, logs: readonly LogData[]): ToolCall | undefined {
  const told = lastOf(
    logs.filter(({ attributes }) => attributes.tool_use_id === id),
    'tool_result',
  );
  const name = told && toolName(told);
  const given = told && shown(told, 'tool_input');
  return name === undefined || given === undefined ? undefined : { id, name, arguments: given };
}

/** Those of MCP servers are all called `mcp_tool` in events. */
function toolName(told: Attributes): string | undefined {
  const name = getString(told, 'tool_name');
  if (name !== 'mcp_tool') return name;
  const parameters = asObject(jsonValue(told.tool_parameters));
  const [server, tool] = ['mcp_server_name', 'mcp_tool_name'].map((key) => member(parameters, key));
  return typeof server === 'string' && typeof tool === 'string' ? `mcp__${server}__${tool}` : name;
}

/** What came before is not repeated; nor, between two messages of the user, what the model said. */
function lacksEarlier(input: readonly Message[]): boolean {
  return input[0]?.role !== 'user' || input.filter(({ role }) => role === 'user').length > 1;
}

/** A preview that is not cut is the whole; else what the user gave is all there is. */
function readSystem(attributes: Attributes): string | undefined {
  const preview = shown(attributes, 'system_prompt_preview');
  const isWhole = preview !== undefined && preview.length === toCount(attributes.system_prompt_length);
  return isWhole ? preview : shown(attributes, 'user_system_prompt');
}

const NOT_REPEATED: Note = { kind: 'missing', text: 'messages that the model was sent before' };

/** Content whose gate is closed is replaced, not left out. */
function shown(attributes: Attributes, key: string): string | undefined {
  const text = getString(attributes, key);
  return text === '<REDACTED>' ? undefined : text;
}

function readInteraction(attributes: Attributes, logs: readonly LogData[]): Partial<Reading> {
  const prompt = shown(attributes, 'user_prompt');
  const last = lastOf(logs, 'assistant_response');
  const reply = last && shown(last, 'response');
  return {
    agentName: 'claude-code',
    input: prompt === undefined ? undefined : [textMessage('user', prompt)],
    choices: reply === undefined ? undefined : [textMessage('assistant', reply)],
  };
}

const INPUT_KEYS = ['full_command', 'file_path', 'subagent_type', 'skill_name'] as const;

function readTool({ attributes, events }: SpanData, logs: readonly LogData[]): Partial<Reading> {
  const logged = lastOf(logs, 'tool_result');
  const detailed = withoutHead(shown(attributes, 'tool_input')) ?? (logged && shown(logged, 'tool_input'));
  const named = INPUT_KEYS.flatMap((key) => {
    const value = shown(attributes, key);
    return value === undefined ? [] : [[key, value] as const];
  });
  const told = events.findLast(({ name }) => name === 'tool.output')?.attributes;
  const result = withoutHead(shown(attributes, 'new_context'));
  return {
    name: getString(attributes, 'tool_name', 'gen_ai.tool.name'),
    toolArguments: detailed,
    inputValue:
      detailed === undefined
        ? named.length > 0
          ? Object.fromEntries(named)
          : undefined
        : (jsonValue(detailed) as LazyJson),
    outputValue:
      (told && ioValue(told, 'output', 'content')) ??
      (result === undefined ? undefined : (jsonValue(result) as LazyJson)) ??
      ioValue(attributes, 'tool_output', 'tool_result'),
  };
}

/** `[TOOL INPUT: Bash]` and the like stand on a line of their own. */
function withoutHead(text: string | undefined): string | undefined {
  return text?.replace(/^\[[A-Z ]+: [^\]\n]*\]\n/, '');
}

const DIVIDER = /(?:\n\n---\n)?\n$/;
const SPEAKER = /^\[(?:USER|TOOL RESULT: ([^\]\n]+))\]\n/gm;

/** `[USER]` and `[TOOL RESULT: id]`, each on a line before what it says. Earlier messages are not repeated. */
function readContext(context: string): readonly Message[] {
  const heads = [...context.matchAll(SPEAKER)];
  return heads.map((head, i) => {
    const text = context.slice(head.index + head[0].length, heads[i + 1]?.index).replace(DIVIDER, '');
    const toolCallId = head[1];
    return toolCallId === undefined
      ? textMessage('user', text)
      : { role: 'tool', parts: resultParts(text), toolCalls: [], toolCallId };
  });
}

/** Their definitions are in log events, known by hash. */
function readToolNames(attributes: Attributes): readonly ToolDefinition[] | undefined {
  const tools = asArray(jsonValue(attributes.tools));
  const named = tools?.flatMap((tool) => {
    const name = member(asObject(tool), 'name');
    return typeof name === 'string' ? [{ name }] : [];
  });
  return named && named.length > 0 ? named : undefined;
}
