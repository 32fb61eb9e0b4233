/** Python's way to print values (`{'a': [1, None, True]}`), which some emitters write where JSON should be. */

const MAX_DEPTH = 64;
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['None', null],
  ['True', true],
  ['False', false],
]);
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['b', '\b'],
  ['f', '\f'],
  ['v', '\v'],
  ['a', '\u0007'],
  ['0', '\0'],
  ['\n', ''],
]);
const CLOSING: { readonly [open: string]: string } = { '[': ']', '(': ')' };

interface Cursor {
  readonly text: string;
  at: number;
}

/** Thrown and caught here only: the text is no literal. */
class NotALiteral extends Error {}

/** The value, or `undefined` if the text is no dictionary or list of literals. */
export function readPythonLiteral(text: string): unknown {
  if (!/^\s*[[{(]/.test(text)) return undefined;
  const cursor: Cursor = { text, at: 0 };
  try {
    const value = readValue(cursor, 0);
    skipSpace(cursor);
    return cursor.at === text.length ? value : undefined;
  } catch (error) {
    if (error instanceof NotALiteral) return undefined;
    throw error;
  }
}

function skipSpace(cursor: Cursor): void {
  while (/\s/.test(cursor.text[cursor.at] ?? '')) cursor.at++;
}

function take(cursor: Cursor, expected: string): boolean {
  skipSpace(cursor);
  if (cursor.text[cursor.at] !== expected) return false;
  cursor.at++;
  return true;
}

function expect(cursor: Cursor, expected: string): void {
  if (!take(cursor, expected)) throw new NotALiteral();
}

function readValue(cursor: Cursor, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new NotALiteral();
  skipSpace(cursor);
  const first = cursor.text[cursor.at] ?? '';
  if (first === '{') return readDict(cursor, depth);
  const closing = CLOSING[first];
  if (closing !== undefined) return readList(cursor, closing, depth);
  if (first === "'" || first === '"') return readString(cursor);
  return readAtom(cursor);
}

function readDict(cursor: Cursor, depth: number): unknown {
  cursor.at++;
  const entries: [string, unknown][] = [];
  while (!take(cursor, '}')) {
    const key = readValue(cursor, depth + 1);
    expect(cursor, ':');
    entries.push([String(key), readValue(cursor, depth + 1)]);
    if (take(cursor, ',')) continue;
    expect(cursor, '}');
    break;
  }
  return Object.fromEntries(entries);
}

function readList(cursor: Cursor, closing: string, depth: number): unknown {
  cursor.at++;
  const items: unknown[] = [];
  while (!take(cursor, closing)) {
    items.push(readValue(cursor, depth + 1));
    if (take(cursor, ',')) continue;
    expect(cursor, closing);
    break;
  }
  return items;
}

function readString(cursor: Cursor): string {
  const quote = cursor.text[cursor.at++] as string;
  let value = '';
  for (;;) {
    const start = cursor.at;
    while (cursor.at < cursor.text.length && !isStop(cursor, quote)) cursor.at++;
    value += cursor.text.slice(start, cursor.at);
    const stop = cursor.text[cursor.at++];
    if (stop === undefined) throw new NotALiteral();
    if (stop === quote) return value;
    value += readEscape(cursor);
  }
}

function isStop(cursor: Cursor, quote: string): boolean {
  const c = cursor.text[cursor.at];
  return c === quote || c === '\\';
}

function readEscape(cursor: Cursor): string {
  const coded = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(
    cursor.text.slice(cursor.at, cursor.at + 9),
  );
  if (coded) {
    cursor.at += coded[0].length;
    const point = Number.parseInt(coded[0].slice(1), 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : '\ufffd';
  }
  const letter = cursor.text[cursor.at++] ?? '';
  return ESCAPES.get(letter) ?? letter;
}

function readAtom(cursor: Cursor): unknown {
  const atom = /^[\w.+-]+/.exec(cursor.text.slice(cursor.at, cursor.at + 40))?.[0] ?? '';
  cursor.at += atom.length;
  if (WORDS.has(atom)) return WORDS.get(atom);
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(atom)) return Number(atom);
  throw new NotALiteral();
}
