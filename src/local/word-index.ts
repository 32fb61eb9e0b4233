/** Which records have a word that begins so, in memory; numbers of records only grow. */
export interface WordIndex {
  add(seq: number, words: readonly string[]): void;
  /** Records up to this one are gone. */
  forget(seq: number): void;
  /** In no order, and some of them more than once; those that are gone may be among them. */
  search(beginning: string, found: (seq: number) => void): void;
  clear(): void;
}

/** Of neighbours in order of arrival: what is let go of from the front goes a segment at a time, without a look into it. */
interface Segment {
  readonly first: number;
  readonly words: Map<string, number[]>;
}

const SEGMENT_LENGTH = 4_096;

export function createWordIndex(): WordIndex {
  let segments: Segment[] = [];

  function segmentOf(seq: number): Segment {
    const first = seq - (seq % SEGMENT_LENGTH);
    let segment = segments.findLast((one) => one.first <= first);
    if (segment?.first !== first) {
      segment = { first, words: new Map() };
      segments.push(segment);
      segments.sort((a, b) => a.first - b.first);
    }
    return segment;
  }

  return {
    add(seq, words) {
      const segment = segmentOf(seq);
      for (const word of words) {
        const seqs = segment.words.get(word);
        if (seqs !== undefined) seqs.push(seq);
        else segment.words.set(detached(word), [seq]);
      }
    },
    forget(seq) {
      while (segments[0] !== undefined && segments[0].first + SEGMENT_LENGTH <= seq + 1) segments.shift();
    },
    search(beginning, found) {
      for (const { words } of segments) {
        for (const [word, seqs] of words) {
          if (word.startsWith(beginning)) for (const seq of seqs) found(seq);
        }
      }
    },
    clear() {
      segments = [];
    },
  };
}

/** A copy: part of a long text may keep all of the text in memory. */
function detached(word: string): string {
  return word.length < 13 ? word : Buffer.from(word).toString();
}
