/** What a text would hide or turn around is made visible: controls, bidirectional marks, invisible letters, lone surrogates. */

export interface HiddenCharacter {
  /** `U+202E` */
  readonly code: string;
  readonly name: string;
}

export type Segment = string | HiddenCharacter;

/**
 * Controls, format characters, halves of characters, and letters without a shape. Not what a reader knows: line ends, tabs; the joiners
 * that scripts and emoji are made of, the tags of a flag, and the format characters that Arabic and Syriac show.
 */
const HIDDEN =
  /\u{1f3f4}[\u{e0061}-\u{e007a}]+\u{e007f}|\r(?!\n)|(?!\u200d|[\t\n\r\u200c\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2])[\p{Cc}\p{Cf}\p{Cs}\u115f\u1160\u2028\u2029\u3164\uffa0]|\u034f|\u17b4|\u17b5/gu;

const NAMES: ReadonlyMap<number, string> = new Map([
  [0x00, 'null'],
  [0x07, 'bell'],
  [0x08, 'backspace'],
  [0x0d, 'carriage return'],
  [0x1b, 'escape'],
  [0x7f, 'delete'],
  [0xad, 'soft hyphen'],
  [0x61c, 'Arabic letter mark'],
  [0x200b, 'zero width space'],
  [0x200e, 'left-to-right mark'],
  [0x200f, 'right-to-left mark'],
  [0x2028, 'line separator'],
  [0x2029, 'paragraph separator'],
  [0x202a, 'left-to-right embedding'],
  [0x202b, 'right-to-left embedding'],
  [0x202c, 'pop directional formatting'],
  [0x202d, 'left-to-right override'],
  [0x202e, 'right-to-left override'],
  [0x2060, 'word joiner'],
  [0x2066, 'left-to-right isolate'],
  [0x2067, 'right-to-left isolate'],
  [0x2068, 'first strong isolate'],
  [0x2069, 'pop directional isolate'],
  [0xfeff, 'byte order mark'],
]);

export function segmentsOf(text: string): readonly Segment[] {
  const segments: Segment[] = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    const found = match[0];
    if (found.length > 2) continue; // a flag
    if (match.index > from) segments.push(text.slice(from, match.index));
    segments.push(describe(found.codePointAt(0) ?? 0));
    from = match.index + found.length;
  }
  if (from < text.length) segments.push(text.slice(from));
  return segments;
}

/** The same for places that take nothing but a string: titles, names, copies for the eye. */
export function visibleText(text: string): string {
  return segmentsOf(text)
    .map((segment) => (typeof segment === 'string' ? segment : `[${segment.code}]`))
    .join('');
}

function describe(point: number): HiddenCharacter {
  return {
    code: `U+${point.toString(16).toUpperCase().padStart(4, '0')}`,
    name: NAMES.get(point) ?? kindOf(point),
  };
}

function kindOf(point: number): string {
  if (point >= 0xe0020 && point <= 0xe007e) return `hidden letter “${String.fromCharCode(point - 0xe0000)}”`;
  if (point >= 0xd800 && point <= 0xdfff) return 'half a character';
  return point < 0xa0 ? 'control character' : 'invisible character';
}
