/**
 * The only user of timers in delivery. Every timer is unref'd, so that telemetry never keeps a process alive, and every
 * wait can be cut short, so that shutdown never waits for a backoff.
 */

/** Node fires at once when a delay does not fit 32 bits; nothing here means to wait longer than this. */
const MAX_TIMER_MILLIS = 2 ** 31 - 1;

/** Calls `run` once after the delay; the returned function cancels. Fires early only for delays beyond 24 days. */
export function after(millis: number, run: () => void): () => void {
  // Rounded up: Node truncates, and a timer that fires before its time would find nothing to do and be set again.
  const delay = Math.min(Math.max(0, Math.ceil(millis)), MAX_TIMER_MILLIS);
  const timer = setTimeout(run, delay);
  timer.unref();
  return () => clearTimeout(timer);
}

/** Resolves with the promise, whatever it says, or after the delay. */
export function settledWithin(promise: Promise<unknown>, millis: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = after(millis, resolve);
    const finish = () => {
      cancel();
      resolve();
    };
    promise.then(finish, finish);
  });
}

/** Sleeps that end together when the signal is aborted. */
export interface Sleepers {
  /** Calls `wake` once: with true after the delay, with false at the abort; at once if that was before. */
  sleep(millis: number, wake: (elapsed: boolean) => void): void;
}

/** One listener for all of them: as many listeners as sleepers would take the square of their number to remove. */
export function createSleepers(signal: AbortSignal): Sleepers {
  const ends = new Set<() => void>();
  signal.addEventListener('abort', () => {
    for (const end of ends) end();
  });
  return {
    sleep(millis, wake) {
      if (signal.aborted) return wake(false);
      const end = () => {
        cancel();
        ends.delete(end);
        wake(false);
      };
      const cancel = after(millis, () => {
        ends.delete(end);
        wake(true);
      });
      ends.add(end);
    },
  };
}
