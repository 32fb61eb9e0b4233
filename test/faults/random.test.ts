/**
 * Everything at once: each attempt of each record meets a fault of its own, or none. Then all is accounted for, as always.
 *
 * `VITEST_LONG=1` makes it many more; `FAULTS_SEED=7` looks elsewhere.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Ledger } from '../../src/index.ts';
import { createFakeApi, type FakeAnswer, finishFake, pass, startFakeRun, useFakeTime } from './fake-api.ts';
import { startFaultServer } from './fault-server.ts';
import { chance, FIRST_SEED, faultOf, isPoison, LONG, MOST_FAULTS } from './mix.ts';
import { finish, holdJitterAt, type Run, settled, startRun, WAYS } from './run.ts';
import { listenForWarnings } from './warnings.ts';

const SEEDS = Array.from({ length: LONG ? 20 : 2 }, (_, n) => FIRST_SEED + n);
const WAVES = LONG ? 25 : 8;
const RUNS = LONG ? 500 : 25;

vi.setConfig({ testTimeout: LONG ? 300_000 : 60_000 });
listenForWarnings();
holdJitterAt(0.002);
afterEach(() => {
  vi.useRealTimers();
});

/** Its place among the records of the run: ids are new each time. */
function placeOf(run: Run | undefined, id: string): number {
  return [...(run?.expected ?? [])].indexOf(id);
}

describe.for(WAYS)('against a real server, through the %s', { concurrent: true }, (way) => {
  it.for(SEEDS)('seed %i: each record arrives once, or is told', async (seed, context) => {
    let run: Run | undefined;
    const server = await startFaultServer(context, ({ id, attempt }) =>
      faultOf(seed, placeOf(run, id), attempt),
    );
    run = startRun(context, server, { way, timeoutMillis: 1_000, concurrency: 16 });
    for (let wave = 0; wave < WAVES; wave++) {
      run.work(6);
      await new Promise((resolve) => setTimeout(resolve, 40 * chance(seed, wave, 4)));
      if (wave % 5 === 4) void run.forceFlush();
    }
    await settled(run, LONG ? 240_000 : 45_000);
    const rejected = [...run.expected].filter((_, place) => isPoison(seed, place)).length;
    await finish(run, server, { delivered: run.expected.size - rejected, rejected });
  });
});

describe('in fake time, with refusals and 500', () => {
  type Answer = FakeAnswer | 'accept' | 'record and lose';
  const answer: fc.Arbitrary<Answer> = fc.oneof(
    { weight: 4, arbitrary: fc.constant<Answer>('accept') },
    { weight: 2, arbitrary: fc.constant<Answer>('record and lose') },
    {
      weight: 4,
      arbitrary: fc.constantFrom(408, 425, 429, 500, 502, 503, 504).map((code) => ({ status: code })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom(429, 502, 503), fc.constantFrom('0', '1', '30', '-1', 'x'))
        .map(([code, after]) => ({ status: code, headers: { 'retry-after': after } })),
    },
    { weight: 2, arbitrary: fc.constantFrom(401, 403, 404).map((code) => ({ status: code })) },
    { weight: 1, arbitrary: fc.constantFrom(400, 413, 422).map((code) => ({ status: code })) },
    {
      weight: 2,
      arbitrary: fc.constantFrom('ECONNRESET', 'ENOTFOUND', 'UND_ERR_SOCKET').map((error) => ({ error })),
    },
    { weight: 1, arbitrary: fc.constant<Answer>({ hang: true }) },
  );
  /** The answers to the first attempts of a record; after those it is accepted. */
  const scripts = fc.array(fc.array(answer, { maxLength: MOST_FAULTS }), { minLength: 1, maxLength: 12 });
  const moves = fc.array(
    fc.oneof(
      fc.record({ work: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ pass: fc.integer({ min: 1, max: 40_000 }) }),
      fc.constant({ flush: true }),
    ),
    { minLength: 1, maxLength: 10 },
  );

  it.for(WAYS)('through the %s: each record arrives once, or is told why not', async (way, context) => {
    await fc.assert(
      fc.asyncProperty(scripts, moves, async (script, steps) => {
        useFakeTime();
        let run: Run | undefined;
        const refused = new Map<string, Set<number>>();
        const api = createFakeApi((post) => {
          const own = script[placeOf(run, post.id) % script.length]?.[post.attempt - 1] ?? 'accept';
          if (own === 'accept') return undefined;
          if (own === 'record and lose') {
            api.book.record(post);
            return { error: 'ECONNRESET' };
          }
          if ('status' in own) refused.set(post.id, (refused.get(post.id) ?? new Set()).add(own.status));
          return own;
        });
        run = startFakeRun(context, api, { way, retryDeadlineMillis: 300_000 });
        for (const step of steps) {
          if ('work' in step) run.work(step.work);
          else if ('pass' in step) await pass(step.pass);
          else void run.forceFlush();
        }
        // The slowest: three refusals with a minute each, for one record after the other.
        const isDone = ({ created, pending }: Ledger['records']): boolean =>
          created === run?.expected.size && pending === 0;
        for (let hour = 0; hour < 5 && !isDone(run.ledger().records); hour++) await pass(3_600_000);
        for (const [id, [reason = '']] of run.losses) {
          const status = Number(/^rejected: HTTP (\d+)$/.exec(reason)?.[1]);
          expect([400, 403, 404, 413, 422]).toContain(status);
          expect(refused.get(id)).toContain(status);
        }
        const rejected = run.losses.size;
        await finishFake(run, { delivered: run.expected.size - rejected, rejected });
      }),
      { numRuns: RUNS, seed: FIRST_SEED },
    );
  });
});
