/** Records → the end of a file. What is appended at about the same time is written at once. */
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { after } from '../delivery/sleep.ts';
import type { Bounds } from './bounds.ts';
import { codeOf, FILE_MODE, isMissing, syncFolder } from './files.ts';
import type { Holdings } from './holdings.ts';
import {
  encodeLine,
  LINE_OVERHEAD_BYTES,
  MAX_RECORDS_PER_SEGMENT,
  type SpoolSource,
  toOneLine,
} from './line.ts';
import { makeSegment, segmentFile } from './names.ts';
import { createSegment, isSettled, type Segment } from './segment.ts';
import type { InOrder } from './serial.ts';
import type { Appended, Refusal, SpoolPolicy } from './spool.ts';

/** A file is full at this size, or at an eighth of the bound if that is less: whole files are what is given up. */
const SEGMENT_BYTES = 8_388_608;
/** Enough to make a write cheap, little enough to be built between two turns of the event loop. */
const BATCH_BYTES = 262_144;
/** After a failure the disk is left alone for so long; what comes meanwhile is refused at once. */
const FAILURE_PAUSE_MILLIS = 1_000;
/** For a file that is taken away while it is written. */
const MAX_ATTEMPTS = 3;

export interface Backlog {
  readonly records: number;
  /** As the sources give them. */
  readonly bytes: number;
}

export interface Appender {
  readonly backlog: Backlog;
  append(source: SpoolSource): Promise<Appended>;
  /** Nothing is appended to the present file any more; one of the tasks in order. */
  seal(): Promise<void>;
  /** The same, if all of it is settled: then it is deleted. */
  sealSettled(): Promise<void>;
  /** Refuses what waits and what comes. */
  stop(): void;
}

interface Waiting {
  readonly source: SpoolSource;
  resolve(answer: Appended): void;
}

interface Built extends Waiting {
  readonly text: string;
  readonly bytes: number;
}

interface Active {
  readonly segment: Segment;
  readonly handle: FileHandle;
  readonly cancelRelease: () => void;
}

