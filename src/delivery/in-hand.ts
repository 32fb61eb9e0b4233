/** What has been accepted and has no outcome yet, and waiting for it to go. */

import { after } from './sleep.ts';

export interface InHand {
  readonly size: number;
  add(projectId: string): Entry;
  /**
   * Resolves once every record that is in hand now has settled, or was handed over and belongs to a project that need not
   * be waited for; at the latest after the time.
   */
  wait(timeoutMillis: number, isExempt: (projectId: string) => boolean): Promise<void>;
  /** To be called when `isExempt` may answer otherwise than before. */
  recheck(): void;
}

/** One record in hand. */
export interface Entry {
  /** Its first attempt has been judged, or a gate holds it: from here on it is a matter of retries. */
  handOver(): void;
  settle(): void;
}

/** Records of one project: all of them, and the ones among them that are not handed over yet. */
interface Tally {
  pending: number;
  fresh: number;
}

interface Watch {
  /** Records numbered above it came later and are not waited for. */
  readonly last: number;
  /** What is left, by project: asking about each record would cost the square of a full queue. */
  readonly left: Map<string, Tally>;
  check(): void;
}

interface State {
  readonly number: number;
  readonly projectId: string;
  fresh: boolean;
}

export function createInHand(): InHand {
  const entries = new Set<State>();
  const watches = new Set<Watch>();
  let count = 0;

  const note = (entry: State, pending: number, fresh: number) => {
    for (const watch of watches) {
      const tally = entry.number > watch.last ? undefined : watch.left.get(entry.projectId);
      if (tally === undefined) continue;
      tally.pending -= pending;
      tally.fresh -= fresh;
      if (tally.pending === 0) watch.left.delete(entry.projectId);
      watch.check();
    }
  };

  return {
    get size() {
      return entries.size;
    },
    add(projectId) {
      const entry: State = { number: ++count, projectId, fresh: true };
      entries.add(entry);
      return {
        handOver() {
          if (!entry.fresh) return;
          entry.fresh = false;
          note(entry, 0, 1);
        },
        settle() {
          if (entries.delete(entry)) note(entry, 1, entry.fresh ? 1 : 0);
        },
      };
    },
    wait(timeoutMillis, isExempt) {
      return new Promise((resolve) => {
        const finish = () => {
          cancel();
          watches.delete(watch);
          resolve();
        };
        const left = tallyByProject(entries);
        const check = () => {
          if ([...left].every(([projectId, { fresh }]) => fresh === 0 && isExempt(projectId))) finish();
        };
        const watch: Watch = { last: count, left, check };
        const cancel = after(timeoutMillis, finish);
        watches.add(watch);
        check();
      });
    },
    recheck() {
      for (const watch of watches) watch.check();
    },
  };
}

function tallyByProject(entries: Iterable<State>): Map<string, Tally> {
  const tallies = new Map<string, Tally>();
  for (const { projectId, fresh } of entries) {
    const tally = tallies.get(projectId) ?? { pending: 0, fresh: 0 };
    tally.pending += 1;
    tally.fresh += fresh ? 1 : 0;
    tallies.set(projectId, tally);
  }
  return tallies;
}
