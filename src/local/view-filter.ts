import type { RecordRow, SessionEntry } from './record-index.ts';
import type { ViewedStore } from './record-store.ts';
import type { ViewFilter } from './view-types.ts';

/** A filter as it is applied; `isAll`: nothing was asked for. */
export interface Filter {
  readonly isAll: boolean;
  readonly accepts: (completion: RecordRow) => boolean;
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** The filter of a query string, or what is wrong with it. Empty parameters ask for nothing. */
export function readFilter(query: URLSearchParams, store: ViewedStore): Filter | string {
  const asked = (name: keyof ViewFilter): string | undefined => query.get(name) || undefined;
  const from = millisOf(asked('from'));
  const to = millisOf(asked('to'));
  if (Number.isNaN(from)) return 'from: is not a time in milliseconds';
  if (Number.isNaN(to)) return 'to: is not a time in milliseconds';
  const error = asked('error');
  if (error !== undefined && error !== 'true' && error !== 'false') return 'error: is not true or false';
  const [model, provider, agent, session, text] = (
    ['model', 'provider', 'agent', 'session', 'text'] as const
  ).map(asked);
  const tests: ((row: RecordRow) => boolean)[] = [];
  if (from !== undefined) tests.push((row) => row.at >= from);
  if (to !== undefined) tests.push((row) => row.at < to);
  if (error !== undefined) tests.push((row) => row.failed === (error === 'true'));
  if (model !== undefined) tests.push((row) => row.model === model);
  if (provider !== undefined) tests.push((row) => row.provider === provider);
  if (agent !== undefined) tests.push((row) => row.agent === agent);
  if (session !== undefined) {
    const sessions = sessionsNamed(session, store);
    tests.push((row) => sessions.has(row.session));
  }
  const hasText = text === undefined ? undefined : store.search(text);
  if (hasText !== undefined) tests.push(hasText);
  return {
    isAll: tests.length === 0,
    accepts: (row) => {
      for (const test of tests) if (!test(row)) return false;
      return true;
    },
    from,
    to,
  };
}

function sessionsNamed(text: string, { index }: ViewedStore): ReadonlySet<SessionEntry> {
  const wanted = text.toLowerCase();
  const found = new Set<SessionEntry>();
  for (const session of index.sessions.values()) {
    if (session.id.startsWith(wanted) || session.name?.toLowerCase().includes(wanted)) found.add(session);
  }
  return found;
}

function millisOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,15}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
}
