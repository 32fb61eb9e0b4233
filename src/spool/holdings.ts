/** The files of one folder that this owner holds: taking them, noting what is settled, letting them go. */
import { join } from 'node:path';
import { after } from '../delivery/sleep.ts';
import { codeOf, FILE_MODE, FOLDER_MODE, isMissing, remove } from './files.ts';
import type { FoundSegment } from './look.ts';
import { FREE, segmentFile, sideFile } from './names.ts';
import { type Lock, takeLock } from './owner.ts';
import { encodeMarks, readMarks, readRecords } from './read-segment.ts';
import { createSegment, isSpent, type Segment } from './segment.ts';
import type { InOrder } from './serial.ts';
import type { SpoolPolicy } from './spool.ts';

/** Marks are gathered for so long; a kill meanwhile costs that a few records are sent again. */
const MARK_DELAY_MILLIS = 200;

export interface SpoolEntry {
  /** Delivered, rejected or lost: it is not sent again. */
  settle(): void;
  /** Given up for now: it stays for another time. False if its file has been given up meanwhile, and the record with it. */
  leave(): boolean;
}

export interface Holdings {
  /** Oldest first only after sorting: a file that was taken over may be older than our own. */
  all(): readonly Segment[];
  path(segment: Segment): string;
  lock(): Lock | undefined;
  /** Makes the folder and the lock. @throws the file system's error */
  ensureLock(): Promise<Lock>;
  add(segment: Segment): void;
  /** Takes a file that nobody alive holds; undefined if another was faster. @throws the file system's error */
  claim(found: FoundSegment): Promise<Segment | undefined>;
  entryOf(segment: Segment, n: number): SpoolEntry;
  /** To be called for a file that may be spent. */
  review(segment: Segment): Promise<void>;
  /** Lets others have the file. */
  release(segment: Segment): Promise<void>;
  /** Deletes the file; false if the file system refuses. */
  destroy(segment: Segment): Promise<boolean>;
  /** Its file is gone: deleted by somebody, or taken by another owner. */
  lose(segment: Segment): Promise<void>;
  /** Loses what is gone. */
  verify(): Promise<void>;
  /** Notes what is settled now, rather than soon; an owner of nothing needs no lock. */
  tidy(): Promise<void>;
  /** The last task. */
  letGo(): Promise<void>;
}

