/** Final outcomes of records, the closed set of reasons for a loss, and their counters. */

/** Why a record was lost by us. Adding one is adding a line here; the counters follow. */
export const DROP_REASONS = [
  /** There was no room. Never counted here: `offer` answers "full", and whoever gives up on the record counts it. */
  'queue_full',
  /** Still failing when the record's retry deadline came. */
  'retry_deadline',
  /** 500 after the three retries that the vendor allows. */
  'retries_exhausted',
  /** Still pending when shutdown ran out of time. */
  'shutdown',
  /** No body could be made of it. */
  'conversion',
  /** Nothing that the API can represent. Counted by whoever converts. */
  'unsupported',
  /** A bug of ours; it must not cost the host application more than the record. */
  'internal',
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

export type Outcome =
  | { readonly kind: 'delivered' }
  /** The API said no for good, in its own words. */
  | { readonly kind: 'rejected'; readonly status: number; readonly message: string }
  | { readonly kind: 'dropped'; readonly reason: DropReason; readonly message?: string };

export interface OutcomeCounts {
  readonly delivered: number;
  readonly rejected: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

export interface OutcomeCounters {
  /** Counts the outcome and returns the new total of its kind (for drops: of its reason). */
  add(outcome: Outcome): number;
  read(): OutcomeCounts;
}

export function createOutcomeCounters(): OutcomeCounters {
  let delivered = 0;
  let rejected = 0;
  const dropped = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>;
  return {
    add(outcome) {
      if (outcome.kind === 'delivered') return ++delivered;
      if (outcome.kind === 'rejected') return ++rejected;
      return ++dropped[outcome.reason];
    },
    read: () => ({ delivered, rejected, dropped: { ...dropped } }),
  };
}
