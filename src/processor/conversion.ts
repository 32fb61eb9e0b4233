/** When ended spans are converted: in slices, so that the app is never held up for long, and not far ahead of delivery. */
import { after } from '../delivery/sleep.ts';
import type { RecordOutbox } from '../exporter/record-outbox.ts';

/** Conversion gives the event loop back after so long; a trace is never cut in two. */
const SLICE_MILLIS = 1;
/** Conversion waits for delivery where it is ahead by so many records … */
const MAX_AHEAD_RECORDS = 128;
/** … but not for long: where delivery does not get on, its queue and its ledger are the place for them. */
const MAX_AHEAD_MILLIS = 50;
/** Of the time of a flush or a shutdown, at its end: a quarter, and no more than this, is for spans that delivery had no room for. */
const MAX_SPILL_MILLIS = 2_000;

export interface ConversionPolicy {
  /** Converts the next trace that is ready; false if none is. */
  convertNext(): boolean;
  hasReady(): boolean;
  readonly outbox: Pick<RecordOutbox, 'pending' | 'hasRoom' | 'hasSpool' | 'maySpill'> | undefined;
  /** Waits for delivery, at most the time. */
  flush(timeoutMillis: number): Promise<void>;
}

export interface Conversion {
  /** Converts what is ready. Nobody waits for it. */
  start(): void;
  /**
   * For somebody who waits, until `end` at the latest: as delivery has room, and in the end into the spool what it has none for.
   *
   * @param isLast nobody waits again: keeps time for what is still to be made
   */
  finish(end: number, isLast: boolean): Promise<void>;
  /** Converts what is ready, whether or not there is room for it. */
  drain(): Promise<void>;
}

export function createConversion({ convertNext, hasReady, outbox, flush }: ConversionPolicy): Conversion {
  let isRunning = false;
  /** Those who wait convert for themselves. */
  let waiters = 0;

  /** Records that are made long before they are sent only fill the memory; spans are there anyway. */
  const isBehind = (): boolean =>
    outbox === undefined || (outbox.pending <= MAX_AHEAD_RECORDS && outbox.hasRoom());

  /** At least one trace, more while they may be; true when nothing is ready any more. */
  function convertSlice(may: () => boolean): boolean {
    const end = performance.now() + SLICE_MILLIS;
    while (convertNext()) if (performance.now() >= end || !may()) return !hasReady();
    return true;
  }

  /** Lets delivery catch up; false if it does not get on. */
  async function fallBehind(sleep: (millis: number, run: () => void) => void): Promise<boolean> {
    const before = outbox?.pending ?? 0;
    for (let waited = 0; !isBehind(); waited++) {
      if (waited >= MAX_AHEAD_MILLIS) return (outbox?.pending ?? 0) < before;
      await new Promise<void>((resolve) => sleep(1, resolve));
    }
    return true;
  }

  async function run(): Promise<void> {
    do {
      await new Promise<void>((resolve) => setImmediate(resolve));
      await fallBehind(after);
      // One of both is enough for the event loop.
      if (waiters > 0) return;
    } while (!convertSlice(isBehind));
  }

  function start(): void {
    if (isRunning || waiters > 0 || convertSlice(isBehind)) return;
    isRunning = true;
    void run().finally(() => {
      isRunning = false;
    });
  }

  /**
   * True when nothing is ready any more.
   *
   * @param keepsPace with delivery, for as long as that gets on
   */
  async function convertWhile(may: () => boolean, end: number, keepsPace: boolean = false): Promise<boolean> {
    let waits = keepsPace;
    while (hasReady()) {
      if (!may()) return false;
      if (convertSlice(waits ? () => may() && isBehind() : may)) return true;
      if (performance.now() >= end) return false;
      await new Promise<void>((resolve) => setImmediate(resolve));
      waits &&= await fallBehind((millis, wake) => setTimeout(wake, millis));
    }
    return true;
  }

  return {
    start,
    async finish(end, isLast) {
      if (!outbox) return;
      const share = Math.min((end - performance.now()) / 4, MAX_SPILL_MILLIS);
      const enough = isLast || outbox.hasSpool ? end - share : end;
      waiters++;
      try {
        while (!(await convertWhile(outbox.hasRoom, enough, true)) && performance.now() < enough) {
          await flush(enough - performance.now());
          // Delivery does not get on, and knows it.
          if (!outbox.hasRoom()) break;
        }
        while (outbox.hasSpool && !(await convertWhile(outbox.maySpill, end)) && performance.now() < end)
          await new Promise<void>((resolve) => setTimeout(resolve, 1));
      } finally {
        waiters--;
      }
      if (hasReady()) start();
    },
    async drain() {
      await convertWhile(() => true, Number.POSITIVE_INFINITY);
    },
  };
}
