import type { RecordBody } from '../record/record.ts';
import { plainText } from './terminal-text.ts';

/** A record to be shown: as stored (`session`) or as made by the converter (`sessionId`). */
export interface ShownRecord {
  readonly kind: 'completion' | 'trace';
  readonly id: string;
  readonly session?: string;
  readonly sessionId?: string;
  readonly body: RecordBody;
}

/** What a person wants to know of a record at a glance; every text is harmless and one line. */
export interface RecordSummary {
  readonly label: 'completion' | 'agent' | 'tool' | 'trace';
  readonly name: string;
  readonly promptTokens: number | undefined;
  readonly completionTokens: number | undefined;
  /** Milliseconds since the epoch. */
  readonly start: number | undefined;
  readonly durationMillis: number | undefined;
  readonly words: string;
  readonly failed: boolean;
}

/** Total: a body of any shape gives a summary. */
export function summarise(record: ShownRecord): RecordSummary {
  return record.kind === 'completion' ? completionSummary(record.body) : traceSummary(record.body);
}

/** The first eight digits: enough to find it, also by the telemetry id it was made of. */
export function shortId(id: string): string {
  return plainText(id).slice(0, 8);
}

function completionSummary(body: RecordBody): RecordSummary {
  const call = asObject(body.call_info);
  const usage = asObject(call.usage);
  const start = secondsToMillis(call.start_time);
  const end = secondsToMillis(call.end_time);
  const info = asObject(call.provider_info);
  const error = failure(info.error);
  return {
    label: 'completion',
    name: nameOf(call.model) ?? 'unknown model',
    promptTokens: asCount(usage.prompt_tokens),
    completionTokens: asCount(usage.completion_tokens),
    start,
    durationMillis: duration(start, end),
    words: error ?? replyWords(body.messages, info.content_captured === false),
    failed: error !== undefined,
  };
}

function traceSummary(body: RecordBody): RecordSummary {
  const start = isoToMillis(body.start_time);
  const agent = nameOf(body.agent_name);
  const isTool = body.kind === 'tool';
  const isAgent = !isTool && (agent !== undefined || body.kind === 'agent');
  const error = traceFailure(body);
  return {
    label: isTool ? 'tool' : isAgent ? 'agent' : 'trace',
    name: (isAgent ? agent : undefined) ?? nameOf(body.name) ?? agent ?? 'unnamed',
    promptTokens: undefined,
    completionTokens: undefined,
    start,
    durationMillis: duration(start, isoToMillis(body.end_time)),
    words: error ?? valueWords(body.output),
    failed: error !== undefined,
  };
}

/** Trace records have no field for errors: the exporter puts them among the metadata. */
function traceFailure(body: RecordBody): string | undefined {
  const { 'error.type': type, 'error.message': message } = asObject(body.custom_metadata);
  return type === undefined && message === undefined ? undefined : failure({ type, message });
}

function replyWords(messages: unknown, hidden: boolean): string {
  const reply = asObject(Array.isArray(messages) ? messages.at(-1) : undefined);
  if (reply.role !== 'assistant') return '(no reply)';
  const words = messageWords(reply);
  if (words !== '') return words;
  return hidden ? '(content not captured)' : '(empty reply)';
}

/** First words of one message: its text, its refusal, the tools it calls. */
export function messageWords(message: unknown): string {
  const reply = asObject(message);
  const words: string[] = [];
  const text = contentWords(reply.content);
  if (text !== '') words.push(text);
  if (typeof reply.refusal === 'string') words.push(`refuses: ${plainText(reply.refusal)}`);
  const calls = [
    ...(Array.isArray(reply.tool_calls) ? reply.tool_calls : []).map((call) => asObject(call).function),
    ...(reply.function_call === undefined ? [] : [reply.function_call]),
  ];
  if (calls.length > 0) words.push(`calls ${calls.slice(0, 8).map(callWords).join(', ')}`);
  return words.join(' · ');
}

function callWords(call: unknown): string {
  const { name, arguments: given } = asObject(call);
  const inside = typeof given === 'string' && given !== '{}' ? plainText(given, 120) : '';
  return `${nameOf(name) ?? 'unnamed'}(${inside})`;
}

function contentWords(content: unknown): string {
  if (typeof content === 'string') return plainText(content);
  if (!Array.isArray(content)) return '';
  return content
    .slice(0, 20)
    .map((part) => {
      const { type, text, refusal } = asObject(part);
      if (type === 'text') return typeof text === 'string' ? plainText(text) : '';
      if (type === 'refusal') return typeof refusal === 'string' ? `refuses: ${plainText(refusal)}` : '';
      return `[${plainText(String(type ?? 'part'), 20).replace(/^input_|_url$/g, '')}]`;
    })
    .filter((words) => words !== '')
    .join(' ');
}

/** First words of any JSON, without writing out all of a large one. */
export function valueWords(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return plainText(value);
  let budget = 60;
  try {
    const text = JSON.stringify(value, (_, item: unknown) => {
      budget--;
      if (budget < 0) return undefined;
      if (Array.isArray(item)) return item.slice(0, 20);
      return typeof item === 'string' ? item.slice(0, 400) : item;
    });
    return plainText(text ?? '');
  } catch {
    return '(cannot be shown)';
  }
}

function failure(error: unknown): string | undefined {
  if (error === undefined || error === null) return undefined;
  if (typeof error === 'string') return `failed: ${plainText(error)}`;
  const { type, message } = asObject(error);
  const parts = [type, message]
    .filter((part) => typeof part === 'string' && part !== '')
    .map((part) => plainText(String(part)));
  return parts.length === 0 ? 'failed' : `failed: ${parts.join(': ')}`;
}

export function nameOf(value: unknown): string | undefined {
  const name = typeof value === 'string' ? plainText(value, 80) : '';
  return name === '' ? undefined : name;
}

export function asObject(value: unknown): { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: unknown })
    : {};
}

function asCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function secondsToMillis(value: unknown): number | undefined {
  const seconds = asCount(value);
  return seconds === undefined ? undefined : seconds * 1000;
}

function isoToMillis(value: unknown): number | undefined {
  const millis = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(millis) ? undefined : millis;
}

function duration(start: number | undefined, end: number | undefined): number | undefined {
  return start === undefined || end === undefined ? undefined : Math.max(0, end - start);
}

/** `940 ms`, `1.24 s`, `12.4 s`, `3m 05s` */
export function formatDuration(millis: number | undefined): string {
  if (millis === undefined) return '';
  if (millis < 999.5) return `${Math.round(millis)} ms`;
  if (millis < 9_995) return `${(millis / 1000).toFixed(2)} s`;
  if (millis < 59_950) return `${(millis / 1000).toFixed(1)} s`;
  const seconds = Math.round(millis / 1000);
  return `${Math.floor(seconds / 60)}m ${String(seconds % 60).padStart(2, '0')}s`;
}

/** `1,204` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `512 → 34`, what was read and written; `–` for a side that was not reported, nothing for neither. */
export function formatTokens(prompt: number | undefined, completion: number | undefined): string {
  if (prompt === undefined && completion === undefined) return '';
  const side = (count: number | undefined): string => (count === undefined ? '–' : formatCount(count));
  return `${side(prompt)} → ${side(completion)}`;
}
