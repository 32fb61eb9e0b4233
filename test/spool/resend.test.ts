import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createResender, type Resender } from '../../src/spool/resend.ts';
import type { StoredRecord } from '../../src/spool/rounds.ts';
import { makeSource } from './support.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Setup {
  readonly resender: Resender;
  /** Sent and not settled. */
  readonly inHand: { readonly id: string; answer(): void; settle(): void }[];
  readonly rounds: () => number;
  room: boolean;
}

function deferred(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** A spool that gives the same records in each round. */
function start(sizes: readonly number[], random: number = 0.5): Setup {
  const inHand: Setup['inHand'] = [];
  let rounds = 0;
  let left: number[] = [];
  const setup: Setup = {
    inHand,
    rounds: () => rounds,
    room: true,
    resender: createResender({
      random: () => random,
      hasRoom: () => setup.room,
      spool: {
        async beginRound() {
          rounds += 1;
          left = [...sizes];
          return undefined;
        },
        async next() {
          const bytes = left.shift();
          if (bytes === undefined) return undefined;
          const id = `r${sizes.length - left.length}`;
          return { record: { ...makeSource(id), bytes, n: 0, at: 0 }, isNew: true } as StoredRecord;
        },
      },
      send({ record }) {
        const [answered, ended] = [deferred(), deferred()];
        const one = {
          id: record.id,
          answer: answered.resolve,
          settle() {
            inHand.splice(inHand.indexOf(one), 1);
            answered.resolve();
            ended.resolve();
          },
        };
        inHand.push(one);
        return { answered: answered.promise, ended: ended.promise };
      },
    }),
  };
  return setup;
}

async function settleAll(setup: Setup): Promise<void> {
  while (setup.inHand.length > 0) {
    setup.inHand[0]?.settle();
    await vi.advanceTimersByTimeAsync(25);
  }
}

it.each([
  [0, 0],
  [0.5, 2_500],
  [0.999, 4_995],
])('begins at a random moment of the first five seconds (%d)', async (random, millis) => {
  const setup = start([1], random);
  expect(setup.rounds()).toBe(0);
  await vi.advanceTimersByTimeAsync(Math.max(0, millis - 1));
  expect(setup.rounds()).toBe(millis === 0 ? 1 : 0);
  await vi.advanceTimersByTimeAsync(1);
  expect(setup.rounds()).toBe(1);
  expect(setup.inHand).toHaveLength(1);
  setup.resender.stop();
});

it('has sixteen in hand at most, and takes the next when these have been tried', async () => {
  const setup = start(Array(40).fill(100));
  await vi.advanceTimersByTimeAsync(3_000);
  expect(setup.inHand).toHaveLength(16);
  const [stuck, ...others] = [...setup.inHand];
  for (const one of others) one.settle();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(setup.inHand).toEqual([stuck]);
  stuck?.answer();
  await vi.advanceTimersByTimeAsync(24);
  // A process that has nothing else to do would end here.
  expect(setup.inHand).toEqual([stuck]);
  await vi.advanceTimersByTimeAsync(1);
  expect(setup.inHand).toHaveLength(16);
  expect(setup.inHand[1]?.id).toBe('r17');
  await settleAll(setup);
  expect(setup.rounds()).toBe(1);
  setup.resender.stop();
});

it('waits for one to settle if all that may be in hand are in retry', async () => {
  const setup = start(Array(40).fill(100));
  await vi.advanceTimersByTimeAsync(3_000);
  for (const one of setup.inHand) one.answer();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(setup.inHand).toHaveLength(16);
  setup.inHand[3]?.settle();
  await vi.advanceTimersByTimeAsync(0);
  expect(setup.inHand).toHaveLength(16);
  expect(setup.inHand.at(-1)?.id).toBe('r17');
  setup.resender.stop();
});

it('has eight megabytes in hand at most, or one record', async () => {
  const setup = start([9_000_000, 5_000_000, 5_000_000, 5_000_000]);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(setup.inHand.map(({ id }) => id)).toEqual(['r1']);
  setup.inHand[0]?.settle();
  await vi.advanceTimersByTimeAsync(25);
  expect(setup.inHand.map(({ id }) => id)).toEqual(['r2', 'r3']);
  setup.resender.stop();
});

it('waits while new records need the room', async () => {
  const setup = start([1, 1]);
  setup.room = false;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(setup.inHand).toEqual([]);
  setup.room = true;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(setup.inHand).toHaveLength(2);
  setup.resender.stop();
});

it('takes nothing in hand while it is paused, by however many', async () => {
  const setup = start([1]);
  const [resume, resumeToo] = [setup.resender.pause(), setup.resender.pause()];
  await vi.advanceTimersByTimeAsync(10_000);
  resume();
  resume();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(setup.inHand).toEqual([]);
  resumeToo();
  await vi.advanceTimersByTimeAsync(0);
  expect(setup.inHand).toHaveLength(1);
  setup.resender.stop();
});

it('comes again every ten minutes, and soon when it is woken', async () => {
  const setup = start([1]);
  await vi.advanceTimersByTimeAsync(2_500);
  expect(setup.rounds()).toBe(1);
  await settleAll(setup);
  await vi.advanceTimersByTimeAsync(599_000);
  expect(setup.rounds()).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(setup.rounds()).toBe(2);
  await settleAll(setup);
  for (let n = 0; n < 10; n++) {
    setup.resender.wake();
    await vi.advanceTimersByTimeAsync(200);
  }
  await vi.advanceTimersByTimeAsync(500);
  expect(setup.rounds()).toBe(3);
  await settleAll(setup);
  setup.resender.stop();
});

it('woken in the middle of a round, comes again after it', async () => {
  const setup = start(Array(20).fill(1));
  await vi.advanceTimersByTimeAsync(2_500);
  setup.resender.wake();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(setup.rounds()).toBe(1);
  await settleAll(setup);
  await vi.advanceTimersByTimeAsync(2_500);
  expect(setup.rounds()).toBe(2);
  setup.resender.stop();
});

it('stopped, takes nothing more and leaves no timer', async () => {
  const setup = start(Array(20).fill(1));
  await vi.advanceTimersByTimeAsync(2_500);
  setup.resender.stop();
  await settleAll(setup);
  setup.resender.wake();
  await vi.advanceTimersByTimeAsync(1_000_000);
  expect(setup.rounds()).toBe(1);
  expect(setup.inHand).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
