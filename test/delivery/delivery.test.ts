import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createDelivery } from '../../src/delivery/delivery.ts';
import {
  createFakeDispatcher,
  isSettled,
  KEY,
  makeItem,
  offer,
  startDelivery,
  startServer,
  total,
} from './support.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('with fake time', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is full by records in flight, and frees a slot when one settles', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 201 }));
    const { delivery } = startDelivery({ dispatcher, maxQueueRecords: 2 });
    const first = offer(delivery, makeItem('r1'));
    expect(offer(delivery, makeItem('r2'))).toBeDefined();
    expect(offer(delivery, makeItem('r3'))).toBeUndefined();
    expect(delivery.stats()).toMatchObject({ accepted: 2, pending: 2, bytes: 200 });
    await vi.advanceTimersByTimeAsync(2);
    expect(await first?.outcome).toEqual({ kind: 'delivered' });
    expect(delivery.stats()).toMatchObject({ delivered: 2, pending: 0, bytes: 0 });
    expect(offer(delivery, makeItem('r3'))).toBeDefined();
  });

  it('is full by bytes', () => {
    const { dispatcher } = createFakeDispatcher(() => ({ hang: true }));
    const { delivery } = startDelivery({ dispatcher, maxQueueBytes: 1_000 });
    expect(offer(delivery, makeItem('r1', { bytes: 900 }))).toBeDefined();
    expect(offer(delivery, makeItem('r2', { bytes: 101 }))).toBeUndefined();
    expect(offer(delivery, makeItem('r3', { bytes: 100 }))).toBeDefined();
  });

  it('lets a caller wait for room', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 201 }));
    const { delivery } = startDelivery({ dispatcher, maxQueueRecords: 1 });
    offer(delivery, makeItem('r1'));
    const room = delivery.waitForRoom(100, 1_000);
    expect(await isSettled(room)).toBe(false);
    await vi.advanceTimersByTimeAsync(2);
    expect(await room).toBe(true);
  });

  it('settles each record as the API says', async () => {
    const answers: Record<string, number> = { a: 201, b: 409, c: 400, d: 422, e: 200 };
    const { dispatcher } = createFakeDispatcher(({ id }) => ({
      status: answers[id] ?? 0,
      message: `about ${id}`,
    }));
    const { delivery, events } = startDelivery({ dispatcher });
    const offered = Object.keys(answers).map((id) => offer(delivery, makeItem(id)));
    await vi.advanceTimersByTimeAsync(5);
    expect(await Promise.all(offered.map((one) => one?.outcome))).toEqual([
      { kind: 'delivered' },
      { kind: 'delivered' },
      { kind: 'rejected', status: 400, message: 'about c' },
      { kind: 'rejected', status: 422, message: 'about d' },
      { kind: 'delivered' },
    ]);
    // The server's words may quote content: they are in the outcome, not in what is logged.
    expect(events).toEqual([
      { kind: 'rejected', status: 400, total: 1 },
      { kind: 'rejected', status: 422, total: 2 },
    ]);
  });

  it('counts a record without a body, and a report function that throws hurts nobody', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 201 }));
    const report = vi.fn(() => {
      throw new Error('logger is broken');
    });
    const { delivery } = startDelivery({ dispatcher, report });
    const offered = offer(
      delivery,
      makeItem('r1', {
        body: () => {
          throw new Error('content');
        },
      }),
    );
    await vi.advanceTimersByTimeAsync(1);
    expect(await offered?.outcome).toMatchObject({ kind: 'dropped', reason: 'conversion' });
    expect(report).toHaveBeenCalledWith({ kind: 'dropped', reason: 'conversion', total: 1 });
    expect(delivery.stats().dropped.conversion).toBe(1);
  });

  it('a bug costs the record it meets, not the delivery', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 201 }));
    const { delivery } = startDelivery({ dispatcher, concurrency: 1 });
    const broken = Object.defineProperty({ ...makeItem('r1') }, 'path', {
      get: () => {
        throw new Error('bug');
      },
    });
    const first = offer(delivery, broken);
    const second = offer(delivery, makeItem('r2'));
    await vi.advanceTimersByTimeAsync(5);
    expect(await first?.outcome).toEqual({ kind: 'dropped', reason: 'internal' });
    expect(await second?.outcome).toEqual({ kind: 'delivered' });
  });

  it('a record that is too large is sent once more, smaller, and those after it fit at once', async () => {
    const MIB = 1_048_576;
    const sizes: number[] = [];
    const { dispatcher } = createFakeDispatcher(({ id }) => {
      sizes.push(Number(id));
      return { status: Number(id) > MIB ? 413 : 201, message: 'too large' };
    });
    const { delivery } = startDelivery({ dispatcher, concurrency: 1 });
    const bodyOf = (bytes: number) => JSON.stringify({ completion_id: bytes }).padEnd(bytes);
    const makeLarge = (bytes: number) =>
      makeItem(`r${bytes}`, {
        bytes,
        body: () => bodyOf(bytes),
        shrink: (max) => bodyOf(Math.min(bytes, max)),
      });
    const offered = [2 * MIB, 2 * MIB, 8 * MIB].map((bytes) => offer(delivery, makeLarge(bytes)));
    await vi.advanceTimersByTimeAsync(10);
    for (const one of offered) expect(await one?.outcome).toEqual({ kind: 'delivered' });
    expect(sizes).toEqual([2 * MIB, MIB, MIB, MIB]);
    expect(delivery.stats().retries).toBe(0);
  });

  it('a listener that throws hurts nobody', async () => {
    const { dispatcher } = createFakeDispatcher((_, count) => ({ status: count === 1 ? 502 : 201 }));
    const { delivery } = startDelivery({ dispatcher });
    const boom = vi.fn(() => {
      throw new Error('boom');
    });
    delivery.offer(makeItem('r1'), { onRetrying: boom, onSettled: boom });
    offer(delivery, makeItem('r2'));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(boom).toHaveBeenCalledTimes(2);
    expect(delivery.stats()).toMatchObject({ delivered: 2, pending: 0 });
  });

  it('builds no body before its turn, and leaves the loop to others in between', async () => {
    const { dispatcher, requests } = createFakeDispatcher(() => ({ status: 201, millis: 1_000 }));
    let time = 0;
    const { delivery } = startDelivery({ dispatcher, now: () => time });
    const body = vi.fn(() => {
      time += 1;
      return '{}';
    });
    for (let index = 0; index < 20; index++) delivery.offer(makeItem(`r${index}`, { body }));
    expect(body).not.toHaveBeenCalled();
    await Promise.resolve();
    // Three milliseconds of a turn are the most that the host waits; the rest of the first eight comes in the next turns.
    expect(requests).toHaveLength(3);
    vi.advanceTimersToNextTimer();
    expect(requests).toHaveLength(6);
    await vi.advanceTimersByTimeAsync(10);
    expect([requests.length, body.mock.calls.length]).toEqual([8, 8]);
  });

  it('accepted = delivered + rejected + dropped + pending at every moment', async () => {
    const answers = fc.constantFrom(201, 400, 401, 404, 409, 413, 429, 500, 502, 503, 'ECONNRESET');
    const moves = fc.oneof(
      { weight: 5, arbitrary: fc.record({ offer: fc.nat(40), project: fc.nat(2) }) },
      { weight: 3, arbitrary: fc.record({ wait: fc.nat(30_000) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(answers, { minLength: 1, maxLength: 20 }),
        fc.array(moves, { maxLength: 15 }),
        async (script, steps) => {
          const { dispatcher } = createFakeDispatcher((_, count) => {
            const answer = script[count % script.length] ?? 201;
            return typeof answer === 'string' ? { error: answer } : { status: answer };
          });
          let offered = 0;
          let settled = 0;
          const delivery = createDelivery({
            baseUrl: 'http://api.test',
            apiKey: () => KEY,
            userAgent: 'test/1',
            dispatcher,
            maxQueueRecords: 50,
            maxQueueBytes: 4_000,
            retryDeadlineMillis: 20_000,
            report: () => expect(total(delivery)).toBe(offered),
          });
          const check = () => {
            const { accepted, pending, bytes } = delivery.stats();
            expect([accepted, total(delivery)]).toEqual([offered, offered]);
            expect(pending).toBeLessThanOrEqual(50);
            expect(bytes).toBeLessThanOrEqual(4_000);
          };
          for (const step of steps) {
            if ('wait' in step) await vi.advanceTimersByTimeAsync(step.wait);
            else {
              for (let index = 0; index < step.offer; index++) {
                const one = offer(delivery, makeItem(`r${offered}`, { projectId: `p${step.project}` }));
                if (one === undefined) continue;
                offered += 1;
                void one.outcome.then(() => {
                  settled += 1;
                  check();
                });
              }
            }
            check();
          }
          const stopping = delivery.shutdown(1_000);
          await vi.advanceTimersByTimeAsync(5_000);
          await stopping;
          check();
          expect([delivery.pending, settled]).toEqual([0, offered]);
          expect(vi.getTimerCount()).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  describe('flush', () => {
    it('waits for what was accepted before it, not for what comes later', async () => {
      const { dispatcher } = createFakeDispatcher((_, count) => ({ status: count === 1 ? 502 : 201 }));
      const { delivery } = startDelivery({ dispatcher });
      const first = offer(delivery, makeItem('r1'));
      const flushed = delivery.flush(10_000);
      await vi.advanceTimersByTimeAsync(240);
      expect(await isSettled(flushed)).toBe(false);
      offer(delivery, makeItem('slow', { projectId: 'p2' }));
      await vi.advanceTimersByTimeAsync(20);
      await flushed;
      expect(await isSettled(first?.outcome)).toBe(true);
    });

    it('ends with its time', async () => {
      const { dispatcher } = createFakeDispatcher(() => ({ hang: true }));
      const { delivery } = startDelivery({ dispatcher });
      offer(delivery, makeItem('r1'));
      const flushed = delivery.flush(500);
      await vi.advanceTimersByTimeAsync(499);
      expect(await isSettled(flushed)).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      await flushed;
      expect(delivery.pending).toBe(1);
    });

    it('returns at once with nothing in hand, or in an outage that is known', async () => {
      const { dispatcher } = createFakeDispatcher(() => ({ status: 503 }));
      const { delivery } = startDelivery({ dispatcher });
      await delivery.flush(10_000);
      offer(delivery, makeItem('r1'));
      await vi.advanceTimersByTimeAsync(1_000);
      offer(delivery, makeItem('r2'));
      await delivery.flush(10_000);
      expect(delivery.pending).toBe(2);
    });

    it('does not take the first failure for an outage', async () => {
      const { dispatcher } = createFakeDispatcher((_, count) => ({ status: count === 1 ? 503 : 201 }));
      const { delivery } = startDelivery({ dispatcher });
      offer(delivery, makeItem('r1'));
      await vi.advanceTimersByTimeAsync(5);
      const flushed = delivery.flush(10_000);
      offer(delivery, makeItem('r2'));
      expect(await isSettled(flushed)).toBe(false);
      await vi.advanceTimersByTimeAsync(300);
      await flushed;
      expect(delivery.stats()).toMatchObject({ delivered: 2, pending: 0 });
    });

    it('ends when an outage shows, but not before the first attempts that are under way have come back', async () => {
      const { dispatcher } = createFakeDispatcher(({ id }) =>
        id === 'r1' ? { status: 503 } : { status: 201, millis: 2_000 },
      );
      const { delivery } = startDelivery({ dispatcher });
      for (const id of ['r1', 'r2', 'r3']) offer(delivery, makeItem(id));
      const flushed = delivery.flush(10_000);
      await vi.advanceTimersByTimeAsync(1_500);
      expect(await isSettled(flushed)).toBe(false);
      await vi.advanceTimersByTimeAsync(600);
      await flushed;
      expect(delivery.stats()).toMatchObject({ delivered: 2, pending: 1 });
    });

    it.each([
      ['2', 1],
      ['30', 0],
    ])('waits for a pause that the server asks for (%s s), where it ends in time', async (seconds, delivered) => {
      const { dispatcher } = createFakeDispatcher((_, count) =>
        count === 1 ? { status: 429, headers: { 'retry-after': seconds } } : { status: 201 },
      );
      const { delivery } = startDelivery({ dispatcher });
      offer(delivery, makeItem('r1'));
      await vi.advanceTimersByTimeAsync(5);
      const flushed = delivery.flush(10_000);
      expect(await isSettled(flushed)).toBe(delivered === 0);
      await vi.advanceTimersByTimeAsync(2_500);
      await flushed;
      expect(delivery.stats()).toMatchObject({ delivered, pending: 1 - delivered });
    });

    it('does not wait for a record that alone is refused with 401 again and again', async () => {
      const { dispatcher } = createFakeDispatcher(() => ({ status: 401 }));
      const { delivery } = startDelivery({ dispatcher });
      offer(delivery, makeItem('r1'));
      await vi.advanceTimersByTimeAsync(2_000);
      await delivery.flush(10_000);
      await delivery.shutdown(10_000);
      expect(delivery.stats().dropped.shutdown).toBe(1);
    });

    it('waits for the projects whose gates are open', async () => {
      const { dispatcher } = createFakeDispatcher(({ path }, count) => ({
        status: path.includes('/p1/') ? 401 : count < 6 ? 502 : 201,
      }));
      const { delivery } = startDelivery({ dispatcher });
      for (const id of ['a', 'b', 'c']) offer(delivery, makeItem(id));
      for (const id of ['d', 'e']) offer(delivery, makeItem(id, { projectId: 'p2' }));
      await vi.advanceTimersByTimeAsync(10);
      const flushed = delivery.flush(10_000);
      expect(await isSettled(flushed)).toBe(false);
      await vi.advanceTimersByTimeAsync(5_000);
      await flushed;
      expect(delivery.stats()).toMatchObject({ delivered: 2, pending: 3 });
    });
  });

  describe('shutdown', () => {
    it('accepts nothing more, delivers what it can, and may be called again', async () => {
      const { dispatcher } = createFakeDispatcher((_, count) => ({ status: count === 1 ? 502 : 201 }));
      const { delivery } = startDelivery({ dispatcher });
      offer(delivery, makeItem('r1'));
      const stopping = delivery.shutdown(5_000);
      expect(delivery.shutdown(1)).toBe(stopping);
      expect(offer(delivery, makeItem('r2'))).toBeUndefined();
      expect(await delivery.waitForRoom(1, 1_000)).toBe(false);
      await vi.advanceTimersByTimeAsync(300);
      await stopping;
      expect(delivery.stats()).toMatchObject({ delivered: 1, pending: 0 });
      await delivery.flush(1_000);
    });

    it('drops the rest when its time is up: in flight, in a retry, behind a gate, in line', async () => {
      const { dispatcher } = createFakeDispatcher(({ id }) =>
        id === 'hang' ? { hang: true } : { status: 502 },
      );
      const { delivery, events } = startDelivery({ dispatcher, random: () => 0.999, concurrency: 2 });
      const offered = ['hang', 'r1', 'r2', 'r3'].map((id) => offer(delivery, makeItem(id)));
      await vi.advanceTimersByTimeAsync(3_000);
      const stopping = delivery.shutdown(1_000);
      await vi.advanceTimersByTimeAsync(1_000);
      await stopping;
      for (const one of offered)
        expect(await one?.outcome).toMatchObject({ kind: 'dropped', reason: 'shutdown' });
      expect(delivery.stats()).toMatchObject({ pending: 0, bytes: 0, dropped: { shutdown: 4 } });
      expect(events.at(-1)).toEqual({ kind: 'dropped', reason: 'shutdown', total: 4 });
    });

    it('does not wait for a gate that will not open in time', async () => {
      const { dispatcher } = createFakeDispatcher(() => ({ status: 401 }));
      const { delivery } = startDelivery({ dispatcher });
      for (const id of ['r1', 'r2', 'r3']) offer(delivery, makeItem(id));
      await vi.advanceTimersByTimeAsync(100);
      await delivery.shutdown(5_000);
      expect(delivery.stats().dropped.shutdown).toBe(3);
    });

    it('waits for a gate that may', async () => {
      const { dispatcher } = createFakeDispatcher((_, count) => ({ status: count === 1 ? 503 : 201 }));
      const { delivery } = startDelivery({ dispatcher });
      offer(delivery, makeItem('r1'));
      await vi.advanceTimersByTimeAsync(5);
      const stopping = delivery.shutdown(5_000);
      await vi.advanceTimersByTimeAsync(1_000);
      await stopping;
      expect(delivery.stats().delivered).toBe(1);
    });
  });
});

describe('against a real server', () => {
  it('delivers everything over few connections, each record once', async () => {
    const { origin, received, sockets } = await startServer((_, response) =>
      response.writeHead(201).end('{}'),
    );
    const { delivery } = startDelivery({ baseUrl: `${origin}/api/` });
    for (let index = 0; index < 500; index++) offer(delivery, makeItem(`r${index}`));
    await delivery.flush(10_000);
    expect(delivery.stats()).toMatchObject({ delivered: 500, pending: 0, retries: 0 });
    expect(new Set(received.map(({ body }) => body)).size).toBe(500);
    expect(sockets()).toBeLessThanOrEqual(64);
  });

  it('never sends the key to another origin, nor tells it', async () => {
    const other = await startServer((_, response) => response.writeHead(201).end());
    const { origin } = await startServer((_, response) =>
      response.writeHead(302, { location: other.origin }).end(),
    );
    const { delivery, events } = startDelivery({ baseUrl: origin });
    const outcome = await offer(delivery, makeItem('r1'))?.outcome;
    expect(other.received).toEqual([]);
    expect(outcome).toMatchObject({ kind: 'rejected', status: 302 });
    expect(JSON.stringify([outcome, events, delivery.stats()])).not.toContain(KEY);
  });

  it('keeps no process alive while it waits', async () => {
    const { origin, server } = await startServer(() => {});
    await new Promise((resolve) => server.close(resolve));
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const { delivery } = startDelivery({ baseUrl: origin, random: () => 1 });
    await offer(delivery, makeItem('r1'))?.firstAttempt;
    void delivery.waitForRoom(1e9, 60_000);
    void delivery.flush(60_000);
    expect(delivery.pending).toBe(1);
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('holds on to no record that is settled', async () => {
    const { origin } = await startServer((_, response, count) =>
      response.writeHead(count % 3 ? 201 : 422).end('{}'),
    );
    const { delivery } = startDelivery({ baseUrl: origin, concurrency: 16 });
    const items = Array.from({ length: 2_000 }, (_, index) => new WeakRef(makeItem(`r${index}`)));
    for (const item of items) delivery.offer(item.deref() ?? makeItem('gone'));
    await delivery.flush(20_000);
    expect(delivery.pending).toBe(0);
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
    collectGarbage();
    // A connection may hold its last one until the next.
    expect(items.filter((item) => item.deref() !== undefined).length).toBeLessThanOrEqual(16);
  });

  it('closes its connections at shutdown', async () => {
    const { origin, server } = await startServer((_, response) => response.writeHead(201).end());
    const { delivery } = startDelivery({ baseUrl: origin });
    await offer(delivery, makeItem('r1'))?.outcome;
    await delivery.shutdown(1_000);
    await vi.waitFor(async () => {
      const open = await new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
      expect(open).toBe(0);
    });
  });
});

it('throws for a base URL that is none', () => {
  const options = { apiKey: () => KEY, userAgent: 'test/1', report: () => {} };
  expect(() => createDelivery({ ...options, baseUrl: 'app.freeplay' })).toThrow();
});
