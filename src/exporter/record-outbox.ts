/** Records → delivery and spool: sizes, room, callbacks of the user, and the ledger. What an exporter and a processor share. */
import type { Config } from '../config.ts';
import { createBag } from '../delivery/bag.ts';
import { createDelivery, type Delivery } from '../delivery/delivery.ts';
import type { Outcome } from '../delivery/outcome.ts';
import { toItem } from '../delivery/record-item.ts';
import { settledWithin } from '../delivery/sleep.ts';
import type { Dispatcher } from '../delivery/transport.ts';
import { catchLateThrow } from '../late-throw.ts';
import type { Log } from '../log.ts';
import type { OutgoingRecord, RecordBody } from '../record/record.ts';
import { createResender, type Resending } from '../spool/resend.ts';
import type { StoredRecord } from '../spool/rounds.ts';
import type { Appended } from '../spool/spool.ts';
import { VERSION } from '../version.ts';
import { DELIVERED, type Fate, SPOOLED } from './fate.ts';
import { type Held, withRejection } from './held-record.ts';
import type { Ledger, LedgerBook } from './ledger.ts';
import { createRecordSpool, type RecordSpool } from './record-spool.ts';
import { hintAtCapture, hintAtTwins, warnOf, warnOfLoss, warnOfRejection } from './warnings.ts';

export interface RecordOutbox {
  /**
   * Hands records over to delivery, waiting for room where there is none.
   *
   * @param waitMillis how long a record may wait for room
   * @returns true if no record of these was lost so far, nor rejected and not kept; resolves when each is delivered, rejected, in retry or
   * in the spool
   */
  send(records: readonly OutgoingRecord[], waitMillis: number): Promise<boolean>;
  /**
   * As `send`, for records whose sender is told when they are safe, and sends them again if they are not: what could be lost otherwise is
   * given back to the sender.
   */
  entrust(records: readonly OutgoingRecord[], waitMillis: number): Entrusted;
  /**
   * Resolves when everything in hand is settled or waits behind a closed gate; at most the time. With a spool, what is still in hand then
   * is on the disk, too.
   */
  flush(timeoutMillis: number): Promise<void>;
  /** Settles everything: what cannot be delivered in time is spooled, or dropped. Writing may go on for a second after the time. */
  shutdown(timeoutMillis: number): Promise<void>;
  ledger(): Ledger;
  /** Records in hand. */
  readonly pending: number;
  /** False while what is in hand takes half of its bounds, or more. */
  hasRoom(): boolean;
  readonly hasSpool: boolean;
  /** False while what finds no room would wait long to be written; and without a spool. */
  maySpill(): boolean;
  /** What the end of the process would cut short. */
  atStake(): AtStake;
}

export interface Entrusted {
  /** One for each record, in their order; resolves when all are known. What is handed to retry is known where there is a spool. */
  readonly fates: Promise<readonly Fate[]>;
  /** Writes to the spool what is not settled yet: then it is safe, too. False where there is no spool. */
  secure(): boolean;
}

export interface AtStake {
  /** Records made by this process that are in hand; not those that it has read from the spool. */
  readonly records: number;
  /** Of these, the ones that are in memory alone. */
  readonly unsafe: number;
}

/** What delivery gives up on, and another time may bring through. */
const PASSING: ReadonlySet<string> = new Set([
  'retry_deadline',
  'retries_exhausted',
  'shutdown',
  'queue_full',
]);

/** Another time may bring it through, and somebody else still has it. */
const RETURNABLE: ReadonlySet<string> = new Set([...PASSING, 'spool_full', 'spool_failed', 'spool_busy']);

/** The spool's part of a time limit, at its end: a quarter, and no more than this. */
const MAX_SPOOL_SHARE_MILLIS = 2_000;
/** Writing what is left may go on for so long after the limit of a shutdown. */
const GRACE_MILLIS = 1_000;

