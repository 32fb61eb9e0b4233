/** Two completions beside each other. */
import type { JsonValue } from '../../json/json-text.ts';
import type { RecordBody } from '../../record/record.ts';
import { toolName } from './call-facts.ts';
import { diffLists } from './line-diff.ts';
import { entriesOf, listOf, objectOf, textOf } from './values.ts';

export interface FactRow {
  readonly name: string;
  readonly a: string | undefined;
  readonly b: string | undefined;
  readonly differs: boolean;
}

export interface MessageRow {
  /** Place and message on either side; absent: there is none. */
  readonly a?: PlacedMessage;
  readonly b?: PlacedMessage;
  readonly same: boolean;
}

export interface PlacedMessage {
  readonly index: number;
  readonly role: string;
  /** Everything the message says, as lines that can be compared. */
  readonly text: string;
}

/** Model, provider, parameters, tools and prompt, one row for each name that either has. */
export function compareFacts(a: RecordBody, b: RecordBody): readonly FactRow[] {
  const [left, right] = [factsOf(a), factsOf(b)];
  return [...new Set([...left.keys(), ...right.keys()])].map((name) => ({
    name,
    a: left.get(name),
    b: right.get(name),
    differs: left.get(name) !== right.get(name),
  }));
}

function factsOf(body: RecordBody): ReadonlyMap<string, string> {
  const call = objectOf(body.call_info);
  const facts = new Map<string, string>();
  const add = (name: string, value: JsonValue | undefined): void => {
    if (value !== undefined && value !== null)
      facts.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  };
  add('model', call.model);
  add('provider', call.provider);
  for (const [name, value] of entriesOf(call.llm_parameters)) add(name, value);
  const tools = listOf(body.tool_schema).map((tool) => toolName(tool));
  if (tools.length > 0) facts.set('tools', tools.join(', '));
  const prompt = objectOf(body.prompt_info);
  add('prompt version', prompt.prompt_template_version_id);
  add('environment', prompt.environment);
  for (const [name, value] of entriesOf(body.inputs)) add(`input ${name}`, value);
  return facts;
}

/** Equal messages face each other; what stands between them faces each other in order. */
export function compareMessages(a: RecordBody, b: RecordBody): readonly MessageRow[] {
  const changes = diffLists(placed(a), placed(b), ({ role, text }) => `${role}\n${text}`);
  const rows: MessageRow[] = [];
  let removed: PlacedMessage[] = [];
  let added: PlacedMessage[] = [];
  const settle = (): void => {
    for (let i = 0; i < Math.max(removed.length, added.length); i++) {
      const [left, right] = [removed[i], added[i]];
      rows.push({ ...(left && { a: left }), ...(right && { b: right }), same: false });
    }
    removed = [];
    added = [];
  };
  for (const change of changes) {
    if (change.kind === 'removed') removed.push(change.a);
    else if (change.kind === 'added') added.push(change.b);
    else {
      settle();
      rows.push({ a: change.a, b: change.b, same: true });
    }
  }
  settle();
  return rows;
}

function placed(body: RecordBody): readonly PlacedMessage[] {
  return listOf(body.messages).map((message, index) => ({
    index,
    role: textOf(objectOf(message).role) ?? 'unknown',
    text: messageText(message),
  }));
}

function messageText(message: JsonValue): string {
  const { content, reasoning_content, refusal, tool_calls, tool_call_id } = objectOf(message);
  const lines: string[] = [];
  if (typeof reasoning_content === 'string') lines.push(`(reasoning) ${reasoning_content}`);
  if (typeof content === 'string') lines.push(content);
  for (const part of listOf(content)) {
    const { type, text } = objectOf(part);
    lines.push(type === 'text' && typeof text === 'string' ? text : JSON.stringify(part, null, 2));
  }
  if (typeof refusal === 'string') lines.push(`(refusal) ${refusal}`);
  for (const call of listOf(tool_calls)) {
    const named = objectOf(objectOf(call).function);
    lines.push(`→ ${textOf(named.name) ?? 'unnamed'}(${textOf(named.arguments) ?? ''})`);
  }
  if (lines.length === 0 && tool_call_id !== undefined) return '';
  return lines.join('\n');
}
