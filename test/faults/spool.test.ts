/** The same faults with a spool: what could not be delivered is on the disk, and the next start delivers it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import { FreeplaySpanExporter } from '../../src/index.ts';
import { type Fault, type FaultServer, type Script, startFaultServer } from './fault-server.ts';
import { always, bytes, first, hang, quotingKey, recorded, reset, status, where } from './faults.ts';
import { FIRST_SEED, faultOf, LONG, MOST_FAULTS } from './mix.ts';
import { finish, holdJitterAt, type Run, type RunOptions, readSpool, settled, startRun } from './run.ts';
import { listenForWarnings } from './warnings.ts';

listenForWarnings();
holdJitterAt(0.002);

/** Twenty calls alone, and ten with their agents. */
const CALLS = 30;
const RECORDS = 40;

const SEEDS = Array.from({ length: LONG ? 20 : 2 }, (_, n) => FIRST_SEED + n);

const MODES = ['overflow', 'always'] as const;

interface Spooled {
  readonly server: FaultServer;
  readonly run: Run;
  readonly dir: string;
  /**
   * Another process, later, with an API that works: it delivers all of what is left, and leaves nothing.
   *
   * @param atMostAgain so many may be sent although their success had been told: its way was cut off by the shutdown
   */
  expectRecovery(count: number, atMostAgain?: number): Promise<void>;
}

async function start(context: TestContext, script: Script, options: RunOptions): Promise<Spooled> {
  let isUp = false;
  const server = await startFaultServer(context, (post) => (isUp ? undefined : script(post)));
  const dir = join(mkdtempSync(join(tmpdir(), 'freeplay-faults-')), 'spool');
  context.onTestFinished(() => rmSync(join(dir, '..'), { recursive: true, force: true }));
  const run = startRun(context, server, { spoolDir: dir, ...options });
  const expectRecovery = async (count: number, atMostAgain: number = 0): Promise<void> => {
    isUp = true;
    const next = new FreeplaySpanExporter({
      apiKey: 'next',
      projectId: 'p1',
      baseUrl: server.baseUrl,
      spoolDir: dir,
      flushOnExit: false,
    });
    context.onTestFinished(() => next.shutdown());
    await vi.waitFor(() => expect(next.ledger().records.delivered).toBe(count), { timeout: 15_000 });
    await next.shutdown();
    expect(next.ledger().records).toMatchObject({ created: count, pending: 0, spooled: 0, dropped: {} });
    expect(server.book.repeated.length).toBeLessThanOrEqual(atMostAgain);
    expect(readSpool(dir).ids).toEqual([]);
  };
  return { server, run, dir, expectRecovery };
}

describe.for(MODES)('spoolMode "%s"', { concurrent: true }, (spoolMode) => {
  it.for<[string, Fault]>([
    ['401', status(401)],
    ['429', status(429)],
    ['502', status(502)],
    ['503', status(503)],
    ['resets', reset],
    ['resets, and everything was recorded', recorded(reset)],
    ['no answers', hang],
    ['no answers, and everything was recorded', recorded(hang)],
    ['garbage', bytes('\0\0\0')],
  ])('keeps everything at a shutdown in the middle of an outage: %s', async ([, fault], context) => {
    const { server, run, expectRecovery } = await start(context, always(fault), {
      spoolMode,
      shutdownTimeoutMillis: 400,
    });
    run.work(CALLS);
    await finish(run, server, { spooled: RECORDS });
    expect(server.book.told.size).toBe(0);
    await expectRecovery(RECORDS);
    expect(server.book.recorded.size).toBe(RECORDS);
  });

  it('keeps what is past its deadline, and delivers the rest', async (context) => {
    const isMeant = ({ text }: { text: string }): boolean => text.includes('not this one');
    const { server, run, expectRecovery } = await start(context, where(isMeant, status(408)), {
      spoolMode,
      retryDeadlineMillis: 200,
    });
    run.work(1, 'not this one');
    run.work(CALLS);
    await settled(run);
    expect(run.ledger().records).toMatchObject({ delivered: RECORDS, spooled: 1 });
    await finish(run, server, { delivered: RECORDS, spooled: 1 });
    await expectRecovery(1);
  });

  it('keeps what finds no room', async (context) => {
    const { server, run, expectRecovery } = await start(context, always(status(503)), {
      spoolMode,
      maxQueueRecords: 10,
    });
    // Not more at once than the disk may lag behind.
    for (let wave = 0; wave < 5; wave++) {
      run.work(3);
      await vi.waitFor(
        () => {
          const { created, spooled, pending } = run.ledger().records;
          expect([created, pending]).toEqual([run.expected.size, Math.min(created, 10)]);
          expect(spooled + pending).toBe(created);
        },
        { timeout: 10_000 },
      );
    }
    await finish(run, server, { spooled: 20 });
    await expectRecovery(20);
  });

  it.for([
    400, 422,
  ])('keeps what is rejected (%i) for a person, with the reason and without the key', async (code, context) => {
    const { server, run, dir } = await start(context, always(quotingKey(code)), { spoolMode });
    run.work(CALLS);
    await settled(run);
    await finish(run, server, { rejected: RECORDS });
    const { ids, lines } = readSpool(join(dir, 'rejected'));
    expect(ids.toSorted()).toEqual([...run.expected].sort());
    for (const line of lines) {
      expect(line).toContain(`"${code} for key [redacted]"`);
      expect(line).not.toContain(run.secret);
    }
    expect(readSpool(dir).ids).toEqual([]);
  });

  it('writes no more than it may hold in memory: what comes faster than the disk takes it is lost, and told', async (context) => {
    const { server, run, expectRecovery } = await start(context, always(status(503)), {
      spoolMode,
      maxQueueRecords: 10,
    });
    run.work(2 * CALLS);
    await vi.waitFor(
      () => expect(run.ledger().records).toMatchObject({ created: 2 * RECORDS, pending: 10 }),
      { timeout: 10_000 },
    );
    const lost = run.losses.size;
    expect(lost).toBeLessThanOrEqual(2 * RECORDS - 20);
    await finish(run, server, {
      spooled: 2 * RECORDS - lost,
      ...(lost > 0 && { dropped: { spool_busy: lost } }),
    });
    await expectRecovery(2 * RECORDS - lost);
  });

  it.for(
    SEEDS,
  )('keeps what is left when it stops in the middle of a mix of everything, seed %i', async (seed, context) => {
    let all: Run | undefined;
    const mix: Script = ({ id, attempt }) =>
      faultOf(seed, [...(all?.expected ?? [])].indexOf(id), Math.min(attempt, MOST_FAULTS));
    const { server, run, expectRecovery } = await start(context, mix, {
      spoolMode,
      timeoutMillis: 1_000,
      shutdownTimeoutMillis: 300,
      concurrency: 8,
    });
    all = run;
    for (let wave = 0; wave < 6; wave++) {
      run.work(6);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await run.shutdown();
    const { delivered, rejected, spooled } = run.ledger().records;
    await finish(run, server, { delivered, rejected, spooled });
    expect(spooled).toBeGreaterThan(0);
    // As many as can be under way at once.
    await expectRecovery(spooled, 8);
    expect(server.book.recorded.size).toBe(run.expected.size - rejected);
  });

  it('keeps nothing of what is delivered', async (context) => {
    const { server, run, dir } = await start(context, first(3, status(502)), { spoolMode });
    run.work(CALLS);
    await settled(run);
    await finish(run, server, { delivered: RECORDS });
    expect(readSpool(dir).ids).toEqual([]);
  });
});
