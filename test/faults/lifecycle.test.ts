/** Flush and shutdown while nothing answers. */
import { describe, expect, it } from 'vitest';
import { startFaultServer } from './fault-server.ts';
import { always, drip, first, hang, recorded, reset, status } from './faults.ts';
import { finish, holdJitterAt, settled, startRun, WAYS } from './run.ts';
import { listenForWarnings } from './warnings.ts';

listenForWarnings();
holdJitterAt(0.002);

/** Twenty calls alone, and ten with their agents. */
const CALLS = 30;
const RECORDS = 40;

describe.for(WAYS)('through the %s', { concurrent: true }, (way) => {
  it.for([
    ['that never come', always(hang)],
    ['that come one byte at a time', always(drip(100))],
    ['that are recorded and never come', always(recorded(hang))],
  ] as const)('shutdown does not outlive its limit for answers %s', async ([, script], context) => {
    const server = await startFaultServer(context, script);
    const run = startRun(context, server, { way, shutdownTimeoutMillis: 300, timeoutMillis: 60_000 });
    run.work(CALLS);
    await finish(run, server, { dropped: { shutdown: RECORDS } });
  });

  it('shutdown without a limit of time drops at once what is not settled', async (context) => {
    const server = await startFaultServer(context, always(hang));
    const run = startRun(context, server, { way, shutdownTimeoutMillis: 0, timeoutMillis: 60_000 });
    run.work(CALLS);
    await finish(run, server, { dropped: { shutdown: RECORDS } });
  });

  it('shutdown delivers what it can', async (context) => {
    const server = await startFaultServer(context, first(3, status(502)));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await finish(run, server, { delivered: RECORDS });
  });

  it('shutdown that is called again and again is one', async (context) => {
    const server = await startFaultServer(context, first(3, status(504)));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await Promise.all([run.shutdown(), run.forceFlush(), run.shutdown(), run.forceFlush(), run.shutdown()]);
    await run.forceFlush();
    await finish(run, server, { delivered: RECORDS });
  });

  it('what ends after a shutdown is not recorded, and nothing throws', async (context) => {
    const server = await startFaultServer(context);
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await run.shutdown();
    run.expectAccounted({ delivered: RECORDS });
    run.work(CALLS);
    await run.forceFlush();
    await run.shutdown();
    expect(run.ledger().records).toMatchObject({ created: RECORDS, delivered: RECORDS, pending: 0 });
    expect(server.book.posts).toHaveLength(RECORDS);
    expect(run.codes).toEqual(way === 'exporter' ? [0, 1] : []);
  });

  it('a flush does not outlive its limit, and costs nothing', async (context) => {
    let answers = false;
    const server = await startFaultServer(context, () => (answers ? undefined : hang));
    const run = startRun(context, server, { way, flushTimeoutMillis: 800, timeoutMillis: 2_500 });
    run.work(CALLS);
    const start = performance.now();
    await run.forceFlush();
    expect(performance.now() - start).toBeGreaterThanOrEqual(790);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(run.ledger().records).toMatchObject({ created: RECORDS, pending: RECORDS });
    answers = true;
    await settled(run);
    await finish(run, server, { delivered: RECORDS });
  });

  it('a flush waits for what is under way, and for what is tried again', async (context) => {
    const server = await startFaultServer(context, ({ number }) => (exchange) => {
      // Now and then: all of them in a row would be an outage, which no flush waits for.
      setTimeout(() => (number % 4 === 1 ? status(502)(exchange) : exchange.accept()), 50);
    });
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await run.forceFlush();
    expect(run.ledger().records).toMatchObject({ delivered: RECORDS, pending: 0 });
    await finish(run, server, { delivered: RECORDS });
  });

  it('a flush waits for the end of a moment in which nothing works', async (context) => {
    const server = await startFaultServer(context, first(1, reset));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await run.forceFlush();
    expect(run.ledger().records).toMatchObject({ delivered: RECORDS, pending: 0 });
    await finish(run, server, { delivered: RECORDS });
  });

  it('a shutdown ends the flush that waits', async (context) => {
    const server = await startFaultServer(context, always(hang));
    const run = startRun(context, server, {
      way,
      flushTimeoutMillis: 60_000,
      shutdownTimeoutMillis: 100,
      timeoutMillis: 60_000,
    });
    run.work(CALLS);
    const flushed = run.forceFlush();
    await finish(run, server, { dropped: { shutdown: RECORDS } });
    await flushed;
  });
});
