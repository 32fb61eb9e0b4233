/** The spool of an outbox: what goes to which folder, and how much. */
import { join, resolve } from 'node:path';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import { REJECTED_FOLDER } from '../spool/look.ts';
import { openSpool, type Spool } from '../spool/spool.ts';
import type { LedgerBook } from './ledger.ts';
import { warnOfLoss, warnOfSpool } from './warnings.ts';

/** Rejected ones are for a person, who need not wait for the end of this process to send them again. */
const REJECTED_RELEASE_MILLIS = 60_000;

export interface RecordSpool extends Spool {
  /** Every record is written before it is first sent. */
  readonly always: boolean;
  /** What the API has rejected, with its words. */
  readonly rejected: Spool;
}

/** Undefined without the option `spoolDir`. Touches nothing on the disk yet. */
export function createRecordSpool(config: Config, book: LedgerBook, log: Log): RecordSpool | undefined {
  if (config.spoolDir === undefined) return undefined;
  const dir = resolve(config.spoolDir);
  const rejectedDir = join(dir, REJECTED_FOLDER);
  const rejectedBytes = Math.floor(config.maxSpoolBytes / 10);
  const always = config.spoolMode === 'always';
  const main = openSpool({
    dir,
    maxBytes: config.maxSpoolBytes - rejectedBytes,
    sync: always,
    report: (event) => warnOfSpool(event, dir, log),
    onLoss: ({ reason, left, unseen }) => warnOfLoss(reason, book.addLost(reason, left, unseen), log),
  });
  const rejected = openSpool({
    dir: rejectedDir,
    maxBytes: rejectedBytes,
    sync: false,
    releaseAfterMillis: REJECTED_RELEASE_MILLIS,
    report: (event) => warnOfSpool(event, rejectedDir, log),
    onLoss: () =>
      log.warn(
        'FREEPLAY_OTEL_SPOOL',
        `the oldest rejected records in ${rejectedDir} were deleted: older than 7 days, or more than a tenth of maxSpoolBytes`,
        `${dir} rejected`,
      ),
  });
  return {
    ...main,
    always,
    rejected,
    async beginRound() {
      const found = await main.beginRound();
      // Nothing is sent from there; what is too old is deleted.
      if (found !== undefined) await rejected.beginRound();
      return found;
    },
    async close(timeoutMillis) {
      await Promise.all([main.close(timeoutMillis), rejected.close(timeoutMillis)]);
    },
  };
}
