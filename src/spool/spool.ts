/**
 * A folder of records that could not be delivered, or may not be lost: append-only files of one record a line, and beside
 * each an append-only file of the numbers that are settled. `docs/decisions/0006-spool-format.md` says why.
 *
 * Everything is asynchronous, and what changes the folder is done one thing after the other. Nothing rejects: what cannot
 * be done is an answer or an event.
 */
import { settledWithin } from '../delivery/sleep.ts';
import { type Backlog, createAppender } from './appender.ts';
import { createBounds } from './bounds.ts';
import { NODE_FILES, type SpoolFiles } from './files.ts';
import { createHoldings, type SpoolEntry } from './holdings.ts';
import type { SpoolSource } from './line.ts';
import type { Look } from './look.ts';
import { createRounds, type StoredRecord } from './rounds.ts';
import { createSerial } from './serial.ts';

/** Why a record is not in the spool: the bound, the disk, or no body could be made of it. */
export type Refusal = 'spool_full' | 'spool_failed' | 'conversion';

export type Appended =
  | { readonly kind: 'kept'; readonly entry: SpoolEntry }
  | { readonly kind: 'refused'; readonly reason: Refusal };

/** Records that were in the spool and will not be sent: in this process' ledger as spooled, or unseen by it. */
export interface SpoolLoss {
  readonly reason: 'spool_full' | 'spool_expired' | 'spool_failed';
  readonly left: number;
  readonly unseen: number;
}

export type SpoolEvent =
  /** The file system said no. */
  | { readonly kind: 'failed'; readonly code: string }
  /** Lines that are no whole records; their file is kept. */
  | { readonly kind: 'unreadable'; readonly lines: number }
  /** Files that are none of ours, of which none is touched. */
  | { readonly kind: 'foreign'; readonly files: number };

export interface SpoolOptions {
  /** Absolute path; made when it is needed. */
  readonly dir: string;
  /** Of all files of ours in the folder. */
  readonly maxBytes: number;
  /** Flush to the disk before an append is answered, so that a loss of power costs nothing. */
  readonly sync: boolean;
  /** Older records are lost, not sent. @default seven days */
  readonly maxAgeMillis?: number;
  /** Lets others have a file so long after it was begun. @default at the end */
  readonly releaseAfterMillis?: number;
  readonly report: (event: SpoolEvent) => void;
  readonly onLoss: (loss: SpoolLoss) => void;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
  /** @default Math.random */
  readonly random?: () => number;
  /** @default node:fs/promises */
  readonly files?: SpoolFiles;
}

/** The options with their defaults: what the parts of a spool are given. */
export type SpoolPolicy = SpoolOptions &
  Required<Pick<SpoolOptions, 'maxAgeMillis' | 'now' | 'random' | 'files'>>;

/** A week: an outage that nobody has noticed by then will not be noticed by its records. */
const MAX_AGE_MILLIS = 604_800_000;

export interface Spool {
  /** What waits to be written. The caller sees to it that it stays bounded. */
  readonly backlog: Backlog;
  /** Resolves once the record is in the file. It is held until it is settled or left. */
  append(source: SpoolSource): Promise<Appended>;
  /** Looks at the folder anew, so that `next` begins with the oldest; undefined if it cannot be read. */
  beginRound(): Promise<Look | undefined>;
  /** The next record of this round that nobody holds: from this process, and from those that have ended. */
  next(): Promise<StoredRecord | undefined>;
  /** Finds out which files are gone, perhaps with the folder: what was left in them is lost, what is in hand can be written again. */
  verify(timeoutMillis: number): Promise<void>;
  /** Leaves no more in the folder than what is not settled, for the process may end without another word; at most the time. */
  tidy(timeoutMillis: number): Promise<void>;
  /** Refuses what waits to be written, notes what is known and lets go of everything; at most the time. */
  close(timeoutMillis: number): Promise<void>;
}

/** Touches nothing on the disk yet. */
export function openSpool(options: SpoolOptions): Spool {
  const policy: SpoolPolicy = {
    maxAgeMillis: MAX_AGE_MILLIS,
    now: Date.now,
    random: Math.random,
    files: NODE_FILES,
    ...options,
    report: toSafe(options.report),
    onLoss: toSafe(options.onLoss),
  };
  const inOrder = createSerial();
  const holdings = createHoldings(policy, inOrder);
  const bounds = createBounds(policy, holdings);
  const appender = createAppender(policy, holdings, bounds, inOrder);
  const rounds = createRounds(policy, holdings, bounds);
  let closed = false;
  return {
    backlog: appender.backlog,
    append: appender.append,
    beginRound: () => inOrder(rounds.begin),
    verify: (timeoutMillis) => settledWithin(inOrder(holdings.verify), timeoutMillis),
    next: () => (closed ? Promise.resolve(undefined) : inOrder(rounds.next)),
    async tidy(timeoutMillis) {
      if (closed) return;
      const tidied = inOrder(async () => {
        await appender.sealSettled();
        await holdings.tidy();
      });
      await settledWithin(tidied, timeoutMillis);
    },
    async close(timeoutMillis) {
      closed = true;
      appender.stop();
      const letGo = inOrder(async () => {
        await rounds.end();
        await appender.seal();
        await holdings.letGo();
        // Whoever held what we have sent holds nothing any more.
        if (holdings.lock()) await bounds.sweep(await bounds.look());
      });
      await settledWithin(letGo, timeoutMillis);
    },
  };
}

/** The caller's code: what it throws must not leave a record in between. */
function toSafe<T>(tell: (news: T) => void): (news: T) => void {
  return (news) => {
    try {
      tell(news);
    } catch {
      // A logger that throws must not stop the records.
    }
  };
}
