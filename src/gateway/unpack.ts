/** Packed bodies → bodies, never more than a bound of them, whatever a few bytes unpack to. */
import * as zlib from 'node:zlib';
import { type OnPiece, runStream, type Unpacked } from './unpack-stream.ts';

export type Packing = 'gzip' | 'deflate' | 'zstd';

const PIECE_BYTES = 64 * 1024;

/** The names that senders use. `zlib` is the Collector's for what HTTP calls `deflate`. */
export const PACKINGS: ReadonlyMap<string, Packing> = new Map([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['zlib', 'deflate'],
  ['zstd', 'zstd'],
]);

export async function unpack(packing: Packing, body: Buffer, onPiece: OnPiece): Promise<Unpacked> {
  if (packing === 'zstd') {
    const { unpackZstd } = await import('./zstd.ts');
    return unpackZstd(body, onPiece);
  }
  const options = { chunkSize: PIECE_BYTES };
  if (packing === 'gzip') return runStream(zlib.createGunzip(options), body, onPiece);
  // `deflate` is zlib's format by the standard; some send it without its header, whose first byte says method 8.
  const isZlib = ((body[0] ?? 0) & 0x0f) === 8;
  return runStream(isZlib ? zlib.createInflate(options) : zlib.createInflateRaw(options), body, onPiece);
}
