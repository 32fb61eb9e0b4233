/**
 * Names of the files in a spool folder. They say when a file was begun and who holds it, and nothing of what is in it.
 *
 * | name | what it is |
 * | --- | --- |
 * | `<segment>.<owner>.jsonl` | records, one a line; held by that owner, or by nobody (`free`) |
 * | `<segment>.done` | numbers of the records in it that are settled |
 * | `<segment>.torn` | set aside: every whole record in it is settled, the rest cannot be read |
 * | `<owner>.lock` | the owner lives as long as it touches this |
 *
 * A segment keeps its name for ever, whoever holds it, so that its marks stay its own; to take one is to rename it.
 */

/** `<pid>-<random>`: one for each folder that a process, or a thread of it, has opened. */
export type Owner = string;

/** Held by nobody: whoever comes may take it. */
export const FREE = 'free';

export interface SegmentFile {
  readonly kind: 'segment';
  readonly segment: string;
  readonly holder: Owner | typeof FREE;
}

export type SpoolFile =
  | SegmentFile
  | { readonly kind: 'done'; readonly segment: string }
  | { readonly kind: 'torn'; readonly segment: string }
  | { readonly kind: 'lock'; readonly owner: Owner };

const SEGMENT = '\\d{8}T\\d{9}Z-[0-9a-z]{10}-\\d{1,9}';
const OWNER = '\\d{1,10}-[0-9a-z]{10}';
const SEGMENT_FILE = new RegExp(`^(${SEGMENT})\\.(${OWNER}|${FREE})\\.jsonl$`);
const SIDE_FILE = new RegExp(`^(${SEGMENT})\\.(done|torn)$`);
const LOCK_FILE = new RegExp(`^(${OWNER})\\.lock$`);

/** What a file of that name is; `undefined` if it is none of ours. */
export function parseName(name: string): SpoolFile | undefined {
  const segment = SEGMENT_FILE.exec(name);
  if (segment) return { kind: 'segment', segment: segment[1] ?? '', holder: segment[2] ?? FREE };
  const side = SIDE_FILE.exec(name);
  if (side) return { kind: side[2] === 'done' ? 'done' : 'torn', segment: side[1] ?? '' };
  const lock = LOCK_FILE.exec(name);
  return lock ? { kind: 'lock', owner: lock[1] ?? '' } : undefined;
}

export function segmentFile(segment: string, holder: Owner | typeof FREE): string {
  return `${segment}.${holder}.jsonl`;
}

export function sideFile(segment: string, kind: 'done' | 'torn'): string {
  return `${segment}.${kind}`;
}

export function lockFile(owner: Owner): string {
  return `${owner}.lock`;
}

export function makeOwner(pid: number, random: () => number): Owner {
  return `${pid}-${randomText(random)}`;
}

/** Sorts by the time it was begun: `20260101T120000000Z-<random of its maker>-<count>`. */
export function makeSegment(at: number, maker: Owner, count: number): string {
  const stamp = new Date(at).toISOString().replace(/[-:.]/g, '');
  return `${stamp}-${maker.slice(maker.indexOf('-') + 1)}-${count}`;
}

/** Ten digits of base 36. */
function randomText(random: () => number): string {
  const half = (): string =>
    Math.floor(random() * 36 ** 5)
      .toString(36)
      .padStart(5, '0');
  return half() + half();
}
