/**
 * How deep and how wide JSON text is, before anything is made of it: the parser would turn a megabyte of brackets into a hundred of
 * objects.
 */

export type JsonBounds = 'fits' | 'deep' | 'wide';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Text that is no JSON gives any answer: the parser will have a word on it. */
export function checkJsonBounds(text: Buffer, maxDepth: number, maxValues: number): JsonBounds {
  const { length } = text;
  let depth = 0;
  let values = 0;
  for (let i = 0; i < length; i++) {
    const byte = text[i] as number;
    if (byte === QUOTE) {
      i = endOfString(text, i + 1);
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (++depth > maxDepth) return 'deep';
      if (++values > maxValues) return 'wide';
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      depth--;
    } else if (byte === COMMA || byte === COLON) {
      if (++values > maxValues) return 'wide';
    }
  }
  return 'fits';
}

/** Of the quote that ends the string. Searched for in leaps: nearly all bytes of a request are in strings. */
function endOfString(text: Buffer, start: number): number {
  for (let at = start; ; ) {
    const quote = text.indexOf(QUOTE, at);
    if (quote === -1) return text.length;
    let slashes = 0;
    while (quote - slashes > start && text[quote - slashes - 1] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote;
    at = quote + 1;
  }
}
