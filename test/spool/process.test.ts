/** Real processes, killed and ended, on one folder and a real server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { Ledger } from '../../src/index.ts';
import { startServer } from '../delivery/support.ts';
import { buildPackage, ROOT } from '../support/build-package.ts';
import { listFiles, makeFolder, openTestSpool, readFiles, readIds } from './support.ts';

let folder: string;
let app: string;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  const cache = join(ROOT, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(join(cache, 'spool-test-'));
  await buildPackage(['src/index.ts'], join(folder, 'dist'));
  app = join(folder, 'app.mjs');
  writeFileSync(app, APP);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL');
  await vi.waitFor(() => expect(running.size).toBe(0));
});

interface AppOptions {
  readonly options: object;
  /** Batches that are exported, of ten records each, and the number of the first one. */
  readonly batches?: number;
  readonly from?: number;
  /** Batch after batch until it is killed, each as soon as the one before is answered. */
  readonly endless?: boolean;
  /** Lives so long after the last batch, then shuts down. */
  readonly stayMillis?: number;
}

/** Prints the ids of each batch that was answered well. */
const APP = `
import { createHash } from 'node:crypto';
import { completionIdOf, FreeplaySpanExporter } from './dist/index.mjs';
const { options, batches = 0, from = 0, endless, stayMillis } = JSON.parse(process.argv[2]);
// Jitter is not worth waiting for; names still differ.
let n = Math.random() / 1e3;
Math.random = () => (n += 1e-6) % 1;
const exporter = new FreeplaySpanExporter({ apiKey: 'k', projectId: 'p', ...options });
const span = (n) => {
  const traceId = createHash('md5').update('span ' + n).digest('hex');
  const context = { traceId, spanId: traceId.slice(16), traceFlags: 1 };
  return {
    name: 'chat', kind: 0, spanContext: () => context, startTime: [1, 0], endTime: [2, 0], status: { code: 0 },
    attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm' + n, 'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'x'.repeat(n % 2000) }] }]) },
    links: [], events: [], duration: [1, 0], ended: true, resource: { attributes: {} }, instrumentationScope: { name: 'app' },
    droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0,
  };
};
for (let b = from; endless || b < from + batches; b++) {
  const spans = Array.from({ length: 10 }, (_, i) => span(b * 10 + i));
  const { code } = await new Promise((resolve) => exporter.export(spans, resolve));
  if (code === 0) process.stdout.write(spans.map((one) => completionIdOf(one.spanContext()) + '\\n').join(''));
}
if (stayMillis !== undefined) {
  await new Promise((resolve) => setTimeout(resolve, stayMillis));
  await exporter.shutdown();
  process.stderr.write('\\nledger ' + JSON.stringify(exporter.ledger().records) + '\\n');
}
`;

interface Running {
  readonly child: ChildProcess;
  /** Ids that it has told. */
  readonly told: () => readonly string[];
  readonly err: () => string;
  /** Its last word. */
  readonly ledger: () => Ledger['records'];
  readonly ended: Promise<number | string | null>;
}

function run(options: AppOptions): Running {
  const child = spawn(process.execPath, [app, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => {
    out += data;
  });
  child.stderr.on('data', (data) => {
    err += data;
  });
  const ended = new Promise<number | string | null>((resolve) => {
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal);
    });
  });
  // A line may be cut off by a kill.
  const told = (): readonly string[] => out.split('\n').slice(0, -1);
  const ledger = (): Ledger['records'] => JSON.parse(/^ledger (.*)$/m.exec(err)?.[1] ?? err);
  return { child, told, err: () => err, ledger, ended };
}

interface Api {
  readonly origin: string;
  /** What was recorded: an id can be only once. */
  readonly recorded: Set<string>;
  /** What was posted, recorded or not. */
  readonly attempted: Set<string>;
  posts: number;
}

/** As the API: 201 for what is new, 409 for what is not. */
async function startApi(answer?: (api: Api, response: ServerResponse, id: string) => boolean): Promise<Api> {
  const api: Api = { origin: '', recorded: new Set(), attempted: new Set(), posts: 0 };
  const { origin } = await startServer(({ body }, response) => {
    const { completion_id: id } = JSON.parse(body) as { completion_id: string };
    api.posts += 1;
    api.attempted.add(id);
    if (answer?.(api, response, id)) return;
    const isKnown = api.recorded.has(id);
    api.recorded.add(id);
    response.writeHead(isKnown ? 409 : 201).end('{}');
  });
  return {
    ...api,
    origin,
    recorded: api.recorded,
    attempted: api.attempted,
    get posts() {
      return api.posts;
    },
  };
}

