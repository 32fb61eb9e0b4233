import { describe, expect, it } from 'vitest';
import { layOutWaterfall, visibleRows } from '../../src/inspector/model/waterfall.ts';
import type { TraceNodeRow } from '../../src/local/view-types.ts';

function node(id: string, depth: number, start?: number, durationMillis?: number): TraceNodeRow {
  return {
    id,
    kind: 'trace',
    depth,
    name: id,
    failed: false,
    input: '',
    output: '',
    ...(start !== undefined && { start }),
    ...(durationMillis !== undefined && { durationMillis }),
  };
}

describe('the waterfall', () => {
  it('puts bars where they belong, in percent', () => {
    const { rows, durationMillis, ticks } = layOutWaterfall([
      node('root', 0, 1_000, 400),
      node('a', 1, 1_000, 100),
      node('b', 1, 1_200, 200),
    ]);
    expect(durationMillis).toBe(400);
    expect(rows.map(({ bar }) => bar)).toEqual([
      { left: 0, width: 100 },
      { left: 0, width: 25 },
      { left: 50, width: 50 },
    ]);
    expect(ticks).toEqual([0, 100, 200, 300, 400].map((millis) => ({ left: millis / 4, millis })));
  });

  it('covers children that begin before their parent or end after it', () => {
    const { start, durationMillis, rows } = layOutWaterfall([
      node('root', 0, 1_000, 100),
      node('a', 1, 900, 300),
    ]);
    expect([start, durationMillis]).toEqual([900, 300]);
    expect(rows[1]?.bar).toEqual({ left: 0, width: 100 });
  });

  it('shows what takes no time, inside the track', () => {
    const { rows } = layOutWaterfall([node('root', 0, 0, 1_000), node('end', 1, 1_000, 0)]);
    const bar = rows[1]!.bar!;
    expect(bar.width).toBeGreaterThan(0);
    expect(bar.left + bar.width).toBeLessThanOrEqual(100);
  });

  it.each([
    [[]],
    [[node('a', 0)]],
    [[node('a', 0, 5)]],
    [[node('a', 0, 5, 0), node('b', 3)]],
  ])('of %j has no figure that is none', (nodes) => {
    const { rows, ticks, durationMillis } = layOutWaterfall(nodes);
    const figures = [
      durationMillis,
      ...ticks.map(({ left }) => left),
      ...rows.flatMap(({ bar }) => (bar ? [bar.left, bar.width] : [])),
    ];
    for (const figure of figures) expect(Number.isFinite(figure)).toBe(true);
  });

  it.each([
    0.5, 3, 17, 999, 61_234, 86_400_000,
  ])('has three to six ticks at round places: %d ms', (duration) => {
    const { ticks } = layOutWaterfall([node('a', 0, 0, duration)]);
    expect(ticks.length).toBeGreaterThanOrEqual(3);
    expect(ticks.length).toBeLessThanOrEqual(6);
    for (const { left } of ticks) expect(left).toBeLessThanOrEqual(100.01);
  });

  it('folds what is below, and nothing else', () => {
    const { rows } = layOutWaterfall([
      node('root', 0),
      node('a', 1),
      node('a1', 2),
      node('a2', 3),
      node('b', 1),
      node('b1', 2),
    ]);
    expect(rows.map(({ childCount }) => childCount)).toEqual([2, 1, 1, 0, 1, 0]);
    const shown = (...closed: string[]) => visibleRows(rows, new Set(closed)).map(({ node: { id } }) => id);
    expect(shown()).toHaveLength(6);
    expect(shown('a')).toEqual(['root', 'a', 'b', 'b1']);
    expect(shown('a', 'a1')).toEqual(['root', 'a', 'b', 'b1']);
    expect(shown('root')).toEqual(['root']);
  });
});
