import { type Bagged, createBag } from './bag.ts';
import { after } from './sleep.ts';

/** Work that is under way, each piece of it for the same time at most. */
export interface TimeLimit<T> {
  begin(work: T): void;
  /** To be called once for each that was begun, unless `onOver` or `stop` came before. */
  end(work: T): void;
  /** Ends all; gives back what was under way. */
  stop(): readonly T[];
}

/** What the limit keeps with each piece of work; nobody else's to read or write. */
export interface Limited extends Bagged {
  endsAt: number;
}

/**
 * One timer for all of it, set for the oldest: a timer and an `AbortController` for each request cost as much as the rest of
 * the chain.
 *
 * @param onOver Told when the time of a piece is up; it is not under way any more then.
 */
export function createTimeLimit<T extends Limited>(
  millis: number,
  now: () => number,
  onOver: (work: T) => void,
): TimeLimit<T> {
  const underWay = createBag<T>();
  let cancel: (() => void) | undefined;

  const check = () => {
    cancel = undefined;
    const over: T[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const work of underWay) {
      if (work.endsAt <= now()) over.push(work);
      else next = Math.min(next, work.endsAt);
    }
    for (const work of over) underWay.delete(work);
    if (next !== Number.POSITIVE_INFINITY) cancel = after(next - now(), check);
    for (const work of over) onOver(work);
  };

  return {
    begin(work) {
      work.endsAt = now() + millis;
      underWay.add(work);
      // Else it fires for one that is older; when it finds nothing to do, it is set for the oldest by then.
      cancel ??= after(millis, check);
    },
    end: underWay.delete,
    stop() {
      cancel?.();
      cancel = undefined;
      const rest = [...underWay];
      for (const work of rest) underWay.delete(work);
      return rest;
    },
  };
}
