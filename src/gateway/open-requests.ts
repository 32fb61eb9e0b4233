/**
 * Requests whose records are not all safe yet, or whose sender has not been told so: one that is sent again meanwhile joins its first
 * try, and is neither converted nor delivered twice. Bounded by count, by age and by what they hold on to.
 */
import type { BatchResult } from './entrusted-batch.ts';

export interface OpenRequest {
  /** The latest try. */
  result: Promise<BatchResult>;
  /** Resolves if the sender is to be answered before the spans have met their events, which it sends only then. */
  readonly early: Promise<void>;
  /** What is known of it. */
  settled: BatchResult | undefined;
  /** Has what is not settled yet written to a spool; false where there is none. */
  secure: () => boolean;
  /** Bytes of records that were returned and wait here for the sender to ask for them again. */
  heldBytes: number;
  at: number;
}

export interface OpenRequests {
  get(identity: string): OpenRequest | undefined;
  add(identity: string, request: OpenRequest): void;
  /** Its sender has been told. */
  close(identity: string): void;
  /** Counts what a request holds on to; the oldest lose theirs where it is too much. */
  hold(identity: string, bytes: number): void;
  readonly size: number;
}

export interface OpenRequestsOptions {
  readonly now: () => number;
  readonly maxRequests: number;
  readonly maxHeldBytes: number;
  /** A sender that has not come back by then will not. */
  readonly maxAgeMillis: number;
}

export function createOpenRequests(options: OpenRequestsOptions): OpenRequests {
  const { now, maxRequests, maxHeldBytes, maxAgeMillis } = options;
  const open = new Map<string, OpenRequest>();
  let held = 0;

  function remove(identity: string, request: OpenRequest): void {
    open.delete(identity);
    held -= request.heldBytes;
    request.heldBytes = 0;
  }

  /** Oldest first. One that is still on its way goes on: it is only not recognised when it is sent again. */
  function evict(): void {
    const limit = now() - maxAgeMillis;
    for (const [identity, request] of open) {
      const isTooMuch = open.size > maxRequests || held > maxHeldBytes;
      if (!isTooMuch && request.at >= limit) return;
      remove(identity, request);
    }
  }

  return {
    get: (identity) => open.get(identity),
    add(identity, request) {
      const before = open.get(identity);
      if (before) remove(identity, before);
      open.set(identity, request);
      evict();
    },
    close(identity) {
      const request = open.get(identity);
      if (request) remove(identity, request);
    },
    hold(identity, bytes) {
      const request = open.get(identity);
      if (!request) return;
      held += bytes - request.heldBytes;
      request.heldBytes = bytes;
      evict();
    },
    get size() {
      return open.size;
    },
  };
}
