/** `prefix.0.role`-style attributes as a list of small maps. */
import type { Attributes } from './span-data.ts';

/** A node of flattened attributes: a leaf value, or children by name. Maps, so that no key can reach a prototype. */
export interface FlatNode {
  value: unknown;
  readonly children: Map<string, FlatNode>;
}

/** More entries than any real list has; indices are compacted, so a huge index costs no more than its one entry. */
const MAX_ENTRIES = 4096;
const MAX_SEGMENTS = 12;

/** The tree of all attributes below the prefix (which ends with a dot). */
export function readFlat(attributes: Attributes, prefix: string): FlatNode | undefined {
  let root: FlatNode | undefined;
  let entries = 0;
  for (const key of Object.keys(attributes)) {
    if (!key.startsWith(prefix) || key.length === prefix.length) continue;
    const value = attributes[key];
    if (value === undefined || value === null) continue;
    if (++entries > MAX_ENTRIES) break;
    root ??= { value: undefined, children: new Map() };
    let node = root;
    for (const segment of key.slice(prefix.length).split('.', MAX_SEGMENTS)) {
      let child = node.children.get(segment);
      if (!child) {
        child = { value: undefined, children: new Map() };
        node.children.set(segment, child);
      }
      node = child;
    }
    node.value = value;
  }
  return root;
}

/** Children with numeric names, in numeric order; gaps are closed. */
export function listOf(node: FlatNode | undefined): readonly FlatNode[] {
  if (!node) return [];
  const found: [number, FlatNode][] = [];
  for (const [name, child] of node.children) {
    if (/^\d{1,16}$/.test(name)) found.push([Number(name), child]);
  }
  return found.sort((a, b) => a[0] - b[0]).map(([, child]) => child);
}

/** A descendant by dotted path. */
export function child(node: FlatNode | undefined, path: string): FlatNode | undefined {
  let at = node;
  for (const segment of path.split('.')) at = at?.children.get(segment);
  return at;
}

export function leaf(node: FlatNode | undefined, path: string): unknown {
  return child(node, path)?.value;
}

export function leafText(node: FlatNode | undefined, ...paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const value = leaf(node, path);
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  }
  return undefined;
}
