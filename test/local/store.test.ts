import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryStorage } from '../../src/local/memory-storage.ts';
import { openStore } from '../../src/local/open-store.ts';
import { createRecordStore, type StoreBounds, type ViewedStore } from '../../src/local/record-store.ts';
import {
  loadLibsql,
  loadNodeSqlite,
  loadSqlite,
  type OpenDatabase,
  type SqliteDatabase,
} from '../../src/local/sqlite-drivers.ts';
import { openSqliteStorage } from '../../src/local/sqlite-storage.ts';
import type { ArrivedRecord, RecordWriter, StoredRecord } from '../../src/local/store.ts';
import { completion, GROUP, PROJECT, SESSION, spanId, startTestServer, trace } from './support.ts';

const libsql = await loadLibsql();
const nodeSqlite = await loadNodeSqlite();
// The one that the program takes: locks mean nothing between two libraries in one process.
const sqlite = await loadSqlite();
const folders: string[] = [];
const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'freeplay-local-'));
  folders.push(dir);
  return dir;
};
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true });
});

const BOUNDS: StoreBounds = { maxRecords: 1_000, maxSize: 1e9, maxAnnotations: 1_000, maxReceiptsSize: 1e9 };

const STORES: [name: string, create: (bounds?: Partial<StoreBounds>) => ViewedStore][] = [
  ['memory', (bounds) => createRecordStore(createMemoryStorage(), { ...BOUNDS, ...bounds })],
  ['libsql', (bounds) => createRecordStore(openSqliteStorage(folder(), libsql), { ...BOUNDS, ...bounds })],
];
if (nodeSqlite !== undefined)
  STORES.push([
    'node:sqlite',
    (bounds) => createRecordStore(openSqliteStorage(folder(), nodeSqlite), { ...BOUNDS, ...bounds }),
  ]);

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

function add(store: ViewedStore, record: ArrivedRecord): Promise<StoredRecord | undefined> {
  return store.write((writer) => writer.add(record));
}

function saying(text: string, more: object = {}): ArrivedRecord {
  return arrived({
    body: completion({
      messages: [
        { role: 'user', content: text },
        { role: 'assistant', content: 'ok' },
      ],
      ...more,
    }),
  });
}

function found(store: ViewedStore, text: string): string[] {
  const has = store.search(text);
  return store.index
    .completions()
    .filter((row) => has?.(row) ?? true)
    .map(({ id }) => id);
}

