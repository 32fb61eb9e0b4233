/** `Retry-After`, RFC 9110 section 10.2.3: delay in seconds, or an HTTP date. Pure. */

/** Five minutes: a server that asks for more is asked again anyway, so that a typing error there is no outage here. */
export const MAX_RETRY_AFTER_MILLIS = 300_000;

/** Decimals are outside the RFC but seen in practice. */
const SECONDS = /^\d{1,15}(\.\d{1,15})?$/;

/**
 * IMF-fixdate, the one form that servers still send; what `Date.parse` guesses from other text is not to be trusted
 * ("1" is a month to it).
 */
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * The wait that the header asks for, from 0 to `MAX_RETRY_AFTER_MILLIS`; `undefined` for anything that is not valid.
 *
 * @param value The header, undefined or repeated as it may be.
 * @param date The `Date` header of the same response. A date is counted from the server's clock where it tells it, since
 *   ours may be off by more than the wait.
 * @param now Our clock, Unix milliseconds, for when it does not.
 */
export function parseRetryAfter(value: unknown, date: unknown, now: number): number | undefined {
  const text = Array.isArray(value) ? value[0] : value;
  if (typeof text !== 'string') return undefined;
  const trimmed = text.trim();
  if (SECONDS.test(trimmed)) return clamp(Number(trimmed) * 1000);
  const at = parseHttpDate(trimmed);
  return at === undefined ? undefined : clamp(at - (parseHttpDate(date) ?? now));
}

function parseHttpDate(value: unknown): number | undefined {
  if (typeof value !== 'string' || !HTTP_DATE.test(value)) return undefined;
  const millis = Date.parse(value);
  return Number.isNaN(millis) ? undefined : millis;
}

function clamp(millis: number): number {
  return Math.min(Math.max(0, millis), MAX_RETRY_AFTER_MILLIS);
}
