/**
 * Bodies as the socket takes them, written into shared memory.
 *
 * A buffer of its own for each body is an allocation outside of the heap, which costs more than the encoding and makes the
 * garbage collector run for it. Memory is never written twice, so a body stays as it is for as long as undici, a socket or a
 * retry of the kernel's may look at it; the block goes when the last of its bodies has gone.
 */

/** Some tens of bodies of the usual few kilobytes. */
const BLOCK_BYTES = 131_072;

/** UTF-8 takes at most so many bytes for one UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;

export function createBodyEncoder(): (text: string) => Uint8Array {
  let block = Buffer.alloc(0);
  let used = 0;
  return (text) => {
    const needed = text.length * MAX_BYTES_PER_UNIT;
    // A quarter at most is left unused at a block's end.
    if (needed > BLOCK_BYTES / 4) return Buffer.from(text);
    if (needed > block.length - used) {
      block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      used = 0;
    }
    const start = used;
    used += block.write(text, start);
    return block.subarray(start, used);
  };
}
