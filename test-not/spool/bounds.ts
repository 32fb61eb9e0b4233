/** What keeps the folder small: the oldest file goes for a new one, and what is too old goes anyway. */
import { join } from 'node:path';
import { remove } from './files.ts';
import type { Holdings } from './holdings.ts';
import { type FoundFile, type FoundSegment, type Look, look } from './look.ts';
import type { Segment } from './segment.ts';
import type { SpoolLoss, SpoolPolicy } from './spool.ts';

/** So many files of records at most, however small they are. */
const MAX_SEGMENTS = 10_000;
/** Marks without their segment may be those of one that is being renamed just now. */
const LITTER_AGE_MILLIS = 3_600_000;

export interface Bounds {
  /** @throws the file system's error */
  look(): Promise<Look>;
  /** Deletes the oldest until there is room; false if there is none without touching what the living hold. @throws the file system's error */
  makeRoom(bytes: number): Promise<boolean>;
  /** Deletes what is too old. @throws the file system's error */
  expire(found: Look): Promise<void>;
  /** Deletes what is left over. */
  sweep(found: Look): Promise<void>;
}

export function createBounds(policy: SpoolPolicy, holdings: Holdings): Bounds {
  const { dir, files, maxBytes } = policy;
  /** What others have in the folder, as of the last look. */
  let others = { bytes: 0, segments: 0 };

  async function lookAgain(): Promise<Look> {
    const found = await look(dir, files, policy.now(), holdings.lock()?.owner);
    others = { bytes: found.bytes, segments: found.free.length + found.held.length };
    return found;
  }

  function hasRoom(bytes: number): boolean {
    const own = holdings.all();
    const used = own.reduce((sum, one) => sum + one.bytes + one.markBytes, others.bytes);
    return used + bytes <= maxBytes && own.length + others.segments < MAX_SEGMENTS;
  }

  /** Of this process or of one that has ended; never of one that lives, and never the file that is being written. */
  async function giveUpOldest(): Promise<boolean> {
    const found = await lookAgain();
    const [oldest] = [
      ...holdings
        .all()
        .filter((segment) => segment.sealed)
        .map((segment) => ({ name: segment.name, go: () => giveUp(segment, 'spool_full') })),
      ...found.free.map((one) => ({ name: one.segment, go: () => giveUpFree(one, 'spool_full') })),
      ...found.torn.map((one) => ({ name: one.segment, go: () => removeFound(one) })),
    ].sort((a, b) => (a.name < b.name ? -1 : 1));
    const isGone = oldest !== undefined && (await oldest.go());
    await lookAgain();
    return isGone;
  }

  async function giveUp(segment: Segment, reason: SpoolLoss['reason']): Promise<boolean> {
    if (segment.gone) return true;
    if (!(await holdings.destroy(segment))) return false;
    const loss = { reason, left: segment.total('left'), unseen: segment.total('unseen') };
    if (loss.left + loss.unseen > 0) policy.onLoss(loss);
    return true;
  }

  /** Taken first, so that nobody else sends what is counted as lost. */
  async function giveUpFree(found: FoundSegment, reason: SpoolLoss['reason']): Promise<boolean> {
    const segment = await holdings.claim(found);
    return segment === undefined || giveUp(segment, reason);
  }

  function removeFound({ file }: FoundFile): Promise<boolean> {
    return remove(files, join(dir, file));
  }

  return {
    look: lookAgain,
    async makeRoom(bytes) {
      if (bytes > maxBytes) return false;
      while (!hasRoom(bytes)) if (!(await giveUpOldest())) return false;
      return true;
    },
    async expire(found) {
      const since = policy.now() - policy.maxAgeMillis;
      for (const one of found.free) if (one.modified < since) await giveUpFree(one, 'spool_expired');
      for (const one of found.torn) if (one.modified < since) await removeFound(one);
    },
    async sweep(found) {
      for (const one of found.litter)
        if (one.file.endsWith('.lock') || one.modified < policy.now() - LITTER_AGE_MILLIS)
          await removeFound(one);
    },
  };
}
