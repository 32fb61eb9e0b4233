/**
 * GenAI log events on their way to the span they were emitted in. They come before the span's end, so they wait here; bounded by
 * spans, by events of one span, by size and by age.
 */
import { isObject } from '../json/json-text.ts';
import { keysOfLog, keysOfSpan } from '../span/log-keys.ts';
import type { LogData, SpanData } from '../span/span-data.ts';

export interface LogBufferOptions {
  readonly now: () => number;
  /** Spans that events are kept for. @default 10000 */
  readonly maxSpans?: number;
  /** Events of one span. @default 1000 */
  readonly maxPerSpan?: number;
  /** Rough size of all that is kept, in characters. @default 67108864 */
  readonly maxSize?: number;
  /** Milliseconds an event waits for its span. @default 600000 */
  readonly maxAgeMillis?: number;
}

export interface LogBuffer {
  add(log: LogData): void;
  /** Events of a span, which stay where they are. */
  peek(span: SpanData): readonly LogData[];
  /** Events of a span, taken out. */
  take(span: SpanData): readonly LogData[];
  /** Events given up because their span did not come, or there was no room. */
  readonly dropped: number;
  readonly size: number;
}

interface Entry {
  readonly at: number;
  readonly logs: LogData[];
  size: number;
}

const NONE: readonly LogData[] = [];

export function createLogBuffer(options: LogBufferOptions): LogBuffer {
  const {
    now,
    maxSpans = 10_000,
    maxPerSpan = 1_000,
    maxSize = 64 * 1024 * 1024,
    maxAgeMillis = 600_000,
  } = options;
  const entries = new Map<string, Entry>();
  let size = 0;
  let dropped = 0;

  function remove(key: string, entry: Entry): void {
    entries.delete(key);
    size -= entry.size;
  }

  /** Oldest first: insertion order is the order of first events. */
  function evict(): void {
    const limit = now() - maxAgeMillis;
    for (const [key, entry] of entries) {
      if (entry.at >= limit && entries.size <= maxSpans && size <= maxSize) return;
      remove(key, entry);
      // One that is kept for several spans is given up with the first of them.
      dropped += entry.logs.filter((log) => keysOfLog(log)[0] === key).length;
    }
  }

  function put(key: string, log: LogData, weight: number): boolean {
    let entry = entries.get(key);
    if (!entry) {
      entry = { at: now(), logs: [], size: 0 };
      entries.set(key, entry);
    }
    if (entry.logs.length >= maxPerSpan) return false;
    entry.logs.push(log);
    entry.size += weight;
    size += weight;
    return true;
  }

  return {
    add(log) {
      const weight = roughSize(log.body, 0) + roughSize(log.attributes, 0);
      const [first, ...others] = keysOfLog(log);
      if (!put(first, log, weight)) dropped++;
      for (const key of others) put(key, log, weight);
      evict();
    },
    peek(span) {
      if (entries.size === 0) return NONE;
      return keysOfSpan(span).flatMap((key) => entries.get(key)?.logs ?? NONE);
    },
    take(span) {
      if (entries.size === 0) return NONE;
      return keysOfSpan(span).flatMap((key) => {
        const entry = entries.get(key);
        if (!entry) return NONE;
        remove(key, entry);
        return entry.logs;
      });
    },
    get dropped() {
      return dropped;
    },
    get size() {
      return entries.size;
    },
  };
}

/** Characters of a value, near enough for a bound. */
function roughSize(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length + 16;
  if (depth > 16) return 16;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + roughSize(item, depth + 1), 16);
  if (!isObject(value)) return 16;
  let sum = 16;
  for (const key of Object.keys(value)) sum += key.length + roughSize(value[key], depth + 1);
  return sum;
}
