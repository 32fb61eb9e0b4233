import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createTimeLimit, type Limited } from '../../src/delivery/time-limit.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Work extends Limited {
  readonly name: string;
}

const makeWork = (name: string): Work => ({ name, endsAt: 0, slot: -1 });
const clock = () => performance.now();

it('gives each piece its time, with one timer', async () => {
  const over: string[] = [];
  const limit = createTimeLimit<Work>(1_000, clock, ({ name }) => over.push(name));
  limit.begin(makeWork('a'));
  await vi.advanceTimersByTimeAsync(400);
  const b = makeWork('b');
  limit.begin(b);
  limit.begin(makeWork('c'));
  expect(vi.getTimerCount()).toBe(1);
  limit.end(b);
  await vi.advanceTimersByTimeAsync(599);
  expect(over).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(over).toEqual(['a']);
  await vi.advanceTimersByTimeAsync(400);
  expect(over).toEqual(['a', 'c']);
  expect(vi.getTimerCount()).toBe(0);
});

it('stops all, and forgets its timer', () => {
  const limit = createTimeLimit<Work>(1_000, clock, () => {});
  const [a, b] = [makeWork('a'), makeWork('b')];
  limit.begin(a);
  limit.begin(b);
  expect(limit.stop()).toEqual([a, b]);
  expect(vi.getTimerCount()).toBe(0);
  limit.end(a);
  expect(limit.stop()).toEqual([]);
});

it('tells each that is over once, and none that has ended, in whatever order they come', async () => {
  const moves = fc.oneof(
    fc.record({ kind: fc.constant('begin' as const), value: fc.nat() }),
    fc.record({ kind: fc.constant('end' as const), value: fc.nat() }),
    fc.record({ kind: fc.constant('wait' as const), value: fc.nat(400) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(moves, { maxLength: 60 }), async (steps) => {
      const over: Work[] = [];
      const limit = createTimeLimit<Work>(1_000, clock, (work) => over.push(work));
      const open = new Map<Work, number>();
      const expected: Work[] = [];
      const expire = () => {
        for (const [work, begun] of open) {
          if (clock() - begun < 1_000) continue;
          open.delete(work);
          expected.push(work);
        }
      };
      for (const { kind, value } of [...steps, { kind: 'wait' as const, value: 1_000 }]) {
        if (kind === 'wait') await vi.advanceTimersByTimeAsync(value);
        else if (kind === 'begin') {
          const work = makeWork(String(value));
          open.set(work, clock());
          limit.begin(work);
        } else if (open.size > 0) {
          const work = [...open.keys()][value % open.size] as Work;
          open.delete(work);
          limit.end(work);
        }
        expire();
      }
      expect(new Set(over)).toEqual(new Set(expected));
      expect(over).toHaveLength(expected.length);
    }),
    { numRuns: 100 },
  );
});
