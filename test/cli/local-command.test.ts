import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROBE_SESSION_ID } from '../../src/cli/doctor/finding.ts';
import { clientOf, completion } from '../local/support.ts';
import type { Run } from './build-cli.ts';
import { useCli } from './use-cli.ts';

const cli = useCli();
const { run, makeFolder } = cli;

async function startLocal(...args: string[]): Promise<Run & { url: string }> {
  const started = run(['local', '--port', '0', ...args]);
  const [, url] = await started.printed(/listening on (http:\/\/[^\s"]+)/);
  return { ...started, url: url! };
}

describe('wrong arguments: one line that names them, exit 2, nothing on standard output', () => {
  it.each([
    [[], 'no command given; commands: '],
    [['lokal'], 'unknown command "lokal"'],
    [['\u001b[31mx'], 'unknown command "␛[31mx"'],
    [['--port', '1'], 'unknown option "--port"'],
    [['local', '--prot', '1'], "'--prot'"],
    [['local', '--port'], "'--port <value>'"],
    [['local', '--port', 'http'], '--port "http" is not a port'],
    [['local', '--port', '65536'], '--port "65536" is not a port'],
    [['local', '--port', '-1'], "'--port'"],
    [['local', '--quiet=yes'], "'--quiet'"],
    [['local', '--key', ' '], '--key must not be empty'],
    [['local', '--host='], '--host must not be empty'],
    [['local', 'extra'], "'extra'"],
    [['local', '--keep', '0'], '--keep "0" is not a number from 1 to 10000000'],
    [['local', '--fail', '101'], '--fail "101" is not a number from 0 to 100'],
    [['local', '--fail', '10%'], '--fail "10%" is not a number'],
    [['local', '--fail-status', '200'], '--fail-status "200" is not a number from 400 to 599'],
    [['local', '--latency', '1e3'], '--latency "1e3" is not a number from 0 to 60000'],
    [['local', '--retry-after', 'soon'], '--retry-after "soon" is not a number from 0 to 86400'],
  ])('%j', async (args, message) => {
    const { ended, out, err } = run(args);
    expect(await ended).toBe(2);
    expect(out()).toBe('');
    expect(err()).toContain(message);
    expect(err().trimEnd().split('\n')).toHaveLength(1);
    expect(err()).not.toContain('\u001b');
    expect(err()).not.toMatch(/\bat .*\.mjs/);
  });
});

it.each([
  [['--help'], /Usage: freeplay-otel COMMAND[\s\S]+Examples:[\s\S]+Exit codes:/],
  [['help', 'local'], /Usage: freeplay-otel local/],
  [['local', '--help'], /--port PORT[\s\S]+Examples:[\s\S]+Exit codes:/],
  [['local', '--wrong', '-h'], /Usage: freeplay-otel local/],
  [['--version'], /^\d+\.\d+\.\d+\S*\n$/],
])('%j prints and exits 0', async (args, text) => {
  const { ended, out, err } = run(args);
  expect(await ended).toBe(0);
  expect(out()).toMatch(text);
  expect(err()).toBe('');
});

it.each([
  'SIGINT',
  'SIGTERM',
] as const)('serves, shows a line for each record, stops on %s', async (signal) => {
  const { url, out, err, printed, child, ended } = await startLocal();
  const { postCompletion } = clientOf(url);
  expect(out()).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+\n/);
  await printed(/records are kept in memory and gone at the end/);
  await printed(new RegExp(`look at them in the browser: ${url}/\n`));
  await printed(
    new RegExp(
      `\n  export FREEPLAY_API_BASE=${url}/api FREEPLAY_API_KEY=any FREEPLAY_PROJECT_ID=[0-9a-f-]{36} FREEPLAY_DEVELOPMENT=true\\n`,
    ),
  );
  const body = completion();
  expect((await postCompletion(body)).status).toBe(201);
  await printed(
    new RegExp(`\\ncompletion ${String(body.completion_id).slice(0, 8)} gpt-4o-mini .*It is 21 °C`),
  );
  expect((await postCompletion({ messages: [] })).status).toBe(400);
  await printed(
    /\nrefused 400 POST …\/sessions\/3c90c3cc\/completions: messages: must hold at least one item\n/,
  );
  const probe = `${url}/api/v2/projects/10ca1000-0000-4000-8000-000000000000/sessions/${PROBE_SESSION_ID}/completions`;
  const headers = { authorization: 'Bearer any', 'content-type': 'application/json' };
  expect((await fetch(probe, { method: 'POST', headers, body: '{"messages":[]}' })).status).toBe(400);
  await printed(/\nfreeplay-otel doctor asked: key and project are taken\n/);
  child.kill(signal);
  expect(await ended).toBe(0);
  expect(err()).toBe('');
  expect(out()).not.toContain('\u001b');
});

it('asks for the key, and does not print it', async () => {
  const { url, out, printed } = await startLocal('--key', 'sesame-1');
  await printed(/FREEPLAY_PROJECT_ID/);
  expect((await clientOf(url, 'other').postCompletion(completion())).status).toBe(401);
  expect((await clientOf(url, 'sesame-1').postCompletion(completion())).status).toBe(201);
  expect(out()).not.toContain('sesame');
});

it('--json prints JSON lines only, --quiet one line', async () => {
  const json = await startLocal('--json');
  const body = completion();
  await clientOf(json.url).postCompletion(body);
  await clientOf(json.url).postCompletion({});
  await json.printed(/"refused"/);
  const events = json
    .out()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events).toMatchObject([
    { event: 'listening', url: json.url, message: `listening on ${json.url}` },
    { event: 'recorded', kind: 'completion', id: body.completion_id, body },
    { event: 'refused', status: 400, message: 'messages: is missing' },
  ]);
  const quiet = await startLocal('--quiet');
  await clientOf(quiet.url).postCompletion(completion());
  quiet.child.kill('SIGTERM');
  expect(await quiet.ended).toBe(0);
  expect(quiet.out()).toBe(`listening on ${quiet.url}\n`);
});

it('what was answered with 201 survives kill -9, and a second process is told who has the folder', async () => {
  const dir = makeFolder();
  const first = await startLocal('--dir', dir);
  const client = clientOf(first.url);
  const bodies = Array.from({ length: 20 }, () => completion());
  for (const body of bodies) expect((await client.postCompletion(body)).status).toBe(201);

  const second = run(['local', '--port', '0', '--dir', dir]);
  expect(await second.ended).toBe(1);
  expect(second.err()).toBe(
    `freeplay-otel local: ${dir} is in use by another freeplay-otel local: stop that one or give this one another --dir\n`,
  );

  first.child.kill('SIGKILL');
  expect(await first.ended).toBe('SIGKILL');
  const third = await startLocal('--dir', dir);
  const records = await clientOf(third.url).records();
  expect(records.map(({ body }) => body)).toEqual(bodies);
  expect((await clientOf(third.url).postCompletion(bodies[0])).status).toBe(409);
});

it('--keep keeps the latest, says so, and in a folder too', async () => {
  const dir = makeFolder();
  for (const args of [[], ['--dir', dir]]) {
    const { url, err } = await startLocal('--keep', '3', ...args);
    const client = clientOf(url);
    const bodies = Array.from({ length: 8 }, () => completion());
    for (const body of bodies) expect((await client.postCompletion(body)).status).toBe(201);
    expect((await client.records()).map(({ body }) => body)).toEqual(bodies.slice(-3));
    expect(await client.view('status')).toMatchObject({ records: 3, dropped: 5 });
    expect(err()).toContain('the oldest are let go (1 so far)');
    expect(err().trimEnd().split('\n')).toHaveLength(1);
  }
});

it('--fail, --fail-status, --retry-after and --latency make it fail, and it says that it does', async () => {
  const flags = ['--fail', '100', '--fail-status', '429', '--retry-after', '7', '--latency', '60'];
  const { url, printed } = await startLocal(...flags);
  await printed(/100 % of the requests that record fail with 429 \(--fail\)\n.*waits 60 ms \(--latency\)/);
  const begin = performance.now();
  const reply = await clientOf(url).postCompletion(completion());
  expect([reply.status, reply.headers.get('retry-after')]).toEqual([429, '7']);
  expect(performance.now() - begin).toBeGreaterThan(50);
  await printed(/refused 429 POST .*: fault mode/);
});

it('--open opens the page in the browser, and lives without one', async () => {
  const dir = makeFolder();
  const opened = join(dir, 'opened');
  writeFileSync(join(dir, 'xdg-open'), `#!/bin/sh\necho "$1" > '${opened}'\n`, { mode: 0o755 });
  if (process.platform === 'linux') {
    const started = run(['local', '--port', '0', '--open'], { PATH: `${dir}:${process.env.PATH}` });
    const [, url] = await started.printed(/listening on (http:\/\/[^\s"]+)/);
    await expect.poll(() => existsSync(opened) && readFileSync(opened, 'utf8')).toBe(`${url}\n`);
  }
  const without = run(['local', '--port', '0', '--open'], { PATH: '/nowhere' });
  const [, url] = await without.printed(/listening on (http:\/\/[^\s"]+)/);
  expect((await clientOf(url!).postCompletion(completion())).status).toBe(201);
  expect(without.err()).toBe('');
});

it('serves a page at once: its own, or one that says where it is', async () => {
  const { url } = await startLocal('--quiet');
  const response = await fetch(`${url}/sessions/x`);
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(await response.text()).toMatch(/inspector/i);
});

it('a port in use, a host that is none, a folder that is a file: one line, exit 1', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  for (const [args, message] of [
    [['--port', String(port)], `port ${port} on 127.0.0.1 is in use`],
    [['--port', '0', '--host', '203.0.113.1'], 'cannot listen on 203.0.113.1'],
    [['--port', '0', '--dir', cli.main], 'cannot keep records in'],
  ] as const) {
    const { ended, out, err } = run(['local', ...args]);
    expect(await ended).toBe(1);
    expect(out()).toBe('');
    expect(err()).toContain(message);
    expect(err().trimEnd().split('\n')).toHaveLength(1);
  }
  taken.close();
});

it('goes on serving when nobody reads its output any more', async () => {
  const { url, child, ended } = await startLocal();
  child.stdout?.destroy();
  for (let i = 0; i < 5; i++) expect((await clientOf(url).postCompletion(completion())).status).toBe(201);
  expect(await clientOf(url).records()).toHaveLength(5);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

it('says when it is open to the network', async () => {
  const { out, err, child, ended, printed } = await startLocal('--host', '0.0.0.0');
  await printed(/FREEPLAY_PROJECT_ID/);
  child.kill('SIGTERM');
  await ended;
  expect(out()).toMatch(/^listening on http:\/\/0\.0\.0\.0:\d+\n/);
  expect(err()).toContain('reachable from the network and any key is let in');
});
