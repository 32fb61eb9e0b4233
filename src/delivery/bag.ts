/** Things in no order that come and go all the time. */
export interface Bag<T> {
  readonly size: number;
  add(thing: T): void;
  delete(thing: T): void;
  [Symbol.iterator](): Iterator<T>;
}

/** What the bag keeps with each thing; nobody else's to read or write. */
export interface Bagged {
  /** Its index, -1 while it is in no bag. */
  slot: number;
}

/**
 * A plain list. A `Set` that always changes leaves old tables behind, and these keep what was in it alive until the next full garbage
 * collection: every record with its messages. For the requests under way that alone doubled the cost of a record.
 */
export function createBag<T extends Bagged>(): Bag<T> {
  const things: T[] = [];
  return {
    get size() {
      return things.length;
    },
    add(thing) {
      thing.slot = things.push(thing) - 1;
    },
    delete(thing) {
      if (thing.slot < 0) return;
      const last = things.pop();
      if (last !== undefined && last !== thing) {
        things[thing.slot] = last;
        last.slot = thing.slot;
      }
      thing.slot = -1;
    },
    // A copy: whoever looks at them may take some out.
    [Symbol.iterator]: () => [...things].values(),
  };
}
