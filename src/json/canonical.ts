/**
 * A walk over JSON text that copies instead of parsing. It goes only where the text is what `JSON.stringify` would write; wherever it
 * is not (other escapes, spaces, `1.0`, a key twice), it says so, and the caller parses.
 */
import { keepOptimised } from '../keep-optimised.ts';
import { isForbiddenKey } from './json-text.ts';

const QUOTE = 0x22;
const SPACE = 0x20;

/** Letters that `JSON.stringify` writes behind a backslash. Not `u`: the few characters that it writes so are left to it. */
function isEscape(code: number): boolean {
  switch (code) {
    case 0x22:
    case 0x5c:
    case 0x6e:
    case 0x74:
    case 0x72:
    case 0x62:
    case 0x66:
      return true;
    default:
      return false;
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f]/;

/** Four characters at a time; 64 KiB at once. */
const scratch = Buffer.allocUnsafeSlow(65_536);
const words = new Int32Array(scratch.buffer, scratch.byteOffset, scratch.length >> 2);

/**
 * Whether a text may be walked at all: no control character (one inside a string would be no JSON) and no half of a surrogate pair
 * (which `JSON.stringify` escapes).
 */
export function isWalkable(text: string): boolean {
  for (let from = 0; from < text.length; from += scratch.length) {
    const part = text.length <= scratch.length ? text : text.slice(from, from + scratch.length);
    // Only the low byte of each character is looked at: a suspicion, which the slower test settles.
    if (hasSmallByte(part)) {
      if (CONTROL.test(text)) return false;
      break;
    }
  }
  return text.isWellFormed();
}

function hasSmallByte(text: string): boolean {
  const length = scratch.write(text, 'latin1');
  const end = (length + 3) & ~3;
  for (let i = length; i < end; i++) scratch[i] = SPACE;
  for (let i = 0; i < end >> 2; i++) {
    const word = words[i] as number;
    // The sign bit of each byte that is below 0x20: https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord
    // Not to become a fraction halves the time: `| 0`.
    if ((((word - 0x20202020) | 0) & ~word & 0x80808080) !== 0) return true;
  }
  return false;
}

/**
 * Walked text as a string literal: `JSON.stringify(text)`. Without control characters only two letters need a backslash, and looking for
 * them takes half as long as looking at each letter.
 */
export function quoteWalked(text: string): string {
  let literal = '"';
  let from = 0;
  let quote = indexOf(text, '"', 0);
  let backslash = indexOf(text, '\\', 0);
  while (quote !== backslash) {
    const at = Math.min(quote, backslash);
    literal += `${text.slice(from, at)}\\`;
    from = at;
    if (at === quote) quote = indexOf(text, '"', at + 1);
    else backslash = indexOf(text, '\\', at + 1);
  }
  return `${literal}${text.slice(from)}"`;
}

/** Deeper values are left to the parser and its own bound. */
const MAX_DEPTH = 32;
const MAX_KEYS = 64;
/** Integers and short decimals that print as they are written; not -0, no exponents, no trailing zeros. */
const PLAIN_NUMBER = /(?:-?[1-9]\d{0,14}|0)(?![\d.eE])|-?(?:[1-9]\d{0,5}|0)\.\d{0,5}[1-9](?![\d.eE])/y;

/** Keys that are dropped on the way out, and keys that `JSON.parse` may sort to the front. */
function isOddKey(key: string): boolean {
  const first = key.charCodeAt(0);
  return (first >= 0x30 && first <= 0x39) || isForbiddenKey(key);
}

function indexOf(text: string, part: string, from: number): number {
  const at = text.indexOf(part, from);
  return at === -1 ? text.length : at;
}

/** Where in the text the walk stands. Methods that meet something else than they walk return -1 or `false`, and the walk is over. */
export class JsonWalk {
  readonly text: string;
  at: number;
  /** The first backslash that has not been passed, looked for once for many strings; the text's length where there is none. */
  backslash: number;

  /** @param text must be `isWalkable` */
  constructor(text: string, at: number = 0) {
    this.text = text;
    this.at = at;
    this.backslash = indexOf(text, '\\', at);
  }

  /** Steps over one character. */
  takes(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false;
    this.at++;
    return true;
  }

  peek(): number {
    return this.text.charCodeAt(this.at);
  }

  /** Steps over a string literal; its end, or -1. It begins where the walk stood. */
  string(): number {
    const { text, at } = this;
    if (text.charCodeAt(at) !== QUOTE) return -1;
    let end = text.indexOf('"', at + 1);
    if (end === -1) return -1;
    if (this.backslash < end) {
      // One before the literal, in a number or a word, is no JSON: whoever comes there gives up.
      let backslash = this.backslash < at ? indexOf(text, '\\', at) : this.backslash;
      while (backslash < end) {
        if (!isEscape(text.charCodeAt(backslash + 1))) return -1;
        if (backslash + 1 === end) {
          end = text.indexOf('"', end + 1);
          if (end === -1) return -1;
        }
        backslash = indexOf(text, '\\', backslash + 2);
      }
      this.backslash = backslash;
    }
    this.at = end + 1;
    return end + 1;
  }

  /** Whether the literal from there to here is this word, which needs no escapes. */
  isWord(from: number, word: string): boolean {
    const { text, at } = this;
    if (at - from !== word.length + 2) return false;
    for (let i = 0; i < word.length; i++)
      if (text.charCodeAt(from + 1 + i) !== word.charCodeAt(i)) return false;
    return true;
  }

  /** Steps over any value; its end, or -1. */
  value(depth: number = 0): number {
    switch (this.peek()) {
      case QUOTE:
        return this.string();
      case 0x7b:
        return depth < MAX_DEPTH ? this.#object(depth + 1) : -1;
      case 0x5b:
        return depth < MAX_DEPTH ? this.#list(depth + 1) : -1;
      case 0x74:
        return this.#word('true');
      case 0x66:
        return this.#word('false');
      case 0x6e:
        return this.#word('null');
      default:
        return this.#number();
    }
  }

  #word(word: string): number {
    if (!this.text.startsWith(word, this.at)) return -1;
    this.at += word.length;
    return this.at;
  }

  #number(): number {
    PLAIN_NUMBER.lastIndex = this.at;
    if (!PLAIN_NUMBER.test(this.text)) return -1;
    this.at = PLAIN_NUMBER.lastIndex;
    return this.at;
  }

  #list(depth: number): number {
    this.at++;
    if (this.takes(0x5d)) return this.at;
    do {
      if (this.value(depth) === -1) return -1;
    } while (this.takes(0x2c));
    return this.takes(0x5d) ? this.at : -1;
  }

  #object(depth: number): number {
    this.at++;
    if (this.takes(0x7d)) return this.at;
    const keys: string[] = [];
    do {
      const start = this.at;
      if (this.string() === -1) return -1;
      const key = this.text.slice(start + 1, this.at - 1);
      if (isOddKey(key) || keys.includes(key) || keys.length >= MAX_KEYS) return -1;
      keys.push(key);
      if (!this.takes(0x3a) || this.value(depth) === -1) return -1;
    } while (this.takes(0x2c));
    return this.takes(0x7d) ? this.at : -1;
  }
}

keepOptimised(new JsonWalk(''));
