import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { NODE_FILES, type SpoolFiles } from '../../src/spool/files.ts';
import type { SpoolEntry } from '../../src/spool/holdings.ts';
import type { Appended, Spool } from '../../src/spool/spool.ts';
import {
  afterKill,
  deadPid,
  listFiles,
  makeFolder,
  makeSource,
  openTestSpool,
  readFiles,
  readIds,
  takeRound,
  writeLock,
} from './support.ts';

async function keep(spool: Spool, id: string, size = 0): Promise<SpoolEntry> {
  const appended = await spool.append(makeSource(id, { size }));
  if (appended.kind !== 'kept') throw new Error(`refused: ${appended.reason}`);
  return appended.entry;
}

async function leave(spool: Spool, ...ids: readonly string[]): Promise<void> {
  for (const id of ids) expect((await keep(spool, id)).leave()).toBe(true);
}

function reasonOf(appended: Appended): string {
  return appended.kind === 'refused' ? appended.reason : appended.kind;
}

/** Fails as told, until told otherwise. */
function faultyFiles(): {
  readonly files: SpoolFiles;
  fail(operation: keyof SpoolFiles, code: string): void;
  heal(): void;
} {
  const faults = new Map<keyof SpoolFiles, string>();
  const wrap =
    (operation: keyof SpoolFiles) =>
    async (...args: unknown[]) => {
      const code = faults.get(operation);
      if (code !== undefined) throw Object.assign(new Error('with content'), { code });
      return (NODE_FILES[operation] as (...all: unknown[]) => Promise<unknown>)(...args);
    };
  const names = Object.keys({
    mkdir: 0,
    open: 0,
    readdir: 0,
    readFile: 0,
    readlink: 0,
    rename: 0,
    stat: 0,
    unlink: 0,
    utimes: 0,
  }) as (keyof SpoolFiles)[];
  return {
    files: Object.fromEntries(names.map((name) => [name, wrap(name)])) as unknown as SpoolFiles,
    fail: (operation, code) => void faults.set(operation, code),
    heal: () => faults.clear(),
  };
}

describe('a record', () => {
  it('that is left is given back once in a round, byte for byte', async () => {
    const spool = openTestSpool(makeFolder());
    const source = makeSource('r1', { size: 10, projectId: 'p/2', kind: 'trace', at: Date.now() - 1_000 });
    const appended = await spool.append(source);
    expect(await takeRound(spool)).toEqual([]);
    expect(appended.kind === 'kept' && appended.entry.leave()).toBe(true);
    const [stored, ...others] = await takeRound(spool);
    expect(others).toEqual([]);
    expect(stored?.isNew).toBe(false);
    expect(stored?.record).toMatchObject({ id: 'r1', kind: 'trace', projectId: 'p/2', at: source.at });
    expect(stored?.record.text()).toBe(source.text());
    // In hand now.
    expect(await readIds(spool)).toEqual([]);
    stored?.leave();
    expect(await readIds(spool)).toEqual(['r1']);
  });

  it('that is settled is gone, and with the last one its file', async () => {
    const dir = makeFolder();
    const spool = openTestSpool(dir);
    const entries = [await keep(spool, 'r1'), await keep(spool, 'r2')];
    for (const entry of entries) entry.settle();
    await spool.close(1_000);
    expect(listFiles(dir)).toEqual([]);
  });

  it('without a body is refused, and costs no other', async () => {
    const spool = openTestSpool(makeFolder());
    const broken = makeSource('r2', {
      text: () => {
        throw new Error('content');
      },
    });
    const all = await Promise.all([
      spool.append(makeSource('r1')),
      spool.append(broken),
      spool.append(makeSource('r2', { text: () => '{\n' })),
      spool.append(makeSource('r3')),
    ]);
    expect(all.map(reasonOf)).toEqual(['kept', 'conversion', 'conversion', 'kept']);
    for (const one of all) if (one.kind === 'kept') one.entry.leave();
    expect(await readIds(spool)).toEqual(['r1', 'r3']);
  });

  it('older than seven days is not sent any more, and counted', async () => {
    let now = Date.now();
    const dir = makeFolder();
    const spool = openTestSpool(dir, { now: () => now });
    await leave(spool, 'old');
    now += 604_800_001;
    await leave(spool, 'new');
    expect(await readIds(spool)).toEqual(['new']);
    expect(spool.losses).toEqual([{ reason: 'spool_expired', left: 1, unseen: 0 }]);
    expect(await readIds(spool)).toEqual([]);
  });
});

