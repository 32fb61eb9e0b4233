import { createFifo } from './fifo.ts';

/** First come, first served, in two lines: records for their first attempt, and those that have failed before. */
export interface WaitingLine<T> {
  readonly size: number;
  add(waiter: T, isFirstAttempt: boolean): void;
  /** Takes the next one out: for a probe preferably a fresh one, else preferably one that comes again. */
  take(isProbe: boolean): T | undefined;
  /** Takes out the one that came last, preferably a fresh one. */
  takeNewest(): T | undefined;
  all(): Iterable<T>;
}

/**
 * A record that comes again goes before the fresh ones, else a backlog would use up its retry deadline. Not as a probe: a
 * gate that a single bad record has closed must be opened by another one, or that record would hold up all of them.
 */
export function createWaitingLine<T>(): WaitingLine<T> {
  const fresh = createFifo<T>();
  const again = createFifo<T>();
  function* all() {
    yield* again;
    yield* fresh;
  }
  return {
    get size() {
      return fresh.size + again.size;
    },
    add: (waiter, isFirstAttempt) => (isFirstAttempt ? fresh : again).push(waiter),
    take: (isProbe) =>
      isProbe ? (fresh.takeOldest() ?? again.takeOldest()) : (again.takeOldest() ?? fresh.takeOldest()),
    takeNewest: () => fresh.takeNewest() ?? again.takeNewest(),
    all,
  };
}
