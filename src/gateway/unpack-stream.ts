/** Packed bytes through a decoder, piece by piece, until somebody has enough of it. */
import type { Transform } from 'node:stream';

/** Called with each piece; false: no more. */
export type OnPiece = (piece: Uint8Array) => boolean;

export type Unpacked = 'done' | 'stopped' | 'damaged';

export async function runStream(stream: Transform, body: Buffer, onPiece: OnPiece): Promise<Unpacked> {
  stream.end(body);
  try {
    for await (const piece of stream) if (!onPiece(piece as Buffer)) return 'stopped';
    return 'done';
  } catch {
    return 'damaged';
  } finally {
    stream.destroy();
  }
}
