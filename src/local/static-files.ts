import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface StaticFile {
  readonly status: number;
  readonly type: string;
  readonly content: Buffer | string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};

/** No segment begins with a dot, so no path leads out of the folder. */
const SEGMENT = /^[A-Za-z0-9_-][\w.-]{0,127}$/;

const NO_PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>freeplay-otel local</title>
<h1>The inspector page is not here</h1>
<p>This build of freeplay-otel has no <code>inspector</code> folder. The server itself works: records are at
<a href="/api/local/records">/api/local/records</a>, for whoever sends an Authorization header.</p>
`;

/**
 * The file of the page at a path, or `undefined`. A path without an extension is the page itself: the page knows which of its
 * places is meant, so that links into it can be kept and passed on.
 */
export async function findStaticFile(path: string, folder: string): Promise<StaticFile | undefined> {
  const segments = path.split('/').slice(1);
  const type = TYPES[extname(segments.at(-1) ?? '').toLowerCase()];
  if (type === undefined) {
    // Ids have no dots; what has is a file that there is not.
    return segments.at(-1)?.includes('.') ? undefined : readPage(folder);
  }
  if (!segments.every((segment) => SEGMENT.test(segment))) return undefined;
  try {
    return { status: 200, type, content: await readFile(join(folder, ...segments)) };
  } catch {
    return undefined;
  }
}

async function readPage(folder: string): Promise<StaticFile> {
  const type = TYPES['.html'] ?? '';
  try {
    return { status: 200, type, content: await readFile(join(folder, 'index.html')) };
  } catch {
    return { status: 503, type, content: NO_PAGE };
  }
}

/** Beside the built files of this program; run from its sources, that of the last build. */
export function inspectorFolder(): string {
  const built = fileURLToPath(new URL('../inspector/', import.meta.url));
  const fromSources = fileURLToPath(new URL('../../dist/inspector/', import.meta.url));
  return import.meta.url.endsWith('.ts') && existsSync(fromSources) ? fromSources : built;
}
