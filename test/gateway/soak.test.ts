/**
 * The published command under full load, in front of an API that fails at random, killed and started again, with senders that try
 * again: every completion is recorded once. `VITEST_LONG=1`: ten minutes, ten kills.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { convertSpans } from '../../src/index.ts';
import { type BuiltCli, buildCli, type Run, runCli } from '../cli/build-cli.ts';
import type { CapturedSpan } from '../contract/support/corpus.ts';
import { toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { createRetryingClient } from './retrying-client.ts';
import { KEY, makeCall, PROJECT, type Script, startApi, until } from './support.ts';

const IS_LONG = Boolean(process.env.VITEST_LONG);
const SOAK_MILLIS = IS_LONG ? 600_000 : 12_000;
/** What the spool takes in faster than the API has to go out afterwards. */
const SPOOL_SOAK_MILLIS = IS_LONG ? 60_000 : 3_000;
const KILLS = IS_LONG ? 10 : 1;
const SENDERS = 16;
const TRACES_PER_REQUEST = 8;

let cli: BuiltCli;
beforeAll(async () => {
  cli = await buildCli();
}, 60_000);
afterAll(() => cli.remove());

/** One in so many attempts: answers that pass, connections that break, and one that never comes. */
function failAtRandom(isOver: () => boolean): Script {
  return async (_, response) => {
    const dice = isOver() ? 1 : Math.random();
    if (dice < 0.001) response.writeHead(500).end();
    else if (dice < 0.002) response.writeHead(503, { 'retry-after': '1' }).end();
    else if (dice < 0.003) response.writeHead(429, { 'retry-after': '1' }).end();
    else if (dice < 0.005) response.destroy();
    else if (dice < 0.0052) return true;
    else {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return undefined;
    }
    return true;
  };
}

/** A root, an agent, and three calls below it: all in one request, as `groupbytrace` sends them. */
function makeTrace(): CapturedSpan[] {
  const root = makeCall({ name: 'POST /chat', attributes: { 'http.request.method': 'POST' } });
  const { traceId } = root;
  const agent = makeCall({
    traceId,
    parentSpanId: root.spanId,
    name: 'invoke_agent guide',
    attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'guide' },
  });
  const calls = Array.from({ length: 3 }, () => makeCall({ traceId, parentSpanId: agent.spanId }));
  return [...calls, agent, root];
}

interface Served {
  readonly run: Run;
  readonly url: string;
}

async function startCommand(args: readonly string[]): Promise<Served> {
  const run = runCli(cli.main, ['gateway', ...args], { FREEPLAY_API_KEY: KEY, FREEPLAY_PROJECT_ID: PROJECT });
  const [, url] = await run.printed(/^listening on (http:\S+)/m);
  return { run, url: url ?? '' };
}

it.each([
  ['without a spool', false, SOAK_MILLIS],
  ['with a spool', true, SPOOL_SOAK_MILLIS],
])(
  '%s',
  async (_, hasSpool, soakMillis) => {
    let isOver = false;
    const api = await startApi(failAtRandom(() => isOver));
    const dir = mkdtempSync(join(tmpdir(), 'freeplay-soak-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const args = ['--url', api.url, ...(hasSpool ? ['--spool', join(dir, 'spool')] : [])];
    let served = await startCommand(['--port', '0', ...args]);
    const port = new URL(served.url).port;
    onTestFinished(async () => {
      served.run.child.kill('SIGKILL');
      await served.run.ended;
    });

    const client = createRetryingClient(served.url);
    const sent: CapturedSpan[][] = [];
    const end = performance.now() + soakMillis;
    const senders = Array.from({ length: SENDERS }, async () => {
      while (performance.now() < end) {
        const traces = Array.from({ length: TRACES_PER_REQUEST }, makeTrace);
        await client.send(traces.flat());
        sent.push(...traces);
      }
    });
    for (let i = 0; i < KILLS; i++) {
      await new Promise((resolve) => setTimeout(resolve, soakMillis / (KILLS + 1)));
      served.run.child.kill('SIGKILL');
      await served.run.ended;
      served = await startCommand(['--port', port, ...args]);
    }
    await Promise.all(senders);
    served.run.child.kill('SIGTERM');
    expect(await served.run.ended, served.run.err()).toBe(0);
    isOver = true;
    const wanted = idsOf(sent);
    if (hasSpool) {
      // What was in the spool when it stopped goes out with the next start.
      const again = await startCommand(['--port', '0', ...args]);
      await until(() => api.records.size >= wanted.size, IS_LONG ? 1_800_000 : 120_000);
      again.run.child.kill('SIGTERM');
      await again.run.ended;
    }

    const got = new Set(api.records.keys());
    console.log(
      `${sent.length} traces, ${wanted.size} records, ${api.posts.length} posts, answers ${JSON.stringify([...client.statuses])}`,
    );
    expect([...client.statuses.keys()].filter((status) => ![0, 200, 429, 503].includes(status))).toEqual([]);
    expect([...wanted].filter((id) => !got.has(id)).slice(0, 20), 'missing').toEqual([]);
    expect([...got].filter((id) => !wanted.has(id)).slice(0, 20), 'never made').toEqual([]);
    expect(sent.length).toBeGreaterThan(SENDERS * TRACES_PER_REQUEST);
  },
  SOAK_MILLIS * (IS_LONG ? 5 : 1) + 180_000,
);

function idsOf(traces: readonly (readonly CapturedSpan[])[]): ReadonlySet<string> {
  const records = convertSpans(
    traces.flat().map((span) => toSdkSpan(span)),
    { projectId: PROJECT },
  );
  return new Set(records.map(({ kind, id }) => `${kind} ${id}`));
}
