import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createFakeDispatcher,
  type FakeAnswer,
  isSettled,
  makeItem,
  offer,
  startDelivery,
} from './support.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const ids = (count: number, prefix: string = 'r') =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);

describe('the gate of the origin', () => {
  it.each<[string, FakeAnswer]>([
    ['429', { status: 429 }],
    ['503', { status: 503 }],
    ['a refused connection', { error: 'ECONNREFUSED' }],
  ])('learns an outage once, not by each record: %s', async (_, failure) => {
    let up = false;
    const { dispatcher, requests } = createFakeDispatcher(() => (up ? { status: 201 } : failure));
    const { delivery } = startDelivery({ dispatcher });
    for (const id of ids(1_000)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(60_000);
    // Eight were under way when the first answer came; after that, one probe at a time with growing pauses.
    expect(requests.length).toBeLessThanOrEqual(8 + 12);
    up = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(delivery.stats()).toMatchObject({ delivered: 1_000, pending: 0 });
  });

  it('waits as long as the server asks, also when those under way pass', async () => {
    const { dispatcher, requests } = createFakeDispatcher((_, count) =>
      count === 3 ? { status: 429, headers: { 'retry-after': '7' } } : { status: 201 },
    );
    const { delivery } = startDelivery({ dispatcher });
    for (const id of ids(50)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(7_000);
    const before = requests.length;
    expect(before).toBeLessThanOrEqual(16);
    await vi.advanceTimersByTimeAsync(100);
    expect(delivery.stats().delivered).toBe(50);
  });

  it('a record that alone meets 503 does not hold up the others', async () => {
    const { dispatcher } = createFakeDispatcher(({ id }) => ({ status: id === 'bad' ? 503 : 201 }));
    const { delivery } = startDelivery({ dispatcher, retryDeadlineMillis: 60_000 });
    const bad = offer(delivery, makeItem('bad'));
    for (const id of ids(200)) {
      offer(delivery, makeItem(id));
      await vi.advanceTimersByTimeAsync(500);
    }
    await vi.advanceTimersByTimeAsync(1_000);
    expect(delivery.stats().delivered).toBe(200);
    expect(await bad?.outcome).toMatchObject({ kind: 'dropped', reason: 'retry_deadline' });
  });

  it('one timeout is a slow record, two of different records are an outage', async () => {
    const { dispatcher, requests } = createFakeDispatcher(() => ({ hang: true }));
    const { delivery, kinds } = startDelivery({ dispatcher, timeoutMillis: 1_000, concurrency: 4 });
    for (const id of ids(20)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(1_001);
    await vi.advanceTimersByTimeAsync(900);
    expect(requests.length).toBeLessThanOrEqual(6);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(requests.length).toBeLessThanOrEqual(14);
    expect(kinds()).toContain('origin_closed');
  });

  it.each([502, 504, 500])('a run of %i is an outage, too', async (status) => {
    let up = false;
    const { dispatcher, requests } = createFakeDispatcher(() => ({ status: up ? 201 : status }));
    const { delivery, kinds } = startDelivery({ dispatcher, retryDeadlineMillis: 10_000 });
    for (const id of ids(1_000)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(requests.length).toBeLessThanOrEqual(64 + 8 + 12);
    expect(kinds()).toContain('origin_closed');
    up = true;
    await vi.advanceTimersByTimeAsync(90_000);
    expect(delivery.stats()).toMatchObject({ delivered: 1_000, pending: 0 });
  });

  it('after 500 no record is tried for five seconds', async () => {
    const { dispatcher, requests } = createFakeDispatcher(() => ({ status: 500 }));
    const { delivery } = startDelivery({ dispatcher, random: () => 0, concurrency: 1 });
    for (const id of ids(100)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(4_900);
    expect(requests).toHaveLength(64);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(requests).toHaveLength(65);
  });

  it('502 of many records at their first attempt only is no outage', async () => {
    const tried = new Set<string>();
    const { dispatcher } = createFakeDispatcher(({ id }) => ({
      status: tried.size === tried.add(id).size ? 201 : 502,
    }));
    const { delivery, kinds } = startDelivery({ dispatcher });
    for (const id of ids(40)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(delivery.stats()).toMatchObject({ delivered: 40, retries: 40 });
    expect(kinds()).toEqual([]);
  });

  it('an outage is learnt from few records, too, once these have failed again', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 502 }));
    const { delivery, kinds } = startDelivery({ dispatcher, retryDeadlineMillis: 60_000 });
    for (const id of ids(2)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(600_000);
    expect(kinds()).toContain('origin_closed');
    expect(delivery.pending).toBe(2);
  });

  it.each<[string, (id: string, count: number) => number]>([
    ['of one record', (id) => (id === 'r1' ? 502 : 201)],
    ['where another answer comes between', (_, count) => (count % 8 === 0 ? 201 : 502)],
  ])('502 %s is no outage', async (_, statusOf) => {
    const { dispatcher } = createFakeDispatcher(({ id }, count) => ({ status: statusOf(id, count) }));
    const { delivery } = startDelivery({ dispatcher, concurrency: 1, retryDeadlineMillis: 1e9 });
    offer(delivery, makeItem('r1'));
    let held = 0;
    for (let minute = 0; minute < 20; minute++) {
      delivery.offer(makeItem(`s${minute}`), { onRetrying: () => held++ });
      await vi.advanceTimersByTimeAsync(1_000);
    }
    // A gate that is closed shows: who comes then is held before any attempt.
    const late = offer(delivery, makeItem('late'));
    expect(await isSettled(late?.firstAttempt)).toBe(false);
    expect(held).toBeLessThan(20);
  });

  it('is told when a probe fails after a blip, and when it is over', async () => {
    const { dispatcher } = createFakeDispatcher((_, count) =>
      count <= 3 ? { error: 'ECONNRESET' } : { status: 201 },
    );
    const { delivery, events } = startDelivery({ dispatcher });
    offer(delivery, makeItem('r1'));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(events).toEqual([
      {
        kind: 'origin_closed',
        origin: 'http://api.test',
        reason: 'unreachable',
        failures: 2,
        retryInMillis: 250,
      },
      {
        kind: 'origin_closed',
        origin: 'http://api.test',
        reason: 'unreachable',
        failures: 3,
        retryInMillis: 500,
      },
      { kind: 'origin_opened', origin: 'http://api.test' },
    ]);
  });

  it('closes for no longer than a tenth of a second for one lost connection', async () => {
    const { dispatcher, requests } = createFakeDispatcher((_, count) =>
      count === 1 ? { error: 'ECONNRESET' } : { status: 201 },
    );
    const { delivery, events } = startDelivery({ dispatcher, random: () => 0.999, concurrency: 1 });
    for (const id of ids(20)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(200);
    // The first one waits for its own retry; all others have gone.
    expect(requests.map(({ id }) => id)).toEqual(ids(20));
    expect(events).toEqual([]);
  });

  it('tells nobody of an instance that restarts', async () => {
    const restarted = performance.now() + 200;
    const { dispatcher } = createFakeDispatcher(() =>
      performance.now() < restarted ? { error: 'ECONNREFUSED' } : { status: 201 },
    );
    const { delivery, events } = startDelivery({ dispatcher, random: () => 0.3 });
    const [first] = ids(40).map((id) => offer(delivery, makeItem(id)));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await first?.outcome).toEqual({ kind: 'delivered' });
    expect(events).toEqual([]);
  });
});

it('a gate that becomes due between two looks at the clock is not forgotten', async () => {
  const { dispatcher, requests } = createFakeDispatcher(() => ({ status: 503 }));
  // Timers and clock differ by less than a millisecond.
  let looks = 0;
  const now = () => performance.now() + (looks++ % 2 === 0 ? -0.4 : 0.4);
  const { delivery } = startDelivery({ dispatcher, now });
  for (const id of ids(4)) offer(delivery, makeItem(id));
  await vi.advanceTimersByTimeAsync(120_000);
  const before = requests.length;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(requests.length).toBeGreaterThan(before + 20);
});

describe('the gate of key and project', () => {
  it.each([
    401, 403, 404,
  ] as const)('closes on %i of two records in a row; all is held, one probe a minute', async (status) => {
    let right = false;
    const { dispatcher, requests } = createFakeDispatcher(() => ({ status: right ? 201 : status }));
    const { delivery, events } = startDelivery({ dispatcher, retryDeadlineMillis: 1_000 });
    for (const id of ids(100)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(50_000);
    // Eight at first, and one that started between the first refusal and the second.
    expect(requests).toHaveLength(9);
    expect(events.filter(({ kind }) => kind === 'access_closed')).toEqual([
      { kind: 'access_closed', origin: 'http://api.test', projectId: 'p1', status },
    ]);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(requests).toHaveLength(19);
    expect(delivery.stats()).toMatchObject({ pending: 100, rejected: 0 });
    right = true;
    await vi.advanceTimersByTimeAsync(61_000);
    expect(delivery.stats()).toMatchObject({ delivered: 100, pending: 0 });
    expect(events.at(-1)).toEqual({ kind: 'access_opened', origin: 'http://api.test', projectId: 'p1' });
    expect(events.filter(({ kind }) => kind === 'access_closed')).toHaveLength(1);
  });

  it.each([403, 404])('a record that alone gets %i among others that pass is rejected', async (status) => {
    const { dispatcher, requests } = createFakeDispatcher(({ id }) =>
      id === 'r2' ? { status, message: 'not this one' } : { status: 201 },
    );
    const { delivery, kinds } = startDelivery({ dispatcher });
    const offered = ids(5).map((id) => offer(delivery, makeItem(id)));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await offered[1]?.outcome).toEqual({ kind: 'rejected', status, message: 'not this one' });
    expect(delivery.stats()).toMatchObject({ delivered: 4, rejected: 1 });
    expect(requests.filter(({ id }) => id === 'r2')).toHaveLength(2);
    expect(kinds()).toEqual(['unauthorised', 'rejected']);
  });

  it('a record that alone gets 404, with no other to compare, is rejected after its third try', async () => {
    const { dispatcher, requests } = createFakeDispatcher(() => ({
      status: 404,
      message: 'unknown project',
    }));
    const { delivery } = startDelivery({ dispatcher });
    const offered = offer(delivery, makeItem('r1'));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await offered?.outcome).toEqual({ kind: 'rejected', status: 404, message: 'unknown project' });
    expect(requests).toHaveLength(3);
  });

  it('a record that alone gets 401 is held past its deadline, tried once a minute, and closes nothing', async () => {
    let right = false;
    const { dispatcher, requests } = createFakeDispatcher(({ id }) => ({
      status: right || id !== 'r1' ? 201 : 401,
    }));
    const { delivery, kinds } = startDelivery({ dispatcher, retryDeadlineMillis: 5_000 });
    const offered = offer(delivery, makeItem('r1'));
    await vi.advanceTimersByTimeAsync(50_000);
    expect(requests).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(requests).toHaveLength(13);
    expect(kinds()).toEqual(['unauthorised']);
    const other = offer(delivery, makeItem('r2'));
    await vi.advanceTimersByTimeAsync(10);
    expect(await other?.outcome).toEqual({ kind: 'delivered' });
    right = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await offered?.outcome).toEqual({ kind: 'delivered' });
  });

  it('a record that passes between two that are refused keeps it open', async () => {
    const { dispatcher } = createFakeDispatcher(({ id }, count) => ({
      status: ['r1', 'r3'].includes(id) && count <= 3 ? 401 : 201,
    }));
    const { delivery, kinds } = startDelivery({ dispatcher, concurrency: 1, random: () => 0.9 });
    for (const id of ids(3)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(delivery.stats().delivered).toBe(3);
    expect(kinds()).not.toContain('access_closed');
  });

  it('a project that is unknown does not delay another one', async () => {
    const { dispatcher, requests } = createFakeDispatcher(({ path }) => ({
      status: path.includes('/p1/') ? 404 : 201,
    }));
    const { delivery } = startDelivery({ dispatcher });
    for (const id of ids(300, 'a')) offer(delivery, makeItem(id));
    for (const id of ids(300, 'b')) offer(delivery, makeItem(id, { projectId: 'p2' }));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(delivery.stats()).toMatchObject({ delivered: 300, pending: 300 });
    expect(requests.filter(({ path }) => path.includes('/p1/')).length).toBeLessThanOrEqual(9);
  });

  it('a backlog of one project does not make another one wait for its end', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 201 }));
    const { delivery } = startDelivery({ dispatcher, concurrency: 1 });
    for (const id of ids(1_000, 'a')) offer(delivery, makeItem(id));
    const other = offer(delivery, makeItem('b1', { projectId: 'p2' }));
    await vi.advanceTimersByTimeAsync(5);
    expect(await isSettled(other?.outcome)).toBe(true);
  });

  it('an apiKey function that fails is held like a wrong key, and recovers', async () => {
    let works = false;
    const apiKey = () => {
      if (!works) throw new Error('vault is sealed');
      return 'key';
    };
    const { dispatcher } = createFakeDispatcher(() => ({ status: 201 }));
    const { delivery, events } = startDelivery({ dispatcher, apiKey });
    for (const id of ids(10)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(delivery.pending).toBe(10);
    expect(JSON.stringify(events)).not.toContain('vault');
    works = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(delivery.stats()).toMatchObject({ delivered: 10, pending: 0 });
  });

  it('a refusal of a key that has been replaced meanwhile says nothing of the new one', async () => {
    let key = 'old';
    const { dispatcher } = createFakeDispatcher(({ headers }) => {
      const status = headers.authorization === 'Bearer old' ? 401 : 201;
      // The rotation happens while the first requests are under way; the next attempt asks for the key again.
      key = 'new';
      return { status };
    });
    const { delivery, kinds } = startDelivery({ dispatcher, apiKey: () => key, concurrency: 2 });
    for (const id of ids(10)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(delivery.stats().delivered).toBe(10);
    expect(kinds()).not.toContain('access_closed');
  });
});

