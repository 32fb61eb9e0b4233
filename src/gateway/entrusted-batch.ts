/** The records of one request, with whoever delivers them, from the first try until all of them are safe or refused. */
import type { Fate } from '../exporter/fate.ts';
import type { Entrusted, RecordOutbox } from '../exporter/record-outbox.ts';
import type { OutgoingRecord } from '../record/record.ts';

/** Records that go out together: one key, one queue. */
export interface Parcel {
  readonly outbox: RecordOutbox;
  readonly records: readonly OutgoingRecord[];
}

export interface BatchResult {
  /** Refused by the API for good, or impossible to send. */
  readonly rejected: number;
  /** Why the first of them was. */
  readonly message: string | undefined;
  /** The gateway has stopped before anything was made of the request. */
  readonly isStopped?: boolean;
  /** Not kept: they have to be sent again. */
  readonly returned: readonly Parcel[];
}

export interface EntrustedBatch {
  readonly result: Promise<BatchResult>;
  /** Writes what is not settled yet to the spools; false where there are none. */
  secure(): boolean;
}

export function entrust(parcels: readonly Parcel[], waitMillis: number): EntrustedBatch {
  const sent = parcels.map(({ outbox, records }) => outbox.entrust(records, waitMillis));
  return {
    result: settle(parcels, sent),
    secure: () => sent.map((one) => one.secure()).some((isWritten) => isWritten),
  };
}

async function settle(parcels: readonly Parcel[], sent: readonly Entrusted[]): Promise<BatchResult> {
  const all = await Promise.all(sent.map((one) => one.fates));
  let rejected = 0;
  let message: string | undefined;
  const returned: Parcel[] = [];
  parcels.forEach(({ outbox, records }, i) => {
    const back: OutgoingRecord[] = [];
    records.forEach((record, j) => {
      const fate = all[i]?.[j];
      if (fate?.kind === 'returned') back.push(record);
      if (fate?.kind !== 'rejected' && fate?.kind !== 'lost') return;
      rejected++;
      message ??= tell(fate);
    });
    if (back.length > 0) returned.push({ outbox, records: back });
  });
  return { rejected, message, returned };
}

/** As much of the API's words as helps. */
const MAX_MESSAGE = 500;

function tell(fate: Extract<Fate, { kind: 'rejected' | 'lost' }>): string {
  if (fate.kind === 'lost') return `a record could not be made (${fate.reason})`;
  return `the API rejected a record with status ${fate.status}: ${fate.message.slice(0, MAX_MESSAGE)}`;
}
