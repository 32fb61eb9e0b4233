/** How many requests may be under way at once. Counts and arithmetic; it never waits. */

/** Enough for an application at rest, and few enough that a cold server or a wrong key is not met by a crowd. */
export const INITIAL_CONCURRENCY = 8;

/**
 * A backlog that is gone within this time at the present pace is none: each request more under way is a connection more, with
 * its handshake and memory, at both ends. A thousand records each second at 50 ms an answer need, and get, 50 of them; a
 * server on the same machine keeps up with the first 8.
 */
const BACKLOG_MILLIS = 100;

export interface Concurrency {
  hasRoom(): boolean;
  begin(): void;
  end(): void;
  /** True while it makes sense to call `onSuccess`. */
  canGrow(): boolean;
  /**
   * A request was answered well; under backlog the limit grows.
   *
   * @param waiting How many records wait for their turn, and for nothing else.
   * @param roundTripMillis How long the request took.
   */
  onSuccess(waiting: number, roundTripMillis: number): void;
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
    canGrow: () => limit < ceiling,
    onSuccess(waiting, roundTripMillis) {
      // The pace is a limit's worth of records in each round trip.
      if ((waiting * roundTripMillis) / limit <= BACKLOG_MILLIS) return;
      limit = Math.min(ceiling, limit + (throttled ? 1 / limit : 1));
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
