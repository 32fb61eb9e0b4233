/** One look into a spool folder: whose file is what. Changes nothing. */
import { join } from 'node:path';
import { isMissing, type SpoolFiles } from './files.ts';
import { FREE, type Owner, parseName, type SpoolFile } from './names.ts';
import { type Liveness, lookAt, whoAmI } from './owner.ts';

/** Records that the API has rejected are kept in this folder below the spool's. */
export const REJECTED_FOLDER = 'rejected';

export interface FoundFile {
  readonly file: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

export interface FoundSegment extends FoundFile {
  readonly segment: string;
}

export interface Look {
  /** Nobody alive holds these. Oldest first, as all lists here. */
  readonly free: readonly FoundSegment[];
  /** Held by others who live; `pid` if it is known. */
  readonly held: readonly (FoundSegment & { readonly pid?: number })[];
  readonly torn: readonly FoundSegment[];
  /** Files that are none of ours. */
  readonly foreign: number;
  /** Left over: locks of the dead who hold nothing, marks of segments that are gone. */
  readonly litter: readonly FoundFile[];
  /** Of every file of ours but those that `self` holds. */
  readonly bytes: number;
}

const NOTHING: Look = { free: [], held: [], torn: [], foreign: 0, litter: [], bytes: 0 };

type Entry = FoundFile & SpoolFile;

function ofKind<K extends SpoolFile['kind']>(
  entries: readonly Entry[],
  kind: K,
): readonly Extract<Entry, { readonly kind: K }>[] {
  return entries.filter((entry): entry is Extract<Entry, { readonly kind: K }> => entry.kind === kind);
}

/**
 * A folder that is not there is empty.
 *
 * @param self the owner who looks, if it has a lock already: its own files are left out
 * @throws the file system's error
 */
export async function look(
  dir: string,
  files: SpoolFiles,
  now: number,
  self: Owner | undefined,
): Promise<Look> {
  const found = await listFolder(dir, files);
  if (found === undefined) return NOTHING;
  const { entries, foreign } = found;
  const segments = ofKind(entries, 'segment');
  const locks = ofKind(entries, 'lock');
  const names = new Set(segments.map(({ segment }) => segment));
  const own = new Set(segments.filter(({ holder }) => holder === self).map(({ segment }) => segment));
  const holders = new Set(segments.map(({ holder }) => holder));
  const owners = new Set([...holders, ...locks.map(({ owner }) => owner)]);
  const alive = await livingAmong(owners, dir, files, now, self);
  const isOwn = (entry: Entry): boolean => entry.kind !== 'lock' && own.has(entry.segment);
  return {
    free: segments.filter(({ holder }) => holder !== self && !alive.has(holder)),
    held: segments
      .filter(({ holder }) => alive.has(holder))
      .map((one) => ({ ...one, ...pidOf(alive.get(one.holder)) })),
    torn: ofKind(entries, 'torn'),
    foreign,
    litter: [
      ...ofKind(entries, 'done').filter(({ segment }) => !names.has(segment)),
      ...locks.filter(({ owner }) => owner !== self && !alive.has(owner) && !holders.has(owner)),
    ],
    bytes: entries.filter((entry) => !isOwn(entry)).reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

async function listFolder(
  dir: string,
  files: SpoolFiles,
): Promise<{ readonly entries: readonly Entry[]; readonly foreign: number } | undefined> {
  const entries: Entry[] = [];
  let foreign = 0;
  try {
    const listed = await files.readdir(dir, { withFileTypes: true });
    for (const item of listed.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const parsed = item.isFile() ? parseName(item.name) : undefined;
      if (parsed === undefined) {
        if (!(item.isDirectory() && item.name === REJECTED_FOLDER)) foreign += 1;
        continue;
      }
      const stat = await statOf(files, join(dir, item.name));
      if (stat) entries.push({ ...parsed, file: item.name, bytes: stat.size, modified: stat.mtimeMs });
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return { entries, foreign };
}

/** Undefined for a file that somebody has taken meanwhile. */
async function statOf(
  files: SpoolFiles,
  path: string,
): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  try {
    return await files.stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The others who live, and what is known of them. */
async function livingAmong(
  owners: ReadonlySet<Owner>,
  dir: string,
  files: SpoolFiles,
  now: number,
  self: Owner | undefined,
): Promise<ReadonlyMap<Owner, Liveness>> {
  const alive = new Map<Owner, Liveness>();
  const me = await whoAmI(files);
  for (const owner of owners) {
    if (owner === FREE || owner === self) continue;
    const liveness = await lookAt(dir, owner, me, files, now);
    if (liveness.alive) alive.set(owner, liveness);
  }
  return alive;
}

function pidOf(liveness: Liveness | undefined): { readonly pid?: number } {
  return liveness?.pid === undefined ? {} : { pid: liveness.pid };
}
