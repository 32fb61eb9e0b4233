/** First come, first served, in two lines: records for their first attempt, and those that have failed before. */
export interface WaitingLine<T> {
  readonly size: number;
  add(waiter: T, isFirstAttempt: boolean): void;
  /** Takes the next one out: for a probe preferably a fresh one, else preferably one that comes again. */
  take(isProbe: boolean): T | undefined;
  all(): Iterable<T>;
  /** Takes all out. */
  clear(): readonly T[];
}

/**
 * A record that comes again goes before the fresh ones, else a backlog would use up its retry deadline. Not as a probe: a
 * gate that a single bad record has closed must be opened by another one, or that record would hold up all of them.
 */
export function createWaitingLine<T>(): WaitingLine<T> {
  // Sets keep the order of insertion and give up their first member in constant time, unlike `Array.shift`.
  const fresh = new Set<T>();
  const again = new Set<T>();
  const takeFirst = (line: Set<T>) => {
    for (const waiter of line) {
      line.delete(waiter);
      return waiter;
    }
    return undefined;
  };
  function* all() {
    yield* again;
    yield* fresh;
  }
  return {
    get size() {
      return fresh.size + again.size;
    },
    add: (waiter, isFirstAttempt) => {
      (isFirstAttempt ? fresh : again).add(waiter);
    },
    take: (isProbe) => {
      const [preferred, other] = isProbe ? [fresh, again] : [again, fresh];
      return takeFirst(preferred) ?? takeFirst(other);
    },
    all,
    clear() {
      const waiting = [...all()];
      fresh.clear();
      again.clear();
      return waiting;
    },
  };
}
