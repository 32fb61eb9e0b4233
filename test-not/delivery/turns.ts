/** Work that may be much, done in helpings: for so long in one turn of the event loop, the rest in the next. */

export interface Turns {
  /** Does what there is to do as soon as the caller's own work has ended; asked more than once until then, once. */
  soon(): void;
  /** Does it now. */
  run(): void;
}

/**
 * @param maxMillis The share of each turn, however often the work is called in it.
 * @param work Asks before each piece whether there is time for it, and returns if not: it is called again in the next turn.
 */
export function createTurns(
  maxMillis: number,
  now: () => number,
  work: (hasTime: () => boolean) => void,
): Turns {
  /** When this turn has had its share; `undefined` if it has had none of it yet. */
  let end: number | undefined;
  let isCutShort = false;
  let isAsked = false;

  const hasTime = () => {
    isCutShort = end !== undefined && now() >= end;
    return !isCutShort;
  };

  const run = () => {
    isCutShort = false;
    if (end === undefined) {
      end = now() + maxMillis;
      setImmediate(onTurnEnd);
    }
    work(hasTime);
  };

  const onTurnEnd = () => {
    end = undefined;
    if (isCutShort) run();
  };

  return {
    soon() {
      if (isAsked) return;
      isAsked = true;
      queueMicrotask(() => {
        isAsked = false;
        run();
      });
    },
    run,
  };
}
