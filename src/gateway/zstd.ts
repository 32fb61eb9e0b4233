/**
 * zstd by Node's own decoder where it has one (22.15 and later), else by one in JavaScript, which is only shown frames that cannot
 * cost it much.
 */
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import { type OnPiece, runStream, type Unpacked } from './unpack-stream.ts';

/** Sent by no encoder's usual settings; the format's own advice is 8 MiB. */
const MAX_WINDOW_LOG = 25;
const MAX_WINDOW_BYTES = 2 ** MAX_WINDOW_LOG;

/** What Node 22.15 and later has, and the types of Node 20 have not. */
interface NativeZstd {
  readonly createZstdDecompress?: (options: { readonly params: Record<number, number> }) => Transform;
  readonly constants: { readonly ZSTD_d_windowLogMax?: number };
}

const native = zlib as unknown as NativeZstd;

export function unpackZstd(body: Buffer, onPiece: OnPiece): Promise<Unpacked> {
  const { createZstdDecompress, constants } = native;
  const limit = constants.ZSTD_d_windowLogMax;
  if (createZstdDecompress === undefined || limit === undefined)
    return Promise.resolve(unpackZstdInJs(body, onPiece));
  return runStream(createZstdDecompress({ params: { [limit]: MAX_WINDOW_LOG } }), body, onPiece);
}

class Stopped extends Error {}

/** Exported for tests: on newer Nodes nothing else calls it. */
export function unpackZstdInJs(body: Buffer, onPiece: OnPiece): Unpacked {
  if (!isAffordable(body)) return 'damaged';
  const decoder = new Decompress((piece) => {
    if (piece.length > 0 && !onPiece(piece)) throw new Stopped();
  });
  try {
    decoder.push(body, true);
    return 'done';
  } catch (error) {
    return error instanceof Stopped ? 'stopped' : 'damaged';
  }
}

/** The decoder moves its whole window for each block; a request of 64 MiB with a window of 8 MiB comes to half of this. */
const MAX_MOVED_BYTES = 8 * 1024 ** 3;

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/** Goes from block to block, all frames of it, without unpacking any: the windows they ask for, times their blocks. */
function isAffordable(body: Buffer): boolean {
  let moved = 0;
  let at = 0;
  while (at < body.length) {
    if (at + 8 > body.length) return false;
    const magic = body.readUInt32LE(at);
    if ((magic & 0xfffffff0) === SKIPPABLE) {
      at += 8 + body.readUInt32LE(at + 4);
      continue;
    }
    if (magic !== MAGIC) return false;
    const header = readFrameHeader(body, at + 4);
    if (header === undefined || header.windowBytes > MAX_WINDOW_BYTES) return false;
    at = header.end;
    for (let isLast = false; !isLast; ) {
      if (at + 3 > body.length) return false;
      const block = body.readUIntLE(at, 3);
      isLast = (block & 1) === 1;
      const isRun = ((block >> 1) & 3) === 1;
      at += 3 + (isRun ? 1 : block >> 3);
      moved += header.windowBytes;
      if (moved > MAX_MOVED_BYTES) return false;
    }
    at += header.hasChecksum ? 4 : 0;
  }
  return at === body.length;
}

interface FrameHeader {
  readonly windowBytes: number;
  readonly hasChecksum: boolean;
  /** Where its first block begins. */
  readonly end: number;
}

/** RFC 8878, section 3.1.1.1. */
function readFrameHeader(body: Buffer, start: number): FrameHeader | undefined {
  const descriptor = body[start] ?? 0;
  const sizeFlag = descriptor >> 6;
  const isSingle = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = sizeFlag === 0 ? (isSingle ? 1 : 0) : 2 ** sizeFlag;
  const sizeAt = start + (isSingle ? 1 : 2) + dictionaryBytes;
  const end = sizeAt + sizeBytes;
  if (end > body.length) return undefined;
  const hasChecksum = (descriptor & 4) !== 0;
  if (isSingle) return { windowBytes: readSize(body, sizeAt, sizeBytes), hasChecksum, end };
  const window = body[start + 1] ?? 0;
  const base = 2 ** (10 + (window >> 3));
  return { windowBytes: base + (base / 8) * (window & 7), hasChecksum, end };
}

function readSize(body: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(body.readBigUInt64LE(at));
  return body.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}
