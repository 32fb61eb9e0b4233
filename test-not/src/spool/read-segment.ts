/** Reading files of lines without holding more than one line. */
import { isMissing, type SpoolFiles } from './files.ts';
import { decodeLine, MAX_RECORDS_PER_SEGMENT, type SpoolRecord } from './line.ts';

const CHUNK_BYTES = 262_144;
/** Longer lines are not looked at: no queue would have taken such a record. */
const MAX_LINE_BYTES = 134_217_728;

/**
 * The lines of a file, without their line feeds; `undefined` for one that is too long to be looked at.
 *
 * @param endBytes where to stop: what is behind it is being written
 * @throws the file system's error
 */
export async function* readLines(
  files: SpoolFiles,
  path: string,
  endBytes: number = Number.POSITIVE_INFINITY,
): AsyncGenerator<Buffer | undefined> {
  const handle = await files.open(path, 'r');
  try {
    let parts: Buffer[] = [];
    let length = 0;
    for (let position = 0; position < endBytes; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, endBytes - position));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      let rest = chunk.subarray(0, bytesRead);
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        yield length + end > MAX_LINE_BYTES ? undefined : joined(parts, rest.subarray(0, end));
        parts = [];
        length = 0;
        rest = rest.subarray(end + 1);
      }
      length += rest.length;
      // Once it is too long only its length counts.
      if (length > MAX_LINE_BYTES) parts = [];
      else if (rest.length > 0) parts.push(rest);
    }
    if (length > 0) yield length > MAX_LINE_BYTES ? undefined : joined(parts, Buffer.alloc(0));
  } finally {
    await handle.close();
  }
}

function joined(parts: readonly Buffer[], last: Buffer): Buffer {
  return parts.length === 0 ? last : Buffer.concat([...parts, last]);
}

/** The records of a segment, and `undefined` for each line that is none. */
export async function* readRecords(
  files: SpoolFiles,
  path: string,
  endBytes?: number,
): AsyncGenerator<SpoolRecord | undefined> {
  const seen = new Uint8Array(MAX_RECORDS_PER_SEGMENT);
  for await (const line of readLines(files, path, endBytes)) {
    const record = line && decodeLine(line);
    // A number that comes twice would be settled with the first.
    yield record && seen[record.n] === 0 ? record : undefined;
    if (record) seen[record.n] = 1;
  }
}

const MARK = /^\{"done":\[([\d,]*)\]\}$/;

/** One line of marks. Its end shows whether it is whole. */
export function encodeMarks(numbers: readonly number[]): string {
  return `{"done":[${numbers.join(',')}]}\n`;
}

/** Numbers of the records that are settled. A torn line says nothing. A missing file says that none is. */
export async function readMarks(files: SpoolFiles, path: string): Promise<ReadonlySet<number>> {
  const numbers = new Set<number>();
  try {
    for await (const line of readLines(files, path)) {
      const list = MARK.exec(line?.toString('latin1') ?? '')?.[1];
      if (!list) continue;
      for (const n of list.split(','))
        if (n !== '' && Number(n) < MAX_RECORDS_PER_SEGMENT) numbers.add(Number(n));
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return numbers;
}
