/** What two texts or lists have in common, in order. */

export type Change<Item> =
  | { readonly kind: 'same'; readonly a: Item; readonly b: Item }
  | { readonly kind: 'removed'; readonly a: Item }
  | { readonly kind: 'added'; readonly b: Item };

/** Of the table below; past that everything between the common ends counts as changed. */
const MAX_CELLS = 4_000_000;

/** The longest common subsequence; `keyOf` tells which items are equal. */
export function diffLists<Item>(
  a: readonly Item[],
  b: readonly Item[],
  keyOf: (item: Item) => string,
): readonly Change<Item>[] {
  const keysA = a.map(keyOf);
  const keysB = b.map(keyOf);
  let head = 0;
  while (head < a.length && head < b.length && keysA[head] === keysB[head]) head++;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    keysA[a.length - 1 - tail] === keysB[b.length - 1 - tail]
  )
    tail++;
  const changes: Change<Item>[] = [];
  const same = (i: number, j: number): void => {
    changes.push({ kind: 'same', a: a[i]!, b: b[j]! });
  };
  for (let i = 0; i < head; i++) same(i, i);
  changes.push(...diffMiddle(a, b, keysA, keysB, head, a.length - tail, b.length - tail));
  for (let i = tail; i > 0; i--) same(a.length - i, b.length - i);
  return changes;
}

function diffMiddle<Item>(
  a: readonly Item[],
  b: readonly Item[],
  keysA: readonly string[],
  keysB: readonly string[],
  from: number,
  endA: number,
  endB: number,
): readonly Change<Item>[] {
  const rows = endA - from;
  const columns = endB - from;
  const changes: Change<Item>[] = [];
  let i = 0;
  let j = 0;
  if (rows > 0 && columns > 0 && rows * columns <= MAX_CELLS) {
    const width = columns + 1;
    const lengths = new Uint32Array((rows + 1) * width);
    for (let row = rows - 1; row >= 0; row--)
      for (let column = columns - 1; column >= 0; column--)
        lengths[row * width + column] =
          keysA[from + row] === keysB[from + column]
            ? lengths[(row + 1) * width + column + 1]! + 1
            : Math.max(lengths[(row + 1) * width + column]!, lengths[row * width + column + 1]!);
    while (i < rows && j < columns) {
      if (keysA[from + i] === keysB[from + j])
        changes.push({ kind: 'same', a: a[from + i++]!, b: b[from + j++]! });
      else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)
        changes.push({ kind: 'removed', a: a[from + i++]! });
      else changes.push({ kind: 'added', b: b[from + j++]! });
    }
  }
  while (i < rows) changes.push({ kind: 'removed', a: a[from + i++]! });
  while (j < columns) changes.push({ kind: 'added', b: b[from + j++]! });
  return changes;
}

export function diffLines(a: string, b: string): readonly Change<string>[] {
  return diffLists(a.split('\n'), b.split('\n'), (line) => line);
}