describe.each(STORES)('every store: %s', (_, create) => {
  it('adds once, finds, lists in order of arrival', async () => {
    const store = create();
    const records = Array.from({ length: 5 }, () => arrived());
    const added = await Promise.all(records.map((record) => add(store, record)));
    expect(added.map((record) => record?.seq)).toEqual([1, 2, 3, 4, 5]);
    expect(await add(store, arrived({ id: records[0]!.id }))).toBeUndefined();
    expect((await add(store, arrived({ id: records[0]!.id, kind: 'trace', body: trace() })))?.kind).toBe(
      'trace',
    );
    expect(await add(store, arrived({ id: records[0]!.id, project: SESSION }))).toBeDefined();
    expect(store.find(PROJECT, 'completion', records[2]!.id)).toEqual(added[2]);
    expect(store.find(SESSION, 'completion', records[2]!.id)).toBeUndefined();
    expect(store.list({ after: 1, limit: 3 })).toEqual(added.slice(1, 4));
    expect(store.list()).toHaveLength(7);
    expect(
      await store.write(({ hasSession }) => [
        hasSession(PROJECT, SESSION),
        hasSession(SESSION, SESSION),
        hasSession(PROJECT, GROUP),
      ]),
    ).toEqual([true, true, false]);
    store.close();
    store.close();
    await expect(add(store, arrived())).rejects.toThrow('closed');
  });

  it('finds by session and by trace, through loops too', async () => {
    const store = create();
    const [a, b] = [randomUUID(), randomUUID()];
    await add(store, arrived({ id: spanId('1') }));
    await add(store, arrived({ id: a, kind: 'trace', body: trace({ parent_id: b }) }));
    await add(store, arrived({ id: b, kind: 'trace', body: trace({ parent_id: a }), session: GROUP }));
    expect(store.list({ trace: GROUP }).map(({ id }) => id)).toEqual([spanId('1')]);
    expect(store.list({ trace: a }).map(({ id }) => id)).toEqual([a, b]);
    expect(store.list({ trace: a, session: GROUP }).map(({ id }) => id)).toEqual([b]);
    store.close();
  });

  it('replaces bodies, keeps what was posted, merges annotations; odd text survives', async () => {
    const store = create();
    const body = completion({ inputs: { odd: '\u0000 \ud800 \u2028 😀 \' " ; DROP TABLE records' } });
    const record = arrived({ id: spanId('1'), body });
    const stored = (await add(store, record))!;
    expect(store.find(PROJECT, 'completion', spanId('1'))?.body).toEqual(body);
    await store.write((writer) => writer.replaceBody(stored, { ...body, eval_results: { a: 1 } }));
    expect(store.find(PROJECT, 'completion', spanId('1'))).toEqual({
      ...stored,
      body: { ...body, eval_results: { a: 1 } },
    });
    expect(store.read(store.index.bySeq(stored.seq)!)?.posted).toBe(record.json);
    await store.write((writer) => writer.annotate('session_metadata', PROJECT, SESSION, { a: 1, b: 'x' }));
    await store.write((writer) =>
      writer.annotate('session_metadata', PROJECT, SESSION, JSON.parse('{"b":"y","__proto__":1}')),
    );
    const [note] = store.annotations();
    expect(note).toMatchObject({ kind: 'session_metadata', project: PROJECT, id: SESSION });
    expect(Object.entries(note!.values)).toEqual([
      ['a', 1],
      ['b', 'y'],
      ['__proto__', 1],
    ]);
    store.close();
  });

  it('finds words by their beginnings, in any case, script and spelling', async () => {
    const store = create();
    const records = [
      saying('The REFUND policy of Café Zürich, please!'),
      saying('明日の東京の天気予報を教えて'),
      saying('сколько стоит "билет"?'),
      saying('x'.repeat(100)),
    ];
    for (const record of records) await add(store, record);
    const [refund, weather, ticket, long] = records.map(({ id }) => id);
    expect(found(store, 'refu')).toEqual([refund]);
    expect(found(store, 'cafe ZURICH')).toEqual([refund]);
    expect(found(store, 'refund nowhere')).toEqual([]);
    expect(found(store, 'policy')).toEqual([refund]);
    expect(found(store, 'olicy')).toEqual([]);
    expect(found(store, '天気予報')).toEqual([weather]);
    expect(found(store, '気')).toEqual([weather]);
    expect(found(store, 'て')).toEqual([weather]);
    expect(found(store, '京都')).toEqual([]);
    expect(found(store, 'БИЛЕТ')).toEqual([ticket]);
    expect(found(store, 'x'.repeat(60))).toEqual([long]);
    expect(found(store, 'gpt-4o')).toEqual(records.map(({ id }) => id));
    for (const odd of ['"', '* OR x', 'NEAR(', '!?', '\u0000', '\ud800']) found(store, odd);
    expect(found(store, '!?')).toEqual([]);
    expect(found(store, ' ')).toHaveLength(4);
    const stored = store.find(PROJECT, 'completion', refund!)!;
    const messages = [...(stored.body.messages as object[]), { role: 'assistant', content: 'granted' }];
    await store.write((writer) =>
      writer.replaceBody(stored, { ...stored.body, messages } as typeof stored.body),
    );
    expect(found(store, 'granted refund')).toEqual([refund]);
    store.close();
  });

  it('is bounded by records and by size, says what it let go of, and keeps the newest', async () => {
    const store = create({ maxRecords: 3 });
    const ids: string[] = [];
    for (let i = 0; i < 200; i++) {
      const record = saying(`number ${i}`, { parent_id: spanId('7') });
      ids.push(record.id);
      await add(store, record);
      await store.write((writer) => writer.annotate('completion_feedback', PROJECT, record.id, { i }));
      await store.write((writer) =>
        writer.keepReceipt({ kind: 'completion', id: record.id, json: '{"receipt":{},"spans":[]}' }),
      );
    }
    expect(store.list().map(({ id }) => id)).toEqual(ids.slice(-3));
    expect(store.dropped).toEqual({ records: 197, receipts: 0 });
    expect(store.annotations().map(({ id }) => id)).toEqual(ids.slice(-3));
    expect(store.receipt('completion', ids[0]!)).toBeUndefined();
    expect(store.receipt('completion', ids[199]!)).toBeDefined();
    expect(found(store, 'number')).toEqual(ids.slice(-3));
    expect(found(store, '3')).toEqual([]);
    expect(store.find(PROJECT, 'completion', ids[0]!)).toBeUndefined();
    expect([...store.index.sessions.values()].map(({ rows }) => rows.length)).toEqual([3]);
    expect(store.index.inTrace(GROUP)).toHaveLength(3);
    store.close();

    const small = create({ maxSize: 10 });
    await add(small, arrived());
    const last = (await add(small, arrived()))!;
    expect(small.list()).toEqual([last]);
    await small.write((writer) => writer.replaceBody(last, { big: 'x'.repeat(100) }));
    expect(small.list()).toHaveLength(1);
    small.close();

    const notes = create({ maxAnnotations: 2 });
    for (let i = 0; i < 5; i++)
      await notes.write((writer) => writer.annotate('trace_feedback', PROJECT, String(i), { a: 1 }));
    expect(notes.annotations().map(({ id }) => id)).toEqual(['3', '4']);
    notes.close();

    const early = create({ maxReceiptsSize: 100 });
    for (let i = 0; i < 5; i++)
      await early.write((writer) =>
        writer.keepReceipt({ kind: 'trace', id: String(i), json: JSON.stringify('x'.repeat(40)) }),
      );
    expect(early.receipt('trace', '2')).toBeUndefined();
    expect(early.receipt('trace', '4')).toBeDefined();
    expect(early.dropped).toEqual({ records: 0, receipts: 3 });
    early.close();
  });

  it('forgets everything, and goes on', async () => {
    const store = create();
    const record = saying('secret');
    const { seq } = (await add(store, record))!;
    await store.write((writer: RecordWriter) => {
      writer.annotate('completion_feedback', PROJECT, record.id, { good: true });
      writer.keepReceipt({ kind: 'completion', id: record.id, json: '{"receipt":{},"spans":["secret"]}' });
    });
    await store.clear();
    expect([store.list(), store.annotations(), found(store, 'secret'), store.index.count]).toEqual([
      [],
      [],
      [],
      0,
    ]);
    expect(store.receipt('completion', record.id)).toBeUndefined();
    expect((await add(store, record))?.seq).toBeGreaterThan(seq);
    store.close();
  });
});

