/** Processes, threads and clusters that end: by themselves, by a signal, in a hurry, or by a bug of theirs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildPackage, ROOT } from '../support/build-package.ts';
import { type FaultServer, startFaultServer } from './fault-server.ts';
import { always, first, hang, reset } from './faults.ts';
import { FIRST_SEED, faultOf, MOST_FAULTS } from './mix.ts';
import { readSpool } from './run.ts';

const CALLS = 20;
/** Of a flush and a shutdown: where something is to be delivered, and where nothing can be. */
const AMPLE_MILLIS = 20_000;
const SHORT_MILLIS = 500;
/** Who does not end by then is killed, which shows. An attempt would take a minute. */
const KILL_MILLIS = 35_000;

vi.setConfig({ testTimeout: 60_000 });

let project: string;

// A copy of the package as a user has it, and found by its name. Below node_modules, where its dependencies are in reach.
beforeAll(async () => {
  const cache = join(ROOT, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  project = mkdtempSync(join(cache, 'faults-test-'));
  cpSync(join(ROOT, 'package.json'), join(project, 'package.json'));
  cpSync(join(ROOT, 'test', 'faults', 'fixtures'), join(project, 'fixtures'), { recursive: true });
  await buildPackage(['src/index.ts'], join(project, 'dist'));
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when it has printed this. */
  said(text: string): Promise<void>;
}

function start(fixture: string, ...args: readonly (string | number)[]): Started {
  const child = spawn(process.execPath, [join(project, 'fixtures', fixture), ...args.map(String)], {
    timeout: KILL_MILLIS,
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, out, err }));
  });
  const said = async (text: string): Promise<void> => {
    await vi.waitFor(() => expect([out, err, child.exitCode].join()).toContain(text), { timeout: 20_000 });
  };
  return { child, ended, said };
}

