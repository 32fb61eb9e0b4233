/** Where the bars of a trace go. */
import type { TraceNodeRow } from '../../local/view-types.ts';

export interface Bar {
  /** Both in percent of the track. */
  readonly left: number;
  readonly width: number;
}

export interface WaterfallRow {
  readonly node: TraceNodeRow;
  /** `undefined`: nobody knows when it was. */
  readonly bar: Bar | undefined;
  readonly childCount: number;
}

export interface Tick {
  readonly left: number;
  /** Since the beginning. */
  readonly millis: number;
}

export interface Waterfall {
  readonly start: number;
  readonly durationMillis: number;
  readonly rows: readonly WaterfallRow[];
  readonly ticks: readonly Tick[];
}

/** Thinner bars could not be seen. */
const MIN_WIDTH = 0.4;

/** @param nodes in order of the tree */
export function layOutWaterfall(nodes: readonly TraceNodeRow[]): Waterfall {
  let start = Number.POSITIVE_INFINITY;
  let end = Number.NEGATIVE_INFINITY;
  for (const node of nodes) {
    if (node.start === undefined) continue;
    start = Math.min(start, node.start);
    end = Math.max(end, node.start + (node.durationMillis ?? 0));
  }
  const known = end >= start;
  const durationMillis = known ? end - start : 0;
  const counts = childCounts(nodes);
  return {
    start: known ? start : 0,
    durationMillis,
    rows: nodes.map((node, index) => ({
      node,
      bar: barOf(node, start, durationMillis),
      childCount: counts[index] ?? 0,
    })),
    ticks: ticksOf(durationMillis),
  };
}

function barOf({ start, durationMillis }: TraceNodeRow, from: number, all: number): Bar | undefined {
  if (start === undefined) return undefined;
  if (all === 0) return { left: 0, width: 100 };
  const width = Math.min(100, Math.max(MIN_WIDTH, ((durationMillis ?? 0) / all) * 100));
  // A short bar at the very end stays inside the track.
  return { left: Math.min(100 - width, ((start - from) / all) * 100), width };
}

/** Direct children of each row. */
function childCounts(nodes: readonly TraceNodeRow[]): readonly number[] {
  const counts = nodes.map(() => 0);
  const path: number[] = [];
  nodes.forEach((node, index) => {
    while (path.length > 0 && (nodes[path.at(-1)!]?.depth ?? 0) >= node.depth) path.pop();
    const parent = path.at(-1);
    if (parent !== undefined) counts[parent]! += 1;
    path.push(index);
  });
  return counts;
}

/** Three to six, at round numbers. */
function ticksOf(durationMillis: number): readonly Tick[] {
  if (durationMillis <= 0) return [{ left: 0, millis: 0 }];
  const rough = durationMillis / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10) * magnitude;
  const ticks: Tick[] = [];
  for (let count = 0; count * step <= durationMillis * 1.0001; count++)
    ticks.push({ left: ((count * step) / durationMillis) * 100, millis: count * step });
  return ticks;
}

/** The rows that show when those of `closed` are folded. */
export function visibleRows(
  rows: readonly WaterfallRow[],
  closed: ReadonlySet<string>,
): readonly WaterfallRow[] {
  let hiddenBelow = Number.POSITIVE_INFINITY;
  return rows.filter(({ node }) => {
    if (node.depth > hiddenBelow) return false;
    hiddenBelow = closed.has(node.id) ? node.depth : Number.POSITIVE_INFINITY;
    return true;
  });
}
