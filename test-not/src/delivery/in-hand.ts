/** What has been accepted and has no outcome yet, by project, and waiting for it to go. */

import { after } from './sleep.ts';

/** @typeParam T What the caller wants to keep with each record. */
export interface InHand<T> {
  readonly size: number;
  add(projectId: string, bytes: number, more: T): Entry<T>;
  /** Its first attempt has failed, or a gate holds it: from here on it is a matter of retries. True the first time. */
  handOver(entry: Entry<T>): boolean;
  settle(entry: Entry<T>): void;
  /** What of it is whose. */
  projects(): { readonly id: string; readonly records: number; readonly bytes: number }[];
  /**
   * Resolves once every record that is in hand now has settled, or was handed over and belongs to a project that need not
   * be waited for; at the latest after the time.
   */
  wait(timeoutMillis: number, isExempt: (projectId: string) => boolean): Promise<void>;
  /** To be called when `isExempt` may answer otherwise than before. */
  recheck(): void;
}

/** One record in hand. */
export interface Entry<T> {
  readonly number: number;
  readonly bytes: number;
  readonly project: Project;
  isFresh: boolean;
  readonly more: T;
}

/** Records of one project: all of them, and the ones among them that are not handed over yet. */
interface Tally {
  records: number;
  fresh: number;
}

interface Project extends Tally {
  readonly id: string;
  bytes: number;
}

interface Watch {
  /** Records numbered above it came later and are not waited for. */
  readonly last: number;
  /** What is left, by project: asking about each record would cost the square of a full queue. */
  readonly left: Map<Project, Tally>;
  check(): void;
}

export function createInHand<T>(): InHand<T> {
  const projects = new Map<string, Project>();
  const watches = new Set<Watch>();
  let size = 0;
  let count = 0;

  const projectOf = (id: string): Project => {
    const known = projects.get(id);
    if (known !== undefined) return known;
    const project = { id, records: 0, fresh: 0, bytes: 0 };
    projects.set(id, project);
    return project;
  };

  const note = (entry: Entry<T>, records: number, fresh: number) => {
    entry.project.records -= records;
    entry.project.fresh -= fresh;
    for (const watch of watches) {
      const tally = entry.number > watch.last ? undefined : watch.left.get(entry.project);
      if (tally === undefined) continue;
      tally.records -= records;
      tally.fresh -= fresh;
      if (tally.records === 0) watch.left.delete(entry.project);
      watch.check();
    }
  };

  return {
    get size() {
      return size;
    },
    add(projectId, bytes, more) {
      const project = projectOf(projectId);
      size += 1;
      project.records += 1;
      project.fresh += 1;
      project.bytes += bytes;
      count += 1;
      return { number: count, bytes, project, isFresh: true, more };
    },
    handOver(entry) {
      if (!entry.isFresh) return false;
      entry.isFresh = false;
      note(entry, 0, 1);
      return true;
    },
    settle(entry) {
      size -= 1;
      entry.project.bytes -= entry.bytes;
      note(entry, 1, entry.isFresh ? 1 : 0);
    },
    projects: () => [...projects.values()],
    wait(timeoutMillis, isExempt) {
      return new Promise((resolve) => {
        const left = new Map<Project, Tally>();
        for (const project of projects.values())
          if (project.records > 0) left.set(project, { records: project.records, fresh: project.fresh });
        const finish = () => {
          cancel();
          watches.delete(watch);
          resolve();
        };
        const check = () => {
          for (const [{ id }, { fresh }] of left) if (fresh > 0 || !isExempt(id)) return;
          finish();
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
