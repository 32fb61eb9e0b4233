import type { SessionEntry } from './record-index.ts';
import type { ViewedStore } from './record-store.ts';
import type { Filter } from './view-filter.ts';
import { defined } from './view-lists.ts';
import type { Charts } from './view-types.ts';

const MAX_BUCKETS = 60;
const MAX_MODELS = 8;
const OTHER = 'other';
const UNKNOWN = 'unknown model';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Widths that people count in. */
const WIDTHS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 28].map((count) => count * DAY),
];

/** Figures of one model's calls, in order of their start; side by side, since rows are all over the memory. */
interface Calls {
  readonly starts: number[];
  /** `NaN`: nobody said. */
  readonly durations: number[];
  readonly promptTokens: (number | undefined)[];
  readonly completionTokens: (number | undefined)[];
}

/** Totals of what passes the filter, and figures by model over the time from the first to the last of it. */
export function drawCharts(store: ViewedStore, filter: Filter): Charts {
  const sessions = new Set<SessionEntry>();
  const byModel = new Map<string, Calls>();
  let session: SessionEntry | undefined;
  let errors = 0;
  for (const row of store.index.completions()) {
    if (!filter.accepts(row)) continue;
    // Neighbours are mostly of one session.
    if (row.session !== session) {
      session = row.session;
      sessions.add(session);
    }
    if (row.failed) errors++;
    const model = row.model ?? UNKNOWN;
    let calls = byModel.get(model);
    if (calls === undefined) {
      calls = noCalls();
      byModel.set(model, calls);
    }
    calls.starts.push(row.at);
    calls.durations.push(row.durationMillis ?? Number.NaN);
    calls.promptTokens.push(row.promptTokens);
    calls.completionTokens.push(row.completionTokens);
  }
  const all = joined([...byModel.values()]);
  const { width, first, count } = bucketsOf(byModel);
  const durations = sorted(all.durations);
  return {
    completions: all.starts.length,
    sessions: sessions.size,
    errors,
    ...defined({
      promptTokens: sumOf(all.promptTokens),
      completionTokens: sumOf(all.completionTokens),
      p50Millis: percentile(durations, 50),
      p95Millis: percentile(durations, 95),
    }),
    bucketMillis: width,
    buckets: Array.from({ length: count }, (_, at) => first + at * width),
    models: mostUsed(byModel).map(([model, calls]) => ({ model, ...figuresOf(calls, first, width, count) })),
  };
}

function noCalls(): Calls {
  return { starts: [], durations: [], promptTokens: [], completionTokens: [] };
}

function joined(list: readonly Calls[]): Calls {
  const all = <Name extends keyof Calls>(name: Name): Calls[Name] =>
    ([] as Calls[Name][number][]).concat(...list.map((calls) => calls[name])) as Calls[Name];
  return {
    starts: all('starts'),
    durations: all('durations'),
    promptTokens: all('promptTokens'),
    completionTokens: all('completionTokens'),
  };
}

/** Not more than there is room for; the others together. */
function mostUsed(byModel: ReadonlyMap<string, Calls>): readonly [string, Calls][] {
  const models = [...byModel].sort(
    ([a, one], [b, two]) => two.starts.length - one.starts.length || (a < b ? -1 : 1),
  );
  const others = models.slice(MAX_MODELS).map(([, calls]) => calls);
  const shown = models.slice(0, MAX_MODELS);
  return others.length === 0 ? shown : [...shown, [OTHER, joined(others)]];
}

function bucketsOf(byModel: ReadonlyMap<string, Calls>): {
  readonly width: number;
  readonly first: number;
  readonly count: number;
} {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const { starts } of byModel.values()) {
    first = Math.min(first, starts[0] ?? first);
    last = Math.max(last, starts.at(-1) ?? last);
  }
  if (last < first) return { width: MINUTE, first: 0, count: 0 };
  const fits = (width: number): boolean => Math.floor(last / width) - Math.floor(first / width) < MAX_BUCKETS;
  // Longer than a lifetime: someone's clock is wrong, and every width is as good as another.
  const width = WIDTHS.find(fits) ?? Math.ceil((last - first) / (MAX_BUCKETS - 1) / DAY + 1) * DAY;
  const start = Math.floor(first / width);
  return { width, first: start * width, count: Math.floor(last / width) - start + 1 };
}

function figuresOf(
  { starts, durations, promptTokens, completionTokens }: Calls,
  first: number,
  width: number,
  count: number,
): Omit<Charts['models'][number], 'model'> {
  const zeros = (): number[] => new Array<number>(count).fill(0);
  const figures = { completions: zeros(), promptTokens: zeros(), completionTokens: zeros() };
  const inBuckets = Array.from({ length: count }, (): number[] => []);
  for (let i = 0; i < starts.length; i++) {
    const at = Math.floor((starts[i]! - first) / width);
    figures.completions[at]! += 1;
    figures.promptTokens[at]! += promptTokens[i] ?? 0;
    figures.completionTokens[at]! += completionTokens[i] ?? 0;
    inBuckets[at]?.push(durations[i] ?? Number.NaN);
  }
  const inOrder = inBuckets.map(sorted);
  return {
    ...figures,
    p50Millis: inOrder.map((list) => percentile(list, 50) ?? null),
    p95Millis: inOrder.map((list) => percentile(list, 95) ?? null),
  };
}

function sumOf(counts: readonly (number | undefined)[]): number | undefined {
  let sum: number | undefined;
  for (const count of counts) if (count !== undefined) sum = (sum ?? 0) + count;
  return sum;
}

/** Without those that nobody said. A typed array is sorted as numbers, and many times as fast. */
function sorted(durations: readonly number[]): Float64Array {
  const list = Float64Array.from(durations).sort();
  const nothing = list.findIndex(Number.isNaN);
  return nothing === -1 ? list : list.subarray(0, nothing);
}

/** Nearest rank: always a value that was measured. */
function percentile(inOrder: Float64Array, percent: number): number | undefined {
  return inOrder[Math.max(0, Math.ceil((percent / 100) * inOrder.length) - 1)];
}
