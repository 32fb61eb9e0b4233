import { groupOf, parentOf, traceTail } from './store.ts';
import { type RecordSummary, type ShownRecord, summarise } from './summary.ts';

/** A record, or a trace group that completions name and nobody recorded, with what hangs below it. */
export interface TreeNode {
  readonly id: string;
  readonly record: ShownRecord | undefined;
  readonly summary: RecordSummary | undefined;
  /** Start, or the earliest start below a group that was not recorded. */
  start: number | undefined;
  readonly children: TreeNode[];
}

export interface SessionTree {
  readonly session: string;
  /** In order of time, groups and whatever belongs to none. */
  readonly roots: TreeNode[];
  /** Every record of the session once. */
  readonly nodes: readonly TreeNode[];
}

/**
 * Sessions in order of their first record; each record under its parent, or under its trace group where the parent is not
 * among the records. Total: doubles, loops and parents in other sessions leave every record in its session exactly once.
 */
export function buildTrees(records: Iterable<ShownRecord>): SessionTree[] {
  const sessions = new Map<string, ShownRecord[]>();
  for (const record of records) {
    const session = record.session ?? record.sessionId ?? '';
    const list = sessions.get(session);
    if (list) list.push(record);
    else sessions.set(session, [record]);
  }
  return [...sessions].map(([session, list]) => sessionTree(session, list));
}

function sessionTree(session: string, records: readonly ShownRecord[]): SessionTree {
  const nodes = new Map<string, TreeNode>();
  for (const record of records) {
    const id = record.id.toLowerCase();
    if (nodes.has(id)) continue;
    const summary = summarise(record);
    nodes.set(id, { id, record, summary, start: summary.start, children: [] });
  }
  const recorded = [...nodes.values()];
  const groupOfTail = new Map<string, string>();
  for (const { record } of recorded) {
    const group = record && groupOf(record.body);
    if (group !== undefined) groupOfTail.set(traceTail(group), group);
  }
  const roots: TreeNode[] = [];
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
    if (root.record === undefined) root.start = earliest(root.children);
  }
  sortByStart(roots);
  for (const { children } of recorded) sortByStart(children);
  for (const root of roots) sortByStart(root.children);
  return { session, roots, nodes: recorded };
}

/** The recorded parent of each node; an edge that would close a loop is left out. */
function parentsWithoutLoops(
  recorded: readonly TreeNode[],
  nodes: ReadonlyMap<string, TreeNode>,
): Map<TreeNode, TreeNode> {
  const parents = new Map<TreeNode, TreeNode>();
  const settled = new Set<TreeNode>();
  for (const start of recorded) {
    const walk = new Set<TreeNode>();
    for (let node = start; !settled.has(node); ) {
      walk.add(node);
      const id = node.record && parentOf(node.record.body);
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
function groupNode(
  node: TreeNode,
  nodes: Map<string, TreeNode>,
  groupOfTail: ReadonlyMap<string, string>,
  roots: TreeNode[],
): TreeNode | undefined {
  const body = node.record?.body ?? {};
  const named = groupOf(body);
  const parent = parentOf(body);
  // A trace record names no group: one of the same tail, else the parent it names (the group is often recorded last).
  const group = named ?? groupOfTail.get(traceTail(node.id)) ?? parent;
  if (group === undefined || group === node.id) return undefined;
  const known = nodes.get(group);
  if (known !== undefined) return known;
  const made: TreeNode = { id: group, record: undefined, summary: undefined, start: undefined, children: [] };
  nodes.set(group, made);
  roots.push(made);
  return made;
}

/** Would hanging `node` under `candidate` close a loop? */
function isBelow(candidate: TreeNode, node: TreeNode, parents: ReadonlyMap<TreeNode, TreeNode>): boolean {
  for (let at: TreeNode | undefined = candidate; at !== undefined; at = parents.get(at)) {
    if (at === node) return true;
  }
  return false;
}

function earliest(nodes: readonly TreeNode[]): number | undefined {
  let first: number | undefined;
  for (const { start } of nodes)
    if (start !== undefined && (first === undefined || start < first)) first = start;
  return first;
}

/** What has no start goes last; equals stay in order of arrival. */
function sortByStart(nodes: TreeNode[]): void {
  nodes.sort((a, b) => (a.start ?? Number.POSITIVE_INFINITY) - (b.start ?? Number.POSITIVE_INFINITY) || 0);
}
