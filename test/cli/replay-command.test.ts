import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createProgress } from '../../src/cli/progress.ts';
import { type ReplayReport, replaySpool } from '../../src/cli/replay-spool.ts';
import type { SpoolSource } from '../../src/spool/line.ts';
import { openSpool, type Spool } from '../../src/spool/spool.ts';
import { startServer } from '../delivery/support.ts';
import type { Run } from './build-cli.ts';
import { useCli } from './use-cli.ts';

const KEY = 'key-0123456789-secret';
const P1 = '3f1c9a52-7d04-4c1b-9e57-6a2f8d7b0c11';
const P2 = '0b8a6c1e-6f6f-4b52-9a55-3d1c7f1f9a10';

const cli = useCli();

function replay(args: readonly string[], env: NodeJS.ProcessEnv = {}): Run {
  return cli.run(['replay', ...args], { FREEPLAY_API_KEY: KEY, ...env });
}

function makeFolder(): string {
  return join(cli.makeFolder(), 'spool');
}

function open(dir: string): Spool {
  return openSpool({ dir, maxBytes: 1e9, sync: false, report: () => {}, onLoss: () => {} });
}

/** A folder in which a process that has ended left these records. */
async function makeSpool(
  ids: readonly string[],
  more: Partial<SpoolSource> = {},
  dir = makeFolder(),
): Promise<string> {
  const spool = open(dir);
  await Promise.all(
    ids.map(async (id) => {
      const answer = await spool.append({
        id,
        kind: 'completion',
        projectId: P1,
        path: `/v2/projects/${more.projectId ?? P1}/sessions/s1/completions`,
        bytes: 100,
        text: () =>
          JSON.stringify({ completion_id: id, messages: [{ role: 'user', content: 'top secret' }] }),
        ...more,
      });
      if (answer.kind === 'kept') answer.entry.leave();
    }),
  );
  await spool.close(1_000);
  return dir;
}

