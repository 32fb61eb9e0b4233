/** What a process remembers of one file of records that it holds: where each record stands, a byte for each. */
import { MAX_RECORDS_PER_SEGMENT } from './line.ts';

/**
 * | state | the record is |
 * | --- | --- |
 * | `unseen` | on disk from another process, and no ledger of this one knows it |
 * | `held` | being delivered by this process |
 * | `left` | given up by this process for now: spooled, in its ledger |
 * | `settled` | delivered, rejected or lost: its line counts no more |
 */
const STATES = ['none', 'unseen', 'held', 'left', 'settled'] as const;

export type State = (typeof STATES)[number];

export interface Segment {
  readonly name: string;
  /** Of the file, as far as it is known to be written. */
  bytes: number;
  /** Of the file of its marks. */
  markBytes: number;
  /** Marks that were cut off may stand at the end of that file. */
  marksTorn: boolean;
  /** Records so far; the number of the next one. */
  count: number;
  /** Lines that are no records. */
  unreadable: number;
  /** Nothing is appended any more. */
  sealed: boolean;
  /** The file is no longer ours: deleted, or taken by somebody who thought us dead. */
  gone: boolean;
  stateOf(n: number): State;
  set(n: number, state: State): void;
  total(state: State): number;
  /** Settled numbers that are not on disk yet; taken out. */
  takeMarks(): readonly number[];
  /** Could not be written. */
  putMarksBack(numbers: readonly number[]): void;
  readonly hasMarks: boolean;
}

/** A new file, or one that another process has left. */
export function createSegment(name: string): Segment {
  let states = new Uint8Array(64);
  const totals = STATES.map(() => 0);
  let marks: number[] = [];
  const codeAt = (n: number): number => states[n] ?? 0;
  return {
    name,
    bytes: 0,
    markBytes: 0,
    marksTorn: false,
    count: 0,
    unreadable: 0,
    sealed: false,
    gone: false,
    stateOf: (n) => STATES[codeAt(n)] ?? 'none',
    set(n, state) {
      if (n >= states.length) {
        const grown = new Uint8Array(Math.min(MAX_RECORDS_PER_SEGMENT, Math.max(n + 1, states.length * 2)));
        grown.set(states);
        states = grown;
      }
      const code = STATES.indexOf(state);
      const before = codeAt(n);
      if (before === code) return;
      if (before !== 0) totals[before] = (totals[before] ?? 0) - 1;
      states[n] = code;
      totals[code] = (totals[code] ?? 0) + 1;
      this.count = Math.max(this.count, n + 1);
      if (state === 'settled') marks.push(n);
    },
    total: (state) => totals[STATES.indexOf(state)] ?? 0,
    takeMarks() {
      const taken = marks;
      marks = [];
      return taken;
    },
    putMarksBack(numbers) {
      marks = [...numbers, ...marks];
    },
    get hasMarks() {
      return marks.length > 0;
    },
  };
}

/** True while no record in it matters any more. */
export function isSettled(segment: Segment): boolean {
  return segment.total('unseen') + segment.total('held') + segment.total('left') === 0;
}

/** True once none can. */
export function isSpent(segment: Segment): boolean {
  return segment.sealed && isSettled(segment);
}
