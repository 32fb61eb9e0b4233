/** What a spool folder holds, without touching it. */
import { join } from 'node:path';
import { isMissing, NODE_FILES, type SpoolFiles } from './files.ts';
import type { Rejection } from './line.ts';
import { type FoundSegment, look } from './look.ts';
import { sideFile } from './names.ts';
import { readMarks, readRecords } from './read-segment.ts';

export interface Inventory {
  /** Records that nobody alive holds and that are not settled. */
  readonly records: number;
  /** Of their bodies. */
  readonly bytes: number;
  /** When the oldest was made, milliseconds since 1970. */
  readonly oldest?: number;
  /** How many there are of each project. */
  readonly projects: ReadonlyMap<string, number>;
  /** Status and words of the API, of rejected ones; how often. */
  readonly rejections: ReadonlyMap<string, number>;
  /** Files of processes that live, which are theirs. */
  readonly held: { readonly files: number; readonly records: number; readonly pids: readonly number[] };
  /** Lines that are no whole records, in files that are still to be sent. */
  readonly unreadable: number;
  /** Files that were set aside for such lines. */
  readonly torn: number;
  /** Files that are none of ours. */
  readonly foreign: number;
}

/** @throws the file system's error */
export async function takeInventory(dir: string, files: SpoolFiles = NODE_FILES): Promise<Inventory> {
  const found = await look(dir, files, Date.now(), undefined);
  const tally: Tally = {
    records: 0,
    bytes: 0,
    oldest: undefined,
    projects: new Map(),
    rejections: new Map(),
    unreadable: 0,
  };
  for (const segment of found.free) await count(dir, segment, files, tally);
  const held: Tally = { ...tally, records: 0, projects: new Map(), rejections: new Map() };
  for (const segment of found.held) await count(dir, segment, files, held);
  const { oldest, ...sums } = tally;
  return {
    ...sums,
    ...(oldest !== undefined && { oldest }),
    held: {
      files: found.held.length,
      records: held.records,
      pids: [...new Set(found.held.flatMap(({ pid }) => pid ?? []))],
    },
    torn: found.torn.length,
    foreign: found.foreign,
  };
}

interface Tally {
  records: number;
  bytes: number;
  oldest: number | undefined;
  readonly projects: Map<string, number>;
  readonly rejections: Map<string, number>;
  unreadable: number;
}

async function count(dir: string, found: FoundSegment, files: SpoolFiles, tally: Tally): Promise<void> {
  const settled = await readMarks(files, join(dir, sideFile(found.segment, 'done')));
  try {
    for await (const record of readRecords(files, join(dir, found.file))) {
      if (record === undefined) tally.unreadable += 1;
      else if (!settled.has(record.n)) {
        tally.records += 1;
        tally.bytes += record.bytes;
        tally.oldest = Math.min(tally.oldest ?? record.at, record.at);
        add(tally.projects, record.projectId);
        if (record.rejection) countRejection(tally.rejections, record.rejection);
      }
    }
  } catch (error) {
    // Taken or finished meanwhile.
    if (!isMissing(error)) throw error;
  }
}

/** By status and words; those about different records are the same without their ids. */
export function countRejection(counts: Map<string, number>, { status, message }: Rejection): void {
  add(counts, `${status} ${message.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, '…')}`);
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
