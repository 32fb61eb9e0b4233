import { createHash } from 'node:crypto';

/** What is told of media in its place. */
export interface MediaDigest {
  readonly bytes: number;
  /** The first 16 hex digits of the SHA-256, as `sha256sum` of the file begins. */
  readonly sha256: string;
}

/** Of the bytes that base64 stands for. */
export function digestOfBase64(data: string): MediaDigest {
  return digestOf(Buffer.from(data, 'base64'));
}

/** Of a text as it stands. */
export function digestOfText(text: string): MediaDigest {
  return digestOf(Buffer.from(text, 'utf8'));
}

function digestOf(bytes: Buffer): MediaDigest {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex').slice(0, 16) };
}
