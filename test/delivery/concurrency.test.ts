import { expect, it } from 'vitest';
import { createConcurrency } from '../../src/delivery/concurrency.ts';

it('starts at 8, or at its ceiling', () => {
  expect(createConcurrency(64).limit).toBe(8);
  expect(createConcurrency(3).limit).toBe(3);
});

it('grows under backlog only, up to the ceiling', () => {
  const concurrency = createConcurrency(20);
  for (let success = 0; success < 100; success++) concurrency.onSuccess(false);
  expect(concurrency.limit).toBe(8);
  for (let success = 0; success < 100; success++) concurrency.onSuccess(true);
  expect(concurrency.limit).toBe(20);
});

it('halves on 429, never below one, and then grows by one per round', () => {
  const concurrency = createConcurrency(64);
  concurrency.onThrottled();
  expect(concurrency.limit).toBe(4);
  for (let success = 0; success < 5; success++) concurrency.onSuccess(true);
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
});
