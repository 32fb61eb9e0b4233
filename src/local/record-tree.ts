import { traceTail } from './store.ts';

/** What has a place in a tree of records. Ids are lower-case. */
export interface TreeItem {
  readonly id: string;
  /** Trace group that it names. */
  readonly group?: string | undefined;
  readonly parent?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly start?: number | undefined;
}

/** A record, or a trace group that completions name and nobody recorded, with what hangs below it. */
export interface TreeNode<Item> {
  readonly id: string;
  readonly item: Item | undefined;
  /** Start, or the earliest start below a group that was not recorded. */
  start: number | undefined;
  readonly children: TreeNode<Item>[];
}

export interface Tree<Item> {
  /** In order of time, groups and whatever belongs to none. */
  readonly roots: TreeNode<Item>[];
  /** Every item once. */
  readonly nodes: readonly TreeNode<Item>[];
}

/**
 * The items of one session, each under its parent, or under its trace group where the parent is not among them.
 * Total: doubles, loops and parents elsewhere leave every item in the tree exactly once.
 */
export function buildTree<Item extends TreeItem>(items: Iterable<Item>): Tree<Item> {
  const nodes = new Map<string, TreeNode<Item>>();
  for (const item of items) {
    if (!nodes.has(item.id)) nodes.set(item.id, { id: item.id, item, start: item.start, children: [] });
  }
  const recorded = [...nodes.values()];
  const groupOfTail = new Map<string, string>();
  for (const { item } of recorded) {
    const group = item?.group;
    if (group !== undefined) groupOfTail.set(traceTail(group), group);
  }
  const roots: TreeNode<Item>[] = [];
  const parents = parentsWithoutLoops(recorded, nodes);
  for (const node of recorded) {
    const recordedParent = parents.get(node);
    const parent = recordedParent ?? groupNode(node, nodes, groupOfTail, roots);
    if (parent === undefined || (recordedParent === undefined && isBelow(parent, node, parents))) {
      roots.push(node);
    } else {
      parents.set(node, parent);
      parent.children.push(node);
    }
  }
  for (const root of roots) {
    if (root.item === undefined) root.start = earliest(root.children);
  }
  sortByStart(roots);
  for (const { children } of recorded) sortByStart(children);
  for (const root of roots) sortByStart(root.children);
  return { roots, nodes: recorded };
}

/** The recorded parent of each node; an edge that would close a loop is left out. */
function parentsWithoutLoops<Item extends TreeItem>(
  recorded: readonly TreeNode<Item>[],
  nodes: ReadonlyMap<string, TreeNode<Item>>,
): Map<TreeNode<Item>, TreeNode<Item>> {
  const parents = new Map<TreeNode<Item>, TreeNode<Item>>();
  const settled = new Set<TreeNode<Item>>();
  for (const start of recorded) {
    const walk = new Set<TreeNode<Item>>();
    for (let node = start; !settled.has(node); ) {
      walk.add(node);
      const id = node.item?.parent;
      const parent = id === undefined ? undefined : nodes.get(id);
      if (parent === undefined || walk.has(parent)) break;
      parents.set(node, parent);
      node = parent;
    }
    for (const node of walk) settled.add(node);
  }
  return parents;
}

/** Where a node without a recorded parent belongs: its trace group, made up if it was not recorded; `undefined`: it is a root. */
function groupNode<Item extends TreeItem>(
  node: TreeNode<Item>,
  nodes: Map<string, TreeNode<Item>>,
  groupOfTail: ReadonlyMap<string, string>,
  roots: TreeNode<Item>[],
): TreeNode<Item> | undefined {
  const { group: named, parent } = node.item ?? { group: undefined, parent: undefined };
  // A trace record names no group: one of the same tail, else the parent it names (the group is often recorded last).
  const group = named ?? groupOfTail.get(traceTail(node.id)) ?? parent;
  if (group === undefined || group === node.id) return undefined;
  const known = nodes.get(group);
  if (known !== undefined) return known;
  const made: TreeNode<Item> = { id: group, item: undefined, start: undefined, children: [] };
  nodes.set(group, made);
  roots.push(made);
  return made;
}

/** Would hanging `node` under `candidate` close a loop? */
function isBelow<Item>(
  candidate: TreeNode<Item>,
  node: TreeNode<Item>,
  parents: ReadonlyMap<TreeNode<Item>, TreeNode<Item>>,
): boolean {
  for (let at: TreeNode<Item> | undefined = candidate; at !== undefined; at = parents.get(at)) {
    if (at === node) return true;
  }
  return false;
}

function earliest(nodes: readonly TreeNode<unknown>[]): number | undefined {
  let first: number | undefined;
  for (const { start } of nodes)
    if (start !== undefined && (first === undefined || start < first)) first = start;
  return first;
}

/** What has no start goes last; equals stay in order of arrival. */
function sortByStart(nodes: TreeNode<unknown>[]): void {
  nodes.sort((a, b) => (a.start ?? Number.POSITIVE_INFINITY) - (b.start ?? Number.POSITIVE_INFINITY) || 0);
}
