/** Records → delivery: sizes, room, callbacks of the user, and the ledger. What an exporter and a processor share. */
import type { Config } from '../config.ts';
import { createDelivery, type Delivery, type Offered } from '../delivery/delivery.ts';
import type { Outcome } from '../delivery/outcome.ts';
import type { DeliveryItem } from '../delivery/sender.ts';
import type { Dispatcher } from '../delivery/transport.ts';
import type { Log } from '../log.ts';
import type { OutgoingRecord } from '../record/record.ts';
import { shrinkBody } from '../record/shrink.ts';
import { VERSION } from '../version.ts';
import type { Ledger, LedgerBook } from './ledger.ts';
import { hintAtCapture, warnOf } from './warnings.ts';

export interface RecordOutbox {
  /**
   * Hands records over to delivery, waiting for room where there is none.
   *
   * @param waitMillis how long a record may wait for room
   * @returns true if no record of these was lost or rejected so far; resolves when each is delivered, rejected or in retry
   */
  send(records: readonly OutgoingRecord[], waitMillis: number): Promise<boolean>;
  /** Resolves when everything in hand is settled or waits behind a closed gate; at most the time. */
  flush(timeoutMillis: number): Promise<void>;
  shutdown(timeoutMillis: number): Promise<void>;
  ledger(): Ledger;
}

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
    report: (event) => warnOf(event, log),
  });
  const waiting = { records: 0, bytes: 0 };

  function drop(record: OutgoingRecord, reason: string): false {
    const total = book.addDropped(reason);
    log.warn('FREEPLAY_OTEL_LOSS', `a record was lost (${reason}), ${total} in all`, reason);
    tell(() => config.onDrop?.(record.record(), reason));
    return false;
  }

  /** Callbacks are the user's code: what they throw stays here. */
  function tell(call: () => void): void {
    try {
      call();
    } catch {
      log.warn(
        'FREEPLAY_OTEL_INTERNAL',
        'a callback (onRecord or onDrop) threw; the record is not affected',
        'callback',
      );
    }
  }

  function settle(record: OutgoingRecord, outcome: Outcome): boolean {
    if (outcome.kind === 'delivered') return true;
    tell(() =>
      config.onDrop?.(
        record.record(),
        outcome.kind === 'rejected' ? `rejected: ${outcome.message}` : outcome.reason,
      ),
    );
    return false;
  }

  /** Whether the record is well as far as is known once its first attempt has been judged. */
  async function sendOne(record: OutgoingRecord, deadline: number): Promise<boolean> {
    const item = toItem(record);
    const offered = delivery.offer(item) ?? (await offerWhenThereIsRoom(item, deadline));
    if (!offered) return drop(record, 'queue_full');
    const outcome = offered.outcome.then((final) => settle(record, final));
    return Promise.race([outcome, offered.firstAttempt.then(() => settledOr(outcome, true))]);
  }

  /** What waits for room counts in the same bounds again: beyond them a record is lost at once rather than held. */
  async function offerWhenThereIsRoom(item: DeliveryItem, deadline: number): Promise<Offered | undefined> {
    const isFull =
      waiting.records >= config.maxQueueRecords || waiting.bytes + item.bytes > config.maxQueueBytes;
    if (waiting.records > 0 && isFull) return undefined;
    waiting.records++;
    waiting.bytes += item.bytes;
    try {
      for (;;) {
        const left = deadline - performance.now();
        if (left <= 0 || !(await delivery.waitForRoom(item.bytes, left))) return undefined;
        const offered = delivery.offer(item);
        if (offered) return offered;
      }
    } finally {
      waiting.records--;
      waiting.bytes -= item.bytes;
    }
  }

  async function sendAll(records: readonly OutgoingRecord[], waitMillis: number): Promise<boolean> {
    const deadline = performance.now() + waitMillis;
    const all = await Promise.all(records.map((record) => sendOne(record, deadline)));
    return all.every((well) => well);
  }

  return {
    send(records, waitMillis) {
      for (const record of records) {
        book.addCreated();
        hintAtCapture(record, log);
        if (config.onRecord) tell(() => config.onRecord?.(record.record()));
      }
      return sendAll(records, waitMillis);
    },
    flush: (timeoutMillis) => delivery.flush(timeoutMillis),
    shutdown: (timeoutMillis) => delivery.shutdown(timeoutMillis),
    ledger: () => book.read(delivery.stats()),
  };
}

/** The value of a promise that has settled by now, else the fallback. */
function settledOr<T>(promise: Promise<T>, fallback: T): Promise<T> {
  return Promise.race([promise, Promise.resolve().then(() => Promise.resolve(fallback))]);
}

function toItem(record: OutgoingRecord): DeliveryItem {
  const { id, kind, projectId, path, bytes } = record;
  return {
    id,
    kind,
    projectId,
    path,
    bytes,
    body: () => record.text(),
    shrink: (maxBytes) => {
      const shrunk = shrinkBody(record.record().body, maxBytes);
      return shrunk.cut.length === 0 ? undefined : JSON.stringify(shrunk.body);
    },
  };
}