describe('concurrency', () => {
  it('grows from 8 to its ceiling under backlog', async () => {
    const { dispatcher, most } = createFakeDispatcher(() => ({ status: 201, millis: 50 }));
    const { delivery } = startDelivery({ dispatcher, concurrency: 20 });
    for (const id of ids(8)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(100);
    expect(most()).toBe(8);
    for (const id of ids(500)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(most()).toBe(20);
  });

  it('keeps up with a thousand records each second at 50 ms an answer', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 201, millis: 50 }));
    const { delivery } = startDelivery({ dispatcher });
    let most = 0;
    for (let tenth = 0; tenth < 50; tenth++) {
      for (const id of ids(100, `r${tenth}-`)) offer(delivery, makeItem(id));
      await vi.advanceTimersByTimeAsync(100);
      most = Math.max(most, delivery.pending);
    }
    expect(most).toBeLessThan(500);
    expect(delivery.stats().delivered).toBeGreaterThan(4_500);
  });

  it('does not grow where the server is fast', async () => {
    const { dispatcher, most } = createFakeDispatcher(() => ({ status: 201 }));
    const { delivery } = startDelivery({ dispatcher });
    for (const id of ids(300)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(200);
    expect([most(), delivery.stats().delivered]).toEqual([8, 300]);
  });

  it('halves once for a burst of 429', async () => {
    const { dispatcher, requests } = createFakeDispatcher((_, count) => ({ status: count <= 8 ? 429 : 201 }));
    const { delivery } = startDelivery({ dispatcher });
    for (const id of ids(100)) offer(delivery, makeItem(id));
    await vi.advanceTimersByTimeAsync(260);
    const [probe, ...others] = requests.slice(8);
    const burst = others.filter(({ at }) => at === others[0]?.at);
    expect(probe).toBeDefined();
    expect(burst).toHaveLength(4);
  });
});
