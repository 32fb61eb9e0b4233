/** Figures of one record that take more than reading a field. */
import type { JsonValue } from '../../json/json-text.ts';
import type { RecordBody } from '../../record/record.ts';
import { numberOf, objectOf, textOf } from './values.ts';

export function toolName(value: JsonValue): string {
  const tool = objectOf(value);
  return textOf(objectOf(tool.function).name) ?? textOf(tool.name) ?? 'unnamed';
}

export interface Usage {
  readonly prompt: number | undefined;
  readonly completion: number | undefined;
  readonly cacheRead: number | undefined;
  readonly cacheWrite: number | undefined;
  readonly reasoning: number | undefined;
}

export function usageOf(body: RecordBody): Usage {
  const call = objectOf(body.call_info);
  const usage = objectOf(call.usage);
  const info = objectOf(call.provider_info);
  return {
    prompt: numberOf(usage.prompt_tokens),
    completion: numberOf(usage.completion_tokens),
    cacheRead: numberOf(info.cache_read_tokens),
    cacheWrite: numberOf(info.cache_creation_tokens),
    reasoning: numberOf(info.reasoning_tokens),
  };
}

export interface Timing {
  /** Milliseconds since the epoch. */
  readonly start: number | undefined;
  readonly durationMillis: number | undefined;
  readonly firstTokenMillis: number | undefined;
  /** Of what the model wrote, from its first token on where that is known. */
  readonly tokensPerSecond: number | undefined;
}

/** Of a completion or of a trace record. */
export function timingOf(body: RecordBody): Timing {
  const call = objectOf(body.call_info);
  const start = millisOf(call.start_time ?? body.start_time);
  const end = millisOf(call.end_time ?? body.end_time);
  const durationMillis = start === undefined || end === undefined ? undefined : Math.max(0, end - start);
  const first = numberOf(objectOf(call.provider_info).time_to_first_token);
  const written = usageOf(body).completion;
  const writingMillis = durationMillis === undefined ? undefined : durationMillis - (first ?? 0) * 1000;
  return {
    start,
    durationMillis,
    firstTokenMillis: first === undefined ? undefined : first * 1000,
    tokensPerSecond:
      written === undefined || written < 2 || writingMillis === undefined || writingMillis <= 0
        ? undefined
        : written / (writingMillis / 1000),
  };
}

/** Unix seconds in completions, ISO texts in traces. */
function millisOf(value: JsonValue | undefined): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value * 1000 : undefined;
  const millis = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(millis) ? undefined : millis;
}