export function createRecordOutbox(config: Config, book: LedgerBook, log: Log): RecordOutbox {
  const delivery: Delivery = createDelivery({
    baseUrl: config.baseUrl,
    apiKey: () => config.apiKey?.reveal() ?? '',
    headers: config.headers,
    userAgent: `opentelemetry-exporter-freeplay/${VERSION} node/${process.versions.node}`,
    concurrency: config.concurrency,
    timeoutMillis: config.timeoutMillis,
    retryDeadlineMillis: config.retryDeadlineMillis,
    maxQueueRecords: config.maxQueueRecords,
    maxQueueBytes: config.maxQueueBytes,
    dispatcher: config.dispatcher as Dispatcher | undefined,
    hasProxy: config.hasProxy,
    report(event) {
      warnOf(event, log);
      if (event.kind === 'origin_opened' || event.kind === 'access_opened') resender?.wake();
    },
  });
  const spool = createRecordSpool(config, book, log);
  const resender =
    spool &&
    createResender({
      spool,
      send: resend,
      hasRoom,
    });
  const waiting = { records: 0, bytes: 0 };
  const inHand = createBag<Held>();
  /** Writes to the spool that a record's next step waits for. */
  const writes = new Set<Promise<unknown>>();
  let stopped: Promise<void> | undefined;

  function hasRoom(): boolean {
    return delivery.pending < config.maxQueueRecords / 2 && delivery.bytes < config.maxQueueBytes / 2;
  }

  /** Callbacks are the user's code: what they throw stays here. */
  function tell(call: () => unknown): void {
    const onThrow = (): void =>
      log.warn(
        'FREEPLAY_OTEL_INTERNAL',
        'a callback (onRecord or onDrop) threw; the record is not affected',
        'callback',
      );
    try {
      catchLateThrow(call(), onThrow);
    } catch {
      onThrow();
    }
  }

  function tellOfLoss({ record }: Held, reason: string): void {
    if (record && config.onDrop) tell(() => config.onDrop?.(record.record(), reason));
  }

  function answer(held: Held, well: boolean): void {
    if (held.isAnswered) return;
    held.isAnswered = true;
    held.onAnswer?.(well);
  }

  function tellFate(held: Held, fate: Fate): void {
    const { onFate } = held;
    held.onFate = undefined;
    onFate?.(fate);
  }

  /** Its line in the spool counts no more. */
  function settleCopy(held: Held): void {
    void held.copy?.then((copy) => {
      if (copy.kind === 'kept') copy.entry.settle();
    });
  }

  /** It is out of hand, and so is its line in the spool, unless that is still needed. */
  function end(held: Held, keepsCopy: boolean = false): void {
    inHand.delete(held);
    if (!keepsCopy) settleCopy(held);
    held.onEnd?.();
  }

  function drop(held: Held, reason: string): void {
    end(held);
    if (held.onFate && RETURNABLE.has(reason)) {
      book.addDropped('returned');
      tellFate(held, { kind: 'returned', reason });
      return answer(held, false);
    }
    tellFate(held, { kind: 'lost', reason });
    warnOfLoss(reason, book.addDropped(reason), log);
    tellOfLoss(held, reason);
    answer(held, false);
  }

  /** Another time may bring it through: into the spool, where there is one. */
  async function giveUp(held: Held, reason: string): Promise<void> {
    if (spool === undefined) return drop(held, reason);
    const isOld = held.copy !== undefined;
    let copy = await keep(held, spool);
    let isThere = isLeft(copy);
    if (!isThere && isOld) {
      // The disk was full just then, or the file has been given up for newer ones.
      held.copy = undefined;
      copy = await keep(held, spool);
      isThere = isLeft(copy);
    }
    if (!isThere) return drop(held, copy.kind === 'refused' ? copy.reason : 'spool_full');
    end(held, true);
    book.addSpooled();
    tellFate(held, SPOOLED);
    answer(held, true);
  }

  function reject(held: Held, status: number, message: string): void {
    end(held, spool !== undefined);
    warnOfRejection(status, book.addRejected(), spool !== undefined, log);
    tellOfLoss(held, `rejected: ${message}`);
    tellFate(held, { kind: 'rejected', status, message });
    if (spool === undefined) return answer(held, false);
    const write = spool.rejected.append(withRejection(held.source, { status, message }));
    void awaitWrite(write).then((copy) => {
      // Only now: a kill in between must not find it in neither place.
      settleCopy(held);
      answer(held, isLeft(copy));
    });
  }

  function settle(held: Held, outcome: Outcome): void {
    switch (outcome.kind) {
      case 'delivered':
        end(held);
        book.addDelivered();
        tellFate(held, DELIVERED);
        return answer(held, true);
      case 'rejected':
        return reject(held, outcome.status, outcome.message);
      case 'dropped':
        if (PASSING.has(outcome.reason)) void giveUp(held, outcome.reason);
        else drop(held, outcome.reason);
    }
  }

  function awaitWrite<T>(write: Promise<T>): Promise<T> {
    writes.add(write);
    void write.finally(() => writes.delete(write));
    return write;
  }

  /** Sees to it that the record is in the spool, held by us. */
  async function keep(held: Held, { append }: Pick<RecordSpool, 'append'>): Promise<Appended> {
    held.copy ??= awaitWrite(append(held.source));
    const copy = await held.copy;
    held.isSafe = copy.kind === 'kept';
    return copy;
  }

  /**
   * What comes faster than the disk takes it must not pile up before it. Not asked for what leaves delivery: that was in memory before,
   * within its bounds.
   */
  function isBusy({ backlog }: RecordSpool, share: number = 1): boolean {
    return backlog.records >= config.maxQueueRecords * share || backlog.bytes >= config.maxQueueBytes * share;
  }

  /** Until nothing is being written that a record waits for; what follows a write has happened then, too. */
  async function untilWritten(timeoutMillis: number): Promise<void> {
    const deadline = performance.now() + timeoutMillis;
    await turn();
    while (writes.size > 0 && performance.now() < deadline) {
      await settledWithin(Promise.all(writes), deadline - performance.now());
      await turn();
    }
  }

  /** A record of the spool enters the ledger when it is first taken in hand, and stays in it. */
  function resend(stored: StoredRecord): Resending {
    const { record, isNew } = stored;
    if (isNew) book.addCreated();
    else book.takeSpooled();
    let onAnswer = (): void => {};
    let onEnd = (): void => {};
    const resending = {
      answered: new Promise<void>((resolve) => {
        onAnswer = resolve;
      }),
      ended: new Promise<void>((resolve) => {
        onEnd = resolve;
      }),
    };
    const held: Held = {
      item: toItem(record, () => JSON.parse(record.text()) as RecordBody),
      source: record,
      record: undefined,
      onAnswer,
      onEnd,
      onFate: undefined,
      copy: Promise.resolve({ kind: 'kept', entry: stored }),
      isSafe: true,
      isAnswered: false,
      slot: -1,
    };
    inHand.add(held);
    if (!offer(held)) void giveUp(held, 'queue_full');
    return resending;
  }

  function offer(held: Held): boolean {
    return delivery.offer(held.item, {
      onRetrying: () => answer(held, true),
      onSettled: (outcome) => settle(held, outcome),
    });
  }

  function send(
    record: OutgoingRecord,
    deadline: number,
    onAnswer: ((well: boolean) => void) | undefined,
    onFate: ((fate: Fate) => void) | undefined,
  ): Held {
    const held: Held = {
      item: toItem(record, () => record.record().body),
      source: record,
      record,
      onAnswer,
      onEnd: undefined,
      onFate,
      copy: undefined,
      isSafe: false,
      isAnswered: false,
      slot: -1,
    };
    inHand.add(held);
    if (spool?.always && !isBusy(spool)) void keepAndOffer(held, spool, deadline);
    else if (!offer(held)) void offerWhenThereIsRoom(held, deadline);
    return held;
  }

  async function keepAndOffer(held: Held, store: RecordSpool, deadline: number): Promise<void> {
    const copy = await keep(held, store);
    if (copy.kind === 'kept') tellFate(held, SPOOLED);
    if (copy.kind === 'refused' && copy.reason === 'conversion') drop(held, copy.reason);
    else if (!offer(held)) await offerWhenThereIsRoom(held, deadline);
  }

  async function offerWhenThereIsRoom(held: Held, deadline: number): Promise<void> {
    if (await isOfferedInTime(held, deadline)) return;
    if (spool && held.copy === undefined && isBusy(spool)) drop(held, 'spool_busy');
    else await giveUp(held, 'queue_full');
  }

  /** What waits for room counts in the same bounds again: beyond them a record is given up at once rather than held. */
  async function isOfferedInTime(held: Held, deadline: number): Promise<boolean> {
    const { bytes } = held.item;
    const isFull = waiting.records >= config.maxQueueRecords || waiting.bytes + bytes > config.maxQueueBytes;
    if (waiting.records > 0 && isFull) return false;
    waiting.records++;
    waiting.bytes += bytes;
    try {
      for (;;) {
        const left = deadline - performance.now();
        if (left <= 0 || !(await delivery.waitForRoom(bytes, left))) return false;
        if (offer(held)) return true;
      }
    } finally {
      waiting.records--;
      waiting.bytes -= bytes;
    }
  }

  function sendAll(records: readonly OutgoingRecord[], waitMillis: number): Promise<boolean> {
    const deadline = performance.now() + waitMillis;
    return new Promise((resolve) => {
      let unanswered = records.length;
      let well = true;
      const onAnswer = (isWell: boolean): void => {
        well &&= isWell;
        unanswered--;
        if (unanswered === 0) resolve(well);
      };
      if (unanswered === 0) resolve(true);
      for (const record of records) send(record, deadline, onAnswer, undefined);
    });
  }

  function secure(held: Held): void {
    if (!spool || !held.onFate || (held.copy === undefined && isBusy(spool))) return;
    void keep(held, spool).then((copy) => {
      if (copy.kind === 'kept') tellFate(held, SPOOLED);
    });
  }

  function entrustAll(records: readonly OutgoingRecord[], waitMillis: number): Entrusted {
    const deadline = performance.now() + waitMillis;
    const fates: Fate[] = [];
    const held = new Set<Held>();
    const settled = new Promise<readonly Fate[]>((resolve) => {
      let open = records.length;
      if (open === 0) resolve(fates);
      records.forEach((record, i) => {
        const onFate = (fate: Fate): void => {
          fates[i] = fate;
          held.delete(one);
          open--;
          if (open === 0) resolve(fates);
        };
        // What is handed to retry may take long: its sender need not wait for it where there is a spool. It may be so at once.
        const onAnswer = (): void => queueMicrotask(() => secure(one));
        const one: Held = send(record, deadline, onAnswer, onFate);
        held.add(one);
      });
    });
    return {
      fates: settled,
      secure() {
        for (const one of held) secure(one);
        return spool !== undefined;
      },
    };
  }

  async function flush(timeoutMillis: number): Promise<void> {
    if (!spool) return delivery.flush(timeoutMillis);
    const deadline = performance.now() + timeoutMillis;
    const share = Math.min(timeoutMillis / 4, MAX_SPOOL_SHARE_MILLIS);
    const resume = resender?.pause();
    try {
      if (spool.always) await untilWritten(share);
      await delivery.flush(Math.max(0, deadline - performance.now() - share));
      for (const held of inHand) if (held.copy === undefined) void keep(held, spool);
      await untilWritten(deadline - performance.now());
      await spool.tidy(Math.max(0, deadline - performance.now()));
    } finally {
      resume?.();
    }
  }

  async function stop(timeoutMillis: number): Promise<void> {
    if (!spool) return delivery.shutdown(timeoutMillis);
    const deadline = performance.now() + timeoutMillis;
    const share = Math.min(timeoutMillis / 4, MAX_SPOOL_SHARE_MILLIS);
    resender?.stop();
    await spool.verify(share);
    if (spool.always) await untilWritten(share);
    await delivery.shutdown(Math.max(0, deadline - performance.now() - share));
    const end = Math.max(deadline, performance.now()) + GRACE_MILLIS;
    await untilWritten(end - performance.now());
    // Refuses what is not written by now, which counts it as lost.
    await spool.close(Math.max(0, end - performance.now()));
    await untilWritten(GRACE_MILLIS);
  }

  function enter(records: readonly OutgoingRecord[]): void {
    for (const record of records) {
      book.addCreated();
      hintAtCapture(record, log);
      hintAtTwins(record, log);
      if (config.onRecord) tell(() => config.onRecord?.(record.record()));
    }
  }

  return {
    send(records, waitMillis) {
      enter(records);
      return sendAll(records, waitMillis);
    },
    entrust(records, waitMillis) {
      enter(records);
      return entrustAll(records, waitMillis);
    },
    flush,
    shutdown(timeoutMillis) {
      stopped ??= stop(timeoutMillis);
      return stopped;
    },
    get pending() {
      return inHand.size;
    },
    hasRoom,
    hasSpool: spool !== undefined,
    maySpill: () => spool !== undefined && !isBusy(spool, 1 / 2),
    ledger: () => book.read(delivery.stats()),
    atStake() {
      const own = [...inHand].filter(({ record }) => record !== undefined);
      return { records: own.length, unsafe: own.filter(({ isSafe }) => !isSafe).length };
    },
  };
}

/** Every promise that can settle without the outside world has settled then. */
function turn(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** True if the line is in the file and stays there, to be sent another time. */
function isLeft(copy: Appended | undefined): boolean {
  return copy?.kind === 'kept' && copy.entry.leave();
}
