/** Words in the files of an app: settings that are in code are found by name, since nothing of the app is run. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface SourceWords {
  /** Where a pattern was found first. */
  get(pattern: RegExp): { readonly file: string; readonly word: string } | undefined;
  /** There was more than is looked at. */
  readonly isCut: boolean;
}

const MAX_FILES = 5_000;
const MAX_TOTAL_BYTES = 50_000_000;
const MAX_FILE_BYTES = 1_000_000;
const MAX_DEPTH = 12;
const SOURCE = /\.[cm]?[jt]sx?$|^\.env(\.[\w-]+)?$/;
/** Not the app's own, or made from it. */
const SKIPPED = /^(node_modules|dist|build|out|coverage|vendor|target|\..*)$/;

export function findSourceWords(dir: string, patterns: readonly RegExp[]): SourceWords {
  const found = new Map<RegExp, { file: string; word: string }>();
  const wanted = new Set(patterns);
  const pending = [{ path: dir, depth: 0 }];
  let files = 0;
  let bytes = 0;
  let isCut = false;
  for (let next = pending.pop(); next !== undefined && wanted.size > 0; next = pending.pop()) {
    const { path, depth } = next;
    for (const entry of entriesOf(path)) {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) {
        if (depth < MAX_DEPTH && !SKIPPED.test(entry.name)) pending.push({ path: inner, depth: depth + 1 });
        continue;
      }
      if (!entry.isFile() || !SOURCE.test(entry.name) || wanted.size === 0) continue;
      if (++files > MAX_FILES || bytes > MAX_TOTAL_BYTES) {
        isCut = true;
        pending.length = 0;
        break;
      }
      const text = readSmall(inner);
      bytes += text.length;
      for (const pattern of wanted) {
        const match = pattern.exec(text);
        if (match === null) continue;
        found.set(pattern, { file: relative(dir, inner), word: match[0] });
        wanted.delete(pattern);
      }
    }
  }
  return { get: (pattern) => found.get(pattern), isCut };
}

/** Folders last, so that what is nearest is found first. */
export function entriesOf(path: string): readonly import('node:fs').Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

/** Empty if it cannot be read, or is too large to have been written by hand. */
export function readSmall(path: string): string {
  try {
    return statSync(path).size > MAX_FILE_BYTES ? '' : readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