describe('a folder', () => {
  it('is not made before there is a record', async () => {
    const dir = makeFolder();
    const spool = openTestSpool(dir);
    expect(await readIds(spool)).toEqual([]);
    await spool.close(1_000);
    expect(() => statSync(dir)).toThrow('ENOENT');
    expect(spool.events).toEqual([]);
  });

  it('and its files are for the user only, and their names tell nothing', async () => {
    const dir = makeFolder();
    const spool = openTestSpool(dir);
    const entries = [await keep(spool, 'secret-id'), await keep(spool, 'r2')];
    entries[0]?.settle();
    await vi.waitFor(() => expect(readFiles(dir, '.done')).toBe('{"done":[0]}\n'));
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(listFiles(dir)).toHaveLength(3);
    for (const name of listFiles(dir)) {
      expect(statSync(join(dir, name)).mode & 0o777, name).toBe(0o600);
      expect(name).toMatch(
        /^(\d{8}T\d{9}Z-[0-9a-z]{10}-1\.(\d+-[0-9a-z]{10}\.jsonl|done)|\d+-[0-9a-z]{10}\.lock)$/,
      );
    }
    for (const line of readFiles(dir, '.jsonl').trimEnd().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ v: 1, kind: 'completion', projectId: 'p1', body: {} });
  });

  it('that is removed under a running process is made again', async () => {
    const dir = makeFolder();
    const spool = openTestSpool(dir);
    const lost = await keep(spool, 'r1');
    rmSync(dir, { recursive: true });
    await leave(spool, 'r2');
    expect(lost.leave()).toBe(false);
    expect(await readIds(spool)).toEqual(['r2']);
    expect(listFiles(dir).filter((name) => name.endsWith('.lock'))).toHaveLength(1);
  });

  it('keeps what is not ours, and says so', async () => {
    const dir = makeFolder();
    mkdirSync(join(dir, 'folder'), { recursive: true });
    writeFileSync(join(dir, 'notes.txt'), 'mine');
    writeFileSync(join(dir, '20260101T000000000Z-abc.jsonl'), 'mine');
    symlinkSync(join(dir, 'notes.txt'), join(dir, '20260101T000000000Z-0123456789-1.free.jsonl'));
    const spool = openTestSpool(dir, { maxBytes: 4_000 });
    for (let n = 0; n < 20; n++) await leave(spool, `r${n}`);
    await takeRound(spool);
    await spool.close(1_000);
    expect(spool.events).toContainEqual({ kind: 'foreign', files: 4 });
    expect(readFileSync(join(dir, 'notes.txt'), 'utf8')).toBe('mine');
    expect(listFiles(dir)).toEqual(
      expect.arrayContaining([
        '20260101T000000000Z-0123456789-1.free.jsonl',
        '20260101T000000000Z-abc.jsonl',
        'folder',
        'notes.txt',
      ]),
    );
  });
});

