/** The filters of the page, in its address and as the server is asked. */
import { FILTER_NAMES } from '../../local/view-types.ts';

/** Windows that move with the clock: `since=1h` in the address. */
export const WINDOWS: ReadonlyMap<string, { readonly label: string; readonly millis: number }> = new Map([
  ['15m', { label: 'last 15 minutes', millis: 15 * 60_000 }],
  ['1h', { label: 'last hour', millis: 3_600_000 }],
  ['24h', { label: 'last 24 hours', millis: 86_400_000 }],
  ['7d', { label: 'last 7 days', millis: 7 * 86_400_000 }],
]);

/** Of the page's address → what the server is asked. */
export function serverFilter(query: URLSearchParams, now: number): URLSearchParams {
  const asked = new URLSearchParams();
  for (const name of FILTER_NAMES) {
    const value = query.get(name)?.trim();
    if (value) asked.set(name, value);
  }
  const since = WINDOWS.get(query.get('since') ?? '');
  // Whole minutes, so that the same question stays the same for a while.
  if (since) asked.set('from', String(Math.floor((now - since.millis) / 60_000) * 60_000));
  return asked;
}

/** What belongs to the filters, for links between lists. */
export function pageFilter(query: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const name of [...FILTER_NAMES, 'since']) {
    const value = query.get(name);
    if (value) kept.set(name, value);
  }
  return kept;
}

export function hasFilter(query: URLSearchParams): boolean {
  return pageFilter(query).size > 0;
}

/** `/completions` and a query → an address without an empty `?`. */
export function withQuery(path: string, query: URLSearchParams): string {
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}
