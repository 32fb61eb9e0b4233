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
    readonly created: number;
    readonly delivered: number;
    readonly rejected: number;
    /** By reason. */
    readonly dropped: Readonly<Record<string, number>>;
    readonly spooled: number;
    readonly pending: number;
  };
  /** Bytes of the records in hand. */
  readonly bytes: number;
  /** Attempts after the first, of all records. */
  readonly retries: number;
  /** The latest failure: an error code or the server's words. Never the key. */
  readonly lastError?: string;
}

export interface LedgerBook {
  addSpans(seen: number, converted: number): void;
  addCreated(): void;
  addDropped(reason: string): number;
  read(delivery: DeliveryStats | undefined): Ledger;
}

export function createLedgerBook(): LedgerBook {
  let seen = 0;
  let converted = 0;
  let created = 0;
  const dropped = new Map<string, number>();
  return {
    addSpans(newSeen, newConverted) {
      seen += newSeen;
      converted += newConverted;
    },
    addCreated() {
      created++;
    },
    addDropped(reason) {
      const total = (dropped.get(reason) ?? 0) + 1;
      dropped.set(reason, total);
      return total;
    },
    read(delivery) {
      const all: Record<string, number> = {};
      const add = (reason: string, n: number): void => {
        if (n > 0) all[reason] = (all[reason] ?? 0) + n;
      };
      for (const [reason, n] of Object.entries(delivery?.dropped ?? {})) add(reason, n);
      for (const [reason, n] of dropped) add(reason, n);
      const delivered = delivery?.delivered ?? 0;
      const rejected = delivery?.rejected ?? 0;
      const lost = Object.values(all).reduce((sum, n) => sum + n, 0);
      return {
        spans: { seen, skipped: seen - converted, converted },
        records: {
          created,
          delivered,
          rejected,
          dropped: all,
          spooled: 0,
          pending: created - delivered - rejected - lost,
        },
        bytes: delivery?.bytes ?? 0,
        retries: delivery?.retries ?? 0,
        ...(delivery?.lastError === undefined ? {} : { lastError: delivery.lastError }),
      };
    },
  };
}
