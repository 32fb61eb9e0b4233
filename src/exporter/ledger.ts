/** What happened to every span and every record: one place, read at any moment. */
import type { DeliveryStats } from '../delivery/delivery.ts';

export interface Ledger {
  readonly spans: {
    /** Ended spans that were handed in. */
    readonly seen: number;
    /** Spans that no record was made of: not GenAI, or bookkeeping. */
    readonly skipped: number;
    readonly converted: number;
  };
  /** `created = delivered + rejected + dropped + spooled + pending`, at every moment. */
  readonly records: {
    /** Made of spans, or taken over from the spool of a process that has ended. */
    readonly created: number;
    readonly delivered: number;
    readonly rejected: number;
    /** By reason. */
    readonly dropped: Readonly<Record<string, number>>;
    /** In the spool, and not in hand. */
    readonly spooled: number;
    /** In hand, whether or not there is a copy in the spool. */
    readonly pending: number;
  };
  /** Bytes of the records in hand. */
  readonly bytes: number;
  /** Attempts after the first, of all records. */
  readonly retries: number;
  /** The latest failure: an error code or the server's words. Never the key. */
  readonly lastError?: string;
}

/** Every record is entered once, as created, and is pending until one of the others is entered for it. */
/** An error code or a bare status, as one may log it; the server's words, which may quote content, only on request. */
export function tellError({ lastError }: Ledger): string {
  return lastError !== undefined && /^(HTTP \d{3}|[A-Z][A-Z0-9_]{2,63})$/.test(lastError)
    ? lastError
    : 'see ledger().lastError';
}

export interface LedgerBook {
  addSpans(seen: number, converted: number): void;
  addCreated(): void;
  addDelivered(): void;
  /** Returns the total. */
  addRejected(): number;
  /** Returns the total of the reason. */
  addDropped(reason: string): number;
  addSpooled(): void;
  /** A spooled record is in hand again. */
  takeSpooled(): void;
  /**
   * Records were lost from the spool; returns the total of the reason.
   *
   * @param known how many of them are in this ledger as spooled
   * @param unknown how many are in no ledger of this process yet
   */
  addLost(reason: string, known: number, unknown: number): number;
  read(delivery: Pick<DeliveryStats, 'bytes' | 'retries' | 'lastError'> | undefined): Ledger;
}

export function createLedgerBook(): LedgerBook {
  let seen = 0;
  let converted = 0;
  let created = 0;
  let delivered = 0;
  let rejected = 0;
  let spooled = 0;
  const dropped = new Map<string, number>();
  const addDropped = (reason: string, n: number): number => {
    const total = (dropped.get(reason) ?? 0) + n;
    dropped.set(reason, total);
    return total;
  };
  return {
    addSpans(newSeen, newConverted) {
      seen += newSeen;
      converted += newConverted;
    },
    addCreated() {
      created++;
    },
    addDelivered() {
      delivered++;
    },
    addRejected: () => ++rejected,
    addDropped: (reason) => addDropped(reason, 1),
    addSpooled() {
      spooled++;
    },
    takeSpooled() {
      spooled--;
    },
    addLost(reason, known, unknown) {
      created += unknown;
      spooled -= known;
      return addDropped(reason, known + unknown);
    },
    read(delivery) {
      const lost = [...dropped.values()].reduce((sum, n) => sum + n, 0);
      return {
        spans: { seen, skipped: seen - converted, converted },
        records: {
          created,
          delivered,
          rejected,
          dropped: Object.fromEntries(dropped),
          spooled,
          pending: created - delivered - rejected - lost - spooled,
        },
        bytes: delivery?.bytes ?? 0,
        retries: delivery?.retries ?? 0,
        ...(delivery?.lastError === undefined ? {} : { lastError: delivery.lastError }),
      };
    },
  };
}
