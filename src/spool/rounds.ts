/** Going through the folder once, oldest first, for what is to be sent again. */
import type { Bounds } from './bounds.ts';
import { codeOf } from './files.ts';
import type { Holdings, SpoolEntry } from './holdings.ts';
import type { SpoolRecord } from './line.ts';
import type { FoundSegment, Look } from './look.ts';
import { readRecords } from './read-segment.ts';
import type { Segment } from './segment.ts';
import type { SpoolPolicy } from './spool.ts';

/** A record that is to be sent again; held until it is settled or left. */
export interface StoredRecord extends SpoolEntry {
  readonly record: SpoolRecord;
  /** It comes from another process and is met for the first time. */
  readonly isNew: boolean;
}

export interface Rounds {
  begin(): Promise<Look | undefined>;
  next(): Promise<StoredRecord | undefined>;
  end(): Promise<void>;
}

interface Reader {
  readonly segment: Segment;
  readonly records: ReturnType<typeof readRecords>;
}

type Candidate = { readonly name: string; open(): Promise<Segment | undefined> };

export function createRounds(policy: SpoolPolicy, holdings: Holdings, bounds: Bounds): Rounds {
  let candidates: Candidate[] = [];
  let reader: Reader | undefined;

  const fail = (error: unknown): void => policy.report({ kind: 'failed', code: codeOf(error) });

  async function end(): Promise<void> {
    const records = reader?.records;
    reader = undefined;
    candidates = [];
    await records?.return(undefined).catch(fail);
  }

  async function begin(): Promise<Look | undefined> {
    await end();
    await holdings.verify();
    try {
      await bounds.expire(await bounds.look());
      const found = await bounds.look();
      await bounds.sweep(found);
      if (found.foreign > 0) policy.report({ kind: 'foreign', files: found.foreign });
      candidates = candidatesOf(found);
      return found;
    } catch (error) {
      fail(error);
      return undefined;
    }
  }

  function candidatesOf(found: Look): Candidate[] {
    const own = holdings.all().filter((one) => one.total('left') + one.total('unseen') > 0);
    return [
      ...own.map((segment) => ({ name: segment.name, open: async () => segment })),
      ...found.free.map((one: FoundSegment) => ({ name: one.segment, open: () => holdings.claim(one) })),
    ].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async function openReader(): Promise<Reader | undefined> {
    for (let one = candidates.shift(); one !== undefined; one = candidates.shift()) {
      const segment = await one.open();
      if (segment === undefined || segment.gone) continue;
      // As far as it is written: this may be the file that is appended to.
      const records = readRecords(policy.files, holdings.path(segment), segment.bytes);
      reader = { segment, records };
      return reader;
    }
    return undefined;
  }

  /** Undefined for a record that is not to be sent. */
  function take(segment: Segment, record: SpoolRecord): StoredRecord | undefined {
    const state = segment.stateOf(record.n);
    if (state !== 'left' && state !== 'unseen') return undefined;
    const entry = holdings.entryOf(segment, record.n);
    const isNew = state === 'unseen';
    if (record.at < policy.now() - policy.maxAgeMillis) {
      entry.settle();
      policy.onLoss({ reason: 'spool_expired', left: isNew ? 0 : 1, unseen: isNew ? 1 : 0 });
      return undefined;
    }
    segment.set(record.n, 'held');
    return { ...entry, record, isNew };
  }

  async function next(): Promise<StoredRecord | undefined> {
    for (;;) {
      try {
        const { segment, records } = reader ?? (await openReader()) ?? {};
        if (segment === undefined || records === undefined) return undefined;
        const read = await records.next();
        if (read.done || segment.gone) {
          reader = undefined;
          await records.return(undefined);
        } else {
          const stored = read.value && take(segment, read.value);
          if (stored) return stored;
        }
      } catch (error) {
        // This file cannot be read; the others may.
        reader = undefined;
        fail(error);
      }
    }
  }

  return { begin, next, end };
}
