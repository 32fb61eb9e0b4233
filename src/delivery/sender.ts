/**
 * The one contract of the chain: what travels down (an item), and what comes back (a `SendResult`).
 *
 * Every link below the retry link is a `Sender`. Results come back through a callback: a record passes four links twice, and
 * a promise for each of them costs more than the links themselves.
 */

/** One record on its way to the API. */
export interface DeliveryItem {
  readonly id: string;
  readonly kind: 'completion' | 'trace';
  readonly projectId: string;
  /** Path below the base URL, with its leading slash: `/v2/projects/{p}/sessions/{s}/completions`. */
  readonly path: string;
  /** About the UTF-8 size of `body()`, for the queue's bounds. */
  readonly bytes: number;
  /** The JSON text that is posted, whole or in pieces. Called once per attempt, just before it, so that a queued record need not hold it. */
  body(): string | readonly string[];
  /** A smaller body, of at most `maxBytes` if possible; `undefined` if it cannot shrink. */
  shrink?(maxBytes: number): string | undefined;
}

/** One attempt to send an item, and what is told of it. */
export interface Attempt {
  readonly item: DeliveryItem;
  /** 1 for the first attempt of the record. */
  readonly number: number;
  /** Told, perhaps repeatedly, that the record waits behind a closed gate. */
  onHeld?(): void;
  /** Told once, perhaps before the sender returns. */
  onResult(result: SendResult): void;
}

/**
 * Why a record may pass later.
 *
 * | reason | sign |
 * | --- | --- |
 * | `throttled` | 429 |
 * | `unavailable` | 503 |
 * | `unreachable` | no answer: refused, reset, DNS, TLS, proxy |
 * | `timeout` | no answer within `timeoutMillis` |
 * | `server_error` | 500, for which the vendor has a rule of its own |
 * | `passing` | 408, 425, any other 5xx |
 * | `refused` | 401, 403, 404, or no usable key: the key or the project, not the record |
 */
export type RetryReason =
  | 'throttled'
  | 'unavailable'
  | 'unreachable'
  | 'timeout'
  | 'server_error'
  | 'passing'
  | 'refused';

export interface Retryable {
  readonly kind: 'retryable';
  readonly reason: RetryReason;
  /** Absent when there was no answer. */
  readonly status?: number;
  /** What the server asked for, within the clamp of `retry-after.ts`. */
  readonly retryAfterMillis?: number;
  /** An error code or the server's words, bounded, without the key. */
  readonly message: string;
}

/** 401, 403 or 404; without a status: the `apiKey` function gave no usable key, so that nothing was sent. */
export interface Refused {
  readonly kind: 'refused';
  readonly status?: 401 | 403 | 404;
  /** Which key was refused: the generation counter of `credentials.ts`, never the key. */
  readonly credential: number;
  readonly message: string;
}

export type SendResult =
  | { readonly kind: 'delivered'; readonly status: number }
  /** The API said no for good. */
  | { readonly kind: 'rejected'; readonly status: number; readonly message: string }
  | { readonly kind: 'too_large'; readonly status: 413; readonly message: string }
  | Refused
  | Retryable
  /** There is nothing that could be posted: `body()` threw, or the request cannot be formed. */
  | { readonly kind: 'unsendable'; readonly message: string }
  /** Gave its place in the queue to a record of a project that is not refused. */
  | { readonly kind: 'crowded_out' }
  /** The delivery gave up first: shutdown has run out of time. */
  | { readonly kind: 'aborted' }
  /** A bug of ours: it costs the record it met, nothing else. */
  | { readonly kind: 'failed' };

/** Makes the attempt. Whatever the network can do is a result; it throws only for a bug. */
export type Sender = (attempt: Attempt) => void;
