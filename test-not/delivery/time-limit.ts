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
export interface Limited {
  endsAt: number;
  /** Its index among what is under way, -1 if it is not. */
  slot: number;
}

/**
 * One timer for all of it, set for the oldest: a timer and an `AbortController` for each request cost as much as the rest of
 * the chain. A plain list, since a `Set` that always changes leaves tables behind, which keep every request alive until the
 * next full garbage collection; that alone doubled the cost of a record.
 *
 * @param onOver Told when the time of a piece is up; it is not under way any more then.
 */
export function createTimeLimit<T extends Limited>(
  millis: number,
  now: () => number,
  onOver: (work: T) => void,
): TimeLimit<T> {
  const underWay: T[] = [];
  let cancel: (() => void) | undefined;

  const remove = (work: T) => {
    const last = underWay.pop();
    if (last !== undefined && last !== work) {
      underWay[work.slot] = last;
      last.slot = work.slot;
    }
    work.slot = -1;
  };

  const check = () => {
    cancel = undefined;
    const over = underWay.filter(({ endsAt }) => endsAt <= now());
    for (const work of over) remove(work);
    const next = underWay.reduce((least, { endsAt }) => Math.min(least, endsAt), Number.POSITIVE_INFINITY);
    if (next !== Number.POSITIVE_INFINITY) cancel = after(next - now(), check);
    for (const work of over) onOver(work);
  };

  return {
    begin(work) {
      work.endsAt = now() + millis;
      work.slot = underWay.push(work) - 1;
      // Else it fires for one that is older; when it finds nothing to do, it is set for the oldest by then.
      cancel ??= after(millis, check);
    },
    end(work) {
      if (work.slot >= 0) remove(work);
    },
    stop() {
      cancel?.();
      cancel = undefined;
      for (const work of underWay) work.slot = -1;
      return underWay.splice(0);
    },
  };
}
