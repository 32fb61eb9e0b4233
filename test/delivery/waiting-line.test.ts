import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createFifo } from '../../src/delivery/fifo.ts';
import { createWaitingLine } from '../../src/delivery/waiting-line.ts';

it('a first-in-first-out list is like an array, however much goes through it', () => {
  const moves = fc.constantFrom<'push' | 'takeOldest' | 'takeNewest'>('push', 'takeOldest', 'takeNewest');
  fc.assert(
    fc.property(fc.array(fc.tuple(moves, fc.integer({ min: 1, max: 900 })), { maxLength: 30 }), (steps) => {
      const fifo = createFifo<number>();
      const model: number[] = [];
      let next = 0;
      for (const [move, times] of steps)
        for (let time = 0; time < times; time++) {
          if (move === 'push') {
            next += 1;
            fifo.push(next);
            model.push(next);
          } else if (move === 'takeOldest') expect(fifo.takeOldest()).toBe(model.shift());
          else expect(fifo.takeNewest()).toBe(model.pop());
        }
      expect([fifo.size, ...fifo]).toEqual([model.length, ...model]);
    }),
    { numRuns: 50 },
  );
});

it('a record that comes again goes first, except as a probe; the newest fresh one is given up first', () => {
  const line = createWaitingLine<string>();
  for (const [name, isFirst] of [
    ['a', true],
    ['b', false],
    ['c', true],
    ['d', false],
    ['e', true],
  ] as const)
    line.add(name, isFirst);
  expect([line.size, ...line.all()]).toEqual([5, 'b', 'd', 'a', 'c', 'e']);
  expect([line.take(false), line.take(true), line.takeNewest()]).toEqual(['b', 'a', 'e']);
  expect([line.takeNewest(), line.takeNewest(), line.takeNewest()]).toEqual(['c', 'd', undefined]);
});
