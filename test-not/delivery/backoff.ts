/** Exponential backoff with full jitter: attempt → delay. Pure. */

export interface BackoffPolicy {
  /** The first delay is drawn from 0 to this. Milliseconds. */
  readonly baseMillis: number;
  /** No delay is drawn from beyond this. Milliseconds. */
  readonly maxMillis: number;
}

/**
 * 500 ms is a few round trips: a blip (a stale kept-alive connection, one restarted instance) costs no visible delay.
 * 30 s is the longest that a recovered server should stay unnoticed, and a tenth of the default retry deadline.
 */
export const DEFAULT_BACKOFF: BackoffPolicy = { baseMillis: 500, maxMillis: 30_000 };

/** The least delay after a 500, by the wish of the vendor; see section 5 of `completions-api.md`. */
export const SERVER_ERROR_PAUSE_MILLIS = 5_000;

/**
 * The delay before the next try after `failures` failures (1 or more).
 *
 * Full jitter (the whole delay is random, not a part on top) spreads many processes best that have failed at the same
 * moment: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoffMillis(
  failures: number,
  random: () => number,
  policy: BackoffPolicy = DEFAULT_BACKOFF,
): number {
  // 2 ** 1024 is Infinity, which `min` takes well.
  const ceiling = Math.min(policy.maxMillis, policy.baseMillis * 2 ** Math.max(0, failures - 1));
  return random() * ceiling;
}
