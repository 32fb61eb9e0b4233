/**
 * What a text is searched by: words in one spelling, found from their beginning. Both storages look up the same words, so
 * they find the same records.
 *
 * Languages that put no spaces between words are searched by pairs of characters: `天气预报` is `天气`, `气预`, `预报`.
 */

/** Longer ones are cut: nobody types them, and what has them is hardly text. */
const MAX_WORD_LENGTH = 40;
/** Of one record, in UTF-16 code units; what comes later is not found by it. */
const MAX_TEXT_LENGTH = 200_000;
const MAX_WORDS = 20_000;
const MAX_QUERY_WORDS = 8;

const ASCII_WORDS = /[a-z0-9]+/g;
const WORDS = /[\p{L}\p{M}\p{N}]+/gu;
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]+/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
const ASCII = /^[\x00-\x7f]*$/;

/** The different words of a record's texts. */
export function wordsOf(texts: Iterable<string>): string[] {
  const words = new Set<string>();
  let room = MAX_TEXT_LENGTH;
  for (const text of texts) {
    if (room <= 0 || words.size >= MAX_WORDS) break;
    const part = text.slice(0, room);
    room -= part.length;
    for (const word of split(part, true)) words.add(word);
  }
  return [...words].slice(0, MAX_WORDS);
}

/** What has to be in a record, each as the beginning of a word; empty: nothing was asked for. */
export function queryWords(query: string): string[] {
  return [...new Set(split(query.slice(0, 1_000), false))].slice(0, MAX_QUERY_WORDS);
}

function split(text: string, isRecord: boolean): string[] {
  const lower = text.toLowerCase();
  if (ASCII.test(lower)) return (lower.match(ASCII_WORDS) ?? []).map(cut);
  // Compatibility forms and accents are set aside: what people type is rarely what was written.
  const plain = lower
    .normalize('NFKD')
    .replace(/\p{Mn}+/gu, '')
    .toLowerCase();
  const found: string[] = [];
  for (const word of plain.match(WORDS) ?? []) {
    let end = 0;
    for (const run of word.matchAll(UNSPACED)) {
      if (run.index > end) found.push(cut(word.slice(end, run.index)));
      found.push(...pairs([...run[0]], isRecord));
      end = run.index + run[0].length;
    }
    if (end < word.length) found.push(cut(word.slice(end)));
  }
  return found;
}

/** A record has its last character alone, too, so that a query of one character finds it wherever it stands. */
function pairs(characters: readonly string[], isRecord: boolean): string[] {
  const found = characters.slice(1).map((character, index) => `${characters[index]}${character}`);
  if (isRecord || characters.length === 1) found.push(characters.at(-1) ?? '');
  return found;
}

function cut(word: string): string {
  return word.length > MAX_WORD_LENGTH ? word.slice(0, MAX_WORD_LENGTH).toWellFormed() : word;
}
