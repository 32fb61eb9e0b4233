/** Ten minutes in which nothing works, while the app goes on; then everything does. In fake time. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFakeApi, type FakeAnswer, finishFake, pass, startFakeRun, useFakeTime } from './fake-api.ts';
import { holdJitterAt, WAYS } from './run.ts';
import { listenForWarnings, warnings } from './warnings.ts';

listenForWarnings();
holdJitterAt(0.5);

const MINUTE = 60_000;
const MINUTES = 10;
/** Calls a minute, and the records that come of them. */
const CALLS = 3;
const RECORDS = 4;
/** As the library has them without options. */
const LIMITS = { timeoutMillis: 10_000, retryDeadlineMillis: 300_000 };

beforeEach(useFakeTime);
afterEach(() => {
  vi.useRealTimers();
});

describe.for(WAYS)('through the %s', (way) => {
  it.for<[string, FakeAnswer, number]>([
    // A few until it is learnt; then the pauses of the gate grow to 15 s (30 s, with the jitter held at its half).
    ['429', { status: 429 }, 60],
    ['429 with Retry-After', { status: 429, headers: { 'retry-after': '60' } }, 20],
    ['503', { status: 503 }, 60],
    ['503 with an absurd Retry-After', { status: 503, headers: { 'retry-after': '-1' } }, 60],
    ['refused connections', { error: 'ECONNREFUSED' }, 60],
    ['no name', { error: 'ENOTFOUND' }, 60],
    ['no trust', { error: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 60],
    ['resets', { error: 'ECONNRESET' }, 60],
    ['502', { status: 502 }, 60],
    ['504', { status: 504 }, 60],
    ['no answers', { hang: true }, 60],
    ['401', { status: 401 }, 20],
    ['403', { status: 403 }, 20],
    ['404', { status: 404 }, 20],
  ])('ten minutes of %s are learnt once, and cost no record', async ([, answer, most], context) => {
    let isUp = false;
    const api = createFakeApi(() => (isUp ? undefined : answer));
    const run = startFakeRun(context, api, { way, ...LIMITS });
    const before = warnings().length;
    // Several at once: of a record that is alone with it, 403 and 404 would say that it is at fault.
    run.work(CALLS);
    for (let time = 0; time < MINUTES * MINUTE; time += 15_000) {
      run.work(1);
      await pass(15_000);
    }
    const created = run.expected.size;
    expect(api.book.posts.length).toBeLessThanOrEqual(most);
    expect(run.ledger().records).toMatchObject({ created, pending: created });
    // Each kind at most once a minute.
    expect(warnings().length - before).toBeLessThanOrEqual(2 * MINUTES);
    isUp = true;
    await pass(61_000);
    expect(run.ledger().records).toMatchObject({ delivered: created, pending: 0 });
    await finishFake(run, { delivered: created });
    expect(run.codes.every((code) => code === 0)).toBe(true);
  });

  it('ten minutes of 500 cost only what is past its three retries, which is told', async (context) => {
    let isUp = false;
    const api = createFakeApi(() => (isUp ? undefined : { status: 500 }));
    const run = startFakeRun(context, api, { way, ...LIMITS });
    for (let minute = 0; minute < MINUTES; minute++) {
      run.work(CALLS);
      await pass(MINUTE);
    }
    // At most one in five seconds, as the vendor asks.
    expect(api.book.posts.length).toBeLessThanOrEqual(8 + (MINUTES * MINUTE) / 5_000);
    isUp = true;
    await pass(2 * MINUTE);
    const attempts = new Map(api.book.posts.map(({ id, attempt }) => [id, attempt]));
    for (const id of run.losses.keys()) expect(attempts.get(id)).toBe(4);
    const lost = run.losses.size;
    expect(lost).toBeLessThan(run.expected.size);
    await finishFake(run, {
      delivered: run.expected.size - lost,
      ...(lost > 0 && { dropped: { retries_exhausted: lost } }),
    });
  });

  // These say that the request was at fault in some passing way, and close no gate.
  it.for([
    408, 425,
  ])('ten minutes of %i cost only what is past its deadline, which is told', async (code, context) => {
    let isUp = false;
    const api = createFakeApi(() => (isUp ? undefined : { status: code }));
    const run = startFakeRun(context, api, { way, ...LIMITS });
    for (let minute = 0; minute < MINUTES; minute++) {
      run.work(CALLS);
      await pass(MINUTE);
    }
    const early = run.losses.size;
    expect(early).toBeLessThanOrEqual((MINUTES / 2 + 1) * RECORDS);
    isUp = true;
    await pass(MINUTE);
    expect(run.losses.size).toBe(early);
    await finishFake(run, {
      delivered: run.expected.size - early,
      dropped: { retry_deadline: early },
    });
  });

  it('an API that comes and goes every seven seconds costs no record', async (context) => {
    const api = createFakeApi(({ at }) =>
      Math.floor(at / 7_000) % 2 === 0 ? { error: 'ECONNRESET' } : undefined,
    );
    const run = startFakeRun(context, api, { way, ...LIMITS });
    for (let time = 0; time < MINUTES * MINUTE; time += 15_000) {
      run.work(1);
      await pass(15_000);
    }
    await pass(MINUTE);
    await finishFake(run, { delivered: run.expected.size });
  });

  it('shutdown in the middle of it does not wait for what will not come', async (context) => {
    const api = createFakeApi(() => ({ status: 503, headers: { 'retry-after': '300' } }));
    const run = startFakeRun(context, api, { way, ...LIMITS, shutdownTimeoutMillis: 200_000 });
    run.work(CALLS);
    await pass(MINUTE);
    const start = performance.now();
    await run.shutdown();
    expect(performance.now() - start).toBe(0);
    await finishFake(run, { dropped: { shutdown: RECORDS } });
  });
});

describe('a full queue', () => {
  it('holds its bound of records; the newest are lost, and told one by one', async (context) => {
    let isUp = false;
    const api = createFakeApi(() => (isUp ? undefined : { error: 'ECONNREFUSED' }));
    const run = startFakeRun(context, api, { ...LIMITS, maxQueueRecords: 200 });
    for (let minute = 0; minute < MINUTES; minute++) {
      run.work(90);
      await pass(MINUTE);
      expect(run.ledger().records.pending).toBeLessThanOrEqual(200);
    }
    expect(run.ledger().records).toMatchObject({
      created: 1_200,
      pending: 200,
      dropped: { queue_full: 1_000 },
    });
    isUp = true;
    await pass(MINUTE);
    await finishFake(run, { delivered: 200, dropped: { queue_full: 1_000 } });
    expect(warnings('a record was lost (queue_full)').length).toBeLessThanOrEqual(MINUTES);
  });

  it('holds its bound of bytes', async (context) => {
    let isUp = false;
    const api = createFakeApi(() => (isUp ? undefined : { status: 503 }));
    const maxQueueBytes = 1_000_000;
    const run = startFakeRun(context, api, { ...LIMITS, maxQueueBytes });
    for (let minute = 0; minute < MINUTES; minute++) {
      run.work(30, 'x'.repeat(10_000));
      await pass(MINUTE);
      expect(run.ledger().bytes).toBeLessThanOrEqual(maxQueueBytes);
    }
    const { pending, dropped } = run.ledger().records;
    expect(run.ledger().bytes).toBeGreaterThan(maxQueueBytes / 2);
    expect(pending).toBeGreaterThan(40);
    isUp = true;
    await pass(MINUTE);
    await finishFake(run, { delivered: pending, dropped });
  });

  it('makes the exporter wait, and answer before the batch processor gives up', async (context) => {
    let isUp = false;
    const api = createFakeApi(() => (isUp ? undefined : { status: 503 }));
    const run = startFakeRun(context, api, { way: 'exporter', ...LIMITS, maxQueueRecords: 40 });
    run.work(30);
    await pass(1_000);
    expect(run.codes).toEqual([0]);
    run.work(30);
    await pass(24_000);
    expect(run.codes).toEqual([0]);
    await pass(1_500);
    expect(run.codes).toEqual([0, 1]);
    run.work(30);
    isUp = true;
    // Room comes in time for the third batch.
    await pass(24_000);
    expect(run.codes).toEqual([0, 1, 0]);
    await finishFake(run, { delivered: 80, dropped: { queue_full: 40 } });
  });
});