it.each([
  '201, 503 and silence',
  'silence',
  'nobody',
])('a kill in the middle loses nothing with "always": the API answers with %s', async (behaviour) => {
  const spoolDir = makeFolder();
  const api = await startApi((state, response) => {
    if (behaviour === 'silence') return true;
    const turn = state.posts % 5;
    if (turn === 1) response.writeHead(503).end();
    // Recorded, and the answer lost.
    return turn <= 1 || (turn === 2 && state.posts % 3 === 0);
  });
  const baseUrl = behaviour === 'nobody' ? 'http://127.0.0.1:9' : api.origin;
  const options = { baseUrl, spoolDir, spoolMode: 'always', timeoutMillis: 300, retryDeadlineMillis: 60_000 };
  const first = run({ options, endless: true });
  await vi.waitFor(
    () => expect(first.told().length).toBeGreaterThan(behaviour === 'silence' ? 10 : 100),
    20_000,
  );
  first.child.kill('SIGKILL');
  expect(await first.ended).toBe('SIGKILL');
  const ids = new Set([...first.told(), ...api.attempted]);

  const healthy = await startApi();
  for (const id of api.recorded) healthy.recorded.add(id);
  const second = run({
    options: { ...options, baseUrl: healthy.origin, timeoutMillis: 10_000 },
    stayMillis: 100_000,
  });
  await vi.waitFor(() => expect([...ids].filter((id) => !healthy.recorded.has(id))).toEqual([]), 20_000);
  // All of it, then no more of it.
  await vi.waitFor(() => expect(readFiles(spoolDir, '.jsonl')).toBe(''), 20_000);
  second.child.kill('SIGKILL');
  await second.ended;
  expect(await readIds(openTestSpool(spoolDir))).toEqual([]);
});

it('an app that just ends leaves nothing that is delivered', async () => {
  const spoolDir = makeFolder();
  const api = await startApi();
  for (const from of [0, 1]) {
    const app = run({ options: { baseUrl: api.origin, spoolDir, spoolMode: 'always' }, batches: 1, from });
    expect(await app.ended).toBe(0);
    expect(listFiles(spoolDir)).toEqual([]);
  }
  expect(api.posts).toBe(20);
});

it('an app that just ends leaves what it could not deliver, and says of no loss; the next one sends it', async () => {
  const spoolDir = makeFolder();
  const options = { baseUrl: 'http://127.0.0.1:9', spoolDir, flushTimeoutMillis: 1_000 };
  const first = run({ options, batches: 3 });
  expect(await first.ended).toBe(0);
  expect(first.err()).not.toContain('not delivered before the process ended');
  expect(first.told()).toHaveLength(30);
  const api = await startApi();
  const second = run({
    options: { ...options, baseUrl: api.origin },
    batches: 1,
    from: 3,
    stayMillis: 1_500,
  });
  expect(await second.ended).toBe(0);
  expect(second.ledger()).toMatchObject({
    created: 40,
    delivered: 40,
    pending: 0,
    spooled: 0,
    dropped: {},
  });
  expect([...api.recorded].sort()).toEqual([...first.told(), ...second.told()].sort());
  expect(api.posts).toBe(40);
  expect(listFiles(spoolDir)).toEqual([]);
});

it('an app that has nothing to do ends at once, whatever is in the folder', async () => {
  const spoolDir = makeFolder();
  const spool = openTestSpool(spoolDir);
  for (let n = 0; n < 50; n++) {
    const answer = await spool.append({
      id: `r${n}`,
      kind: 'completion',
      projectId: 'p',
      path: '/v2/projects/p/sessions/s/completions',
      bytes: 2,
      text: () => `{"completion_id":"r${n}"}`,
    });
    if (answer.kind === 'kept') answer.entry.leave();
  }
  await spool.close(1_000);
  const silent = await startServer(() => {});
  const start = performance.now();
  const { ended } = run({
    options: { baseUrl: silent.origin, spoolDir, flushTimeoutMillis: 500 },
    batches: 0,
  });
  expect(await ended).toBe(0);
  expect(performance.now() - start).toBeLessThan(10_000);
  expect((await readIds(openTestSpool(spoolDir))).length).toBe(50);
});

it('processes on one folder share what was left, and take nothing of each other', async () => {
  const spoolDir = makeFolder();
  const down = { baseUrl: 'http://127.0.0.1:9', spoolDir, flushTimeoutMillis: 300 };
  const before = [0, 10, 20].map((from) => run({ options: down, batches: 5, from }));
  expect(await Promise.all(before.map(({ ended }) => ended))).toEqual([0, 0, 0]);
  const api = await startApi();
  const up = { baseUrl: api.origin, spoolDir, spoolMode: 'always' };
  const after = [40, 60, 80].map((from) => run({ options: up, batches: 10, from, stayMillis: 2_000 }));
  expect(await Promise.all(after.map(({ ended }) => ended))).toEqual([0, 0, 0]);
  const told = [...before, ...after].flatMap((one) => one.told());
  expect(told).toHaveLength(450);
  expect([...api.recorded].sort()).toEqual([...told].sort());
  // Each by one of them only.
  expect(api.posts).toBe(450);
  expect(after.reduce((sum, { ledger }) => sum + ledger().delivered, 0)).toBe(450);
  expect(listFiles(spoolDir)).toEqual([]);
});
