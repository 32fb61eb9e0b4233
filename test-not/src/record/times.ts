import type { HrTime } from '../span/span-data.ts';

/** Unix seconds with the span's precision, as far as a double holds it (about 0.2 µs today). */
export function toUnixSeconds([seconds, nanos]: HrTime): number {
  // Up to microseconds a quotient of exact integers, which rounds as the decimal does.
  if (nanos >= 0 && nanos % 1_000 === 0 && seconds >= 0 && seconds < 2 ** 32)
    return (seconds * 1e6 + nanos / 1_000) / 1e6;
  return Number(`${seconds}.${String(Math.max(0, Math.trunc(nanos))).padStart(9, '0')}`);
}

/** ISO 8601 in UTC with milliseconds. */
export function toIso([seconds, nanos]: HrTime): string {
  const date = new Date(seconds * 1000 + Math.floor(nanos / 1e6));
  return Number.isNaN(date.getTime()) ? new Date(0).toISOString() : date.toISOString();
}
