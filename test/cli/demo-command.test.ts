import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { RECORDED_RUN } from '../../src/cli/demo/play.ts';
import type { Run } from './build-cli.ts';
import { useCli } from './use-cli.ts';

const cli = useCli();

/** Where no browser can be found, so that none opens. */
const NO_BROWSER = { PATH: '', FORCE_COLOR: undefined };

function demo(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Run {
  return cli.run(['demo', ...args], { ...NO_BROWSER, ...env });
}

it('plays the run, prints the session, says how to see it, and ends', async () => {
  const run = demo();
  expect(await run.ended).toBe(0);
  expect(run.err()).toBe('');
  expect(run.out()).toMatch(
    /^listening on http:\/\/127\.0\.0\.1:\d+\nplays a recorded run of real libraries/,
  );
  expect(run.out()).toMatch(/\n3 traces · 12 completions · 3 tool calls · 1 failed · 1,994 → 421 tokens/);
  expect(run.out()).toMatch(
    /\n27 records were recorded and checked, and are gone now\. .*freeplay-otel demo --open\n$/,
  );
  expect(run.out()).not.toContain('\u001b');
});

it('has other ids each time, and times of now', async () => {
  const runs = await Promise.all(
    [demo(['--json']), demo(['--json'])].map(async (run) => [await run.ended, run.out()] as const),
  );
  const played = runs.map(([code, out]) => {
    expect(code).toBe(0);
    const [listening, last] = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(listening).toMatchObject({
      event: 'listening',
      page: `${listening.url}/sessions/${last.session}`,
    });
    expect(last).toMatchObject({ event: 'played', records: 27, delivered: 27, completions: 12 });
    return last.session;
  });
  expect(played[0]).not.toBe(played[1]);
});

it('with --open leaves the page up, with where each field came from, until it is told to stop', async () => {
  const before = Date.now();
  const run = demo(['--open', '--port', '0']);
  const [, url, session] = await run.printed(/records are at (http:\S+)\/sessions\/(\S+) until Ctrl-C/);
  // biome-ignore lint/suspicious/noExplicitAny: the page's own types are its business
  const view = async (path: string): Promise<any> => (await fetch(`${url}/api/view/${path}`)).json();
  const shown = await view(`sessions/${session}`);
  expect(shown).toMatchObject({ completions: 12, errors: 1 });
  expect(shown.agents).toContain('trip-planner');
  expect(Math.abs(shown.start - before)).toBeLessThan(60_000);
  const { rows } = await view('completions');
  const detailed: Awaited<ReturnType<typeof view>>[] = await Promise.all(
    rows.map(({ id }: { id: string }) => view(`completions/${id}`)),
  );
  expect(detailed.some((one) => one.body.call_info.provider_info.cache_read_tokens === 128)).toBe(true);
  expect(
    detailed.some(
      (one) =>
        one.body.call_info.provider_info.reasoning_tokens > 0 && one.body.messages.at(-1).reasoning_content,
    ),
  ).toBe(true);
  expect(JSON.stringify(detailed)).toContain('data:image/png;base64,');
  expect(detailed.every((one) => one.receipt !== undefined && one.spans.length > 0)).toBe(true);
  run.child.kill('SIGINT');
  expect(await run.ended).toBe(0);
});

it('is not led astray by settings for an app', async () => {
  const run = demo(['--json'], {
    FREEPLAY_SPOOL_DIR: '/nowhere/at/all',
    FREEPLAY_API_BASE: 'nonsense',
    FREEPLAY_CAPTURE_CONTENT: 'false',
    OTEL_SDK_DISABLED: 'true',
    HTTP_PROXY: 'http://127.0.0.1:9',
    http_proxy: 'http://127.0.0.1:9',
  });
  expect(await run.ended).toBe(0);
  expect(run.out()).toContain('"delivered":27');
});

it.each<[args: readonly string[], code: number, message: RegExp]>([
  [['--port', 'x'], 2, /--port "x" is not a port/],
  [['--opne'], 2, /'--opne'; did you mean --open\?/],
  [['now'], 2, /'now'/],
])('of %j says in one line what is wrong', async (args, code, message) => {
  const run = demo(args);
  expect(await run.ended).toBe(code);
  expect(run.err()).toMatch(message);
  expect(run.err().trimEnd().split('\n')).toHaveLength(1);
  expect(run.out()).toBe('');
});

it('of a port that is in use says so', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const run = demo(['--port', String(port)]);
  expect(await run.ended).toBe(1);
  expect(run.err()).toMatch(new RegExp(`^freeplay-otel demo: port ${port} on 127\\.0\\.0\\.1 is in use`));
  await new Promise((resolve) => server.close(resolve));
});

it('names no folder of the machine it was recorded on', () => {
  const text = JSON.stringify(RECORDED_RUN);
  expect(text).toContain('file:///app/node_modules/');
  expect(text.replaceAll('file:///app/node_modules/', '')).not.toMatch(
    /file:\/\/|\/(home|Users|work|tmp|root)\//,
  );
});
