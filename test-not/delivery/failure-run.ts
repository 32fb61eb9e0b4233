/** When failures that may each be about one record are an outage together. */

import type { Retryable, RetryReason } from './sender.ts';

export interface FailureRun {
  /** Told the next failure; true if by now it is an outage. */
  add(id: string, failure: Retryable): boolean;
  /** Told that there was another answer. */
  end(): void;
}

/**
 * How many failures in a row, of more than one record and with no other answer between, are an outage. 429, 503 and a
 * connection that fails say so themselves. A timeout costs its full time, so two must do.
 */
const LENGTHS: Readonly<Record<RetryReason, number>> = {
  throttled: 1,
  unavailable: 1,
  unreachable: 1,
  timeout: 2,
  server_error: 8,
  passing: 8,
  refused: Number.POSITIVE_INFINITY,
};

/**
 * A run of 5xx is none while every record in it has failed for the first time: perhaps all that is needed is to try again. But
 * not so many have to find out.
 */
const MAX_FIRST_FAILURES = 64;

export function createFailureRun(): FailureRun {
  let length = 0;
  const ids = new Set<string>();
  return {
    add(id, { reason }) {
      length += 1;
      if (ids.size < MAX_FIRST_FAILURES) ids.add(id);
      const needed = LENGTHS[reason];
      if (needed === 1) return true;
      if (length < needed || ids.size === 1) return false;
      const hasFailedAgain = length > ids.size;
      return reason === 'timeout' || hasFailedAgain || length >= MAX_FIRST_FAILURES;
    },
    end() {
      if (length === 0) return;
      length = 0;
      ids.clear();
    },
  };
}
