import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../src/local/memory-store.ts';
import { openStore } from '../../src/local/open-store.ts';
import { loadLibsql, openSqliteStore } from '../../src/local/sqlite-store.ts';
import type { ArrivedRecord, RecordStore } from '../../src/local/store.ts';
import { completion, GROUP, PROJECT, SESSION, spanId, startTestServer, trace } from './support.ts';

const openDatabase = await loadLibsql();
const folders: string[] = [];
const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'freeplay-local-'));
  folders.push(dir);
  return dir;
};
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true });
});

function arrived(fields: Partial<ArrivedRecord> = {}): ArrivedRecord {
  const body = fields.body ?? completion();
  return {
    kind: 'completion',
    id: randomUUID(),
    project: PROJECT,
    session: SESSION,
    path: '/v2/projects/x',
    body,
    json: JSON.stringify(body),
    receivedAt: new Date().toISOString(),
    ...fields,
  };
}

describe.each<[string, () => RecordStore]>([
  ['memory', () => createMemoryStore()],
  ['libsql', () => openSqliteStore(folder(), openDatabase)],
])('every store: %s', (_, create) => {
  it('adds once, finds, lists in order of arrival', () => {
    const store = create();
    const records = Array.from({ length: 5 }, () => arrived());
    const added = records.map((record) => store.add(record));
    expect(added.map((record) => record?.seq)).toEqual([1, 2, 3, 4, 5]);
    expect(store.add(arrived({ id: records[0]!.id }))).toBeUndefined();
    expect(store.add(arrived({ id: records[0]!.id, kind: 'trace', body: trace() }))?.kind).toBe('trace');
    expect(store.add(arrived({ id: records[0]!.id, project: SESSION }))).toBeDefined();
    expect(store.find(PROJECT, 'completion', records[2]!.id)).toEqual(added[2]);
    expect(store.find(SESSION, 'completion', records[2]!.id)).toBeUndefined();
    expect(store.list({ after: 1, limit: 3 })).toEqual(added.slice(1, 4));
    expect(store.list()).toHaveLength(7);
    expect([
      store.hasSession(PROJECT, SESSION),
      store.hasSession(SESSION, SESSION),
      store.hasSession(PROJECT, GROUP),
    ]).toEqual([true, true, false]);
    store.close();
    store.close();
  });

  it('finds by session and by trace, through loops too', () => {
    const store = create();
    const [a, b] = [randomUUID(), randomUUID()];
    store.add(arrived({ id: spanId('1') }));
    store.add(arrived({ id: a, kind: 'trace', body: trace({ parent_id: b }) }));
    store.add(arrived({ id: b, kind: 'trace', body: trace({ parent_id: a }), session: GROUP }));
    expect(store.list({ trace: GROUP }).map(({ id }) => id)).toEqual([spanId('1')]);
    expect(store.list({ trace: a }).map(({ id }) => id)).toEqual([a, b]);
    expect(store.list({ trace: a, session: GROUP }).map(({ id }) => id)).toEqual([b]);
    store.close();
  });

  it('replaces bodies and merges annotations; odd text survives', () => {
    const store = create();
    const body = completion({ inputs: { odd: '\u0000 \ud800 \u2028 😀 \' " ; DROP TABLE records' } });
    const stored = store.add(arrived({ id: spanId('1'), body }))!;
    expect(store.find(PROJECT, 'completion', spanId('1'))?.body).toEqual(body);
    store.replaceBody(stored, { ...body, eval_results: { a: 1 } });
    expect(store.find(PROJECT, 'completion', spanId('1'))).toEqual({
      ...stored,
      body: { ...body, eval_results: { a: 1 } },
    });
    store.annotate('session_metadata', PROJECT, SESSION, { a: 1, b: 'x' });
    store.annotate('session_metadata', PROJECT, SESSION, { b: 'y' });
    expect(store.annotations()).toEqual([
      { kind: 'session_metadata', project: PROJECT, id: SESSION, values: { a: 1, b: 'y' } },
    ]);
    store.close();
  });
});

