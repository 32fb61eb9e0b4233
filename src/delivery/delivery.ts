/**
 * Assembles the chain and answers for it:
 *
 *     offer → queue (bounds) → retry → gate (gates, concurrency) → body limit → transport (one POST)
 *
 * A record goes down once, and its outcome comes back through callbacks. Order of shutdown: nothing new is
 * accepted, what is pending goes on until the time is up, then every wait and request is aborted, then connections close.
 */

import { createAccessGate } from './access-gate.ts';
import { createBodyLimit, withBodyLimit } from './body-limit.ts';
import { createConcurrency } from './concurrency.ts';
import { createCredentials } from './credentials.ts';
import { type Report, toSafeReport } from './events.ts';
import { withGate } from './gate.ts';
import { createInHand, type Entry } from './in-hand.ts';
import { makeRoom } from './make-room.ts';
import { createOriginGate } from './origin-gate.ts';
import { createOutcomeCounters, type Outcome, type OutcomeCounts } from './outcome.ts';
import { createQueue } from './queue.ts';
import { withRetry } from './retry.ts';
import type { DeliveryItem } from './sender.ts';
import { settledWithin } from './sleep.ts';
import { createTransport, type Dispatcher } from './transport.ts';

export interface DeliveryOptions {
  /** Absolute URL that item paths are appended to, with or without a trailing slash. */
  readonly baseUrl: string;
  /** Asked before every attempt. One that fails is treated as a refused key. */
  readonly apiKey: () => string | Promise<string>;
  /** Sent with every request, besides the ones that the API needs. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly userAgent: string;
  /** Most requests under way at once. @default 64 */
  readonly concurrency?: number | undefined;
  /** For one attempt, milliseconds. @default 10_000 */
  readonly timeoutMillis?: number | undefined;
  /** For one record, milliseconds from its first failure; stands still while a gate is closed. @default 300_000 */
  readonly retryDeadlineMillis?: number | undefined;
  /** Most records in hand. @default 10_000 */
  readonly maxQueueRecords?: number | undefined;
  /** Most bytes in hand, as the items give them. @default 67_108_864 (64 MiB) */
  readonly maxQueueBytes?: number | undefined;
  /** An undici dispatcher to use instead of our own; it is not closed. Without it `HTTPS_PROXY` and `NO_PROXY` are obeyed. */
  readonly dispatcher?: Dispatcher | undefined;
  /** False if the environment names no proxy; then none is looked for, which is cheaper. @default true */
  readonly hasProxy?: boolean | undefined;
  /** Told what a person should know; may be called often. */
  readonly report: Report;
  /** For jitter, from 0 to below 1. @default Math.random */
  readonly random?: (() => number) | undefined;
  /** Monotonic clock, milliseconds. @default performance.now */
  readonly now?: (() => number) | undefined;
}

/** The defaults of the options, section 1 of `design.md`. */
export const DELIVERY_DEFAULTS = {
  concurrency: 64,
  timeoutMillis: 10_000,
  retryDeadlineMillis: 300_000,
  maxQueueRecords: 10_000,
  maxQueueBytes: 67_108_864,
} as const;

/** Told what becomes of a record that was accepted. What these throw is dropped. */
export interface OfferListener {
  /**
   * Once at most: its first attempt has failed, or it waits behind a closed gate (then perhaps before `offer` returns). It is
   * handed to retry.
   */
  onRetrying?(): void;
  /** Once, after `offer` has returned. */
  onSettled?(outcome: Outcome): void;
}

export interface DeliveryStats extends OutcomeCounts {
  /** Records that `offer` took: always delivered + rejected + dropped + pending. */
  readonly accepted: number;
  readonly pending: number;
  /** Bytes in hand, as the items give them. */
  readonly bytes: number;
  /** Attempts after the first, of all records. */
  readonly retries: number;
  /** The latest failure: an error code or the server's words. Never the key. */
  readonly lastError?: string;
}

export interface Delivery {
  /** Takes a slot now; false when full (records or bytes) or shut down. The slot is freed with the outcome. */
  offer(item: DeliveryItem, listener?: OfferListener): boolean;
  /** True as soon as there is room for so many bytes, false after the time or at shutdown. Then `offer` anew. */
  waitForRoom(bytes: number, timeoutMillis: number): Promise<boolean>;
  /** Records without an outcome. */
  readonly pending: number;
  /** Their bytes, as the items give them. */
  readonly bytes: number;
  stats(): DeliveryStats;
  /**
   * Waits until everything accepted so far has settled, or has been handed to retry and cannot be expected to settle in the
   * time: it waits behind a gate that is closed for longer, that a probe has found to be closed with reason, or for a key. At
   * most the time.
   */
  flush(timeoutMillis: number): Promise<void>;
  /**
   * Accepts nothing more, gives what is pending the time (less if no gate would open within it), drops the rest as
   * `shutdown`, and closes the connections. Later calls wait for the first.
   */
  shutdown(timeoutMillis: number): Promise<void>;
}

