/** What is on the disk at any moment gives every record that was kept and not settled, once. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { SpoolEntry } from '../../src/spool/holdings.ts';
import { afterKill, makeFolder, makeSource, openTestSpool, type TestSpool, takeRound } from './support.ts';

/** Files are full at an eighth of it, so that there are several; nothing is given up for want of room. */
const MAX_BYTES = 300_000;

type Step =
  | { readonly do: 'append'; readonly count: number; readonly size: number }
  | { readonly do: 'settle' | 'leave'; readonly which: number }
  | { readonly do: 'take'; readonly count: number }
  | { readonly do: 'restart' | 'kill' };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('append' as const),
        count: fc.integer({ min: 1, max: 8 }),
        size: fc.nat(3_000),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constantFrom('settle' as const, 'leave' as const), which: fc.nat(100) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('take' as const), count: fc.nat(12) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'kill' as const) }) },
  ),
  { maxLength: 30 },
);

it('through any order of appends, ends of records, restarts and kills', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (script, sync) => {
      let dir = makeFolder();
      const open = (): TestSpool => openTestSpool(dir, { maxBytes: MAX_BYTES, sync });
      let spool = open();
      let made = 0;
      const held = new Map<string, SpoolEntry>();
      const left = new Set<string>();
      const settled = new Set<string>();

      for (const step of script) {
        if (step.do === 'append') {
          if (made * 3_500 > MAX_BYTES / 2) continue;
          const ids = Array.from({ length: step.count }, () => `r${made++}`);
          const answers = await Promise.all(
            ids.map((id) => spool.append(makeSource(id, { size: step.size }))),
          );
          answers.forEach((answer, n) => {
            expect(answer.kind).toBe('kept');
            if (answer.kind === 'kept') held.set(ids[n] ?? '', answer.entry);
          });
        } else if (step.do === 'settle' || step.do === 'leave') {
          const [id, entry] = [...held][step.which % Math.max(1, held.size)] ?? [];
          if (id === undefined || entry === undefined) continue;
          held.delete(id);
          if (step.do === 'settle') {
            entry.settle();
            settled.add(id);
          } else {
            expect(entry.leave()).toBe(true);
            left.add(id);
          }
        } else if (step.do === 'take') {
          await spool.beginRound();
          for (let n = 0; n < step.count; n++) {
            const stored = await spool.next();
            if (stored === undefined) break;
            const { id } = stored.record;
            expect(left.has(id), `${id} was left`).toBe(true);
            left.delete(id);
            held.set(id, stored);
          }
        } else {
          if (step.do === 'restart') await spool.close(5_000);
          else dir = await afterKill(dir);
          spool = open();
          const taken = (await takeRound(spool)).map((stored) => ({ id: stored.record.id, stored }));
          const ids = taken.map(({ id }) => id);
          expect(new Set(ids).size).toBe(ids.length);
          for (const id of [...held.keys(), ...left]) expect(ids, `${id} is there`).toContain(id);
          for (const { id, stored } of taken) {
            const isKnown = held.has(id) || left.has(id);
            // A kill may come before a mark is written: then it is sent once more, and answered with 409.
            if (!isKnown) expect([step.do, settled.has(id)]).toEqual(['kill', true]);
            if (isKnown) stored.leave();
            else stored.settle();
          }
          held.clear();
          left.clear();
          for (const { id } of taken) if (!settled.has(id)) left.add(id);
        }
      }
      await spool.close(5_000);
      spool = open();
      const last = (await takeRound(spool)).map(({ record }) => record.id);
      expect(last.sort()).toEqual([...held.keys(), ...left].sort());
      await spool.close(5_000);
    }),
    { numRuns: 120 },
  );
});
