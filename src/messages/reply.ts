/** Two reports of one reply → one that has what either kept. */
import type { Message, Part, ToolCall } from '../completion/completion.ts';
import { asText, isEmptyText } from '../json/json-text.ts';
import { fullerId } from './item-ids.ts';

/** The chosen reply, with what it lost: missing calls, call ids, text and reasoning are filled in. */
export function completeReply(first: Message, other: Message): Message {
  return {
    ...first,
    toolCalls: fillCalls(first.toolCalls, other.toolCalls),
    parts: fillParts(first.parts, other.parts),
    finishReason: first.finishReason ?? other.finishReason,
  };
}

/** Of two reports of one reply the one that says more, the first on a tie, completed by the other. */
export function fullerReply(first: Message | undefined, second: Message | undefined): Message | undefined {
  if (!first || !second) return first ?? second;
  return saysMore(second, first) ? completeReply(second, first) : completeReply(first, second);
}

function saysMore(a: Message, b: Message): boolean {
  if (a.toolCalls.length !== b.toolCalls.length) return a.toolCalls.length > b.toolCalls.length;
  return spokenLength(a) > spokenLength(b);
}

/** Characters of what was said; content that only JSON can show counts as nothing beside the text it was made from. */
function spokenLength(message: Message): number {
  return message.parts.reduce(
    (sum, part) => sum + (part.kind === 'text' ? (asText(part.text) ?? '').length : 0),
    0,
  );
}

function isReasoning(part: Part): boolean {
  return part.kind === 'reasoning';
}

function isSpoken(part: Part): boolean {
  return !isReasoning(part) && !(part.kind === 'text' && isEmptyText(part.text));
}

/** Reasoning and spoken parts are lost, and filled in, each as a whole. */
function fillParts(first: readonly Part[], other: readonly Part[]): readonly Part[] {
  const speaks = first.some(isSpoken) || !other.some(isSpoken);
  const thinks = first.some(isReasoning) || !other.some(isReasoning);
  if (speaks && thinks) return first;
  return [
    ...(thinks ? first : other).filter(isReasoning),
    ...(speaks ? first : other).filter((part) => !isReasoning(part)),
  ];
}

/** The chosen calls, unless the other report has the same and more; ids and arguments that were lost are filled in. */
function fillCalls(calls: readonly ToolCall[], others: readonly ToolCall[]): readonly ToolCall[] {
  if (!calls.every((call, i) => call.name === others[i]?.name)) return calls;
  return others.map((other, i) => {
    const call = calls[i];
    if (!call) return other;
    return {
      ...call,
      id: fullerId(call.id, other.id),
      arguments: isNothing(call.arguments) ? other.arguments : call.arguments,
    };
  });
}

function isNothing(args: ToolCall['arguments']): boolean {
  return /^\s*(\{\s*\})?\s*$/.test(typeof args === 'string' ? args : args.json);
}

/** Whether there is more to the message than empty texts. */
export function saysAnything(message: Message): boolean {
  return message.toolCalls.length > 0 || message.parts.some((part) => isReasoning(part) || isSpoken(part));
}

/** Gemini's streamed replies keep every chunk as a part of its own: neighbours of one kind are one text. */
export function joinChunks(message: Message): Message {
  const parts: Part[] = [];
  for (const part of message.parts) {
    const last = parts.at(-1);
    if ((part.kind === 'text' || part.kind === 'reasoning') && last?.kind === part.kind)
      parts[parts.length - 1] = {
        kind: part.kind,
        text: (asText(last.text) ?? '') + (asText(part.text) ?? ''),
      };
    else parts.push(part);
  }
  return parts.length === message.parts.length ? message : { ...message, parts };
}

/**
 * Messages that were appended later: emitters that serialise by reference show an earlier call its own reply and what followed. Only a
 * tool call id is certain to be made once.
 */
export function beforeReply(
  input: readonly Message[] | undefined,
  reply: Message | undefined,
): readonly Message[] | undefined {
  if (!reply || reply.toolCalls.length === 0) return input;
  const made = new Set(reply.toolCalls.map((call) => call.id).filter((id) => id !== undefined));
  if (made.size === 0) return input;
  const at = input?.findIndex((message) => message.toolCalls.some((call) => made.has(call.id ?? '')));
  return at === undefined || at < 0 ? input : input?.slice(0, at);
}
