/** Which completion stands for which served call. */
import type { FreeplayRecord } from '../../../src/index.ts';
import { squash } from './evidence.ts';
import type { Json, ServedCall } from './truth.ts';

export interface Matched {
  readonly pairs: ReadonlyMap<ServedCall, FreeplayRecord>;
  /** Failed tries of a call whose last try is matched: one span over several tries. */
  readonly tries: ReadonlySet<ServedCall>;
  /** Completions that no call is left for. */
  readonly extra: readonly FreeplayRecord[];
}

/** Clocks of two processes, in milliseconds. */
const SLACK = 25;

export function bodyOf(record: FreeplayRecord): Json {
  return record.body as Json;
}

export function covers(record: FreeplayRecord, call: ServedCall): boolean {
  const { start_time: start, end_time: end } = bodyOf(record).call_info;
  return (
    start * 1000 <= call.start + SLACK &&
    (call.broken || end * 1000 >= Math.min(call.end, call.start) - SLACK)
  );
}

export function lastMessage(record: FreeplayRecord): Json {
  return bodyOf(record).messages.at(-1);
}

export function textOf(message: Json): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map((part) => part.text ?? '').join('') : '';
}

function likeness(record: FreeplayRecord, call: ServedCall): number {
  const { call_info: info } = bodyOf(record);
  const { start_time: start, end_time: end } = info;
  const id = call.responseId !== undefined && info.provider_info?.response_id === call.responseId;
  if (!id && !covers(record, call)) return 0;
  const last = lastMessage(record);
  const reply = last?.role === 'assistant' ? last : undefined;
  let score = id ? 100 : 1;
  if (reply && call.replyText !== '' && squash(textOf(reply)) === squash(call.replyText)) score += 20;
  const ids = new Set((reply?.tool_calls ?? []).map((one: Json) => one.id));
  if (call.toolCalls.some((one) => one.id !== undefined && ids.has(one.id))) score += 20;
  const names = (reply?.tool_calls ?? []).map((one: Json) => one.function.name).join();
  if (call.toolCalls.length > 0 && names === call.toolCalls.map((one) => one.name).join()) score += 5;
  if (call.usage && info.usage?.prompt_tokens === call.usage.prompt) score += 4;
  if (call.usage && info.usage?.completion_tokens === call.usage.completion) score += 4;
  if (call.failed === (info.provider_info?.error !== undefined)) score += 8;
  if (info.model === call.responseModel || info.model === call.requestModel) score += 2;
  // Of several around the call, the tightest.
  return (
    score - Math.min(0.9, Math.abs(start * 1000 - call.start) / 1e5 + Math.abs(end * 1000 - call.end) / 1e5)
  );
}

export function matchCalls(calls: readonly ServedCall[], completions: readonly FreeplayRecord[]): Matched {
  const candidates = calls
    .flatMap((call) => completions.map((record) => ({ call, record, score: likeness(record, call) })))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score);
  const pairs = new Map<ServedCall, FreeplayRecord>();
  const used = new Set<FreeplayRecord>();
  for (const { call, record } of candidates) {
    if (pairs.has(call) || used.has(record)) continue;
    pairs.set(call, record);
    used.add(record);
  }
  const tries = new Set(
    calls.filter(
      (call) =>
        call.failed &&
        !pairs.has(call) &&
        [...pairs].some(([other, record]) => other.body === call.body && covers(record, call)),
    ),
  );
  return { pairs, tries, extra: completions.filter((record) => !used.has(record)) };
}
