import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createQueue } from '../../src/delivery/queue.ts';
import { isSettled } from './support.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('is full by records, and by bytes', () => {
  const byRecords = createQueue({ maxRecords: 2, maxBytes: 1_000 });
  expect([1, 2, 3].map(() => byRecords.take(1))).toEqual([true, true, false]);
  const byBytes = createQueue({ maxRecords: 100, maxBytes: 10 });
  expect([6, 5, 4, 1].map(byBytes.take)).toEqual([true, false, true, false]);
  expect(byBytes.bytes).toBe(10);
});

it('frees slots', () => {
  const queue = createQueue({ maxRecords: 1, maxBytes: 10 });
  expect([queue.take(10), queue.take(10)]).toEqual([true, false]);
  queue.release(10);
  expect(queue.bytes).toBe(0);
  expect([queue.take(10), queue.take(10)]).toEqual([true, false]);
});

it('wakes as many waiters as there is room for, in order', async () => {
  const queue = createQueue({ maxRecords: 10, maxBytes: 10 });
  queue.take(10);
  const waits = [6, 5, 4].map((bytes) => queue.waitForRoom(bytes, 1_000));
  queue.release(10);
  expect(await waits[0]).toBe(true);
  // The second does not fit beside the first, and the third must not overtake it.
  expect(await isSettled(waits[1])).toBe(false);
  expect(await isSettled(waits[2])).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await Promise.all(waits)).toEqual([true, false, false]);
});

it('answers at once where waiting makes no sense', async () => {
  const queue = createQueue({ maxRecords: 1, maxBytes: 10 });
  expect(await queue.waitForRoom(10, 1_000)).toBe(true);
  expect(await queue.waitForRoom(11, 1_000)).toBe(false);
  queue.close();
  expect(await queue.waitForRoom(1, 1_000)).toBe(false);
  expect(queue.take(1)).toBe(false);
});

it('tells those who wait when it closes', async () => {
  const queue = createQueue({ maxRecords: 1, maxBytes: 10 });
  queue.take(1);
  const wait = queue.waitForRoom(1, 1_000);
  queue.close();
  expect(await wait).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});
