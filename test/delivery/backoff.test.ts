import fc from 'fast-check';
import { expect, it } from 'vitest';
import { backoffMillis, DEFAULT_BACKOFF } from '../../src/delivery/backoff.ts';

it.each([
  [1, 500],
  [2, 1_000],
  [3, 2_000],
  [7, 30_000],
  [5_000, 30_000],
])('draws the delay after %i failures from 0 to %i ms', (failures, ceiling) => {
  expect(backoffMillis(failures, () => 0)).toBe(0);
  expect(backoffMillis(failures, () => 1)).toBe(ceiling);
});

it('stays within its bounds for any number of failures', () => {
  const unit = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.integer(), unit, (failures, random) => {
      const millis = backoffMillis(failures, () => random);
      expect(millis).toBeGreaterThanOrEqual(0);
      expect(millis).toBeLessThanOrEqual(DEFAULT_BACKOFF.maxMillis);
    }),
  );
});
