/** Folders of a test's own, records to put into them, and what is in them. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { SpoolSource } from '../../src/spool/line.ts';
import { whoAmI } from '../../src/spool/owner.ts';
import type { StoredRecord } from '../../src/spool/rounds.ts';
import {
  openSpool,
  type Spool,
  type SpoolEvent,
  type SpoolLoss,
  type SpoolOptions,
} from '../../src/spool/spool.ts';

/** Removed with the test. */
export function makeFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'freeplay-spool-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'spool');
}

export function makeSource(
  id: string,
  more: Partial<SpoolSource> & { readonly size?: number } = {},
): SpoolSource {
  const { size = 0, ...rest } = more;
  const text = JSON.stringify({ completion_id: id, messages: [{ role: 'user', content: 'x'.repeat(size) }] });
  return {
    id,
    kind: 'completion',
    projectId: 'p1',
    path: '/v2/projects/p1/sessions/s1/completions',
    bytes: text.length,
    text: () => text,
    ...rest,
  };
}

export interface TestSpool extends Spool {
  readonly events: SpoolEvent[];
  readonly losses: SpoolLoss[];
}

/** Closed with the test. */
export function openTestSpool(dir: string, options: Partial<SpoolOptions> = {}): TestSpool {
  const events: SpoolEvent[] = [];
  const losses: SpoolLoss[] = [];
  const spool = openSpool({
    dir,
    maxBytes: 1_000_000,
    sync: false,
    report: (event) => events.push(event),
    onLoss: (loss) => losses.push(loss),
    ...options,
  });
  onTestFinished(() => spool.close(1_000));
  return { ...spool, events, losses };
}

/** Everything that a round gives, in its order. */
export async function takeRound(spool: Spool): Promise<StoredRecord[]> {
  await spool.beginRound();
  const all: StoredRecord[] = [];
  for (let one = await spool.next(); one !== undefined; one = await spool.next()) all.push(one);
  return all;
}

export async function readIds(spool: Spool): Promise<string[]> {
  return (await takeRound(spool)).map(({ record }) => record.id);
}

/** The folder as a kill at this moment leaves it: a copy, in which the locks are those of a process that has ended. */
export async function afterKill(dir: string): Promise<string> {
  const copy = makeFolder();
  mkdirSync(copy);
  for (const name of listFiles(dir)) {
    try {
      copyFileSync(join(dir, name), join(copy, name));
    } catch {
      // Deleted this moment.
    }
  }
  for (const name of listFiles(copy).filter((one) => one.endsWith('.lock')))
    await writeLock(copy, name.slice(0, -'.lock'.length), { pid: deadPid() });
  return copy;
}

export async function writeLock(
  dir: string,
  owner: string,
  more: Partial<Awaited<ReturnType<typeof whoAmI>>>,
): Promise<void> {
  const { started: _, ...me } = await whoAmI();
  writeFileSync(join(dir, `${owner}.lock`), JSON.stringify({ ...me, ...more }));
}

let dead: number | undefined;

/** The id of a process that has ended. */
export function deadPid(): number {
  dead ??= Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));
  return dead;
}

export function listFiles(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    return [];
  }
}

export function readFiles(dir: string, ending: string): string {
  return listFiles(dir)
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(join(dir, name), 'utf8'))
    .join('');
}
