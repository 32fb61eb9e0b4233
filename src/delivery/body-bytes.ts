/**
 * Bodies as the socket takes them, written into shared memory.
 *
 * A buffer of its own for each body is an allocation outside of the heap, which costs more than the encoding and makes the
 * garbage collector run for it. Memory is never written twice, so a body stays as it is for as long as undici, a socket or a
 * retry of the kernel's may look at it; the block goes when the last of its bodies has gone.
 */

/** Some tens of bodies of the usual few kilobytes … */
const BLOCK_BYTES = 131_072;
/** … and some of those with documents in them. */
const LARGE_BLOCK_BYTES = 524_288;

/** UTF-8 takes at most so many bytes for one UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;

/** @returns pieces of a text that follow each other, none of which ends within a surrogate pair → its bytes */
export function createBodyEncoder(): (pieces: readonly string[]) => Uint8Array {
  let block = Buffer.alloc(0);
  let used = 0;
  return (pieces) => {
    let needed = 0;
    for (const piece of pieces) needed += piece.length * MAX_BYTES_PER_UNIT;
    if (needed > LARGE_BLOCK_BYTES / 2) return Buffer.from(pieces.join(''));
    if (needed > block.length - used) {
      // A quarter at most is left unused at a small block's end; memory that is never written costs nothing.
      block = Buffer.allocUnsafeSlow(needed > BLOCK_BYTES / 4 ? LARGE_BLOCK_BYTES : BLOCK_BYTES);
      used = 0;
    }
    const start = used;
    for (const piece of pieces) used += block.write(piece, used);
    return block.subarray(start, used);
  };
}