it('in memory, and says so, without a folder or without any SQLite', async () => {
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
  expect(degraded.notice).toMatch(
    /^records are kept in memory and gone at the end: this Node \(\d+\.\d+\.\d+\) has no SQLite and libsql is not installed; npm install libsql, or take Node 22\.13 or later$/,
  );
  expect((await degraded.postCompletion(completion())).status).toBe(201);
  await degraded.close();
  expect(readdirSync(dir)).toEqual([]);
});

describe('in a folder', () => {
  it('survives a restart, with all that is made of it', async () => {
    const dir = join(folder(), 'new', 'folder');
    const first = await startTestServer({ dir });
    const body = completion({ parent_id: spanId('5') });
    const agent = trace({ agent_name: 'planner', parent_id: GROUP });
    await first.postCompletion(body);
    await first.send(
      'POST',
      `/api/v2/projects/${PROJECT}/sessions/${SESSION}/traces/id/${spanId('5')}`,
      agent,
    );
    await first.send('POST', `/api/v2/projects/${PROJECT}/completion-feedback/id/${body.completion_id}`, {
      good: true,
    });
    const paths = ['sessions', 'completions?text=paris+planner', 'facets', 'charts', `traces/${GROUP}`];
    const views = async (server: typeof first): Promise<unknown[]> =>
      Promise.all(paths.map(async (path) => (await server.send('GET', `/api/view/${path}`)).json));
    const before = [await first.records(), await views(first)];
    expect(before[1]).toMatchObject([
      { total: 1 },
      { rows: [{ agent: 'planner' }] },
      {},
      {},
      { nodes: [{}, {}, {}] },
    ]);
    await first.close();
    expect(readdirSync(dir)).toEqual(['records.db']);
    expect(statSync(join(dir, 'records.db')).mode & 0o777).toBe(0o600);

    const second = await startTestServer({ dir });
    expect(second.notice).toBeUndefined();
    expect([await second.records(), await views(second)]).toEqual(before);
    expect((await second.postCompletion(body)).status).toBe(409);
    expect((await second.postCompletion(completion())).status).toBe(201);
    expect(await second.records('?after=2')).toHaveLength(1);
    expect(second.store.annotations()).toHaveLength(1);
    await second.close();
    const third = await startTestServer({ dir, keep: 1 });
    expect(await third.records()).toHaveLength(1);
    expect(third.store.dropped.records).toBe(2);
    await third.close();
  });

  it('leaves nothing of what was deleted on the disk', async () => {
    const dir = folder();
    const server = await startTestServer({ dir });
    for (let i = 0; i < 50; i++)
      await server.postCompletion(
        completion({ messages: [{ role: 'user', content: `tell no one ${'xyzzyplugh '.repeat(50)}` }] }),
      );
    const reply = await server.send('DELETE', '/api/view/records', undefined, { 'x-freeplay-local': '1' });
    expect(reply.status).toBe(204);
    for (const file of readdirSync(dir))
      expect(readFileSync(join(dir, file)).includes('xyzzyplugh'), file).toBe(false);
    expect(await server.records()).toEqual([]);
    await server.close();
  });

  it('takes over the folder of a version before', async () => {
    const dir = folder();
    const database = libsql(join(dir, 'records.db'));
    for (const sql of VERSION_1) database.exec(sql);
    const insert = database.prepare('INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    const body = completion({ completion_id: spanId('1'), parent_id: spanId('2') });
    const agent = trace({ agent_name: 'planner' });
    for (const [seq, kind, id, one] of [
      [3, 'completion', spanId('1'), body],
      [7, 'trace', spanId('2'), agent],
    ] as const) {
      const rest = [SESSION, GROUP, null, id.slice(19), '/v2/old', '2026-01-02T03:04:05.678Z'];
      insert.run([seq, PROJECT, kind, id, ...rest, JSON.stringify(one)]);
    }
    database
      .prepare('INSERT INTO annotations VALUES (?, ?, ?, ?)')
      .run([PROJECT, 'completion_feedback', spanId('1'), '{"good":true}']);
    database.close();

    const server = await startTestServer({ dir });
    expect(await server.records()).toMatchObject([
      { seq: 3, id: spanId('1'), path: '/v2/old', receivedAt: '2026-01-02T03:04:05.678Z', body },
      { seq: 7, id: spanId('2'), body: agent },
    ]);
    const { json } = await server.send('GET', `/api/view/completions/${spanId('1')}`);
    expect(json).toMatchObject({ posted: JSON.stringify(body), feedback: { good: true } });
    const list = await server.send('GET', '/api/view/completions?text=paris&agent=planner');
    expect(list.json).toMatchObject({ total: 1, rows: [{ id: spanId('1'), agent: 'planner' }] });
    await server.postCompletion(completion());
    expect((await server.records()).map(({ seq }) => seq)).toEqual([3, 7, 8]);
    await server.close();
    const again = await startTestServer({ dir });
    expect(await again.records()).toHaveLength(3);
    await again.close();
  });

  it('has one writer', async () => {
    const dir = folder();
    const { store } = await openStore({ dir });
    await add(store, arrived());
    expect(() => openSqliteStorage(dir, sqlite)).toThrow(`${dir} is in use by another freeplay-otel local`);
    store.close();
    openSqliteStorage(dir, sqlite).close();
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
    const database = libsql(join(newer, 'records.db'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(startTestServer({ dir: newer })).rejects.toThrow('newer version');
  });

  it('writes what arrives together in few transactions, before it answers', async () => {
    const dir = folder();
    const seen = { commits: 0, fails: false };
    const server = await startTestServer({ dir, loadDatabase: spying(seen) });
    const bodies = Array.from({ length: 1_000 }, () => completion());
    const before = seen.commits;
    const groups = Array.from({ length: 10 }, (_, at) => bodies.slice(at * 100, at * 100 + 100));
    const statuses = await Promise.all(groups.map((group) => postAtOnce(server.port, group)));
    expect(statuses.flat()).toEqual(bodies.map(() => '201'));
    expect(seen.commits - before).toBeLessThan(200);

    // A disk that is full: told, nothing half-done, and better later.
    seen.fails = true;
    const late = completion();
    const reply = await server.postCompletion(late);
    expect(reply).toMatchObject({ status: 500, json: { message: expect.stringContaining('disk is full') } });
    expect(server.store.find(PROJECT, 'completion', String(late.completion_id))).toBeUndefined();
    seen.fails = false;
    expect((await server.postCompletion(late)).status).toBe(201);
    await server.close();

    const again = await startTestServer({ dir });
    const ids = new Set((await again.records()).map(({ id }) => id));
    expect(ids).toEqual(new Set([...bodies, late].map(({ completion_id: id }) => id)));
    await again.close();
  });
});

it('what fails takes back all of its transaction, in memory too', async () => {
  const seen = { commits: 0, fails: false };
  const dir = folder();
  const { store } = await openStore({ dir, loadDatabase: spying(seen) });
  const kept = (await add(store, arrived()))!;
  const lost = arrived({ session: GROUP });
  const results = await Promise.allSettled([
    add(store, lost),
    store.write((writer) => writer.replaceBody(kept, { ...kept.body, eval_results: { a: 1 } })),
    store.write((writer) => {
      seen.fails = true;
      return writer.add(arrived());
    }),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  seen.fails = false;
  expect(store.list()).toEqual([kept]);
  expect([...store.index.sessions.keys()]).toEqual([SESSION]);
  expect(found(store, 'paris')).toEqual([kept.id]);
  expect(await add(store, lost)).toBeDefined();
  store.close();
});

/** Over one connection, without waiting for answers: the fastest that requests can come. */
function postAtOnce(port: number, bodies: readonly object[]): Promise<readonly string[]> {
  const requests = bodies.map((body) => {
    const json = JSON.stringify(body);
    const head = [
      `POST /api/v2/projects/${PROJECT}/sessions/${SESSION}/completions HTTP/1.1`,
      'Host: localhost',
      'Authorization: Bearer any',
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(json)}`,
    ];
    return `${head.join('\r\n')}\r\n\r\n${json}`;
  });
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(requests.join('')));
    socket.setEncoding('utf8').on('error', reject);
    socket.on('data', (data) => {
      text += data;
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status ?? '');
      if (statuses.length < bodies.length) return;
      socket.destroy();
      resolve(statuses);
    });
  });
}

/** Counts transactions, and lets inserts fail. */
function spying(seen: { commits: number; fails: boolean }): () => Promise<OpenDatabase> {
  return async () => {
    const open = await loadSqlite();
    return (file): SqliteDatabase => {
      const database = open(file);
      return {
        close: () => database.close(),
        exec(sql) {
          if (sql === 'COMMIT') seen.commits++;
          return database.exec(sql);
        },
        prepare(sql) {
          const statement = database.prepare(sql);
          if (!sql.startsWith('INSERT INTO bodies')) return statement;
          return {
            get: (parameters) => statement.get(parameters),
            all: (parameters) => statement.all(parameters),
            run(parameters) {
              if (seen.fails) throw new Error('database or disk is full');
              return statement.run(parameters);
            },
          };
        },
      };
    };
  };
}

/** What version 1 of the schema was, for ever. */
const VERSION_1 = [
  `CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    session TEXT NOT NULL, trace TEXT, parent TEXT, tail TEXT NOT NULL, path TEXT NOT NULL,
    received_at TEXT NOT NULL, body TEXT NOT NULL) STRICT`,
  'CREATE UNIQUE INDEX records_id ON records (project, kind, id)',
  'CREATE INDEX records_session ON records (session, seq)',
  'CREATE INDEX records_trace ON records (trace)',
  'CREATE INDEX records_tail ON records (tail)',
  'CREATE INDEX records_parent ON records (parent)',
  `CREATE TABLE annotations (
    project TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, "values" TEXT NOT NULL,
    PRIMARY KEY (project, kind, id)) STRICT, WITHOUT ROWID`,
  'PRAGMA user_version = 1',
];
