/** Design section 3 once more, with other means than the package's. */
import { createHash } from 'node:crypto';

function stamped(bytes: Buffer): string {
  const copy = Buffer.from(bytes);
  copy.writeUInt8((copy.readUInt8(6) % 16) + 0x40, 6);
  copy.writeUInt8((copy.readUInt8(8) % 64) + 0x80, 8);
  return copy.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function groupUuid(traceId: string): string {
  return stamped(Buffer.from(traceId, 'hex'));
}

export function spanUuid(traceId: string, spanId: string): string {
  return stamped(Buffer.concat([Buffer.from(spanId, 'hex'), Buffer.from(traceId, 'hex').subarray(8)]));
}

export function sessionUuid(value: string): string {
  if (/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/i.test(value))
    return value.toLowerCase();
  return stamped(createHash('sha256').update(Buffer.from(value, 'utf8')).digest().subarray(0, 16));
}

export const UUID_V4: RegExp = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
