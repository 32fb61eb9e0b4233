/**
 * One record as one line of JSON that a person can read, and that a checksum proves whole:
 *
 *     {"crc":"1c291ca3","v":1,"n":0,"at":1767225600000,"id":"…","kind":"completion","projectId":"…","path":"/v2/…","body":{…}}
 *
 * `crc` is the CRC-32 of all that follows it. `body` comes last and is the posted JSON, byte for byte.
 */
import { crc32 } from 'node:zlib';

/** A record that can be written. */
export interface SpoolSource {
  readonly id: string;
  readonly kind: 'completion' | 'trace';
  readonly projectId: string;
  /** Path below the base URL, beginning with `/v2/projects/`. */
  readonly path: string;
  /** About the size of the text in UTF-8 bytes. */
  readonly bytes: number;
  /** When the record was made, milliseconds since 1970; absent: now. */
  readonly at?: number;
  /** Of a rejected record: what the server said. */
  readonly rejection?: Rejection;
  /** The JSON that is posted. */
  text(): string;
}

export interface Rejection {
  readonly status: number;
  /** The server's words. */
  readonly message: string;
}

/** A record as it was read again. */
export interface SpoolRecord extends SpoolSource {
  /** Its number within the file. */
  readonly n: number;
  readonly at: number;
}

/** More records are not put into one file, so that what is remembered of a file is bounded. */
export const MAX_RECORDS_PER_SEGMENT = 65_536;

/** What a line has besides the body, about: for bounds. */
export const LINE_OVERHEAD_BYTES = 320;

const START = '{"crc":"';
/** Where the part begins that the checksum covers: after `{"crc":"1c291ca3",`. */
const COVERED = START.length + 8 + '",'.length;
const BODY = Buffer.from(',"body":');
const KINDS: ReadonlySet<unknown> = new Set(['completion', 'trace']);
/** Nor may it lead elsewhere on the way, by `.` and `..`. */
const PATH = /^\/v2\/projects\/(?!(?:.*\/)?(?:\.|%2e){1,2}(?:\/|$))[^\s?#\\]+$/i;

/**
 * The line with its line feed.
 *
 * @param text the source's text, on one line
 */
export function encodeLine(source: SpoolSource, text: string, n: number, at: number): Buffer {
  const { id, kind, projectId, path, rejection } = source;
  const head = JSON.stringify({ v: 1, n, at, id, kind, projectId, path, ...rejection });
  const covered = `${head.slice(1, -1)},"body":${text}}`;
  return Buffer.from(`${START}${checksum(covered)}",${covered}\n`);
}

/** The record of a line (without its line feed); `undefined` if it is torn, changed, or not ours. */
export function decodeLine(line: Buffer): SpoolRecord | undefined {
  const covered = line.subarray(COVERED);
  if (line.toString('latin1', 0, COVERED) !== `${START}${checksum(covered)}",`) return undefined;
  // The first one: within a string of the head its quotes would be escaped.
  const bodyAt = line.indexOf(BODY);
  if (bodyAt === -1) return undefined;
  const head = readHead(`{${line.toString('utf8', COVERED, bodyAt)}}`);
  if (head === undefined) return undefined;
  const start = bodyAt + BODY.length;
  const text = line.toString('utf8', start, line.length - 1);
  return { ...head, bytes: line.length - 1 - start, text: () => text };
}

function readHead(json: string): Omit<SpoolRecord, 'bytes' | 'text'> | undefined {
  let head: Readonly<Record<string, unknown>>;
  try {
    head = JSON.parse(json) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
  const { v, n, at, id, kind, projectId, path, status, message } = head;
  const isOurs =
    v === 1 &&
    Number.isInteger(n) &&
    (n as number) >= 0 &&
    (n as number) < MAX_RECORDS_PER_SEGMENT &&
    typeof at === 'number' &&
    typeof id === 'string' &&
    KINDS.has(kind) &&
    typeof projectId === 'string' &&
    typeof path === 'string' &&
    PATH.test(path);
  if (!isOurs) return undefined;
  const rejection = typeof status === 'number' && typeof message === 'string' && { status, message };
  return {
    n: n as number,
    at,
    id,
    kind: kind as SpoolSource['kind'],
    projectId,
    path,
    ...(rejection && { rejection }),
  };
}

/** JSON may hold line feeds between its tokens; a line may not. @throws if the text is no JSON after all */
export function toOneLine(text: string): string {
  return text.includes('\n') ? JSON.stringify(JSON.parse(text)) : text;
}

function checksum(data: string | Buffer): string {
  return crc32(data).toString(16).padStart(8, '0');
}
