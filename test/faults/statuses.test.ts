/** Every status that the API, or something on the way to it, may answer with. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFakeApi, finishFake, pass, startFakeRun, useFakeTime } from './fake-api.ts';
import { startFaultServer } from './fault-server.ts';
import {
  always,
  bytes,
  conflict,
  first,
  firstOfEach,
  quotingKey,
  quotingRecord,
  status,
  where,
} from './faults.ts';
import { finish, holdJitterAt, settled, startRun, WAYS } from './run.ts';
import { listenForWarnings, warnings } from './warnings.ts';

listenForWarnings('diag');
holdJitterAt(0.002);

/** Two calls alone, and one with its agent. */
const CALLS = 3;
const RECORDS = 4;

describe.for(WAYS)('through the %s', { concurrent: true }, (way) => {
  it.for([
    408, 425, 429, 501, 502, 503, 504, 520, 407,
  ])('%i passes: it is tried again, and each record arrives once', async (code, context) => {
    const server = await startFaultServer(context, firstOfEach(2, status(code)));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(3 * RECORDS);
    expect(run.ledger().retries).toBe(2 * RECORDS);
    expect(run.codes.every((one) => one === 0)).toBe(true);
    await finish(run, server, { delivered: RECORDS });
  });

  it.for([
    400, 402, 405, 410, 415, 418, 422, 431, 451,
  ])('%i is final: each record is sent once and told with the words of the API', async (code, context) => {
    const server = await startFaultServer(context, always(quotingKey(code)));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(RECORDS);
    for (const [reason] of run.losses.values())
      expect(reason).toContain(`rejected: ${code} for key [redacted]`);
    expect(run.ledger().lastError).toContain(`${code} for key`);
    expect(warnings(`rejected a record, status ${code}`).length).toBeGreaterThan(0);
    if (way === 'exporter') expect(run.codes).toEqual([1]);
    await finish(run, server, { rejected: RECORDS });
  });

  it.for<[string, ReturnType<typeof conflict>]>([
    ['409', conflict()],
    ['400 with words', conflict(400, 'Completion ID has already been used')],
    ['422 with words', conflict(422, 'duplicate key value violates "completion_pkey"')],
  ])('%s says that it is recorded: delivered, and sent once', async ([, fault], context) => {
    const server = await startFaultServer(context, always(fault));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(RECORDS);
    await finish(run, server, { delivered: RECORDS });
  });

  it.for([
    401, 403, 404,
  ])('%i for all of them is learnt once: all are held, and lost at shutdown', async (code, context) => {
    const server = await startFaultServer(context, always(quotingKey(code)));
    const run = startRun(context, server, { way, shutdownTimeoutMillis: 20_000 });
    run.work(30);
    await vi.waitFor(() =>
      expect(warnings(server.baseUrl.slice(0, -4)).join()).toContain('check FREEPLAY_API_KEY'),
    );
    await run.forceFlush();
    expect(run.ledger().records).toMatchObject({ created: 40, pending: 40 });
    // As many as were under way when the first was refused, and one before the second. Shutdown does not wait for the probe.
    expect(server.book.posts.length).toBeLessThanOrEqual(9);
    const start = performance.now();
    await finish(run, server, { dropped: { shutdown: 40 } });
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it.for([401, 403, 404])('%i once is no more than a delay', async (code, context) => {
    const server = await startFaultServer(context, first(1, status(code)));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(RECORDS + 1);
    await finish(run, server, { delivered: RECORDS });
  });
});

describe.concurrent('words of the API that quote the record', () => {
  it('are told to `onDrop` and in the ledger', async (context) => {
    const server = await startFaultServer(context, always(quotingRecord(400)));
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    expect([...run.losses.values()].flat().join()).toContain(run.content);
    expect(run.ledger().lastError).toContain(run.content);
  });

  it.for(WAYS)('are never logged, through the %s', async (way, context) => {
    const server = await startFaultServer(context, always(quotingRecord(400)));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await settled(run);
    await finish(run, server, { rejected: RECORDS });
  });
});

describe.concurrent('success', () => {
  it.for([200, 201, 202, 203, 204, 205, 206, 226, 299])('is %i', async (code, context) => {
    const server = await startFaultServer(
      context,
      always(({ book, post, response, tell }) => {
        book.record(post);
        tell();
        response.writeHead(code).end();
      }),
    );
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    await finish(run, server, { delivered: RECORDS });
  });

  it.for([300, 303, 304, 600, 999])('is not %i', async (code, context) => {
    // By hand: `node:http` does not send all of these.
    const answer = bytes(`HTTP/1.1 ${code} X\r\ncontent-length: 0\r\n\r\n`);
    const server = await startFaultServer(context, always(answer));
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(RECORDS);
    await finish(run, server, { rejected: RECORDS });
  });

  it('is not a redirect to another origin, which never sees the key', async (context) => {
    const other = await startFaultServer(context);
    const server = await startFaultServer(context, always(status(307, { location: other.baseUrl })));
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    expect(other.connections()).toBe(0);
    expect([...run.losses.values()].flat().join()).toContain('another origin');
    await finish(run, server, { rejected: RECORDS });
  });
});

describe.concurrent('413', () => {
  const LARGE = 'x'.repeat(1_200_000);

  /** A server, or a proxy, that takes so many bytes. */
  const above = (limit: number) => where(({ text }) => Buffer.byteLength(text) > limit, status(413));

  it('makes records smaller: the first is sent twice, those that come later fit at once', async (context) => {
    const server = await startFaultServer(context, above(700_000));
    const run = startRun(context, server, { concurrency: 1 });
    const [id] = run.work(1, LARGE);
    run.work(2, LARGE);
    run.work(1);
    await settled(run);
    expect(server.book.posts.map(({ attempt }) => attempt)).toEqual([1, 2, 1, 1, 1]);
    expect(server.book.recorded.get(id ?? '')?.text).toContain(run.content);
    await finish(run, server, { delivered: 4 });
  });

  it('again, for what has been made smaller, is final', async (context) => {
    const server = await startFaultServer(context, above(300_000));
    const run = startRun(context, server, { concurrency: 1 });
    const [id = ''] = run.work(1, LARGE);
    run.work(2, LARGE);
    await settled(run);
    expect(run.losses.get(id)).toEqual(['rejected: about 413']);
    expect(server.book.posts.map(({ attempt }) => attempt)).toEqual([1, 2, 1, 2, 1]);
    await finish(run, server, { delivered: 2, rejected: 1 });
  });

  it('for what cannot be smaller is final at once', async (context) => {
    const server = await startFaultServer(context, always(status(413)));
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(RECORDS);
    await finish(run, server, { rejected: RECORDS });
  });
});

describe.concurrent('Retry-After', () => {
  it.for([408, 429, 502, 503])('is honoured with %i', async (code, context) => {
    const server = await startFaultServer(context, firstOfEach(1, status(code, { 'retry-after': '1' })));
    const run = startRun(context, server);
    run.work(1);
    await settled(run);
    const [one, two] = server.book.posts;
    expect((two?.at ?? 0) - (one?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
    await finish(run, server, { delivered: 1 });
  });

  it.for<[string, string]>([
    ['nothing', ''],
    ['words', 'soon'],
    ['a negative number', '-5'],
    ['not a number', 'NaN'],
    ['another notation', '1e9'],
    ['another unit', '500ms'],
    ['far too many digits', '9'.repeat(400)],
    ['a list', '60, 120'],
    ['a date of another form', '2099-01-01T00:00:00Z'],
    ['a date that is none', 'Fri, 99 Foo 2099 99:99:99 GMT'],
    ['a date long ago', 'Wed, 21 Oct 2015 07:28:00 GMT'],
    ['bytes that are no text', '\u00ff\u00fe'],
  ])('that is absurd is ignored: %s', async ([, value], context) => {
    const server = await startFaultServer(context, firstOfEach(1, status(429, { 'retry-after': value })));
    const run = startRun(context, server);
    run.work(CALLS);
    const start = performance.now();
    await settled(run);
    // Nothing here asks for more than the pauses of our own, which are moments.
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(server.book.posts).toHaveLength(2 * RECORDS);
    await finish(run, server, { delivered: RECORDS });
  });
});

describe('in time', () => {
  const SERVER_TIME = Date.UTC(2031, 1, 3, 4, 5, 6);

  beforeEach(useFakeTime);
  afterEach(() => vi.useRealTimers());

  it.for<[string, string | undefined, number]>([
    ['as asked, in seconds', '90', 90_000],
    ['as asked, by a date', undefined, 120_000],
    ['five minutes where it asks for a day', '86400', 300_000],
    ['five minutes where it asks for ages', '999999999999999', 300_000],
    ['five minutes where it names a year to come', 'Wed, 21 Oct 2099 07:28:00 GMT', 300_000],
  ])('429 and 503 close the gate for %s', async ([, value, wait], context) => {
    for (const code of [429, 503]) {
      // The clock of the server is not ours.
      const headers = {
        'retry-after': value ?? new Date(SERVER_TIME + wait).toUTCString(),
        date: new Date(SERVER_TIME).toUTCString(),
      };
      const api = createFakeApi(({ number }) => (number === 1 ? { status: code, headers } : undefined));
      const run = startFakeRun(context, api, { concurrency: 1 });
      run.work(CALLS);
      await pass(20);
      const [post] = api.book.posts;
      await pass(wait - 100);
      expect(api.book.posts).toHaveLength(1);
      await pass(200);
      expect(run.ledger().records.delivered).toBe(RECORDS);
      expect((api.book.posts[1]?.at ?? 0) - (post?.at ?? 0)).toBeGreaterThanOrEqual(wait);
      await finishFake(run, { delivered: RECORDS });
    }
  });

  it('500 is tried three times more, at least five seconds apart', async (context) => {
    const api = createFakeApi(({ attempt }) => (attempt <= 3 ? { status: 500 } : undefined));
    const run = startFakeRun(context, api);
    run.work(1);
    await pass(60_000);
    const times = api.book.posts.map(({ at }) => at);
    expect(times).toHaveLength(4);
    for (const [n, at] of times.slice(1).entries())
      expect(at - (times[n] ?? 0)).toBeGreaterThanOrEqual(5_000);
    await finishFake(run, { delivered: 1 });
  });

  it('500 for a fourth time is the end, and told', async (context) => {
    const api = createFakeApi(() => ({ status: 500, message: 'no' }));
    const run = startFakeRun(context, api);
    run.work(1);
    await pass(60_000);
    expect(api.book.posts).toHaveLength(4);
    await finishFake(run, { dropped: { retries_exhausted: 1 } });
  });

  // Of several records it would be an outage, which costs none of them its time.
  it.for([408, 425, 502, 504])('%i of one record ends with its deadline', async (code, context) => {
    const api = createFakeApi(() => ({ status: code }));
    const run = startFakeRun(context, api, { retryDeadlineMillis: 30_000 });
    run.work(1);
    await pass(120_000);
    const [first, last] = [api.book.posts[0]?.at ?? 0, api.book.posts.at(-1)?.at ?? 0];
    expect(api.book.posts.length).toBeGreaterThan(3);
    expect(last - first).toBeLessThanOrEqual(30_000);
    await finishFake(run, { dropped: { retry_deadline: 1 } });
  });
});
