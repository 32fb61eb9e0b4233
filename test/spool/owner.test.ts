import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { NODE_FILES } from '../../src/spool/files.ts';
import { makeOwner, makeSegment, parseName, segmentFile, sideFile } from '../../src/spool/names.ts';
import { type LockContent, lookAt, STALE_MILLIS, takeLock, whoAmI } from '../../src/spool/owner.ts';
import { deadPid, makeFolder } from './support.ts';

const OWNER = '4711-0123456789';
const FRESH = 1_000;
const STALE = STALE_MILLIS + 1_000;
const DAYS = 200_000_000;

async function isAlive(lock: Partial<LockContent> | string, silence: number): Promise<boolean> {
  const dir = makeFolder();
  mkdirSync(dir);
  const path = join(dir, `${OWNER}.lock`);
  const me = await whoAmI();
  writeFileSync(path, typeof lock === 'string' ? lock : JSON.stringify({ ...me, ...lock }));
  const now = Date.now();
  utimesSync(path, (now - silence) / 1_000, (now - silence) / 1_000);
  return (await lookAt(dir, OWNER, me, NODE_FILES, now)).alive;
}

const isLinux = process.platform === 'linux';

describe('an owner', () => {
  it.each<[string, () => Partial<LockContent>, silence: number, alive: boolean]>([
    ['in a process that has ended', () => ({ pid: deadPid() }), FRESH, false],
    ['in a process that lives, however long it has stood still', parent, DAYS, true],
    ['in this process, its thread being well', () => ({}), FRESH, true],
    ['in this process, its thread having ended', () => ({}), STALE, false],
    ['on another machine, touched', () => ({ place: 'other', pid: 1 }), FRESH, true],
    ['on another machine, silent', () => ({ place: 'other', pid: process.ppid }), STALE, false],
    ['with a clock that is wrong', () => ({ place: 'other' }), -STALE, false],
  ])('%s', async (_, lock, silence, alive) => {
    expect(await isAlive(lock(), silence)).toBe(alive);
  });

  it.runIf(isLinux)('whose process id is another process by now has ended', async () => {
    expect(await isAlive({ ...parent(), started: '1' }, FRESH)).toBe(false);
    expect(await isAlive({ started: '1' }, FRESH)).toBe(false);
  });

  it('whose start is not told is taken for another process after a day', async () => {
    const { started: _, ...lock } = { ...(await whoAmI()), ...parent() };
    expect(await isAlive(JSON.stringify(lock), STALE)).toBe(true);
    expect(await isAlive(JSON.stringify(lock), DAYS)).toBe(false);
  });

  it.each([
    '',
    '{',
    'null',
    '{"pid":"x"}',
    '[]',
  ])('with the lock %j lives as long as it is touched', async (text) => {
    expect(await isAlive(text, FRESH)).toBe(true);
    expect(await isAlive(text, STALE)).toBe(false);
  });

  it('without a lock has ended', async () => {
    expect((await lookAt(makeFolder(), OWNER, await whoAmI(), NODE_FILES, Date.now())).alive).toBe(false);
  });
});

/** The process that runs this one lives. */
function parent(): Partial<LockContent> {
  const pid = process.ppid;
  if (!isLinux) return { pid };
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return { pid, started: fields[19] ?? '' };
}

describe('a lock', () => {
  it('is kept fresh, made again if it is removed, and gone at the end', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const dir = makeFolder();
      mkdirSync(dir);
      const lock = await takeLock(dir, NODE_FILES, Math.random);
      const path = join(dir, `${lock.owner}.lock`);
      expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ v: 1, pid: process.pid });
      utimesSync(path, 1, 1);
      await vi.advanceTimersByTimeAsync(20_000);
      await vi.waitFor(() => expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(STALE_MILLIS));
      rmSync(path);
      await vi.advanceTimersByTimeAsync(20_000);
      await vi.waitFor(() => expect(readFileSync(path, 'utf8')).toContain(`"pid":${process.pid}`));
      await lock.release();
      expect(() => statSync(path)).toThrow('ENOENT');
      await lock.touch();
      expect(() => statSync(path)).toThrow('ENOENT');
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('tells threads of one process apart', async () => {
    const code = `
      const { parentPort } = require('node:worker_threads');
      parentPort.postMessage(Math.random());
    `;
    const numbers = await Promise.all(
      Array.from(
        { length: 4 },
        () => new Promise((resolve) => new Worker(code, { eval: true }).once('message', resolve)),
      ),
    );
    // The name is made of these: threads do not share a generator.
    expect(new Set(numbers).size).toBe(4);
  });
});

describe('names', () => {
  it('are read as they are made', () => {
    const owner = makeOwner(4711, Math.random);
    const segment = makeSegment(1_767_225_600_123, owner, 12);
    expect(segment).toMatch(/^20260101T000000123Z-[0-9a-z]{10}-12$/);
    expect(parseName(segmentFile(segment, owner))).toEqual({ kind: 'segment', segment, holder: owner });
    expect(parseName(segmentFile(segment, 'free'))).toEqual({ kind: 'segment', segment, holder: 'free' });
    expect(parseName(sideFile(segment, 'done'))).toEqual({ kind: 'done', segment });
    expect(parseName(sideFile(segment, 'torn'))).toEqual({ kind: 'torn', segment });
    expect(parseName(`${owner}.lock`)).toEqual({ kind: 'lock', owner });
  });

  it.each([
    '',
    'x.jsonl',
    '.lock',
    'notes.txt',
    '20260101T000000123Z-0123456789-1.jsonl',
    'a-0123456789.lock',
  ])('that are not ours are none: %j', (name) => {
    expect(parseName(name)).toBeUndefined();
  });

  it('have their full length with any random number', () => {
    for (const random of [0, 1e-9, 0.5, 1 - 2 ** -53])
      expect(makeOwner(1, () => random)).toMatch(/^1-[0-9a-z]{10}$/);
  });
});
