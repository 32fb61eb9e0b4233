/** A mix of all faults, such that each attempt of each record meets one of its own, or none. */
import type { Fault } from './fault-server.ts';
import {
  acceptAndClose,
  acceptWith,
  bytes,
  close,
  conflict,
  drip,
  flood,
  hang,
  recorded,
  reset,
  status,
} from './faults.ts';

/** `VITEST_LONG=1` makes it many more. */
export const LONG: boolean = process.env.VITEST_LONG !== undefined;

/** `FAULTS_SEED=7` looks elsewhere. */
export const FIRST_SEED: number = Number(process.env.FAULTS_SEED ?? 1);

/** After so many faults the record is let through: no deadline and no count of retries is reached. */
export const MOST_FAULTS = 3;

/** What passes, but for what takes minutes: refusals, and 500. */
const PASSING: readonly Fault[] = [
  ...[408, 425, 429, 502, 503, 504].map((code) => status(code)),
  status(429, { 'retry-after': '0' }),
  status(503, { 'retry-after': 'never' }),
  flood(503),
  ...[reset, close, hang, drip(40)],
  ...[reset, close, hang].map(recorded),
  bytes('HTTP/1.1 201 Cre', 'lost'),
  recorded(bytes('HTTP/1.1 201 Cre', 'lost')),
  recorded(bytes('\0'.repeat(99))),
  bytes(`HTTP/1.1 201 Created\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`),
];

/** What is a success all the same. */
const ACCEPTING: readonly Fault[] = [
  acceptAndClose,
  conflict(),
  conflict(400, 'this completion_id already exists'),
  flood(201),
  acceptWith((code) => `HTTP/1.1 ${code} X\r\ncontent-length: 50\r\n\r\n{"comp`),
];

/** The same for the same seed, record and attempt, in whatever order they come: from 0 to below 1. */
export function chance(...parts: readonly number[]): number {
  let hash = 2_166_136_261;
  for (const part of parts) hash = Math.imul(hash ^ (part + 0x9e37), 16_777_619);
  hash = Math.imul(hash ^ (hash >>> 15), 2_246_822_507);
  hash = Math.imul(hash ^ (hash >>> 13), 3_266_489_909);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

function pick<T>(list: readonly T[], share: number): T {
  return list[Math.floor(share * list.length)] as T;
}

/** A few of the records are rejected, whenever they come. */
export function isPoison(seed: number, place: number): boolean {
  return chance(seed, place) < 0.05;
}

/** @param place of the record: the same for the same seed, place and attempt */
export function faultOf(seed: number, place: number, attempt: number): Fault | undefined {
  if (isPoison(seed, place)) return status(pick([400, 422], chance(seed, place, 1)));
  const share = chance(seed, place, attempt, 2);
  if (attempt > MOST_FAULTS || share < 0.4) return undefined;
  return pick(share < 0.5 ? ACCEPTING : PASSING, chance(seed, place, attempt, 3));
}