export function createHoldings(policy: SpoolPolicy, inOrder: InOrder): Holdings {
  const { dir, files } = policy;
  const segments = new Map<string, Segment>();
  let lock: Lock | undefined;
  let cancelMarks: (() => void) | undefined;
  let isOver = false;

  const fail = (error: unknown): void => policy.report({ kind: 'failed', code: codeOf(error) });
  const path = (segment: Segment): string => join(dir, segmentFile(segment.name, lock?.owner ?? FREE));
  const marksPath = (name: string): string => join(dir, sideFile(name, 'done'));

  async function ensureLock(): Promise<Lock> {
    // Each time: somebody may have removed the folder.
    await files.mkdir(dir, { recursive: true, mode: FOLDER_MODE });
    if (lock === undefined) lock = await takeLock(dir, files, policy.random);
    else await lock.touch();
    return lock;
  }

  function forget(segment: Segment): void {
    segment.gone = true;
    segments.delete(segment.name);
  }

  async function lose(segment: Segment): Promise<void> {
    if (segment.gone) return;
    forget(segment);
    const names = await files.readdir(dir).catch((): string[] => []);
    if (names.some((name) => name.startsWith(`${segment.name}.`) && name.endsWith('.jsonl'))) return;
    policy.report({ kind: 'failed', code: 'ENOENT' });
    const loss = { left: segment.total('left'), unseen: segment.total('unseen') };
    if (loss.left + loss.unseen > 0) policy.onLoss({ reason: 'spool_failed', ...loss });
  }

  async function review(segment: Segment): Promise<void> {
    if (isOver || segment.gone || !isSpent(segment)) return;
    if (segment.unreadable === 0) await destroy(segment);
    else await setAside(segment);
  }

  async function destroy(segment: Segment): Promise<boolean> {
    if (!(await remove(files, path(segment)))) return false;
    forget(segment);
    await remove(files, marksPath(segment.name));
    return true;
  }

  /** Lines that nobody can read are for a person to look at. */
  async function setAside(segment: Segment): Promise<void> {
    try {
      await files.rename(path(segment), join(dir, sideFile(segment.name, 'torn')));
      await remove(files, marksPath(segment.name));
    } catch (error) {
      if (!isMissing(error)) return fail(error);
    }
    forget(segment);
  }

  async function claim(found: FoundSegment): Promise<Segment | undefined> {
    const { owner } = await ensureLock();
    const target = join(dir, segmentFile(found.segment, owner));
    try {
      await files.rename(join(dir, found.file), target);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    const segment = createSegment(found.segment);
    segment.sealed = true;
    segment.bytes = found.bytes;
    segment.marksTorn = true;
    try {
      const settled = await readMarks(files, marksPath(found.segment));
      for await (const record of readRecords(files, target)) {
        if (record === undefined) segment.unreadable += 1;
        else segment.set(record.n, settled.has(record.n) ? 'settled' : 'unseen');
      }
    } catch (error) {
      // Else it would be ours, and out of sight, for as long as this process lives.
      await files.rename(target, join(dir, segmentFile(found.segment, FREE))).catch(fail);
      throw error;
    }
    segment.takeMarks();
    segments.set(segment.name, segment);
    if (segment.unreadable > 0) policy.report({ kind: 'unreadable', lines: segment.unreadable });
    await review(segment);
    return segment;
  }

  async function noteMarks(): Promise<void> {
    cancelMarks?.();
    cancelMarks = undefined;
    for (const segment of [...segments.values()]) {
      await review(segment);
      if (!segment.gone && segment.hasMarks) await writeMarks(segment);
    }
  }

  async function writeMarks(segment: Segment): Promise<void> {
    const numbers = segment.takeMarks();
    const text = `${segment.marksTorn ? '\n' : ''}${encodeMarks(numbers)}`;
    try {
      const handle = await files.open(marksPath(segment.name), 'a', FILE_MODE);
      await handle.appendFile(text).finally(() => handle.close());
      segment.markBytes += text.length;
      segment.marksTorn = false;
    } catch (error) {
      segment.marksTorn = true;
      segment.putMarksBack(numbers);
      fail(error);
    }
  }

  return {
    all: () => [...segments.values()],
    path,
    lock: () => lock,
    ensureLock,
    add(segment) {
      segments.set(segment.name, segment);
    },
    claim,
    entryOf: (segment, n) => ({
      settle() {
        segment.set(n, 'settled');
        if (isOver || segment.gone) return;
        if (isSpent(segment)) void inOrder(() => review(segment));
        else cancelMarks ??= after(MARK_DELAY_MILLIS, () => void inOrder(noteMarks));
      },
      leave() {
        if (!segment.gone) segment.set(n, 'left');
        return !segment.gone;
      },
    }),
    review,
    async release(segment) {
      try {
        await files.rename(path(segment), join(dir, segmentFile(segment.name, FREE)));
      } catch (error) {
        fail(error);
      }
      forget(segment);
    },
    destroy,
    lose,
    async verify() {
      for (const segment of [...segments.values()]) {
        try {
          await files.stat(path(segment));
        } catch (error) {
          if (isMissing(error)) await lose(segment);
        }
      }
    },
    async tidy() {
      await noteMarks();
      if (segments.size > 0) return;
      await lock?.release();
      lock = undefined;
    },
    async letGo() {
      await noteMarks();
      isOver = true;
      segments.clear();
      await lock?.release();
    },
  };
}