function ledgerOf({ out }: Ended): Record<string, unknown> {
  return JSON.parse(out.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
}

function expectRecorded({ book }: FaultServer, count: number): void {
  expect(book.recorded.size).toBe(count);
  expect(book.repeated).toEqual([]);
  expect(book.complaints).toEqual([]);
}

describe.concurrent('a process', () => {
  it('that just ends delivers what is in hand, also where a connection is lost', async (context) => {
    const server = await startFaultServer(context, first(1, reset));
    const ended = await start('app.mjs', 'ending', server.baseUrl, CALLS, AMPLE_MILLIS).ended;
    expect(ended).toMatchObject({ code: 0, err: '' });
    expect(ledgerOf(ended)).toMatchObject({ created: CALLS, delivered: CALLS, pending: 0 });
    expectRecorded(server, CALLS);
  });

  it('that just ends is kept for a hung API no longer than a flush may take, and says what was lost', async (context) => {
    const server = await startFaultServer(context, always(hang));
    const ended = await start('app.mjs', 'ending', server.baseUrl, CALLS, SHORT_MILLIS).ended;
    expect(ended.code).toBe(0);
    expect(ended.err).toContain(`${CALLS} records were not delivered before the process ended`);
    expect(ledgerOf(ended)).toMatchObject({ created: CALLS, pending: CALLS });
  });

  it('that does not want to flush is not kept by requests that are under way', async (context) => {
    const server = await startFaultServer(context, always(hang));
    const ended = await start('app.mjs', 'unflushed', server.baseUrl, CALLS, SHORT_MILLIS).ended;
    expect(ended).toMatchObject({ code: 0, err: '' });
    expect(server.book.posts.length).toBeGreaterThan(0);
  });

  it('that is told to stop, and shuts down, delivers what is in hand', async (context) => {
    const server = await startFaultServer(context, first(1, reset));
    const app = start('app.mjs', 'sigterm', server.baseUrl, CALLS, AMPLE_MILLIS);
    await app.said('ready');
    app.child.kill('SIGTERM');
    const ended = await app.ended;
    expect(ended).toMatchObject({ code: 0, signal: null });
    expect(ledgerOf(ended)).toMatchObject({ created: CALLS, delivered: CALLS, pending: 0 });
    expectRecorded(server, CALLS);
  });

  it('that is told to stop, and shuts down, does not wait for a hung API', async (context) => {
    const server = await startFaultServer(context, always(hang));
    const app = start('app.mjs', 'sigterm', server.baseUrl, CALLS, SHORT_MILLIS);
    await app.said('ready');
    app.child.kill('SIGTERM');
    const ended = await app.ended;
    expect(ended).toMatchObject({ code: 0, signal: null });
    expect(ledgerOf(ended)).toMatchObject({ dropped: { shutdown: CALLS }, pending: 0 });
  });

  it('that exits in a hurry, exits', async (context) => {
    const server = await startFaultServer(context, always(hang));
    const ended = await start('app.mjs', 'hurried', server.baseUrl, CALLS, SHORT_MILLIS).ended;
    expect(ended).toMatchObject({ code: 0, err: '' });
  });

  it('that dies of a bug of its own, dies of that', async (context) => {
    const server = await startFaultServer(context, always(hang));
    const ended = await start('app.mjs', 'crashing', server.baseUrl, CALLS, SHORT_MILLIS).ended;
    expect(ended.code).toBe(1);
    expect(ended.err).toContain('a bug of the app');
    expect(ended.err).not.toContain('node_modules/undici');
  });
});

describe.concurrent('a process that is killed in the middle of everything', () => {
  it('has every record that it ever sent in its spool, and the next one delivers them', async (context) => {
    let isUp = false;
    const server = await startFaultServer(context, ({ number, attempt }) =>
      isUp ? undefined : faultOf(FIRST_SEED, number, Math.min(attempt, MOST_FAULTS)),
    );
    const spoolDir = join(mkdtempSync(join(tmpdir(), 'freeplay-faults-')), 'spool');
    context.onTestFinished(() => rmSync(join(spoolDir, '..'), { recursive: true, force: true }));
    const app = start('app.mjs', 'endless', server.baseUrl, CALLS, AMPLE_MILLIS, spoolDir);
    await vi.waitFor(() => expect(server.book.recorded.size).toBeGreaterThan(60), { timeout: 20_000 });
    app.child.kill('SIGKILL');
    expect((await app.ended).signal).toBe('SIGKILL');
    const rejected = new Set(readSpool(join(spoolDir, 'rejected')).ids);
    const sent = new Set(server.book.posts.map(({ id }) => id));
    // What was rejected just before the kill may be in neither.
    isUp = true;
    const next = start('app.mjs', 'sigterm', server.baseUrl, 0, AMPLE_MILLIS, spoolDir);
    await vi.waitFor(
      () => {
        const { recorded } = server.book;
        expect([...sent].filter((id) => !recorded.has(id) && !rejected.has(id))).toEqual([]);
        expect(readSpool(spoolDir).ids).toEqual([]);
      },
      { timeout: 20_000, interval: 100 },
    );
    next.child.kill('SIGTERM');
    const ended = await next.ended;
    const { created, ...rest } = ledgerOf(ended) as { created: number };
    expect(rest).toEqual({ delivered: created, rejected: 0, dropped: {}, spooled: 0, pending: 0 });
    expect(server.book.complaints).toEqual([]);
  });
});

describe.for([
  ['threads', 'threads.mjs', 'thread ended 0'],
  ['a cluster', 'cluster.mjs', 'worker ended 0'],
])('%s', { concurrent: true }, ([, fixture = '', farewell = '']) => {
  it('deliver what each of them made, and end', async (context) => {
    const server = await startFaultServer(context, first(1, reset));
    const { code, out, err } = await start(fixture, server.baseUrl, CALLS, AMPLE_MILLIS).ended;
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.split(farewell)).toHaveLength(3);
    expectRecorded(server, 3 * CALLS);
  });

  it('end, each of them, where the API hangs', async (context) => {
    const server = await startFaultServer(context, always(hang));
    const { code, out, err } = await start(fixture, server.baseUrl, CALLS, SHORT_MILLIS).ended;
    expect(code).toBe(0);
    expect(out.split(farewell)).toHaveLength(3);
    expect(err.match(/20 records were not delivered/g), err).toHaveLength(3);
  });
});
