/**
 * A walk over JSON text that copies instead of parsing. It goes only where the text is what `JSON.stringify` would write; wherever it
 * is not (other escapes, spaces, `1.0`, a key twice), it says so, and the caller parses.
 */

const QUOTE = 0x22;
const SPACE = 0x20;

/** Letters that `JSON.stringify` writes behind a backslash. Not `u`: the few characters that it writes so are left to it. */
const ESCAPES: ReadonlySet<number> = new Set([...'"\\bfnrt'].map((letter) => letter.charCodeAt(0)));

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
    if (((word - 0x20202020) & ~word & 0x80808080) !== 0) return true;
  }
  return false;
}

/** Deeper values are left to the parser and its own bound. */
const MAX_DEPTH = 32;
const MAX_KEYS = 64;
/** Keys that are dropped on the way out, and keys that `JSON.parse` sorts to the front. */
const ODD_KEY = /^(__proto__|constructor|prototype|\d.*)$/;
/** Integers and short decimals that print as they are written; not -0, no exponents, no trailing zeros. */
const PLAIN_NUMBER = /(?:-?[1-9]\d{0,14}|0)(?![\d.eE])|-?(?:[1-9]\d{0,5}|0)\.\d{0,5}[1-9](?![\d.eE])/y;

/** Where in the text the walk stands. Methods that meet something else than they walk return -1 or `false`, and the walk is over. */
export class JsonWalk {
  readonly text: string;
  at: number;
  /** The first backslash at or after `at`, looked for once for many strings. */
  #backslash: number;

  /** @param text must be `isWalkable` */
  constructor(text: string, at: number = 0) {
    this.text = text;
    this.at = at;
    this.#backslash = text.indexOf('\\', at);
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
    const { text } = this;
    if (text.charCodeAt(this.at) !== QUOTE) return -1;
    let end = text.indexOf('"', this.at + 1);
    if (this.#backslash !== -1 && this.#backslash < this.at) this.#backslash = text.indexOf('\\', this.at);
    let backslash = this.#backslash;
    while (backslash !== -1 && backslash < end) {
      const escaped = text.charCodeAt(backslash + 1);
      if (!ESCAPES.has(escaped)) return -1;
      if (backslash + 1 === end) end = text.indexOf('"', end + 1);
      backslash = text.indexOf('\\', backslash + 2);
    }
    this.#backslash = backslash;
    if (end === -1) return -1;
    this.at = end + 1;
    return this.at;
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
      if (ODD_KEY.test(key) || keys.includes(key) || keys.length >= MAX_KEYS) return -1;
      keys.push(key);
      if (!this.takes(0x3a) || this.value(depth) === -1) return -1;
    } while (this.takes(0x2c));
    return this.takes(0x7d) ? this.at : -1;
  }
}
