/**
 * A protobuf message from its first byte to its last: tags, varints, and slices of what lies in between. Nothing is copied but text.
 * Throws a `WireError`, and nothing else, on bytes that are no message.
 */
import type { HrTime } from '../span/span-data.ts';

export class WireError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WireError';
  }
}

/** How a field's value is written: the low three bits of its tag. */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

export class WireReader {
  readonly bytes: Buffer;
  position: number;
  /** Of the message being read: the bytes may go on behind it. */
  end: number;
  /** Number and wire type of the field that `next` has found. */
  field: number = 0;
  type: number = 0;

  readonly #keys: KeyCache = new KeyCache();

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.position = 0;
    this.end = bytes.length;
  }

  /** Reads the next tag; false at the end of the message. */
  next(): boolean {
    if (this.position >= this.end) return false;
    const tag = this.uint32();
    this.field = tag >>> 3;
    this.type = tag & 7;
    if (this.field === 0) throw new WireError('a field with the number 0');
    return true;
  }

  /** True if the field is what the schema says it is; one of another type is skipped, as an unknown field is. */
  is(type: number): boolean {
    if (this.type === type) return true;
    this.skip();
    return false;
  }

  /** Steps into the message that the field holds. Ends with `leave`. */
  enter(): number {
    const length = this.#length();
    const outer = this.end;
    this.end = this.position + length;
    return outer;
  }

  /** Steps out again, whatever has been read inside. */
  leave(outer: number): void {
    this.position = this.end;
    this.end = outer;
  }

  skip(): void {
    switch (this.type) {
      case VARINT:
        this.#skipVarint();
        return;
      case FIXED64:
        this.#advance(8);
        return;
      case BYTES:
        this.#advance(this.#length());
        return;
      case FIXED32:
        this.#advance(4);
        return;
      default:
        // Groups are in no version of the schema.
        throw new WireError(`a field of wire type ${this.type}`);
    }
  }

  /** The low 32 bits of a varint. */
  uint32(): number {
    const { bytes, end } = this;
    let at = this.position;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) throw new WireError('ends within a number');
      const byte = bytes[at++] as number;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.position = at;
        return value >>> 0;
      }
    }
    throw new WireError('a number of more than ten bytes');
  }

  bool(): boolean {
    const start = this.position;
    if (this.uint32() !== 0) return true;
    // The low bits of `true` may all be zero, in theory.
    return this.bytes.subarray(start, this.position).some((byte) => (byte & 0x7f) !== 0);
  }

  /** A number where a number can hold it. */
  int64(): number | bigint {
    const { bytes, end } = this;
    let at = this.position;
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      if (at >= end) throw new WireError('ends within a number');
      const byte = bytes[at++] as number;
      const bits = byte & 0x7f;
      // Four groups of seven bits, then one that is in both halves, then five in the upper half.
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (7 * i - 32);
      if (byte < 0x80) {
        this.position = at;
        return fromHalves(low >>> 0, high | 0);
      }
    }
    throw new WireError('a number of more than ten bytes');
  }

  double(): number {
    const at = this.position;
    this.#advance(8);
    return this.bytes.readDoubleLE(at);
  }

  fixed32(): number {
    const at = this.position;
    this.#advance(4);
    return this.bytes.readUInt32LE(at);
  }

  /** A fixed64 of nanoseconds since 1970, exact; zero means unknown. */
  nanos(): HrTime | undefined {
    const at = this.position;
    this.#advance(8);
    return toTime(this.bytes.readUInt32LE(at + 4), this.bytes.readUInt32LE(at));
  }

  string(): string {
    const length = this.#length();
    const at = this.position;
    this.position = at + length;
    return length === 0 ? '' : this.bytes.toString('utf8', at, at + length);
  }

  /** As `string`, for what comes again and again. */
  key(): string {
    const length = this.#length();
    const at = this.position;
    this.position = at + length;
    return this.#keys.take(this.bytes, at, length);
  }

  hex(): string {
    const length = this.#length();
    const at = this.position;
    this.position = at + length;
    return length > 64 ? '' : this.bytes.toString('hex', at, at + length);
  }

  /** A copy: a slice would keep the whole request in memory. */
  binary(): Uint8Array {
    const length = this.#length();
    const at = this.position;
    this.position = at + length;
    return new Uint8Array(this.bytes.subarray(at, at + length));
  }

  #length(): number {
    const length = this.uint32();
    if (length > this.end - this.position) throw new WireError('ends within a field');
    return length;
  }

  #advance(length: number): void {
    if (length > this.end - this.position) throw new WireError('ends within a field');
    this.position += length;
  }

  #skipVarint(): void {
    for (let i = 0; i < 10; i++) {
      if (this.position >= this.end) throw new WireError('ends within a number');
      if ((this.bytes[this.position++] as number) < 0x80) return;
    }
    throw new WireError('a number of more than ten bytes');
  }
}

const TWO_32 = 4_294_967_296;

function fromHalves(low: number, high: number): number | bigint {
  const value = high * TWO_32 + low;
  if (Number.isSafeInteger(value)) return value;
  return (BigInt(high) << 32n) | BigInt(low);
}

const BILLION = 1_000_000_000;

/** Long division in steps that a double holds exactly; a bigint would do, too, at several times the cost. */
function toTime(high: number, low: number): HrTime | undefined {
  if (high === 0 && low === 0) return undefined;
  const upper = (high % BILLION) * 65_536 + (low >>> 16);
  const lower = (upper % BILLION) * 65_536 + (low & 0xffff);
  const seconds =
    Math.floor(high / BILLION) * TWO_32 + Math.floor(upper / BILLION) * 65_536 + Math.floor(lower / BILLION);
  return [seconds, lower % BILLION];
}

/** Longer ones are no keys that come often. */
const MAX_KEY_LENGTH = 64;
const SLOTS = 2_048;

/** Attribute keys come again with every span: the text of one is made once. A newcomer takes the slot of whoever was there. */
class KeyCache {
  readonly #slots: (string | undefined)[] = new Array<string | undefined>(SLOTS).fill(undefined);

  take(bytes: Buffer, at: number, length: number): string {
    if (length === 0) return '';
    if (length > MAX_KEY_LENGTH) return bytes.toString('utf8', at, at + length);
    let hash = length;
    for (let i = at; i < at + length; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#slots[slot];
    if (known !== undefined && isSame(known, bytes, at, length)) return known;
    const text = bytes.toString('utf8', at, at + length);
    // One byte a character: only then can the characters be compared with the bytes.
    if (text.length === length) this.#slots[slot] = text;
    return text;
  }
}

function isSame(text: string, bytes: Buffer, at: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}
