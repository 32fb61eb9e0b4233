/**
 * When and how fast spooled records are sent again: a while after the start, every ten minutes, and soon after the API takes
 * records again; never more than a few in hand, so that new records do not notice.
 */
import { after } from '../delivery/sleep.ts';
import type { StoredRecord } from './rounds.ts';
import type { Spool } from './spool.ts';

/** The first round, and one that an event calls for, comes at a random moment within this: many processes start at once. */
const JITTER_MILLIS = 5_000;
/** For what failed again, and for the files of neighbours that have ended. */
const INTERVAL_MILLIS = 600_000;
/** In hand at once. */
const MAX_RECORDS = 16;
const MAX_BYTES = 8_388_608;
/** How often a busy queue is asked again. */
const BUSY_MILLIS = 1_000;
/** Between two batches. Nothing of ours is under way then: a process that has nothing else to do ends. */
const PAUSE_MILLIS = 25;

export interface Resender {
  /** The API takes records again: no need to wait for the interval. */
  wake(): void;
  /** Nothing more is taken in hand until the returned function is called. */
  pause(): () => void;
  stop(): void;
}

export interface ResendPolicy {
  readonly spool: Pick<Spool, 'beginRound' | 'next'>;
  send(stored: StoredRecord): Resending;
  /** False while new records need the room. */
  hasRoom(): boolean;
  /** @default Math.random */
  readonly random?: () => number;
}

/** Neither promise rejects. */
export interface Resending {
  /** Its first attempt is over, or a gate holds it. */
  readonly answered: Promise<void>;
  /** It is settled, or left for another time. */
  readonly ended: Promise<void>;
}

/** The first round is due within five seconds. No timer keeps the process alive. */
export function createResender(policy: ResendPolicy): Resender {
  const random = policy.random ?? Math.random;
  const inHand = { records: 0, bytes: 0 };
  let pauses = 0;
  let isStopped = false;
  let isRunning = false;
  let isWanted = false;
  let cancel = (): void => {};
  let proceed = (): void => {};

  const schedule = (millis: number): void => {
    cancel();
    if (!isStopped) cancel = after(millis, () => void run());
  };

  async function run(): Promise<void> {
    isRunning = true;
    isWanted = false;
    // Nothing here rejects but for a bug, and that must not end the process.
    await goRound().catch(() => {});
    isRunning = false;
    schedule(isWanted ? random() * JITTER_MILLIS : INTERVAL_MILLIS * (0.9 + random() / 5));
  }

  async function goRound(): Promise<void> {
    await policy.spool.beginRound();
    for (let batch = await sendBatch(); batch.length > 0; batch = await sendBatch()) {
      await Promise.all(batch.map(({ answered }) => answered));
      await new Promise<void>((resolve) => after(PAUSE_MILLIS, resolve));
    }
  }

  /** As many as may be in hand; none if no more are to be sent in this round. */
  async function sendBatch(): Promise<readonly Resending[]> {
    while (!isStopped && !mayTake()) await wait(BUSY_MILLIS);
    const batch: Resending[] = [];
    while (!isStopped && mayTake()) {
      const stored = await policy.spool.next();
      if (stored === undefined) break;
      batch.push(send(stored));
    }
    return batch;
  }

  function send(stored: StoredRecord): Resending {
    const { bytes } = stored.record;
    inHand.records += 1;
    inHand.bytes += bytes;
    const resending = policy.send(stored);
    void resending.ended.then(() => {
      inHand.records -= 1;
      inHand.bytes -= bytes;
      proceed();
    });
    return resending;
  }

  /** Cut short by whatever may change the answer of `mayTake`. */
  function wait(millis: number): Promise<void> {
    return new Promise((resolve) => {
      const cancelWait = after(millis, resolve);
      proceed = () => {
        cancelWait();
        resolve();
      };
    });
  }

  function mayTake(): boolean {
    const isEmpty = inHand.records === 0;
    const isBounded = isEmpty || (inHand.records < MAX_RECORDS && inHand.bytes < MAX_BYTES);
    return pauses === 0 && isBounded && policy.hasRoom();
  }

  schedule(random() * JITTER_MILLIS);
  return {
    wake() {
      if (isWanted) return;
      isWanted = true;
      if (!isRunning) schedule(random() * JITTER_MILLIS);
    },
    pause() {
      pauses += 1;
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        pauses -= 1;
        proceed();
      };
    },
    stop() {
      isStopped = true;
      cancel();
      proceed();
    },
  };
}
