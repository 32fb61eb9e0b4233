import type { RecordRow, SessionEntry } from './record-index.ts';
import type { ViewedStore } from './record-store.ts';
import type { Filter } from './view-filter.ts';
import type { CompletionRow, Facet, Facets, SessionRow, TokenTotals, ViewPage } from './view-types.ts';

export interface PageRequest {
  readonly limit: number;
  /** Where the page before ended. */
  readonly before: Place | undefined;
}

/** Of a row in its list: when it was, and what tells those of one moment apart. */
export interface Place {
  readonly at: number;
  readonly tie: number;
}

const MAX_COUNTED = 10_000;
const MAX_FACETS = 100;
/** Of one session's row. */
const MAX_NAMES = 20;

export function listCompletions(
  store: ViewedStore,
  filter: Filter,
  { limit, before }: PageRequest,
): ViewPage<CompletionRow> {
  const all = store.index.completions();
  const rows: RecordRow[] = [];
  let total = 0;
  for (let i = all.length - 1; i >= 0; i--) {
    const row = all[i]!;
    if (!filter.accepts(row)) continue;
    total++;
    if (rows.length <= limit && isBefore(placeOf(row), before)) rows.push(row);
    // One more than is shown tells that there is a next page.
    if (total > MAX_COUNTED && rows.length > limit) break;
  }
  return toPage(rows, limit, total, placeOf, (row) => toCompletionRow(row, store));
}

export function listSessions(
  store: ViewedStore,
  filter: Filter,
  { limit, before }: PageRequest,
): ViewPage<SessionRow> {
  const found = filter.isAll ? new Set(store.index.sessions.values()) : new Set<SessionEntry>();
  if (!filter.isAll) {
    for (const row of store.index.completions()) {
      if (!found.has(row.session) && filter.accepts(row)) found.add(row.session);
    }
  }
  const place = ({ end, rows }: SessionEntry): Place => ({ at: end, tie: rows[0]?.seq ?? 0 });
  const latest = [...found]
    .filter((session) => isBefore(place(session), before))
    .sort((a, b) => b.end - a.end || place(b).tie - place(a).tie);
  return toPage(latest.slice(0, limit + 1), limit, found.size, place, (session) =>
    toSessionRow(session, store),
  );
}

/** The most frequent values of all that pass the filter. */
export function countFacets(store: ViewedStore, filter: Filter): Facets {
  const models = new Map<string, number>();
  const providers = new Map<string, number>();
  const agents = new Map<string, number>();
  for (const row of store.index.completions()) {
    if (!filter.accepts(row)) continue;
    count(models, row.model);
    count(providers, row.provider);
    count(agents, row.agent);
  }
  return { models: toFacets(models), providers: toFacets(providers), agents: toFacets(agents) };
}

function toPage<Item, Row>(
  items: readonly Item[],
  limit: number,
  total: number,
  place: (item: Item) => Place,
  toRow: (item: Item) => Row,
): ViewPage<Row> {
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  return {
    rows: shown.map(toRow),
    total: Math.min(total, MAX_COUNTED),
    totalIsMore: total > MAX_COUNTED,
    ...(items.length > limit && last !== undefined && { next: `${place(last).at}_${place(last).tie}` }),
  };
}

function placeOf({ at, seq }: RecordRow): Place {
  return { at, tie: seq };
}

function isBefore({ at, tie }: Place, before: Place | undefined): boolean {
  return before === undefined || at < before.at || (at === before.at && tie < before.tie);
}

export function toCompletionRow(row: RecordRow, store: ViewedStore): CompletionRow {
  const { input, output } = store.texts(row);
  return {
    id: row.id,
    session: row.session.id,
    ...defined({
      trace: row.group,
      model: row.model,
      provider: row.provider,
      agent: row.agent,
      durationMillis: row.durationMillis,
    }),
    start: row.at,
    failed: row.failed,
    ...tokensOf([row]),
    input,
    output,
  };
}

export function toSessionRow(session: SessionEntry, store: ViewedStore): SessionRow {
  const { id, project, name, rows } = session;
  const completions = rows.filter(({ kind }) => kind === 'completion');
  const first = earliest(completions.length > 0 ? completions : rows);
  const last = latest(completions.length > 0 ? completions : rows);
  const opening = first && store.texts(first);
  return {
    id,
    project,
    ...defined({ name: name === id ? undefined : name }),
    completions: completions.length,
    traces: new Set(rows.map((row) => store.index.traceOf(row))).size,
    errors: countFailed(completions),
    models: different(completions.map(({ model }) => model)),
    agents: different(completions.map(({ agent }) => agent)),
    ...spanOf(rows),
    ...tokensOf(completions),
    input: opening?.opening ?? opening?.input ?? '',
    output: last === undefined ? '' : store.texts(last).output,
  };
}

export function countFailed(rows: readonly RecordRow[]): number {
  return rows.reduce((sum, { failed }) => sum + (failed ? 1 : 0), 0);
}

/** From the first start to the last end. */
export function spanOf(rows: readonly RecordRow[]): { readonly start: number; readonly end: number } {
  let start = Number.POSITIVE_INFINITY;
  let end = Number.NEGATIVE_INFINITY;
  for (const row of rows) {
    start = Math.min(start, row.at);
    end = Math.max(end, endOf(row));
  }
  return { start, end };
}

/** Of those who reported any. */
export function tokensOf(rows: readonly RecordRow[]): TokenTotals {
  let promptTokens: number | undefined;
  let completionTokens: number | undefined;
  for (const row of rows) {
    if (row.promptTokens !== undefined) promptTokens = (promptTokens ?? 0) + row.promptTokens;
    if (row.completionTokens !== undefined) completionTokens = (completionTokens ?? 0) + row.completionTokens;
  }
  return defined({ promptTokens, completionTokens });
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Without what there is not. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}

function endOf(row: RecordRow): number {
  return row.at + (row.durationMillis ?? 0);
}

export function earliest(rows: readonly RecordRow[]): RecordRow | undefined {
  return rows.reduce<RecordRow | undefined>(
    (first, row) => (first === undefined || row.at < first.at ? row : first),
    undefined,
  );
}

function latest(rows: readonly RecordRow[]): RecordRow | undefined {
  return rows.reduce<RecordRow | undefined>(
    (last, row) => (last === undefined || endOf(row) >= endOf(last) ? row : last),
    undefined,
  );
}

function different(names: readonly (string | undefined)[]): string[] {
  const found = new Set(names);
  found.delete(undefined);
  return ([...found] as string[]).slice(0, MAX_NAMES);
}

function count(counts: Map<string, number>, value: string | undefined): void {
  if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
}

function toFacets(counts: ReadonlyMap<string, number>): Facet[] {
  return [...counts]
    .map(([value, many]) => ({ value, count: many }))
    .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
    .slice(0, MAX_FACETS);
}
