import type { ServerResponse } from 'node:http';
import type { Answer } from './request.ts';
import type { StaticFile } from './static-files.ts';

/** Nothing but the page's own files, nobody's frame, and no word to others about where one came from. */
const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    'media-src data: blob:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

export function sendAnswer(response: ServerResponse, { status, json, headers, close }: Answer): void {
  const body = json === undefined ? '' : JSON.stringify(json);
  response.writeHead(status, {
    ...COMMON_HEADERS,
    ...(json !== undefined && { 'content-type': 'application/json; charset=utf-8' }),
    // An answer without a body may not say how long it is.
    ...(status !== 204 && { 'content-length': Buffer.byteLength(body) }),
    ...headers,
    ...(close && { connection: 'close' }),
  });
  response.end(body);
}

export function sendFile(response: ServerResponse, { status, type, content }: StaticFile): void {
  response.writeHead(status, {
    ...COMMON_HEADERS,
    'content-type': type,
    'content-length': Buffer.byteLength(content),
  });
  // What is asked for with HEAD is left out by Node.
  response.end(content);
}

/** The head of an answer that is written piece by piece. */
export function startStream(
  response: ServerResponse,
  type: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(200, { ...COMMON_HEADERS, 'content-type': type, ...headers });
}

/**
 * `head`, the items with commas between them, `tail`; piece by piece, since all records together may be larger than memory.
 * The first item is asked for before the head is written, so that a failing store can still be told.
 */
export async function streamList(
  response: ServerResponse,
  items: Iterable<unknown>,
  {
    head = '[',
    tail = ']',
    headers = {},
  }: { head?: string; tail?: string; headers?: Record<string, string> },
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let next = iterator.next();
  startStream(response, 'application/json; charset=utf-8', headers);
  for (let separator = head; !next.done; separator = ',\n') {
    if (!(await write(response, `${separator}${JSON.stringify(next.value)}`))) return;
    head = '';
    next = iterator.next();
  }
  response.end(`${head}${tail}`);
}

/** Waits for the client to have taken it; false if the client is gone. */
async function write(response: ServerResponse, text: string): Promise<boolean> {
  if (response.destroyed) return false;
  if (response.write(text)) return true;
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off('drain', settle);
      response.off('close', settle);
      resolve(!response.destroyed);
    };
    response.on('drain', settle);
    response.on('close', settle);
  });
}