/** Throws if the base URL is none. */
export function createDelivery(options: DeliveryOptions): Delivery {
  const settings = {
    ...DELIVERY_DEFAULTS,
    hasProxy: true,
    random: Math.random,
    now: () => performance.now(),
    ...given(options),
  };
  const { now, random, maxQueueRecords, maxQueueBytes } = settings;
  const report = toSafeReport(options.report);
  const baseUrl = new URL(options.baseUrl);
  const { origin } = baseUrl;
  const life = new AbortController();
  const { signal } = life;

  const bounds = { maxRecords: maxQueueRecords, maxBytes: maxQueueBytes };
  const queue = createQueue(bounds);
  const inHand = createInHand<OfferListener>();
  const counters = createOutcomeCounters();
  let accepted = 0;
  let retries = 0;
  let lastError: string | undefined;

  const credentials = createCredentials(options.apiKey);
  const transport = createTransport({
    baseUrl,
    credentials,
    headers: options.headers,
    userAgent: options.userAgent,
    timeoutMillis: settings.timeoutMillis,
    maxConnections: settings.concurrency,
    dispatcher: options.dispatcher,
    hasProxy: settings.hasProxy,
    now,
    signal,
    report,
  });
  const originGate = createOriginGate({ origin, now, random, report });
  const gate = withGate(withBodyLimit(transport.send, createBodyLimit(now)), {
    originGate,
    createAccessGate: (projectId) => createAccessGate({ origin, projectId, credentials, now, report }),
    concurrency: createConcurrency(settings.concurrency),
    now,
    signal,
    onMoved: inHand.recheck,
  });
  const deliver = withRetry(gate.send, {
    deadlineMillis: settings.retryDeadlineMillis,
    openMillis: gate.openMillis,
    isClosed: gate.isClosed,
    random,
    signal,
    onRetrying(entry: Entry<OfferListener>) {
      if (inHand.handOver(entry)) tell(() => entry.more.onRetrying?.());
    },
    onRetry() {
      retries += 1;
    },
    onFailure(message) {
      lastError = message;
    },
    onOutcome(entry, outcome) {
      queue.release(entry.bytes);
      inHand.settle(entry);
      count(outcome);
      tell(() => entry.more.onSettled?.(outcome));
    },
  });

  const count = (outcome: Outcome) => {
    const total = counters.add(outcome);
    if (outcome.kind === 'rejected') report({ kind: 'rejected', status: outcome.status, total });
    if (outcome.kind === 'dropped') report({ kind: 'dropped', reason: outcome.reason, total });
  };

  /** True if the project's gate opens only after the end. While a probe is under way it may open at any moment. */
  const opensAfter = (projectId: string, end: number) => {
    const at = gate.opensAt(projectId);
    return at > end && at !== Number.POSITIVE_INFINITY;
  };

  let stopped: Promise<void> | undefined;
  const stop = async (timeoutMillis: number) => {
    queue.close();
    const end = now() + timeoutMillis;
    await inHand.wait(timeoutMillis, (projectId) => gate.isRefused(projectId) || opensAfter(projectId, end));
    life.abort();
    await settledWithin(transport.close(), CLOSE_MILLIS);
  };

  return {
    offer(item, listener = NOBODY) {
      const { projectId, bytes } = item;
      while (!queue.take(bytes))
        if (queue.isClosed || !makeRoom(projectId, bytes, { bounds, queue, inHand, gate })) return false;
      accepted += 1;
      deliver(item, inHand.add(projectId, bytes, listener));
      return true;
    },
    waitForRoom: queue.waitForRoom,
    get pending() {
      return inHand.size;
    },
    get bytes() {
      return queue.bytes;
    },
    stats: () => ({
      accepted,
      ...counters.read(),
      pending: inHand.size,
      bytes: queue.bytes,
      retries,
      ...(lastError !== undefined && { lastError }),
    }),
    flush(timeoutMillis) {
      const end = now() + timeoutMillis;
      return inHand.wait(
        timeoutMillis,
        (projectId) => originGate.isOut() || gate.isRefused(projectId) || opensAfter(projectId, end),
      );
    },
    shutdown(timeoutMillis) {
      stopped ??= stop(timeoutMillis);
      return stopped;
    },
  };
}

const NOBODY: OfferListener = {};

/** For sockets to close. A matter of moments; this is the roof. */
const CLOSE_MILLIS = 1_000;

/** The caller's code: what it throws is not to stop the records. */
function tell(call: () => void): void {
  try {
    call();
  } catch {
    // Nobody is there to be told.
  }
}

/** The options that were really given: an explicit `undefined` must not hide a default. */
function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
