/** A clock that can be stopped. */
export interface Stopwatch {
  start(): void;
  stop(): void;
  /** Milliseconds for which it has run. */
  read(): number;
}

/** Runs from the start. `now` is a monotonic clock in milliseconds. */
export function createStopwatch(now: () => number): Stopwatch {
  let sum = 0;
  let since: number | undefined = now();
  const read = () => sum + (since === undefined ? 0 : now() - since);
  return {
    read,
    start() {
      since ??= now();
    },
    stop() {
      sum = read();
      since = undefined;
    },
  };
}
