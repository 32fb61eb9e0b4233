/**
 * Histories that an emitter only names (`[tool: get_weather]`), or that lost the call a result belongs to. The replies of earlier calls
 * and the tools' own spans in the same batch still hold what the model saw.
 */
import type { Message, Reading, ToolCall } from '../completion/completion.ts';
import { resultParts } from '../messages/parts.ts';
import { saysAnything } from '../messages/reply.ts';
import { before, type HrTime, type SpanData } from '../span/span-data.ts';

/** A span of the batch, as far as a history needs it. */
export interface Speaker {
  readonly span: SpanData;
  readonly parent: Speaker | undefined;
  readonly children: readonly Speaker[];
  reading: Reading | undefined;
  readonly rules: string[];
}

type Calls = readonly ToolCall[];

interface Known {
  readonly calls: Map<string, ToolCall>;
  /** What tools were given back, by call id. */
  readonly results: Map<string, Reading>;
  /** Replies with calls, by the agent or workflow they were made in. */
  readonly replies: Map<Speaker | undefined, { readonly by: Speaker; readonly calls: Calls }[]>;
}

/** Completes the input of every call that lost some of it; what cannot be found stays as it was captured. */
export function fillHistories(speakers: readonly Speaker[]): void {
  const lossy = speakers.filter(
    ({ reading }) => reading?.operation === 'inference' && reading.input?.some(isLossy),
  );
  if (lossy.length === 0) return;
  const known = gather(speakers);
  for (const speaker of lossy) {
    const reading = speaker.reading as Reading;
    const earlier = (known.replies.get(conversationOf(speaker)) ?? []).filter(({ by }) =>
      before(by.span.startTime, speaker.span.startTime),
    );
    const input = complete(
      reading.input ?? [],
      earlier.map(({ calls }) => calls),
      known,
    );
    speaker.reading = { ...reading, input: input.map((message) => message.captured ?? message) };
    if (input.some((message, i) => message !== reading.input?.[i]))
      speaker.rules.push('history completed from earlier calls and their tools');
  }
}

/**
 * A reply that was not kept, of a call that ran its tools inside its own span: they are what it asked for. Only where content was
 * captured: else nothing says that there was no other reply.
 */
export function fillReplies(speakers: readonly Speaker[]): void {
  for (const speaker of speakers) {
    const { reading } = speaker;
    if (reading?.operation !== 'inference' || reading.error || !reading.input) continue;
    if (speaker.children.length === 0 || !lostCalls(reading)) continue;
    const toolCalls = speaker.children.flatMap(callOf).sort((a, b) => (before(a.start, b.start) ? -1 : 1));
    if (toolCalls.length === 0) continue;
    const parts = reading.choices?.[0]?.parts ?? [];
    const reply: Message = { role: 'assistant', parts, toolCalls: toolCalls.map(({ call }) => call) };
    speaker.reading = { ...reading, choices: [reply], finishReasons: ['tool_calls'] };
    speaker.rules.push('reply from the tools that ran inside the call');
  }
}

/** No reply at all, or one that has a text alone though it ended with calls. */
function lostCalls({ choices, finishReasons }: Reading): boolean {
  if (!choices?.some(saysAnything)) return true;
  return choices.length === 1 && choices[0]?.toolCalls.length === 0 && finishReasons?.[0] === 'tool_calls';
}

function callOf({ reading, span }: Speaker): readonly { call: ToolCall; start: HrTime }[] {
  if (
    reading?.operation !== 'tool' ||
    reading.toolCallId === undefined ||
    reading.toolArguments === undefined
  )
    return [];
  const name = reading.name ?? span.name;
  // A call without a name is none.
  if (name === '') return [];
  const call = { id: reading.toolCallId, name, arguments: reading.toolArguments };
  return [{ call, start: span.startTime }];
}

function isLossy(message: Message, at: number, input: readonly Message[]): boolean {
  return message.captured !== undefined || lacksCalls(message, input[at + 1]);
}

function lacksCalls(message: Message, next: Message | undefined): boolean {
  return message.role === 'assistant' && message.toolCalls.length === 0 && next?.toolCallId !== undefined;
}

function gather(speakers: readonly Speaker[]): Known {
  const known: Known = { calls: new Map(), results: new Map(), replies: new Map() };
  for (const speaker of speakers) {
    const { reading } = speaker;
    if (reading?.operation === 'tool' && reading.toolCallId !== undefined)
      known.results.set(reading.toolCallId, reading);
    const calls = reading?.operation === 'inference' ? (reading.choices?.[0]?.toolCalls ?? []) : [];
    if (calls.length === 0) continue;
    for (const call of calls) if (call.id !== undefined) known.calls.set(call.id, call);
    const conversation = conversationOf(speaker);
    const replies = known.replies.get(conversation);
    if (replies) replies.push({ by: speaker, calls });
    else known.replies.set(conversation, [{ by: speaker, calls }]);
  }
  for (const replies of known.replies.values())
    replies.sort((a, b) => (before(a.by.span.startTime, b.by.span.startTime) ? -1 : 1));
  return known;
}

function conversationOf(speaker: Speaker): Speaker | undefined {
  let at = speaker.parent;
  for (let steps = 0; at && steps < 64; steps++) {
    const operation = at.reading?.operation;
    if (operation === 'agent' || operation === 'workflow') return at;
    at = at.parent;
  }
  return undefined;
}

/** The input with all that is known; messages of which nothing is stay the same. */
function complete(input: readonly Message[], replies: readonly Calls[], known: Known): readonly Message[] {
  const waiting = [...replies];
  let asked: ToolCall[] = [];
  return input.map((message, i) => {
    if (message.captured && message.role === 'assistant') {
      const at = waiting.findIndex((calls) => namesOf(calls) === namesOf(message.toolCalls));
      asked = at < 0 ? [] : [...(waiting.splice(at, 1)[0] ?? [])];
      return asked.length === 0 ? message : { ...message, captured: undefined, toolCalls: [...asked] };
    }
    if (message.captured) return withResult(message, asked.shift(), known);
    return lacksCalls(message, input[i + 1]) ? withCalls(message, input.slice(i + 1), known) : message;
  });
}

function namesOf(calls: Calls): string {
  return calls.map((call) => call.name).join('\n');
}

function withResult(message: Message, call: ToolCall | undefined, known: Known): Message {
  const tool = call?.id === undefined ? undefined : known.results.get(call.id);
  const given = tool?.outputValue ?? tool?.error?.message;
  if (!call || given === undefined) return message;
  return { ...message, captured: undefined, toolCallId: call.id, parts: resultParts(given) };
}

/** The calls that the results after the message name. */
function withCalls(message: Message, after: readonly Message[], known: Known): Message {
  const end = after.findIndex((next) => next.role !== 'tool');
  const calls = (end < 0 ? after : after.slice(0, end)).map(({ toolCallId }) =>
    known.calls.get(toolCallId ?? ''),
  );
  return calls.every((call) => call !== undefined) ? { ...message, toolCalls: calls } : message;
}