describe('what another process has left', () => {
  it('after its end is given to one of those who come, in its order', async () => {
    const dir = makeFolder();
    const first = openTestSpool(dir);
    await leave(first, 'r1', 'r2', 'r3');
    const settled = await keep(first, 'r4');
    settled.settle();
    await keep(first, 'r5');
    await first.close(1_000);
    expect(listFiles(dir).filter((name) => name.endsWith('.lock'))).toEqual([]);
    const [second, third] = [openTestSpool(dir), openTestSpool(dir)];
    const given = await Promise.all([takeRound(second), takeRound(third)]);
    const [mine = [], none] = given[0]?.length ? given : given.toReversed();
    expect(none).toEqual([]);
    expect(mine.map(({ record }) => record.id)).toEqual(['r1', 'r2', 'r3', 'r5']);
    expect(mine.every(({ isNew }) => isNew)).toBe(true);
    mine[0]?.settle();
    mine[1]?.leave();
    const owner = given[0] === mine ? second : third;
    const again = await takeRound(owner);
    expect(again.map(({ record, isNew }) => [record.id, isNew])).toEqual([['r2', false]]);
    for (const one of [...mine, ...again]) one.settle();
    await Promise.all([second.close(1_000), third.close(1_000)]);
    expect(listFiles(dir)).toEqual([]);
  });

  it('is not touched while it lives', async () => {
    const dir = makeFolder();
    const first = openTestSpool(dir);
    await leave(first, 'r1');
    await keep(first, 'r2');
    const before = readFiles(dir, '.jsonl');
    const second = openTestSpool(dir, { maxBytes: 1_000 });
    const found = await second.beginRound();
    expect(found?.held.map(({ pid }) => pid)).toEqual([process.pid]);
    expect(await second.next()).toBeUndefined();
    // Not for room, either.
    expect(reasonOf(await second.append(makeSource('r3', { size: 400 })))).toBe('spool_full');
    expect(readFiles(dir, '.jsonl')).toBe(before);
    expect(await readIds(first)).toEqual(['r1']);
  });

  it('with marks that are cut off is settled by those that come after', async () => {
    const dir = makeFolder();
    const first = openTestSpool(dir);
    await leave(first, 'r1', 'r2', 'r3');
    await first.close(1_000);
    const [name = ''] = listFiles(dir);
    writeFileSync(join(dir, name.replace(/\..*/, '.done')), '{"done":[0');
    const second = openTestSpool(dir);
    const taken = await takeRound(second);
    expect(taken.map(({ record }) => record.id)).toEqual(['r1', 'r2', 'r3']);
    taken[1]?.settle();
    await second.close(1_000);
    expect(await readIds(openTestSpool(dir))).toEqual(['r1', 'r3']);
  });

  it('is deleted with its last record, not only at the end', async () => {
    const dir = makeFolder();
    const first = openTestSpool(dir);
    await leave(first, 'r1', 'r2');
    await first.close(1_000);
    const second = openTestSpool(dir);
    for (const stored of await takeRound(second)) stored.settle();
    await vi.waitFor(() => expect(listFiles(dir).filter((name) => !name.endsWith('.lock'))).toEqual([]));
  });

  it('by a kill is found at once, whatever was in hand', async () => {
    const dir = makeFolder();
    const first = openTestSpool(dir);
    await leave(first, 'r1');
    await keep(first, 'r2');
    const second = openTestSpool(await afterKill(dir));
    expect(await readIds(second)).toEqual(['r1', 'r2']);
  });

  it('with a torn end gives its whole records, and is kept as it is', async () => {
    const dir = makeFolder();
    const first = openTestSpool(dir);
    await leave(first, 'r1', 'r2');
    await first.close(1_000);
    const [name = ''] = listFiles(dir);
    const torn = readFileSync(join(dir, name)).subarray(0, -20);
    writeFileSync(join(dir, name), torn);
    const second = openTestSpool(dir);
    const [stored, ...others] = await takeRound(second);
    expect(others).toEqual([]);
    expect(stored?.record.id).toBe('r1');
    expect(second.events).toEqual([{ kind: 'unreadable', lines: 1 }]);
    stored?.settle();
    await second.close(1_000);
    expect(listFiles(dir)).toEqual([name.replace(/\..*/, '.torn')]);
    expect(readFiles(dir, '.torn')).toBe(torn.toString());
    expect(await readIds(openTestSpool(dir))).toEqual([]);
  });

  it('in a file of rubbish with a name of ours is kept, too', async () => {
    const dir = makeFolder();
    mkdirSync(dir);
    writeFileSync(join(dir, '20260101T000000000Z-0123456789-1.free.jsonl'), 'rub\nbish');
    const spool = openTestSpool(dir);
    expect(await readIds(spool)).toEqual([]);
    expect(spool.events).toEqual([{ kind: 'unreadable', lines: 2 }]);
    await spool.close(1_000);
    expect(readFiles(dir, '.torn')).toBe('rub\nbish');
  });

  it('longer ago than seven days is deleted and counted', async () => {
    const dir = makeFolder();
    const first = openTestSpool(dir, { now: () => Date.now() - 700_000_000 });
    await leave(first, 'r1', 'r2');
    (await keep(first, 'r3')).settle();
    await first.close(1_000);
    const [file = ''] = listFiles(dir).filter((name) => name.endsWith('.jsonl'));
    const torn = '20260101T000000000Z-0123456789-1.torn';
    writeFileSync(join(dir, torn), 'x');
    const old = Date.now() / 1_000 - 700_000;
    utimesSync(join(dir, file), old, old);
    utimesSync(join(dir, torn), old, old);
    const second = openTestSpool(dir);
    expect(await readIds(second)).toEqual([]);
    expect(second.losses).toEqual([{ reason: 'spool_expired', left: 0, unseen: 2 }]);
    await second.close(1_000);
    expect(listFiles(dir)).toEqual([]);
  });

  it('as litter is swept: locks of the dead, marks without a file', async () => {
    const dir = makeFolder();
    mkdirSync(dir);
    await writeLock(dir, '1-0123456789', { pid: deadPid() });
    const marks = join(dir, '20260101T000000000Z-0123456789-1.done');
    const young = join(dir, '20260101T000000000Z-0123456789-2.done');
    for (const path of [marks, young]) writeFileSync(path, '');
    utimesSync(marks, 1_767_225_600, 1_767_225_600);
    await takeRound(openTestSpool(dir));
    expect(listFiles(dir)).toEqual(['20260101T000000000Z-0123456789-2.done']);
  });
});

