/** zstd frames made by hand (RFC 8878): raw blocks, which any decoder must take, and runs, which unpack to as much as one likes. */

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
/** No content size, no checksum, a window of its own. */
const DESCRIPTOR = 0;
const BLOCK_BYTES = 100_000;

/** 1 MiB, unless said otherwise: exponent in the upper five bits, from 1 KiB on. */
function header(windowLog: number = 20): Buffer {
  return Buffer.from([...MAGIC, DESCRIPTOR, (windowLog - 10) << 3]);
}

function blockHeader(type: 0 | 1, size: number, isLast: boolean): Buffer {
  const bytes = Buffer.alloc(3);
  bytes.writeUIntLE((size << 3) | (type << 1) | (isLast ? 1 : 0), 0, 3);
  return bytes;
}

export function asZstdBlocks(body: Buffer): Buffer {
  const pieces = [header()];
  for (let at = 0; at < body.length || at === 0; at += BLOCK_BYTES) {
    const piece = body.subarray(at, at + BLOCK_BYTES);
    pieces.push(blockHeader(0, piece.length, at + BLOCK_BYTES >= body.length), piece);
  }
  return Buffer.concat(pieces);
}

/** So many runs of 128 KiB of blanks. */
export function zstdBomb(runs: number, windowLog?: number): Buffer {
  const run = Buffer.concat([blockHeader(1, 128 * 1024, false), Buffer.from(' ')]);
  const last = Buffer.concat([blockHeader(1, 1, true), Buffer.from(' ')]);
  return Buffer.concat([header(windowLog), ...Array<Buffer>(runs).fill(run), last]);
}
