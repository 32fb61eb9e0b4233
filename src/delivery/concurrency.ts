/** How many requests may be under way at once. Counts and arithmetic; it never waits. */

/** Enough for an application at rest, and few enough that a cold server or a wrong key is not met by a crowd. */
export const INITIAL_CONCURRENCY = 8;

export interface Concurrency {
  hasRoom(): boolean;
  begin(): void;
  end(): void;
  /** A request was answered well; with a backlog the limit grows. */
  onSuccess(hasBacklog: boolean): void;
  /** The server asked for less: the limit halves. */
  onThrottled(): void;
  /** Requests that may be under way now. */
  readonly limit: number;
}

/**
 * Until the first 429 the limit grows by one per success, which doubles it per round trip; afterwards by one per round
 * trip, since the server has shown where its limit is.
 *
 * @param ceiling The most it may become, 1 or more.
 */
export function createConcurrency(ceiling: number): Concurrency {
  let limit = Math.min(INITIAL_CONCURRENCY, ceiling);
  let inFlight = 0;
  let throttled = false;
  return {
    hasRoom: () => inFlight < Math.floor(limit),
    begin: () => {
      inFlight += 1;
    },
    end: () => {
      inFlight -= 1;
    },
    onSuccess(hasBacklog) {
      if (hasBacklog) limit = Math.min(ceiling, limit + (throttled ? 1 / limit : 1));
    },
    onThrottled() {
      throttled = true;
      limit = Math.max(1, limit / 2);
    },
    get limit() {
      return Math.floor(limit);
    },
  };
}
