/** More spans than delivery has taken in, when somebody flushes or shuts down. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type FreeplayOptions, FreeplaySpanProcessor } from '../../src/index.ts';
import { startServer } from '../delivery/support.ts';

/** Each in a trace of its own. */
const CALLS = 1_000;
const LIMIT_MILLIS = 1_000;
/** For a loaded machine. */
const MARGIN_MILLIS = 1_500;

async function start(answers: boolean, options: FreeplayOptions = {}) {
  const api = await startServer((_, response) => {
    if (answers) response.writeHead(201).end('{}');
  });
  const processor = new FreeplaySpanProcessor({
    apiKey: 'k',
    projectId: 'p',
    baseUrl: api.origin,
    flushOnExit: false,
    flushTimeoutMillis: LIMIT_MILLIS,
    shutdownTimeoutMillis: LIMIT_MILLIS,
    ...options,
  });
  onTestFinished(() => processor.shutdown());
  const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('app');
  for (let i = 0; i < CALLS; i++)
    tracer
      .startSpan('chat', {
        attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm' },
        root: true,
      })
      .end();
  return { api, processor };
}

async function timeOf(work: Promise<void>): Promise<number> {
  const before = performance.now();
  await work;
  return performance.now() - before;
}

function makeFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'freeplay-backlog-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'spool');
}

describe('where the API hangs', () => {
  it('a flush keeps to its limit', async () => {
    const { processor } = await start(false);
    expect(await timeOf(processor.forceFlush())).toBeLessThan(LIMIT_MILLIS + MARGIN_MILLIS);
    expect(processor.ledger().records).toMatchObject({ created: CALLS, pending: CALLS });
  });

  it('a shutdown keeps to its limit, and counts everything', async () => {
    const { processor } = await start(false, { maxQueueRecords: 600 });
    expect(await timeOf(processor.shutdown())).toBeLessThan(LIMIT_MILLIS + MARGIN_MILLIS);
    const { dropped, ...records } = processor.ledger().records;
    expect(records).toMatchObject({ created: CALLS, pending: 0 });
    expect(Object.values(dropped).reduce((sum, n) => sum + n, 0)).toBe(CALLS);
  });

  it.each([
    'overflow',
    'always',
  ] as const)('a flush leaves nothing in memory alone (%s)', async (spoolMode) => {
    const { processor } = await start(false, { spoolDir: makeFolder(), spoolMode, maxQueueRecords: 300 });
    expect(await timeOf(processor.forceFlush())).toBeLessThan(LIMIT_MILLIS + MARGIN_MILLIS);
    expect(processor.ledger().records).toMatchObject({ created: CALLS, dropped: {} });
    await processor.shutdown();
    expect(processor.ledger().records).toMatchObject({ spooled: CALLS, pending: 0, dropped: {} });
  });

  it.each(['overflow', 'always'] as const)('a shutdown spools everything (%s)', async (spoolMode) => {
    const { processor } = await start(false, { spoolDir: makeFolder(), spoolMode, maxQueueRecords: 300 });
    expect(await timeOf(processor.shutdown())).toBeLessThan(LIMIT_MILLIS + MARGIN_MILLIS);
    expect(processor.ledger().records).toMatchObject({ spooled: CALLS, pending: 0, dropped: {} });
  });
});

it.each([
  'forceFlush',
  'shutdown',
] as const)('%s does not fill a small queue where the API takes what comes', async (how) => {
  const { api, processor } = await start(true, {
    maxQueueRecords: 50,
    flushTimeoutMillis: 20_000,
    shutdownTimeoutMillis: 20_000,
  });
  await processor[how]();
  expect(api.received).toHaveLength(CALLS);
  expect(processor.ledger().records).toMatchObject({ delivered: CALLS, dropped: {} });
});
