/**
 * Who lives. An owner is one opened folder: several of them may be in one process (worker threads, a processor beside an
 * exporter), so a process id alone says too little. Each keeps a lock file and touches it as long as it lives.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after } from '../delivery/sleep.ts';
import { codeOf, FILE_MODE, isMissing, NODE_FILES, remove, type SpoolFiles } from './files.ts';
import { lockFile, makeOwner, type Owner } from './names.ts';

/** How often a lock is touched. */
const HEARTBEAT_MILLIS = 20_000;
/** Not touched for so long: dead, where nothing tells better. Longer than any event loop stands still in earnest. */
export const STALE_MILLIS = 120_000;
/** A living process of that id, which says nothing of when it started, may be another one by now: after a day it is taken for one. */
const PID_REUSE_MILLIS = 86_400_000;

/** What a lock file holds. */
export interface LockContent {
  readonly v: 1;
  readonly pid: number;
  /** Within one place a process id means one process at a time: host, boot and process namespace. */
  readonly place: string;
  /** When the process started, in the kernel's ticks; where the platform tells. */
  readonly started?: string;
}

export interface Lock {
  readonly owner: Owner;
  /** Shows now that it lives; makes the lock anew if somebody has removed it. */
  touch(): Promise<void>;
  /** Takes the lock away: what this owner held is free. */
  release(): Promise<void>;
}

/** The process that asks. */
export async function whoAmI(files: SpoolFiles = NODE_FILES): Promise<LockContent> {
  const [boot, namespace, started] = await Promise.all([
    quietly(files.readFile('/proc/sys/kernel/random/boot_id', 'utf8')),
    quietly(files.readlink('/proc/self/ns/pid')),
    startOf(process.pid, files),
  ]);
  return {
    v: 1,
    pid: process.pid,
    place: [hostname(), boot?.trim(), namespace].filter((part) => part !== undefined).join(' '),
    ...(typeof started === 'string' && { started }),
  };
}

/**
 * Makes the lock of a new owner and keeps it fresh. The timer keeps no process alive.
 *
 * @throws the file system's error
 */
export async function takeLock(dir: string, files: SpoolFiles, random: () => number): Promise<Lock> {
  const content = JSON.stringify(await whoAmI(files));
  const owner = makeOwner(process.pid, random);
  const path = join(dir, lockFile(owner));
  await writeLock(files, path, content);
  let released = false;
  let cancel = (): void => {};
  const touch = async (): Promise<void> => {
    try {
      // Touched, not written: a full disk must not make the living look dead.
      await files.utimes(path, new Date(), new Date());
    } catch (error) {
      if (isMissing(error) && !released) await writeLock(files, path, content).catch(() => {});
    }
  };
  const beat = async (): Promise<void> => {
    await touch();
    if (!released) cancel = after(HEARTBEAT_MILLIS, () => void beat());
  };
  cancel = after(HEARTBEAT_MILLIS, () => void beat());
  return {
    owner,
    touch,
    async release() {
      released = true;
      cancel();
      await remove(files, path);
    },
  };
}

async function writeLock(files: SpoolFiles, path: string, content: string): Promise<void> {
  const handle = await files.open(path, 'wx', FILE_MODE);
  try {
    await handle.writeFile(`${content}\n`).finally(() => handle.close());
  } catch (error) {
    // A full disk still has room for names: each try would leave another one.
    await remove(files, path);
    throw error;
  }
}

export interface Liveness {
  /** False only if it is certain, or if the lock has not been touched for long. */
  readonly alive: boolean;
  /** Undefined if the lock cannot be read. */
  readonly pid?: number;
}

/** Looks at another owner's lock. Never rejects: what cannot be found out counts as alive for as long as the lock is fresh. */
export async function lookAt(
  dir: string,
  owner: Owner,
  self: LockContent,
  files: SpoolFiles,
  now: number,
): Promise<Liveness> {
  const path = join(dir, lockFile(owner));
  let touched: number;
  try {
    touched = (await files.stat(path)).mtimeMs;
  } catch (error) {
    return { alive: !isMissing(error) };
  }
  // A clock may have been wrong in either direction.
  const silence = Math.abs(now - touched);
  const lock = readLock(await quietly(files.readFile(path, 'utf8')));
  if (lock === undefined) return { alive: silence < STALE_MILLIS };
  return { alive: await isAlive(lock, silence, self, files), pid: lock.pid };
}

async function isAlive(
  lock: LockContent,
  silence: number,
  self: LockContent,
  files: SpoolFiles,
): Promise<boolean> {
  // On another machine, or in another container, process ids mean nothing here.
  if (lock.place !== self.place) return silence < STALE_MILLIS;
  if (lock.pid === self.pid && lock.started === self.started) {
    // A thread of this process: that the process lives says nothing of the thread.
    return silence < STALE_MILLIS;
  }
  const started = await startOf(lock.pid, files);
  if (started === false) return false;
  if (typeof started === 'string' && lock.started !== undefined) return started === lock.started;
  return silence < PID_REUSE_MILLIS;
}

/** When a process started; true if it lives and the platform does not tell; false if there is no such process. */
async function startOf(pid: number, files: SpoolFiles): Promise<string | boolean> {
  const stat = await quietly(files.readFile(`/proc/${pid}/stat`, 'utf8'));
  // The second field is the command in parentheses and may hold anything, so count from behind it: state, then the 20th.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields !== undefined && fields.length > 19)
    return /^[ZX]/.test(fields[0] ?? '') ? false : (fields[19] ?? true);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

function readLock(text: string | undefined): LockContent | undefined {
  try {
    const lock = JSON.parse(text ?? '') as Partial<LockContent> | null;
    return typeof lock?.pid === 'number' && lock.pid > 0 && typeof lock.place === 'string'
      ? (lock as LockContent)
      : undefined;
  } catch {
    return undefined;
  }
}

async function quietly<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch {
    return undefined;
  }
}
