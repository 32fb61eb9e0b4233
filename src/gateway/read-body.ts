/** The body of a request, unpacked, within all bounds. */
import type { IncomingMessage } from 'node:http';
import { later, refused, type Verdict } from './answer.ts';
import type { Budget } from './budget.ts';
import type { GatewayLimits } from './limits.ts';
import { PACKINGS, type Packing, unpack } from './unpack.ts';

export interface Body {
  readonly bytes: Buffer;
  /** To be given back to the budget when the request has been answered. */
  readonly taken: number;
  /** As it was sent. */
  readonly sentBytes: number;
}

type BodyLimits = Pick<GatewayLimits, 'maxBodyBytes' | 'maxDecompressedBytes'>;

/**
 * @param budget what it takes of it stays taken only if there is a body
 * @returns the body, or why there is none; `undefined` if the sender has gone
 */
export async function readBody(
  request: IncomingMessage,
  limits: BodyLimits,
  budget: Budget,
): Promise<Body | Verdict | undefined> {
  const packing = readPacking(request.headers['content-encoding']);
  if (packing === undefined)
    return refused(
      415,
      'content_encoding',
      `the content encoding is none of ${[...PACKINGS.keys()].join(', ')}`,
    );
  const { maxBodyBytes, maxDecompressedBytes } = limits;
  // Whoever says that it is too long need not send it.
  if (Number(request.headers['content-length']) > maxBodyBytes) return tooLarge(maxBodyBytes);

  const sent = createCollector(maxBodyBytes, budget);
  try {
    // Leaving the loop must leave the socket open: there is an answer to be sent.
    for await (const piece of request.iterator({ destroyOnReturn: false }))
      if (!sent.add(piece as Buffer)) break;
  } catch {
    sent.giveBack();
    return undefined;
  }
  if (sent.problem) return sent.refuse();
  if (packing === 'none') return { bytes: sent.join(), taken: sent.bytes, sentBytes: sent.bytes };

  const unpacked = createCollector(maxDecompressedBytes, budget);
  const packed = sent.join();
  const end = await unpack(packing, packed, unpacked.add);
  sent.giveBack();
  if (unpacked.problem) return unpacked.refuse(' when it is unpacked');
  if (end === 'done') return { bytes: unpacked.join(), taken: unpacked.bytes, sentBytes: packed.length };
  unpacked.giveBack();
  return refused(400, 'malformed', `the body is no ${packing} data, or is damaged`);
}

function readPacking(header: string | undefined): Packing | 'none' | undefined {
  const name = header?.trim().toLowerCase() ?? '';
  return name === '' || name === 'identity' ? 'none' : PACKINGS.get(name);
}

function tooLarge(maxBytes: number, how: string = ''): Verdict {
  return refused(413, 'body_too_large', `the body is larger than ${maxBytes} bytes${how}`);
}

interface Collector {
  /** False: too much. Then `problem` is set. */
  readonly add: (piece: Uint8Array) => boolean;
  readonly problem: 'size' | 'memory' | undefined;
  readonly bytes: number;
  join(): Buffer;
  giveBack(): void;
  /** Gives back what was taken, and says why. */
  refuse(how?: string): Verdict;
}

function createCollector(maxBytes: number, budget: Budget): Collector {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  let problem: Collector['problem'];
  const giveBack = (): void => {
    budget.give(bytes);
    bytes = 0;
    pieces.length = 0;
  };
  return {
    add(piece) {
      if (bytes + piece.length > maxBytes) problem = 'size';
      else if (!budget.take(piece.length)) problem = 'memory';
      else {
        bytes += piece.length;
        pieces.push(piece);
      }
      return problem === undefined;
    },
    get problem() {
      return problem;
    },
    get bytes() {
      return bytes;
    },
    join: () => (pieces.length === 1 ? asBuffer(pieces[0] as Uint8Array) : Buffer.concat(pieces)),
    giveBack,
    refuse(how = '') {
      giveBack();
      return problem === 'size'
        ? tooLarge(maxBytes, how)
        : later('memory', 'too much is in hand already; it is taken when that is delivered');
    },
  };
}

function asBuffer(piece: Uint8Array): Buffer {
  return Buffer.isBuffer(piece) ? piece : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}
