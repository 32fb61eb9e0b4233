import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MAX_RETRY_AFTER_MILLIS, parseRetryAfter } from '../../src/delivery/retry-after.ts';

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0);

it.each([
  ['0', 0],
  ['7', 7_000],
  [' 7 ', 7_000],
  ['1.5', 1_500],
  ['86400', 300_000],
  [['3', '9'], 3_000],
  ['Thu, 01 Jan 2026 12:00:30 GMT', 30_000],
  ['Thu, 01 Jan 2026 11:59:00 GMT', 0],
  ['Fri, 02 Jan 2026 12:00:00 GMT', MAX_RETRY_AFTER_MILLIS],
  ['', undefined],
  ['-1', undefined],
  ['soon', undefined],
  ['1e9', undefined],
  ['0x10', undefined],
  ['NaN', undefined],
  ['Infinity', undefined],
  ['2026-01-01T12:00:30Z', undefined],
  ['Thu, 99 Jan 2026 12:00:30 GMT', undefined],
  [undefined, undefined],
  [7, undefined],
  [[], undefined],
])('reads %j as %j', (value, expected) => {
  expect(parseRetryAfter(value, undefined, NOW)).toBe(expected);
});

it('counts a date from the clock of the server that sent it', () => {
  const date = 'Thu, 01 Jan 2026 15:00:00 GMT';
  expect(parseRetryAfter('Thu, 01 Jan 2026 15:00:20 GMT', date, NOW)).toBe(20_000);
  expect(parseRetryAfter('Thu, 01 Jan 2026 12:00:20 GMT', 'yesterday', NOW)).toBe(20_000);
});

it('is total, and stays within the clamp', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), fc.double(), (value, date, now) => {
      const millis = parseRetryAfter(value, date, Number.isNaN(now) ? NOW : now);
      expect(millis === undefined || (millis >= 0 && millis <= MAX_RETRY_AFTER_MILLIS)).toBe(true);
    }),
  );
});

it('reads back any number of seconds within the clamp', () => {
  fc.assert(
    fc.property(fc.nat(300), (seconds) => {
      expect(parseRetryAfter(String(seconds), undefined, NOW)).toBe(seconds * 1000);
      expect(parseRetryAfter(new Date(NOW + seconds * 1000).toUTCString(), undefined, NOW)).toBe(
        seconds * 1000,
      );
    }),
  );
});