describe('a file that is taken while its owner lives (a suspended machine)', () => {
  it('loses nothing: what is written afterwards goes into a new one', async () => {
    const dir = makeFolder();
    const first = openTestSpool(dir);
    await leave(first, 'r1');
    const held = await keep(first, 'r2');
    for (const name of listFiles(dir)) if (name.endsWith('.lock')) rmSync(join(dir, name));
    const second = openTestSpool(dir);
    const taken = await takeRound(second);
    expect(taken.map(({ record }) => record.id)).toEqual(['r1', 'r2']);
    await leave(first, 'r3');
    // It is in other hands now; whoever wants it safe has to write it again.
    expect(held.leave()).toBe(false);
    expect(await readIds(first)).toEqual(['r3']);
    for (const one of taken) one.settle();
    await second.close(1_000);
    await first.close(1_000);
    expect(await readIds(openTestSpool(dir))).toEqual(['r3']);
  });
});

describe('the bound', () => {
  it('is kept by giving up the oldest, each of which is counted', async () => {
    const dir = makeFolder();
    const maxBytes = 20_000;
    const spool = openTestSpool(dir, { maxBytes });
    const ids = Array.from({ length: 100 }, (_, n) => `r${n}`);
    for (const id of ids) {
      (await keep(spool, id, 200)).leave();
      const used = listFiles(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
      expect(used).toBeLessThanOrEqual(maxBytes);
    }
    const lost = spool.losses.reduce((sum, { left }) => sum + left, 0);
    expect(spool.losses.every(({ reason, unseen }) => reason === 'spool_full' && unseen === 0)).toBe(true);
    expect(lost).toBeGreaterThan(50);
    expect(await readIds(spool)).toEqual(ids.slice(lost));
  });

  it('counts what dead processes have left, and gives that up first', async () => {
    const dir = makeFolder();
    const first = openTestSpool(dir, { maxBytes: 20_000 });
    for (let n = 0; n < 30; n++) (await keep(first, `old${n}`, 200)).leave();
    await first.close(1_000);
    const second = openTestSpool(dir, { maxBytes: 20_000 });
    for (let n = 0; n < 20; n++) (await keep(second, `new${n}`, 200)).leave();
    const unseen = second.losses.reduce((sum, loss) => sum + loss.unseen, 0);
    expect(unseen).toBeGreaterThan(0);
    expect(second.losses.every(({ left }) => left === 0)).toBe(true);
    const ids = await readIds(second);
    expect(ids).toHaveLength(50 - unseen);
    expect(ids[0]).toBe(`old${unseen}`);
  });

  it('is not for one record alone', async () => {
    const spool = openTestSpool(makeFolder(), { maxBytes: 2_000 });
    expect(reasonOf(await spool.append(makeSource('r1', { size: 3_000 })))).toBe('spool_full');
    expect(reasonOf(await spool.append(makeSource('r2', { size: 1_000 })))).toBe('kept');
  });

  it('takes the copy of what is in hand, and its owner learns of it', async () => {
    const spool = openTestSpool(makeFolder(), { maxBytes: 4_000 });
    const held = await keep(spool, 'held', 200);
    for (let n = 0; n < 20; n++) (await keep(spool, `r${n}`, 200)).leave();
    expect(held.leave()).toBe(false);
    held.settle();
    expect(await readIds(spool)).not.toContain('held');
  });
});

describe('a disk', () => {
  it.each([
    ['a file in the place of the folder', (dir: string) => writeFileSync(dir, '')],
    ['a file in the place of its parent', (dir: string) => writeFileSync(dirname(dir), '')],
  ])('with %s refuses, and says so', async (_, spoil) => {
    const parent = makeFolder();
    const dir = join(parent, 'spool');
    if (_ === 'a file in the place of the folder') mkdirSync(parent);
    spoil(dir);
    const spool = openTestSpool(dir);
    expect(reasonOf(await spool.append(makeSource('r1')))).toBe('spool_failed');
    expect(await readIds(spool)).toEqual([]);
    expect(spool.events[0]).toMatchObject({
      kind: 'failed',
      code: expect.stringMatching(/^(EEXIST|ENOTDIR)$/),
    });
  });

  it.each([
    'ENOSPC',
    'EROFS',
    'EACCES',
    'EMFILE',
  ])('that says %s refuses for a moment, then is tried again', async (code) => {
    const { files, fail, heal } = faultyFiles();
    let now = Date.now();
    const spool = openTestSpool(makeFolder(), { files, now: () => now });
    await leave(spool, 'r1');
    await spool.close(1_000);
    fail('open', code);
    const other = openTestSpool(makeFolder(), { files, now: () => now });
    expect(reasonOf(await other.append(makeSource('r2')))).toBe('spool_failed');
    expect(other.events).toEqual([{ kind: 'failed', code }]);
    heal();
    expect(reasonOf(await other.append(makeSource('r3')))).toBe('spool_failed');
    expect(other.events).toHaveLength(1);
    now += 1_000;
    expect(reasonOf(await other.append(makeSource('r4')))).toBe('kept');
  });

  it('that fails just before the clock is set back is tried again, too', async () => {
    const { files, fail, heal } = faultyFiles();
    let now = Date.now();
    const spool = openTestSpool(makeFolder(), { files, now: () => now });
    fail('open', 'EMFILE');
    expect(reasonOf(await spool.append(makeSource('r1')))).toBe('spool_failed');
    heal();
    now -= 3_600_000;
    expect(reasonOf(await spool.append(makeSource('r2')))).toBe('kept');
  });

  it('that is full leaves no locks behind, however often it is tried', async () => {
    const dir = makeFolder();
    const files: SpoolFiles = {
      ...NODE_FILES,
      async open(...args: Parameters<SpoolFiles['open']>) {
        const handle = await NODE_FILES.open(...args);
        handle.writeFile = () => Promise.reject(Object.assign(new Error(), { code: 'ENOSPC' }));
        return handle;
      },
    } as SpoolFiles;
    let now = Date.now();
    const spool = openTestSpool(dir, { files, now: () => now });
    for (let n = 0; n < 3; n++, now += 1_000)
      expect(reasonOf(await spool.append(makeSource(`r${n}`)))).toBe('spool_failed');
    expect(listFiles(dir)).toEqual([]);
  });

  it('that cannot read for a moment gives what others have left the next time', async () => {
    const { files, fail, heal } = faultyFiles();
    const dir = makeFolder();
    const first = openTestSpool(dir);
    await leave(first, 'r1');
    await first.close(1_000);
    const spool = openTestSpool(dir, { files });
    await leave(spool, 'r2');
    fail('open', 'EMFILE');
    expect(await readIds(spool)).toEqual([]);
    heal();
    expect((await readIds(spool)).sort()).toEqual(['r1', 'r2']);
  });

  it('that fails in the middle of a write leaves no torn line behind', async () => {
    const dir = makeFolder();
    let failing = false;
    const files: SpoolFiles = {
      ...NODE_FILES,
      async open(...args: Parameters<SpoolFiles['open']>) {
        const handle = await NODE_FILES.open(...args);
        const append = handle.appendFile.bind(handle);
        handle.appendFile = async (data) => {
          if (!failing) return append(data);
          await append((data as Buffer).subarray(0, 30));
          throw Object.assign(new Error(), { code: 'ENOSPC' });
        };
        return handle;
      },
    } as SpoolFiles;
    let now = Date.now();
    const spool = openTestSpool(dir, { files, now: () => now });
    await leave(spool, 'r1');
    failing = true;
    expect(reasonOf(await spool.append(makeSource('r2')))).toBe('spool_failed');
    failing = false;
    now += 1_000;
    await leave(spool, 'r3');
    expect(await readIds(spool)).toEqual(['r1', 'r3']);
    for (const line of readFiles(dir, '.jsonl').trimEnd().split('\n'))
      expect(() => JSON.parse(line)).not.toThrow();
  });

  it('that cannot delete does not lose count', async () => {
    const { files, fail } = faultyFiles();
    const dir = makeFolder();
    const spool = openTestSpool(dir, { files, maxBytes: 4_000 });
    for (let n = 0; n < 4; n++) (await keep(spool, `r${n}`, 200)).leave();
    fail('unlink', 'EPERM');
    const answers: string[] = [];
    for (let n = 0; n < 10; n++)
      answers.push(reasonOf(await spool.append(makeSource(`s${n}`, { size: 200 }))));
    expect(answers.at(-1)).toBe('spool_full');
    expect(spool.losses).toEqual([]);
  });

  it('that hangs does not hold up the end', async () => {
    const files = { ...NODE_FILES, open: () => new Promise(() => {}) } as unknown as SpoolFiles;
    const spool = openTestSpool(makeFolder(), { files });
    const waiting = [spool.append(makeSource('r1')), spool.append(makeSource('r2'))];
    await new Promise((resolve) => setTimeout(resolve, 20));
    await spool.close(30);
    expect((await Promise.all(waiting)).map(reasonOf)).toEqual(['spool_failed', 'spool_failed']);
    expect(reasonOf(await spool.append(makeSource('r3')))).toBe('spool_failed');
    expect(await spool.next()).toBeUndefined();
  });
});

describe('files', () => {
  it('are let go for others after a while, where that is wanted', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const dir = makeFolder();
      const spool = openTestSpool(dir, { releaseAfterMillis: 60_000 });
      await leave(spool, 'r1');
      const other = openTestSpool(dir);
      expect(await readIds(other)).toEqual([]);
      await vi.advanceTimersByTimeAsync(60_000);
      await vi.waitFor(() => expect(listFiles(dir).some((name) => name.includes('.free.'))).toBe(true));
      expect(await readIds(other)).toEqual(['r1']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('are written with one append for what comes together', async () => {
    let appends = 0;
    let syncs = 0;
    const files = {
      ...NODE_FILES,
      async open(...args: Parameters<SpoolFiles['open']>) {
        const handle = await NODE_FILES.open(...args);
        const [append, sync] = [handle.appendFile.bind(handle), handle.datasync.bind(handle)];
        handle.appendFile = (data) => {
          appends += 1;
          return append(data);
        };
        handle.datasync = () => {
          syncs += 1;
          return sync();
        };
        return handle;
      },
    } as SpoolFiles;
    const spool = openTestSpool(makeFolder(), { files, sync: true });
    const appended = Array.from({ length: 200 }, (_, n) => spool.append(makeSource(`r${n}`)));
    expect(spool.backlog).toMatchObject({ records: 200 });
    await Promise.all(appended);
    await vi.waitFor(() => expect(spool.backlog.records).toBe(0));
    expect([appends, syncs]).toEqual([1, 1]);
    expect(spool.backlog).toEqual({ records: 0, bytes: 0 });
  });
});
