/** One key, one project or one record that fails, beside others that do not. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFakeApi, finishFake, pass, startFakeRun, useFakeTime } from './fake-api.ts';
import { type Fault, startFaultServer } from './fault-server.ts';
import { bytes, close, drip, hang, quotingKey, reset, status, where } from './faults.ts';
import { finish, holdJitterAt, type Run, settled, startRun, WAYS } from './run.ts';
import { listenForWarnings, warnings } from './warnings.ts';

listenForWarnings();
holdJitterAt(0.002);

/** As many as are under way at first, one that starts between the first refusal and the second, and by then the first one's second try. */
const UNTIL_CLOSED = 10;

describe.for(WAYS)('two keys of which one is wrong, through the %s', { concurrent: true }, (way) => {
  it.for([401, 403, 404])('%i: the other one is not delayed', async (code, context) => {
    let wrong: Run | undefined;
    const isWrong = ({ key }: { key: string }): boolean => key === wrong?.secret;
    const server = await startFaultServer(context, where(isWrong, quotingKey(code)));
    const right = startRun(context, server, { way });
    wrong = startRun(context, server, { way });
    for (let wave = 0; wave < 5; wave++) {
      wrong.work(3);
      right.work(3);
      await right.forceFlush();
    }
    await settled(right);
    await wrong.forceFlush();
    expect(wrong.ledger().records).toMatchObject({ created: 20, pending: 20 });
    expect(server.book.posts.filter(isWrong).length).toBeLessThanOrEqual(UNTIL_CLOSED);
    expect(server.book.posts).toHaveLength(20 + server.book.posts.filter(isWrong).length);
    await Promise.all([right.shutdown(), wrong.shutdown()]);
    await finish(right, server, { delivered: 20 });
    await finish(wrong, server, { dropped: { shutdown: 20 } });
  });
});

describe.concurrent('two projects of which one is unknown', () => {
  it('do not delay each other', async (context) => {
    const isWrong = ({ projectId }: { projectId: string }): boolean => projectId === 'p2';
    const server = await startFaultServer(context, where(isWrong, status(404)));
    const run = startRun(context, server, { projects: ['p2'] });
    for (let wave = 0; wave < 5; wave++) {
      run.work(3, '', 'p2');
      run.work(3);
      await run.forceFlush();
    }
    expect(run.ledger().records).toMatchObject({ delivered: 20, pending: 20 });
    expect(server.book.posts.filter(isWrong).length).toBeLessThanOrEqual(UNTIL_CLOSED);
    await finish(run, server, { delivered: 20, dropped: { shutdown: 20 } });
  });
});