describe('memory', () => {
  it('is bounded by records and by size, says what it let go, and keeps the newest', () => {
    const totals: number[] = [];
    const store = createMemoryStore({ maxRecords: 3, onDrop: (total) => totals.push(total) });
    for (let i = 0; i < 5; i++) store.add(arrived());
    expect(store.list().map(({ seq }) => seq)).toEqual([3, 4, 5]);
    expect(totals).toEqual([1, 2]);
    const small = createMemoryStore({ maxBytes: 10 });
    small.add(arrived());
    const last = small.add(arrived())!;
    expect(small.list()).toEqual([last]);
    small.replaceBody(last, { big: 'x'.repeat(100) });
    expect(small.list()).toHaveLength(1);
    const notes = createMemoryStore({ maxAnnotations: 2 });
    for (let i = 0; i < 5; i++) notes.annotate('trace_feedback', PROJECT, String(i), { a: 1 });
    expect(notes.annotations().map(({ id }) => id)).toEqual(['3', '4']);
  });

  it('is used, and says so, without a folder or without libsql', async () => {
    const plain = await startTestServer();
    expect([plain.store.persistent, plain.degraded, plain.notice]).toEqual([
      false,
      false,
      expect.stringContaining('in memory'),
    ]);
    await plain.close();
    const dir = folder();
    const loadDatabase = async (): Promise<never> => {
      throw new Error("Cannot find package 'libsql'\nstack");
    };
    const degraded = await startTestServer({ dir, loadDatabase });
    expect([degraded.store.persistent, degraded.degraded]).toEqual([false, true]);
    expect(degraded.notice).toBe(
      "records are kept in memory and gone at the end: libsql cannot be loaded (Cannot find package 'libsql'); npm install libsql",
    );
    expect((await degraded.postCompletion(completion())).status).toBe(201);
    await degraded.close();
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('libsql', () => {
  it('survives a restart', async () => {
    const dir = join(folder(), 'new', 'folder');
    const first = await startTestServer({ dir });
    const body = completion();
    await first.postCompletion(body);
    await first.send('POST', `/api/v2/projects/${PROJECT}/completion-feedback/id/${body.completion_id}`, {
      good: true,
    });
    const before = await first.records();
    await first.close();
    expect(readdirSync(dir)).toEqual(['records.db']);
    expect(statSync(join(dir, 'records.db')).mode & 0o777).toBe(0o600);

    const second = await startTestServer({ dir });
    expect(second.notice).toBeUndefined();
    expect(await second.records()).toEqual(before);
    expect((await second.postCompletion(body)).status).toBe(409);
    expect((await second.postCompletion(completion())).status).toBe(201);
    expect(await second.records(`?after=${before[0].seq}`)).toHaveLength(1);
    expect(second.store.annotations()).toHaveLength(1);
    await second.close();
  });

  it('has one writer', async () => {
    const dir = folder();
    const { store } = await openStore(dir);
    expect(() => openSqliteStore(dir, openDatabase)).toThrow(
      `${dir} is in use by another freeplay-otel local`,
    );
    store.close();
    openSqliteStore(dir, openDatabase).close();
  });

  it('says what is wrong with a folder or a file', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'records.db'), 'this is no database '.repeat(200));
    await expect(startTestServer({ dir })).rejects.toMatchObject({
      code: 'STORE_UNUSABLE',
      message: expect.stringContaining('not a database'),
    });
    const file = join(dir, 'file');
    writeFileSync(file, '');
    await expect(startTestServer({ dir: file })).rejects.toMatchObject({
      code: 'STORE_UNUSABLE',
      message: expect.stringContaining('cannot keep records in'),
    });
    const newer = folder();
    const database = openDatabase(join(newer, 'records.db'), { timeout: 0 });
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(startTestServer({ dir: newer })).rejects.toThrow('newer version');
  });
});
