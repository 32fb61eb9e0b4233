import { expect, it } from 'vitest';
import { createConcurrency } from '../../src/delivery/concurrency.ts';

it('starts at 8, or at its ceiling', () => {
  expect(createConcurrency(64).limit).toBe(8);
  expect(createConcurrency(3).limit).toBe(3);
});

it('grows under backlog only, up to the ceiling', () => {
  const concurrency = createConcurrency(20);
  for (let success = 0; success < 100; success++) concurrency.onSuccess(0, 50);
  expect([concurrency.limit, concurrency.canGrow()]).toEqual([8, true]);
  concurrency.onSuccess(1_000, 50);
  expect(concurrency.limit).toBe(9);
  for (let success = 0; success < 100; success++) concurrency.onSuccess(1_000, 50);
  expect([concurrency.limit, concurrency.canGrow()]).toEqual([20, false]);
});

it.each([
  // [waiting, milliseconds a round trip, limit in the end]: the first that has the backlog gone in a tenth of a second.
  [500, 1, 8],
  [500, 50, 64],
  [40, 50, 20],
  [16, 50, 8],
])('grows while what waits (%i, at %i ms each) would take longer than is worth another connection', (waiting, millis, limit) => {
  const concurrency = createConcurrency(64);
  for (let success = 0; success < 200; success++) concurrency.onSuccess(waiting, millis);
  expect(concurrency.limit).toBe(limit);
});

it('halves on 429, never below one, and then grows by one per round', () => {
  const concurrency = createConcurrency(64);
  concurrency.onThrottled();
  expect(concurrency.limit).toBe(4);
  concurrency.onSuccess(1_000, 50);
  for (let time = 0; time < 4; time++) concurrency.begin();
  expect(concurrency.hasRoom()).toBe(false);
  for (let success = 1; success < 5; success++) concurrency.onSuccess(1_000, 50);
  expect(concurrency.limit).toBe(5);
  for (let time = 0; time < 10; time++) concurrency.onThrottled();
  expect(concurrency.limit).toBe(1);
});

it('has room while fewer are under way than the limit', () => {
  const concurrency = createConcurrency(1);
  expect(concurrency.hasRoom()).toBe(true);
  concurrency.begin();
  expect(concurrency.hasRoom()).toBe(false);
  concurrency.end();
  expect(concurrency.hasRoom()).toBe(true);
  concurrency.begin();
  concurrency.begin();
  concurrency.end();
  expect(concurrency.hasRoom()).toBe(false);
});
