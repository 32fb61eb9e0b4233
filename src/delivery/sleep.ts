/**
 * The only user of timers in delivery. Every timer is unref'd, so that telemetry never keeps a process alive, and every
 * wait can be aborted, so that shutdown never waits for a backoff.
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

/** Resolves true after the delay, false as soon as the signal is aborted. */
export function sleep(millis: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const finish = (elapsed: boolean) => {
      cancel();
      signal.removeEventListener('abort', onAbort);
      resolve(elapsed);
    };
    const onAbort = () => finish(false);
    const cancel = after(millis, () => finish(true));
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

export interface TimeLimit {
  /** Aborted when the time is up or the outer signal is. */
  readonly signal: AbortSignal;
  /** True if it was the time. */
  isOver(): boolean;
  /** To be called when the work has ended. */
  clear(): void;
}

/** A signal for one piece of work: aborted with `outer`, and after the delay. */
export function limitTime(millis: number, outer: AbortSignal): TimeLimit {
  const controller = new AbortController();
  let over = false;
  const onAbort = () => controller.abort();
  const cancel = after(millis, () => {
    over = true;
    controller.abort();
  });
  if (outer.aborted) controller.abort();
  else outer.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    isOver: () => over,
    clear() {
      cancel();
      outer.removeEventListener('abort', onAbort);
    },
  };
}

/**
 * The promise's value, or `undefined` as soon as the signal is aborted. For work that may not notice the signal in time:
 * undici, for one, looks at it only once the connection stands.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve(undefined);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
