/** The few file operations that a spool needs; a test puts faults in their place. */
import * as fs from 'node:fs/promises';

export type SpoolFiles = Pick<
  typeof fs,
  'mkdir' | 'open' | 'readdir' | 'readFile' | 'readlink' | 'rename' | 'stat' | 'unlink' | 'utimes'
>;

export const NODE_FILES: SpoolFiles = fs;

/** Only the user may look at what is spooled. */
export const FOLDER_MODE = 0o700;
export const FILE_MODE = 0o600;

/** `ENOSPC` and the like; never a message, which may hold anything. */
export function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,40}$/.test(code) ? code : 'unknown_error';
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

/** True if the file is gone, whoever has removed it. */
export async function remove(files: SpoolFiles, path: string): Promise<boolean> {
  try {
    await files.unlink(path);
    return true;
  } catch (error) {
    return isMissing(error);
  }
}

/** Makes names in the folder survive a power loss. Not every platform can. */
export async function syncFolder(files: SpoolFiles, dir: string): Promise<void> {
  try {
    const handle = await files.open(dir, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows cannot open a folder, and some network file systems refuse.
  }
}