export function createAppender(
  policy: SpoolPolicy,
  holdings: Holdings,
  bounds: Bounds,
  inOrder: InOrder,
): Appender {
  const { dir, files, now, sync } = policy;
  const segmentBytes = Math.min(SEGMENT_BYTES, Math.ceil(policy.maxBytes / 8));
  const waiting: Waiting[] = [];
  /** With those that are being written. */
  const backlog = { records: 0, bytes: 0 };
  let writing: readonly Waiting[] = [];
  let isDraining = false;
  let isStopped = false;
  let active: Active | undefined;
  let begun = 0;
  let failedAt = Number.NEGATIVE_INFINITY;

  async function drain(): Promise<void> {
    // What is appended in the same turn goes into the same write.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = takeBatch();
      writing = batch;
      await inOrder(() => writeBatch(batch));
      writing = [];
      backlog.records -= batch.length;
      for (const { source } of batch) backlog.bytes -= source.bytes;
    }
    isDraining = false;
  }

  function takeBatch(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { source } of waiting) {
      if (count > 0 && bytes + source.bytes > BATCH_BYTES) break;
      bytes += source.bytes;
      count += 1;
    }
    return waiting.splice(0, count);
  }

  async function writeBatch(batch: readonly Waiting[]): Promise<void> {
    // A clock that was set back must not lengthen the pause.
    const silence = now() - failedAt;
    if (silence >= 0 && silence < FAILURE_PAUSE_MILLIS) return refuse(batch, 'spool_failed');
    for (const group of groupBySize(build(batch), segmentBytes)) {
      try {
        if (!(await writeGroup(group))) refuse(group, 'spool_full');
      } catch (error) {
        failedAt = now();
        policy.report({ kind: 'failed', code: codeOf(error) });
        refuse(group, 'spool_failed');
      }
    }
  }

  /** False if there is no room. */
  async function writeGroup(group: readonly Built[]): Promise<boolean> {
    const bytes = group.reduce((sum, one) => sum + one.bytes, 0);
    for (let attempt = 1; ; attempt++) {
      if (active !== undefined && isFull(active.segment, group.length, bytes)) await seal();
      if (active === undefined) await bounds.look();
      if (!(await bounds.makeRoom(bytes))) return false;
      active ??= await begin();
      const { segment, handle } = active;
      const first = segment.count;
      const lines = group.map(({ source, text }, index) =>
        encodeLine(source, text, first + index, source.at ?? now()),
      );
      await writeLines(segment, handle, Buffer.concat(lines));
      if (!(await isStillOurs(segment))) {
        if (attempt < MAX_ATTEMPTS) continue;
        throw Object.assign(new Error('the file is taken away'), { code: 'ENOENT' });
      }
      group.forEach(({ resolve }, index) => {
        segment.set(first + index, 'held');
        resolve({ kind: 'kept', entry: holdings.entryOf(segment, first + index) });
      });
      return true;
    }
  }

  function isFull(segment: Segment, records: number, bytes: number): boolean {
    return segment.bytes + bytes > segmentBytes || segment.count + records > MAX_RECORDS_PER_SEGMENT;
  }

  async function begin(): Promise<Active> {
    const { owner } = await holdings.ensureLock();
    begun += 1;
    const segment = createSegment(makeSegment(now(), owner, begun));
    const handle = await files.open(join(dir, segmentFile(segment.name, owner)), 'ax', FILE_MODE);
    if (sync) await syncFolder(files, dir);
    holdings.add(segment);
    const { releaseAfterMillis } = policy;
    const cancelRelease =
      releaseAfterMillis === undefined ? () => {} : after(releaseAfterMillis, () => void inOrder(seal));
    return { segment, handle, cancelRelease };
  }

  async function writeLines(segment: Segment, handle: FileHandle, data: Buffer): Promise<void> {
    try {
      await handle.appendFile(data);
      if (sync) await handle.datasync();
      segment.bytes += data.length;
    } catch (error) {
      // Half a line would spoil the one after it. If it cannot be taken off, it stays the file's last.
      await handle.truncate(segment.bytes).catch(() => {
        segment.unreadable += 1;
      });
      await seal();
      throw error;
    }
  }

  /**
   * A file is taken by renaming it. That its name still stands after the write proves that whoever takes it later reads the
   * write, also where a long stop (suspended machine, stopped process) made this owner look dead.
   */
  async function isStillOurs(segment: Segment): Promise<boolean> {
    try {
      await files.stat(holdings.path(segment));
      return true;
    } catch (error) {
      if (!isMissing(error)) throw error;
      await holdings.lose(segment);
      await seal();
      return false;
    }
  }

  async function seal(): Promise<void> {
    if (active === undefined) return;
    const { segment, handle, cancelRelease } = active;
    active = undefined;
    cancelRelease();
    segment.sealed = true;
    try {
      if (!sync) await handle.datasync();
    } catch (error) {
      policy.report({ kind: 'failed', code: codeOf(error) });
    } finally {
      await handle.close().catch(() => {});
    }
    await holdings.review(segment);
    if (policy.releaseAfterMillis !== undefined && !segment.gone) await holdings.release(segment);
  }

  return {
    backlog,
    append(source) {
      if (isStopped) return Promise.resolve({ kind: 'refused', reason: 'spool_failed' });
      backlog.records += 1;
      backlog.bytes += source.bytes;
      return new Promise((resolve) => {
        waiting.push({ source, resolve });
        if (isDraining) return;
        isDraining = true;
        void drain();
      });
    },
    seal,
    async sealSettled() {
      if (active !== undefined && isSettled(active.segment)) await seal();
    },
    stop() {
      isStopped = true;
      refuse([...writing, ...waiting.splice(0)], 'spool_failed');
      active?.cancelRelease();
    },
  };
}

function refuse(batch: readonly Waiting[], reason: Refusal): void {
  for (const { resolve } of batch) resolve({ kind: 'refused', reason });
}

/** Bodies are built only now; one that cannot be built is refused. */
function build(batch: readonly Waiting[]): readonly Built[] {
  return batch.flatMap(({ source, resolve }) => {
    try {
      const text = toOneLine(source.text());
      return { source, resolve, text, bytes: Buffer.byteLength(text) + LINE_OVERHEAD_BYTES };
    } catch {
      resolve({ kind: 'refused', reason: 'conversion' });
      return [];
    }
  });
}

/** Groups of at most so many bytes; a larger record is a group of its own. */
function groupBySize(built: readonly Built[], maxBytes: number): readonly (readonly Built[])[] {
  const groups: Built[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const one of built) {
    bytes += one.bytes;
    if (bytes > maxBytes) {
      groups.push([]);
      bytes = one.bytes;
    }
    groups.at(-1)?.push(one);
  }
  return groups;
}
