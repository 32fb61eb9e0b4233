/** What an answer, or the lack of one, means: section 5 of `completions-api.md` as two tables. Pure and total. */

import type { RetryReason, SendResult } from './sender.ts';

type Meaning = 'delivered' | 'rejected' | 'too_large' | 'refused' | RetryReason;

const BY_STATUS: Readonly<Record<number, Meaning>> = {
  400: 'rejected',
  401: 'refused',
  403: 'refused',
  404: 'refused',
  // Answered by a proxy on the way, not by the API.
  407: 'unreachable',
  408: 'passing',
  // A retry met its own first try, whose answer was lost.
  409: 'delivered',
  413: 'too_large',
  422: 'rejected',
  425: 'passing',
  429: 'throttled',
  500: 'server_error',
  503: 'unavailable',
};

/** For what the table does not name: by the hundreds. A 3xx that arrives here is one that must not be followed. */
const BY_CLASS: Readonly<Record<number, Meaning>> = {
  2: 'delivered',
  3: 'rejected',
  4: 'rejected',
  5: 'passing',
};

/** Errors that say the request itself cannot be formed. Every other one is the network's, and passes. */
const UNSENDABLE_CODES: ReadonlySet<string> = new Set([
  'ERR_INVALID_URL',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);

/** A complete answer of the API. */
export interface Answer {
  readonly status: number;
  /** The server's words, bounded and without the key. */
  readonly message: string;
  readonly retryAfterMillis?: number;
  /** Which key was used. */
  readonly credential: number;
}

export function classifyAnswer(answer: Answer): SendResult {
  const { status, message } = answer;
  const meaning = meaningOf(status);
  switch (meaning) {
    case 'delivered':
      return { kind: 'delivered', status };
    case 'rejected':
      return isAlreadyRecorded(message)
        ? { kind: 'delivered', status }
        : { kind: 'rejected', status, message };
    case 'too_large':
      return { kind: 'too_large', status: 413, message };
    case 'refused':
      return { kind: 'refused', status: status as 401 | 403 | 404, credential: answer.credential, message };
    default:
      return {
        kind: 'retryable',
        reason: meaning,
        status,
        message,
        ...(answer.retryAfterMillis !== undefined && { retryAfterMillis: answer.retryAfterMillis }),
      };
  }
}

function meaningOf(status: number): Meaning {
  if (Object.hasOwn(BY_STATUS, status)) return BY_STATUS[status] as Meaning;
  // Outside 200 to 599 nothing is defined; repeating the request would not change that.
  return BY_CLASS[Math.floor(status / 100)] ?? 'rejected';
}

const EXISTS =
  /\b(already (exists?|recorded|been recorded|been used|in use)|exists already|duplicate key)\b/i;
const OUR_ID = /\b(id|uuid)\b|_id\b|\b(completion|trace)/i;
const OTHER_ID = /\btool|\b(session|message|call)[ _]id/i;

/**
 * True for a 400 or 422 which says that the id exists: the same as 409. Only where the words name the record's own id; a
 * tool call id used twice within the record is a fault of the record.
 */
export function isAlreadyRecorded(message: string): boolean {
  return EXISTS.test(message) && OUR_ID.test(message) && !OTHER_ID.test(message);
}

/** The meaning of an error from the HTTP client: there was no answer. */
export function classifyError(error: unknown): SendResult {
  const code = getErrorCode(error);
  if (UNSENDABLE_CODES.has(code)) return { kind: 'unsendable', message: code };
  return { kind: 'retryable', reason: 'unreachable', message: code };
}

/** Codes look like this; anything else might be text from a place we do not know, and may hold anything. */
const CODE = /^[A-Za-z][A-Za-z0-9_]{1,63}$/;

/** A short name for an error: its code, its cause's, or its class. Never its message, which may quote a header. */
export function getErrorCode(error: unknown): string {
  const cause = read(error, 'cause');
  for (const candidate of [read(error, 'code'), read(cause, 'code'), read(error, 'name')]) {
    if (typeof candidate === 'string' && CODE.test(candidate)) return candidate;
  }
  return 'unknown_error';
}

function read(value: unknown, key: string): unknown {
  try {
    return (value as Readonly<Record<string, unknown>> | null | undefined)?.[key];
  } catch {
    // A getter of a foreign error object may throw.
    return undefined;
  }
}
