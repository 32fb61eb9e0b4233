/** What the records below a span add up to: carried upwards as spans are resolved, so that no one looks down again. */
import type { Message, Reading } from '../completion/completion.ts';
import { detached } from '../json/detached.ts';
import { asText, isEmptyText, isText, jsonOf, type LazyJson } from '../json/json-text.ts';
import { looksLikeJson } from '../json/read-json.ts';
import { keepOptimised } from '../keep-optimised.ts';
import { before, type HrTime } from '../span/span-data.ts';
import type { CallReport } from './call-report.ts';

/** Texts kept for roll-ups are bounded: a group's input is a summary, its completions hold the whole. */
const MAX_TEXT = 32_768;

/** What a message says, and when; worked out when a record needs it, or when it is remembered. */
export class Said {
  readonly at: HrTime;
  #message: Message | undefined;
  #text = '';

  constructor(at: HrTime, message: Message) {
    this.at = at;
    this.#message = message;
  }

  get text(): string {
    this.letGo();
    return this.#text;
  }

  /** The text alone is kept: the message holds on to all that it was cut from. */
  letGo(): void {
    if (this.#message) this.#text = detached(plainText(this.#message) ?? callsText(this.#message) ?? '');
    this.#message = undefined;
  }
}

keepOptimised(new Said([0, 0], { role: 'user', parts: [], toolCalls: [] }));

export interface Rollup {
  readonly completions: number;
  /** Of these, the ones that no tool and no agent stands between. */
  readonly direct: number;
  readonly records: number;
  readonly first?: Said | undefined;
  readonly last?: Said | undefined;
  /** An inference below, to tell a wrapper's copy that ends later. */
  readonly call?: CallReport | undefined;
  /** The tool execution reported below with no call, workflow or agent between, by its name; empty: several. */
  readonly tool?: string | undefined;
}

export const NOTHING_BELOW: Rollup = { completions: 0, direct: 0, records: 0 };

export function addRollups(a: Rollup | undefined, b: Rollup): Rollup {
  if (!a || a === NOTHING_BELOW) return b;
  if (b === NOTHING_BELOW) return a;
  return {
    completions: a.completions + b.completions,
    direct: a.direct + b.direct,
    records: a.records + b.records,
    first: a.first && (!b.first || !before(b.first.at, a.first.at)) ? a.first : b.first,
    last: a.last && (!b.last || before(b.last.at, a.last.at)) ? a.last : b.last,
    call: b.call ?? a.call,
    tool: a.tool !== undefined && b.tool !== undefined ? '' : (a.tool ?? b.tool),
  };
}

export function rollupOfCompletion(start: HrTime, end: HrTime, reading: Reading, call: CallReport): Rollup {
  return {
    completions: 1,
    direct: 1,
    records: 1,
    first: questionOf(start, reading),
    last: replyOf(end, reading),
    call,
  };
}

/** What an agent was asked and answered stands in for calls that are silent about it, or reported by nobody. */
export function rollupOfAgent(start: HrTime, end: HrTime, reading: Reading, below: Rollup): Rollup {
  const first = below.first
    ? undefined
    : (questionOf(start, reading) ?? textOf(start, 'user', reading.inputValue));
  const last = below.last
    ? undefined
    : (replyOf(end, reading) ?? textOf(end, 'assistant', reading.outputValue));
  return first || last ? { ...ONE_RECORD, first, last } : ONE_RECORD;
}

export const ONE_RECORD: Rollup = { ...NOTHING_BELOW, records: 1 };

function questionOf(at: HrTime, { input }: Reading): Said | undefined {
  const question = input?.find((message) => message.role === 'user');
  return question && hasText(question) ? new Said(at, question) : undefined;
}

function replyOf(at: HrTime, { choices }: Reading): Said | undefined {
  const reply = choices?.[0];
  return reply && (hasText(reply) || reply.toolCalls.length > 0) ? new Said(at, reply) : undefined;
}

/** A plain text; JSON is the agent's own business. */
function textOf(at: HrTime, role: 'user' | 'assistant', value: LazyJson | undefined): Said | undefined {
  if (!isText(value) || isEmptyText(value) || looksLikeJson(value)) return undefined;
  return new Said(at, { role, parts: [{ kind: 'text', text: value }], toolCalls: [] });
}

/** Whether any text is there, without unescaping it. */
function hasText(message: Message): boolean {
  return message.parts.some((part) => part.kind === 'text' && !isEmptyText(part.text));
}

/** The texts of a message, or `undefined` if it has none. */
export function plainText(message: Message): string | undefined {
  const texts = message.parts.flatMap((part) => (part.kind === 'text' ? [asText(part.text) ?? ''] : []));
  const text = texts.join('\n');
  return text === '' ? undefined : text.slice(0, MAX_TEXT);
}

function callsText(message: Message): string | undefined {
  if (message.toolCalls.length === 0) return undefined;
  return message.toolCalls
    .map((call) => `${call.name}(${jsonOf(call.arguments)})`)
    .join('\n')
    .slice(0, MAX_TEXT);
}
