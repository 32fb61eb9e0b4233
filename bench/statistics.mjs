/** @param {readonly number[]} values */
export function median(values) {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * One row of several runs: the median of each number, all problems.
 *
 * @param {readonly Record<string, any>[]} runs at least one
 */
export function medianRow(runs) {
  const [first] = runs;
  return Object.fromEntries(
    Object.entries(first).map(([key, value]) => {
      if (typeof value === 'number') return [key, median(runs.map((run) => run[key]))];
      if (Array.isArray(value)) return [key, [...new Set(runs.flatMap((run) => run[key]))]];
      return [key, value];
    }),
  );
}
