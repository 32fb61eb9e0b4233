/**
 * Text of strangers on a terminal: one line, bounded, without anything a terminal or a bidirectional layout would act on.
 */

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const PLAIN = /^[\x20-\x7e]*$/;
const NO_WIDTH = /^[\p{M}\u200d]+$/u;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** One harmless line: white space collapsed, controls made visible, bidirectional and invisible characters replaced. */
export function plainText(text: string, atMost: number = 400): string {
  // Bounded first, so that a text of megabytes costs nothing.
  const start = text.slice(0, atMost * 2);
  if (PLAIN.test(start)) return start.replace(/ {2,}/g, ' ').trim();
  return (
    start
      .replace(/[\s\u2028\u2029]+/gu, ' ')
      .replace(/\p{Cc}/gu, controlPicture)
      // Lone surrogates, private use, unassigned, and format characters but the joiner that emoji are made of.
      .replace(/(?!\u200d)[\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, '\ufffd')
      .replace(/(\p{M}{3})\p{M}+/gu, '$1')
      .replace(/\u200d{2,}/g, '\u200d')
      .trim()
  );
}

/** ESC becomes `␛`; the C1 controls have no picture. */
function controlPicture(control: string): string {
  const code = control.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}

/** Columns a text takes; wide characters and emoji count two. */
export function textWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += segmentWidth(segment);
  return width;
}

function segmentWidth(segment: string): number {
  if (NO_WIDTH.test(segment)) return 0;
  return WIDE.test(segment) ? 2 : 1;
}

/** The text, or its beginning and an ellipsis, in so many columns. */
export function fitText(text: string, width: number): string {
  if (width <= 0) return '';
  if (textWidth(text) <= width) return text;
  let fitted = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += segmentWidth(segment);
    if (used > width - 1) break;
    fitted += segment;
  }
  return `${fitted.trimEnd()}…`;
}

export function padText(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
}

export function padTextStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - textWidth(text))) + text;
}

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36 } as const;

export type Style = keyof typeof STYLES;

/** Writes a text in a style, or as it is. */
export type Paint = (style: Style, text: string) => string;

export function createPaint(colour: boolean): Paint {
  return colour
    ? (style, text) => (text === '' ? '' : `\u001b[${STYLES[style]}m${text}\u001b[0m`)
    : (_, text) => text;
}