function idsOf(count: number, prefix = 'r'): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`);
}

/** The API: 201, or what a table says of an id. */
async function startApi(
  statuses: Readonly<Record<string, [status: number, message?: string]>> = {},
): Promise<{
  readonly origin: string;
  readonly ids: () => string[];
}> {
  const { origin, received } = await startServer(({ body }, response) => {
    const { completion_id: id } = JSON.parse(body) as { completion_id: string };
    const [status, message = ''] = statuses[id] ?? [201];
    response.writeHead(status).end(JSON.stringify({ message }));
  });
  return { origin, ids: () => received.map(({ body }) => JSON.parse(body).completion_id as string) };
}

function files(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir).sort() : [];
}

describe('wrong arguments: one line that names them, exit 2, nothing on standard output', () => {
  const none = { FREEPLAY_API_KEY: '', FREEPLAY_SPOOL_DIR: '' };
  it.each<[readonly string[], NodeJS.ProcessEnv, string]>([
    [[], none, 'no folder given'],
    [['dir'], none, 'no API key given'],
    [['dir', 'other'], {}, 'one DIR, not also "other"'],
    [['dir', '--url', 'ftp://x'], {}, '--url is not an http or https URL'],
    [['dir', '--url', ''], {}, '--url must not be empty'],
    [['dir', '--key='], {}, '--key must not be empty'],
    [['dir', '--project', ' '], {}, '--project must not be empty'],
    [['dir'], { FREEPLAY_API_BASE: 'nonsense' }, 'FREEPLAY_API_BASE is not an http or https URL'],
    [['dir', '--dry'], {}, "'--dry'"],
    [['dir', '--json=yes'], {}, "'--json'"],
    [['dir', '--url'], {}, "'--url <value>'"],
  ])('%j', async (args, env, message) => {
    const { ended, out, err } = replay(args, env);
    expect(await ended).toBe(2);
    expect(out()).toBe('');
    expect(err()).toContain(message);
    expect(err().trimEnd().split('\n')).toHaveLength(1);
    expect(err()).not.toContain(KEY);
  });
});

it('a folder that is not there, or is none: one line, exit 1', async () => {
  const dir = makeFolder();
  for (const [path, message] of [
    [dir, 'does not exist'],
    [cli.main, 'is not a folder'],
    [join(cli.main, 'x'), 'cannot be read (ENOTDIR)'],
  ] as const) {
    const { ended, out, err } = replay([path]);
    expect(await ended).toBe(1);
    expect(out()).toBe('');
    expect(err()).toBe(`freeplay-otel replay: ${path} ${message}\n`);
  }
});

it('explains itself', async () => {
  const { ended, out, err } = replay(['--help']);
  expect(await ended).toBe(0);
  expect(out()).toMatch(/Usage: freeplay-otel replay[\s\S]+--rejected[\s\S]+Examples:[\s\S]+Exit codes:/);
  expect(err()).toBe('');
});

it('sends all, exits 0, and the folder is empty', async () => {
  const dir = await makeSpool(idsOf(500));
  const api = await startApi({ r3: [409], r4: [409] });
  const { ended, out, err } = replay([dir, '--url', api.origin]);
  expect(await ended).toBe(0);
  expect(out()).toBe('500 records delivered, 2 of them were there already\n');
  expect(err()).toBe('');
  expect(api.ids().sort()).toEqual(idsOf(500).sort());
  expect(files(dir)).toEqual([]);
  const again = replay([], { FREEPLAY_SPOOL_DIR: dir, FREEPLAY_API_BASE: api.origin });
  expect(await again.ended).toBe(0);
  expect(again.out()).toBe(`nothing to send in ${dir}\n`);
  expect(api.ids()).toHaveLength(500);
});

it('sends what is older than the library would, too', async () => {
  const dir = await makeSpool(['r1'], { at: Date.now() - 30 * 86_400_000 });
  const api = await startApi();
  expect(await replay([dir, '--url', api.origin]).ended).toBe(0);
  expect(api.ids()).toEqual(['r1']);
});

it('moves what is rejected, groups the words, and --rejected sends it again after a fix', async () => {
  const dir = await makeSpool(idsOf(10));
  const wrong = `messages: is missing in ${P1}`;
  const statuses: Record<string, [number, string?]> = {
    r1: [400, wrong],
    r2: [400, `messages: is missing in ${P2}`],
    r3: [422, 'no such model'],
  };
  const api = await startApi(statuses);
  const first = replay([dir, '--url', api.origin]);
  expect(await first.ended).toBe(1);
  expect(first.out()).toBe(
    `7 records delivered\n3 records rejected, moved to ${dir}/rejected:\n  2 × 400 messages: is missing in …\n  1 × 422 no such model\n`,
  );
  expect(files(dir)).toEqual(['rejected']);

  const look = replay([dir, '--rejected', '--dry-run']);
  expect(await look.ended).toBe(0);
  expect(look.out()).toMatch(
    /^3 records to send, \d+ bytes, the oldest of .*\n {2}3 of project .*\n {2}2 × 400 .*\n {2}1 × 422 no such model\n$/,
  );

  delete statuses.r1;
  delete statuses.r2;
  const second = replay([dir, '--rejected', '--url', api.origin]);
  expect(await second.ended).toBe(1);
  expect(second.out()).toBe(
    `2 records delivered\n1 record rejected, still in ${dir}/rejected:\n  1 × 422 no such model\n`,
  );
  delete statuses.r3;
  const third = replay([dir, '--rejected', '--url', api.origin, '--json']);
  expect(await third.ended).toBe(0);
  expect(JSON.parse(third.out())).toEqual({
    event: 'replayed',
    dir,
    from: 'rejected',
    delivered: 1,
    alreadyThere: 0,
    rejected: 0,
    rejections: {},
    left: 0,
    held: { files: 0, records: 0, pids: [] },
    unreadable: 0,
    torn: 0,
    foreign: 0,
  });
  expect(files(join(dir, 'rejected'))).toEqual([]);
});

it('what is rejected and cannot be moved stays where it is', async () => {
  const dir = await makeSpool(['r1', 'r2']);
  writeFileSync(join(dir, 'rejected'), '');
  const api = await startApi({ r1: [400, 'no'] });
  const { ended, out, err } = replay([dir, '--url', api.origin]);
  expect(await ended).toBe(1);
  expect(out()).toContain('1 record delivered\n1 record rejected');
  expect(err()).toMatch(/the file system refused something in .* \((EEXIST|ENOTDIR)\)\n/);
  rmSync(join(dir, 'rejected'));
  const second = replay([dir, '--url', api.origin]);
  expect(await second.ended).toBe(1);
  expect(second.out()).toContain('1 record rejected, moved to');
});

it('--dry-run says what is there, needs no key, and changes nothing', async () => {
  const dir = await makeSpool(idsOf(5));
  await makeSpool(idsOf(3, 's'), { projectId: P2 }, dir);
  const before = files(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')]);
  const { ended, out, err } = replay([dir, '--dry-run', '--json'], { FREEPLAY_API_KEY: '' });
  expect(await ended).toBe(0);
  expect(err()).toBe('');
  expect(JSON.parse(out())).toMatchObject({
    event: 'found',
    dir,
    records: 8,
    projects: { [P1]: 5, [P2]: 3 },
  });
  expect(out()).not.toContain('top secret');
  expect(files(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')])).toEqual(before);
});

it('--project sends only records of that project', async () => {
  const dir = await makeSpool(idsOf(5));
  await makeSpool(idsOf(3, 's'), { projectId: P2 }, dir);
  const api = await startApi();
  const { ended, out } = replay([dir, '--project', P2, '--url', api.origin]);
  expect(await ended).toBe(0);
  expect(out()).toBe('3 records delivered\n');
  expect(api.ids().sort()).toEqual(idsOf(3, 's'));
  expect(await replay([dir, '--url', api.origin]).ended).toBe(0);
  expect(api.ids()).toHaveLength(8);
});

it('leaves what a running process holds, and says so', async () => {
  const dir = await makeSpool(['r1']);
  const spool = open(dir);
  await spool.append({
    id: 'held',
    kind: 'completion',
    projectId: P1,
    path: '/v2/projects/p',
    bytes: 2,
    text: () => '{}',
  });
  const api = await startApi();
  const first = replay([dir, '--url', api.origin]);
  expect(await first.ended).toBe(1);
  expect(first.out()).toBe(
    `1 record delivered\n1 record in 1 file left to the running process that holds them (pid ${process.pid})\n`,
  );
  expect(api.ids()).toEqual(['r1']);
  await spool.close(1_000);
  expect(await replay([dir, '--url', api.origin]).ended).toBe(0);
});

it('keeps files that are torn or not ours, and says so', async () => {
  const dir = await makeSpool(['r1', 'r2']);
  const [name = ''] = files(dir);
  writeFileSync(join(dir, name), readFileSync(join(dir, name)).subarray(0, -10));
  writeFileSync(join(dir, 'notes.txt'), 'mine');
  const api = await startApi();
  const { ended, out } = replay([dir, '--url', api.origin]);
  expect(await ended).toBe(1);
  expect(out()).toMatch(
    /^1 record delivered\n1 file with such lines set aside .*\n1 file not the spool's, left alone\n$/,
  );
  expect(files(dir)).toEqual([expect.stringMatching(/\.torn$/), 'notes.txt']);
});

it('a wrong key is said at once, and everything stays', async () => {
  const dir = await makeSpool(idsOf(40));
  const { origin } = await startServer((_, response) =>
    response.writeHead(401).end(JSON.stringify({ message: `no such key ${KEY}` })),
  );
  const start = performance.now();
  const { ended, out, err } = replay([dir, '--url', origin]);
  expect(await ended).toBe(1);
  expect(performance.now() - start).toBeLessThan(20_000);
  expect(out()).toBe('40 records not delivered, still there (no such key [redacted])\n');
  expect(err()).toBe('');
  expect(await replay([dir, '--url', (await startApi()).origin]).ended).toBe(0);
});

it.each(['SIGINT', 'SIGTERM'] as const)('%s stops it, and loses nothing', async (signal) => {
  const dir = await makeSpool(idsOf(400));
  let count = 0;
  const recorded = new Set<string>();
  const slow = await startServer(({ body }, response) => {
    count += 1;
    const id = JSON.parse(body).completion_id as string;
    if (count > 100) return; // no answer any more
    recorded.add(id);
    response.writeHead(201).end('{}');
  });
  const { ended, out, child } = replay([dir, '--url', slow.origin]);
  await vi.waitFor(() => expect(slow.received.length).toBeGreaterThan(120), 10_000);
  child.kill(signal);
  expect(await ended).toBe(1);
  expect(out()).toBe('100 records delivered\n300 records not delivered, still there (stopped)\n');
  const api = await startApi();
  expect(await replay([dir, '--url', api.origin]).ended).toBe(0);
  expect([...recorded, ...api.ids()].sort()).toEqual(idsOf(400).sort());
});

it('a kill in the middle loses nothing', async () => {
  const dir = await makeSpool(idsOf(400));
  const recorded = new Set<string>();
  const first = await startServer(({ body }, response) => {
    recorded.add(JSON.parse(body).completion_id as string);
    setTimeout(() => response.writeHead(201).end('{}'), 5);
  });
  const { ended, child } = replay([dir, '--url', first.origin]);
  await vi.waitFor(() => expect(recorded.size).toBeGreaterThan(100), 10_000);
  child.kill('SIGKILL');
  await ended;
  const api = await startApi();
  expect(await replay([dir, '--url', api.origin]).ended).toBe(0);
  expect(new Set([...recorded, ...api.ids()]).size).toBe(400);
});

it('goes on when nobody reads its output any more', async () => {
  const dir = await makeSpool(idsOf(200));
  const api = await startApi();
  const { ended, child } = replay([dir, '--url', api.origin]);
  child.stdout?.destroy();
  expect(await ended).toBe(0);
  expect(api.ids()).toHaveLength(200);
});

it('two at once share the work', async () => {
  const dir = makeFolder();
  for (let n = 0; n < 4; n++) await makeSpool(idsOf(50, `r${n}-`), {}, dir);
  const api = await startApi();
  const both = [replay([dir, '--url', api.origin, '--json']), replay([dir, '--url', api.origin, '--json'])];
  const codes = await Promise.all(both.map(({ ended }) => ended));
  // Whoever is done first sees what the other one holds.
  expect(codes).toContain(0);
  const delivered = both.reduce((sum, { out }) => sum + JSON.parse(out()).delivered, 0);
  expect([delivered, new Set(api.ids()).size, api.ids().length]).toEqual([200, 200, 200]);
  expect(files(dir)).toEqual([]);
});

it('prints neither content nor key', async () => {
  const dir = await makeSpool(['r1', 'r2', 'r3']);
  const api = await startApi({ r1: [400, `bad ${KEY}`], r2: [404, 'no'] });
  const { ended, out, err } = replay([dir, '--url', api.origin]);
  await ended;
  expect(out() + err()).not.toMatch(/top secret|key-0123/);
});

describe('an API that takes nothing', () => {
  /** For sockets and disk, which know of no other time. */
  const realTimeout = setTimeout;
  const start = async (baseUrl: string) => {
    const dir = await makeSpool(idsOf(5));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    let report: ReplayReport | undefined;
    const { signal } = new AbortController();
    const common = { rejected: false, projectId: undefined, apiKey: () => KEY, onProgress: () => {} };
    void replaySpool({ ...common, dir, baseUrl, signal }).then((final) => {
      report = final;
    });
    /** Seconds until it gives up. */
    return async (): Promise<readonly [seconds: number, ReplayReport]> => {
      for (let seconds = 1; seconds < 1_000; seconds++) {
        await vi.advanceTimersByTimeAsync(1_000);
        await new Promise((resolve) => realTimeout(resolve, 10));
        if (report) return [seconds, report];
      }
      throw new Error('it goes on for ever');
    };
  };

  it('is given up after half a minute if nobody answers', async () => {
    const [seconds, report] = await (await start('http://127.0.0.1:9'))();
    expect(report).toMatchObject({ delivered: 0, stopped: 'no answer', lastError: 'ECONNREFUSED' });
    expect(seconds).toBeGreaterThan(28);
    expect(seconds).toBeLessThan(40);
  });

  it('is given up after five minutes if it asks for patience', async () => {
    const { origin } = await startServer((_, response) =>
      response.writeHead(503, { 'retry-after': '20' }).end(),
    );
    const [seconds, report] = await (await start(origin))();
    expect(report).toMatchObject({ delivered: 0, stopped: 'no answer' });
    expect(seconds).toBeGreaterThan(40);
    expect(seconds).toBeLessThan(310);
  });
});

describe('progress', () => {
  const screen = (isTTY: boolean) => {
    const written: string[] = [];
    return { stream: { isTTY, columns: 20, write: (text: string) => written.push(text) }, written };
  };

  it('is one line, no faster than eyes, taken away at the end', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const { stream, written } = screen(true);
      const progress = createProgress(stream);
      progress.show('1 of 3');
      progress.show('2 of 3');
      vi.advanceTimersByTime(100);
      progress.show('3 of 3 and a long explanation');
      progress.clear();
      progress.clear();
      expect(written).toEqual(['\r\u001b[K1 of 3', '\r\u001b[K3 of 3 and a long e', '\r\u001b[K']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is none where no person looks on', () => {
    const { stream, written } = screen(false);
    const progress = createProgress(stream);
    progress.show('1 of 3');
    progress.clear();
    expect(written).toEqual([]);
  });
});
