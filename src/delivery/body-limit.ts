/** Learns from 413 how large a body the origin takes. */

import type { DeliveryItem, Sender, SendResult } from './sender.ts';

/** Below this no limit is lowered: a server that refuses 256 KiB has another reason than size. */
export const MIN_BODY_LIMIT_BYTES = 262_144;

/**
 * The limit doubles once in this time, since a 413 may have come from a proxy that is gone. Too early costs one refused
 * request, never a record.
 */
const RECOVERY_MILLIS = 60_000;

export interface BodyLimit {
  /** In bytes; Infinity if nothing has been learnt, or long ago. */
  current(): number;
  /** Told that a body of this size was too large. Returns the new limit: half, not below the minimum. */
  lower(refusedBytes: number): number;
}

export function createBodyLimit(now: () => number): BodyLimit {
  let bytes = Number.POSITIVE_INFINITY;
  let lowered = 0;
  const current = () => {
    if (bytes === Number.POSITIVE_INFINITY) return bytes;
    const limit = bytes * 2 ** Math.floor((now() - lowered) / RECOVERY_MILLIS);
    // Past any size that the queue lets through the number has no meaning any more.
    if (limit > Number.MAX_SAFE_INTEGER) bytes = Number.POSITIVE_INFINITY;
    return limit;
  };
  return {
    current,
    lower(refusedBytes) {
      const half = Math.floor(Math.min(current(), refusedBytes) / 2);
      bytes = Math.max(MIN_BODY_LIMIT_BYTES, half);
      lowered = now();
      return bytes;
    },
  };
}

/**
 * Sends a record that is too large once more, smaller; a second 413 is final. Records that come later are made to fit
 * before they are sent.
 */
export function withBodyLimit(next: Sender, limit: BodyLimit): Sender {
  return function sendWithinLimit(attempt) {
    const { item, number } = attempt;
    const known = limit.current();
    const isTooLarge = known !== Number.POSITIVE_INFINITY && sizeOf(item) > known;
    const first = (isTooLarge ? shrunk(item, known) : undefined) ?? item;
    next({
      item: first,
      number,
      onResult(result) {
        if (result.kind !== 'too_large') return attempt.onResult(result);
        const smaller = shrunk(first, limit.lower(sizeOf(first)));
        if (smaller === undefined) return attempt.onResult(rejected(result));
        next({
          item: smaller,
          number,
          onResult: (again) => attempt.onResult(again.kind === 'too_large' ? rejected(again) : again),
        });
      },
    });
  };
}

/** Of the body as it is sent: `bytes` is about right for a queue, and far off for a text whose characters take several bytes. */
function sizeOf(item: DeliveryItem): number {
  try {
    const body = item.body();
    return typeof body === 'string'
      ? Buffer.byteLength(body)
      : body.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0);
  } catch {
    return item.bytes;
  }
}

/** The item with a body that is at most, or near to, the limit; `undefined` if it has none that is smaller. */
function shrunk(item: DeliveryItem, maxBytes: number): DeliveryItem | undefined {
  try {
    const text = item.shrink?.(maxBytes);
    if (text === undefined) return undefined;
    const bytes = Buffer.byteLength(text);
    return bytes < sizeOf(item)
      ? { ...item, bytes, body: () => text, shrink: (max) => item.shrink?.(max) }
      : undefined;
  } catch {
    // As if it could not shrink: the whole body is sent, or the record is rejected with the server's words.
    return undefined;
  }
}

function rejected(result: Extract<SendResult, { kind: 'too_large' }>): SendResult {
  return { kind: 'rejected', status: result.status, message: result.message };
}