describe.concurrent('one poisonous record among good ones', () => {
  const POISON = 'this one is poison';

  it.for<[string, Fault, RegExp]>([
    ['400', status(400), /^rejected: about 400$/],
    ['422', status(422), /^rejected: about 422$/],
    ['403', status(403), /^rejected: about 403$/],
    ['404', status(404), /^rejected: about 404$/],
    ['413', status(413), /^rejected: about 413$/],
    ['401', status(401), /^retry_deadline$|^shutdown$/],
    ['408', status(408), /^retry_deadline$|^shutdown$/],
    ['429', status(429), /^retry_deadline$|^shutdown$/],
    ['500', status(500), /^retry_deadline$|^shutdown$/],
    ['502', status(502), /^retry_deadline$|^shutdown$/],
    ['503', status(503), /^retry_deadline$|^shutdown$/],
    ['a reset', reset, /^retry_deadline$|^shutdown$/],
    ['the end of the connection', close, /^retry_deadline$|^shutdown$/],
    ['garbage', bytes('\0\0\0'), /^retry_deadline$|^shutdown$/],
    ['no answer', hang, /^retry_deadline$|^shutdown$/],
  ])('%s: every other one arrives, once', async ([, fault, fate], context) => {
    const isPoison = ({ text }: { text: string }): boolean => text.includes(POISON);
    const server = await startFaultServer(context, where(isPoison, fault));
    const run = startRun(context, server, {
      timeoutMillis: 1_000,
      retryDeadlineMillis: 300,
      shutdownTimeoutMillis: 300,
    });
    const [poison = ''] = run.work(1, POISON);
    for (let wave = 0; wave < 8; wave++) {
      run.work(3);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await vi.waitFor(() => expect(server.book.told.size).toBe(32), { timeout: 10_000 });
    await run.shutdown();
    const [reason = ''] = run.losses.get(poison) ?? [];
    expect(reason).toMatch(fate);
    const lost = reason.startsWith('rejected') ? { rejected: 1 } : { dropped: { [reason]: 1 } };
    await finish(run, server, { delivered: 32, ...lost });
  });

  it('an answer that takes too long each time: it is recorded, and so is every other one', async (context) => {
    const isPoison = ({ text }: { text: string }): boolean => text.includes(POISON);
    const server = await startFaultServer(
      context,
      where((post) => isPoison(post) && post.attempt < 4, drip(50)),
    );
    const run = startRun(context, server, { timeoutMillis: 500 });
    run.work(1, POISON);
    for (let wave = 0; wave < 8; wave++) {
      run.work(3);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await settled(run);
    await finish(run, server, { delivered: 33 });
  });
});

describe.concurrent('a key that is replaced while records are under way', () => {
  it('is used from then on, and nothing is lost', async (context) => {
    let key = 'old';
    const server = await startFaultServer(context, (post) => {
      if (post.key !== 'old') return undefined;
      // Replaced at the first refusal: after the third, a record alone waits for a minute.
      key = 'new\n';
      return quotingKey(401);
    });
    const run = startRun(context, server, { apiKey: async () => key });
    run.work(1);
    await vi.waitFor(() => expect(server.book.posts.length).toBeGreaterThan(0));
    run.work(30);
    await settled(run);
    expect(server.book.posts.at(-1)?.key).toBe('new');
    await finish(run, server, { delivered: 41 });
  });
});

describe('in time', () => {
  beforeEach(useFakeTime);
  afterEach(() => vi.useRealTimers());

  const accessWarnings = (project: string): readonly string[] =>
    warnings(`no record of project ${project} gets through`);

  it.for([
    401, 403, 404,
  ])('%i for all: one loud message, one probe a minute, and all is delivered when it is put right', async (code, context) => {
    const projectId = `project-${code}`;
    let isRight = false;
    const api = createFakeApi(() => (isRight ? undefined : { status: code }));
    // The deadline of the records stands still.
    const run = startFakeRun(context, api, { projectId, retryDeadlineMillis: 1_000 });
    for (let minute = 0; minute < 10; minute++) {
      run.work(3);
      await pass(60_000);
    }
    expect(api.book.posts.length).toBeLessThanOrEqual(UNTIL_CLOSED + 10);
    expect(accessWarnings(projectId)).toHaveLength(1);
    expect(run.ledger().records).toMatchObject({ created: 40, pending: 40 });
    isRight = true;
    await pass(61_000);
    expect(run.ledger().records).toMatchObject({ delivered: 40, pending: 0 });
    await finishFake(run, { delivered: 40 });
  });

  it.for<[string, () => string | Promise<string>]>([
    [
      'throws',
      () => {
        throw new Error('vault is sealed');
      },
    ],
    ['rejects', () => Promise.reject(new Error('vault is sealed'))],
    ['never answers', () => new Promise<string>(() => {})],
    ['gives nothing', () => ''],
    ['gives what no header can hold', () => 'two\nlines'],
  ])('a key function that %s is held like a wrong key', async ([, broken], context) => {
    let isRight = false;
    const api = createFakeApi(() => undefined);
    const run = startFakeRun(context, api, { apiKey: () => (isRight ? 'right' : broken()) });
    run.work(30);
    await pass(300_000);
    expect(api.book.posts).toEqual([]);
    expect(run.ledger().records).toMatchObject({ created: 40, pending: 40 });
    isRight = true;
    await pass(61_000);
    await finishFake(run, { delivered: 40 });
    expect(warnings('vault')).toEqual([]);
  });

  it('two keys of one function, of which one is wrong, deliver everything with the other', async (context) => {
    let count = 0;
    const api = createFakeApi(({ key }) => (key === 'wrong' ? { status: 401 } : undefined));
    const run = startFakeRun(context, api, { apiKey: () => (count++ % 2 === 0 ? 'right' : 'wrong') });
    run.work(30);
    await pass(600_000);
    await finishFake(run, { delivered: 40 });
  });

  it('a gate that becomes due while it is looked at is not forgotten', async (context) => {
    let isUp = false;
    const api = createFakeApi(() => (isUp ? undefined : { status: 503 }));
    const run = startFakeRun(context, api);
    run.work(3);
    await pass(100);
    const before = api.book.posts.length;
    // Timers and clock differ by less than a millisecond, and from one look to the next the time comes.
    const clock = performance.now.bind(performance);
    let looks = 0;
    const spy = vi
      .spyOn(performance, 'now')
      .mockImplementation(() => clock() + (looks++ % 2 === 0 ? -0.4 : 0.4));
    context.onTestFinished(() => spy.mockRestore());
    await pass(60_000);
    expect(api.book.posts.length).toBeGreaterThan(before + 10);
    isUp = true;
    await pass(60_000);
    spy.mockRestore();
    await finishFake(run, { delivered: 4 });
  });

  it('a flush returns at once where a gate is closed, and tells by the ledger', async (context) => {
    const api = createFakeApi(() => ({ status: 503 }));
    const run = startFakeRun(context, api);
    run.work(30);
    await pass(1_000);
    const start = performance.now();
    await run.forceFlush();
    expect(performance.now() - start).toBe(0);
    expect(run.ledger().records.pending).toBe(40);
    await finishFake(run, { dropped: { shutdown: 40 } });
  });

  it('one poisonous record that is answered 500 is given up, and delays no other', async (context) => {
    let poison = '';
    const api = createFakeApi(({ id }) => (id === poison ? { status: 500 } : undefined));
    const run = startFakeRun(context, api);
    [poison = ''] = run.work(1);
    run.work(30);
    await pass(100);
    expect(run.ledger().records).toMatchObject({ delivered: 40, pending: 1 });
    await pass(30_000);
    await finishFake(run, { delivered: 40, dropped: { retries_exhausted: 1 } });
  });
});
