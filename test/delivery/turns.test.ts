import { expect, it } from 'vitest';
import { createTurns } from '../../src/delivery/turns.ts';

/** The event loop has turned. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('works as soon as the caller has ended, once, however often it is asked', async () => {
  let calls = 0;
  const turns = createTurns(
    3,
    () => 0,
    () => {
      calls += 1;
    },
  );
  turns.soon();
  turns.soon();
  expect(calls).toBe(0);
  await Promise.resolve();
  expect(calls).toBe(1);
  await turn();
  expect(calls).toBe(1);
});

it('has its share of each turn, however often it is called in it, and goes on in the next', async () => {
  let now = 0;
  let left = 10;
  const seen: number[] = [];
  const turns = createTurns(
    3,
    () => now,
    (hasTime) => {
      while (left > 0 && hasTime()) {
        left -= 1;
        now += 1;
      }
      seen.push(left);
    },
  );
  turns.run();
  turns.run();
  turns.soon();
  await Promise.resolve();
  expect(seen).toEqual([7, 7, 7]);
  await turn();
  expect(seen.slice(3)).toEqual([4]);
  for (let time = 0; time < 5; time++) await turn();
  // It is not called again once it has done.
  expect(seen.slice(4)).toEqual([1, 0]);
});
