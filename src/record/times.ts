import type { HrTime } from '../span/span-data.ts';

/** Unix seconds with the span's precision, as far as a double holds it (about 0.2 µs today): the sum rounds as the decimal does. */
export function toUnixSeconds([seconds, nanos]: HrTime): number {
  return seconds + nanos / 1e9;
}

/** ISO 8601 in UTC with milliseconds. */
export function toIso([seconds, nanos]: HrTime): string {
  const date = new Date(seconds * 1000 + Math.floor(nanos / 1e6));
  return Number.isNaN(date.getTime()) ? new Date(0).toISOString() : date.toISOString();
}
