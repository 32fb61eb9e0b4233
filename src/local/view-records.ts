import type { JsonValue } from '../json/json-text.ts';
import { traceIdOf } from '../record/ids.ts';
import type { Receipt, RecordBody } from '../record/record.ts';
import type { ExplainRecord } from './explain-record.ts';
import type { RecordRow, SessionEntry } from './record-index.ts';
import type { ViewedStore } from './record-store.ts';
import { buildTree, type TreeNode } from './record-tree.ts';
import type { StoredRecord } from './store.ts';
import { asObject } from './summary.ts';
import { countFailed, defined, earliest, spanOf, tokensOf, toSessionRow } from './view-lists.ts';
import type { RecordView, SessionView, TraceNodeRow, TraceRow, TraceView } from './view-types.ts';

/** More than a page can show; the list then ends there, and says so. */
export const MAX_TRACES = 2_000;
export const MAX_NODES = 5_000;
const MAX_PARENTS = 200;

export function viewSession(id: string, store: ViewedStore): SessionView | undefined {
  const session = store.index.sessions.get(id);
  if (session === undefined) return undefined;
  const traces = tracesOf(session, store);
  return {
    ...toSessionRow(session, store),
    metadata: metadataOf(session, store),
    traceList: traces.slice(0, MAX_TRACES),
    ...(traces.length > MAX_TRACES && { traceListIsMore: true as const }),
  };
}

/** What the latest records say of their session, and what was said of it afterwards. */
function metadataOf({ id, project, rows }: SessionEntry, store: ViewedStore): RecordBody {
  const entries: [string, JsonValue | undefined][] = [];
  for (const kind of ['trace', 'completion'] as const) {
    const row = rows.findLast((one) => one.kind === kind);
    const stored = row && store.read(row);
    if (stored === undefined) continue;
    const body = JSON.parse(stored.body) as RecordBody;
    const said = kind === 'trace' ? body.custom_metadata : asObject(body.session_info).custom_metadata;
    // A trace record's own ways back to its span are nothing of the session's.
    const own = Object.entries(asObject(said)).filter(([key]) => !/^(otel|error)\./.test(key));
    entries.push(...(own as [string, JsonValue][]));
  }
  entries.push(...Object.entries(store.annotation('session_metadata', project, id) ?? {}));
  return Object.fromEntries(entries) as RecordBody;
}

function tracesOf(session: SessionEntry, store: ViewedStore): TraceRow[] {
  const traces = new Map<string, RecordRow[]>();
  for (const row of session.rows) {
    const id = store.index.traceOf(row);
    const rows = traces.get(id);
    if (rows) rows.push(row);
    else traces.set(id, [row]);
  }
  return [...traces]
    .map(([id, rows]) => ({ id, rows, start: spanOf(rows).start }))
    .sort((a, b) => a.start - b.start)
    .slice(0, MAX_TRACES + 1)
    .map(({ id, rows }) => toTraceRow(id, rows, store));
}

function toTraceRow(id: string, rows: readonly RecordRow[], store: ViewedStore): TraceRow {
  const completions = rows.filter(({ kind }) => kind === 'completion');
  const itself = rows.find((row) => row.id === id) ?? earliest(rows);
  let otelTraceId: string | undefined;
  for (const row of rows) {
    otelTraceId = store.texts(row).otelTraceId;
    if (otelTraceId !== undefined) break;
  }
  return {
    id,
    ...defined({ otelTraceId }),
    name: itself?.name ?? '',
    completions: completions.length,
    errors: countFailed(completions),
    ...spanOf(rows),
    ...tokensOf(completions),
  };
}

/** @param id of a group, of any record in it, or 32 hexadecimal digits of a telemetry trace */
export function viewTrace(id: string, store: ViewedStore): TraceView | undefined {
  const { index } = store;
  const asked = /^[0-9a-f]{32}$/.test(id) ? traceIdOf(id) : id;
  const record = index.findById(asked);
  const group = record === undefined ? asked : index.traceOf(record);
  const rows = index.inTrace(group);
  const first = rows[0];
  if (first === undefined) return undefined;
  const nodes = buildTree(rows.map(toTreeItem)).roots;
  let url: string | undefined;
  for (const row of rows.slice(0, 100)) url ??= store.texts(row).url;
  const shown = toNodes(nodes, group, store);
  return {
    ...toTraceRow(group, rows, store),
    session: first.session.id,
    project: first.project,
    ...defined({ url }),
    nodes: shown.slice(0, MAX_NODES),
    ...(shown.length > MAX_NODES && { nodesAreMore: true as const }),
  };
}

interface RowItem {
  readonly id: string;
  readonly group: string | undefined;
  readonly parent: string | undefined;
  readonly start: number | undefined;
  readonly row: RecordRow;
}

function toTreeItem(row: RecordRow): RowItem {
  return { id: row.id, group: row.group, parent: row.parent, start: row.start, row };
}

/** Depth first, without recursion: a chain may be as long as there are records. */
function toNodes(roots: readonly TreeNode<RowItem>[], group: string, store: ViewedStore): TraceNodeRow[] {
  const nodes: TraceNodeRow[] = [];
  const pending = roots.toReversed().map((node) => ({ node, depth: 0 }));
  for (let next = pending.pop(); next !== undefined && nodes.length <= MAX_NODES; next = pending.pop()) {
    const { node, depth } = next;
    nodes.push(toNode(node, depth, group, store));
    for (const child of node.children.toReversed()) pending.push({ node: child, depth: depth + 1 });
  }
  return nodes;
}

function toNode(node: TreeNode<RowItem>, depth: number, group: string, store: ViewedStore): TraceNodeRow {
  const row = node.item?.row;
  if (row === undefined) {
    const missing = { id: node.id, kind: 'missing' as const, depth, name: MISSING, failed: false };
    return { ...missing, ...defined({ start: node.start }), input: '', output: '' };
  }
  const { input, output } = store.texts(row);
  return {
    id: row.id,
    kind: nodeKind(row, group),
    depth,
    name: row.name,
    ...defined({ model: row.model, start: row.start, durationMillis: row.durationMillis }),
    failed: row.failed,
    ...tokensOf([row]),
    input,
    output,
  };
}

const MISSING = 'not recorded';

function nodeKind(row: RecordRow, group: string): TraceNodeRow['kind'] {
  return row.kind === 'trace' && row.id === group && row.label === 'trace' ? 'group' : row.label;
}

export async function viewRecord(
  kind: StoredRecord['kind'],
  id: string,
  store: ViewedStore,
  explain: ExplainRecord,
): Promise<RecordView | undefined> {
  const row = store.index.findById(id, kind);
  const stored = row && store.read(row);
  if (row === undefined || stored === undefined) return undefined;
  const body = JSON.parse(stored.body) as RecordBody;
  const { otelTraceId } = store.texts(row);
  return {
    kind,
    id,
    project: row.project,
    session: row.session.id,
    ...defined({ trace: traceOf(row, store), otelTraceId }),
    path: stored.path,
    receivedAt: Date.parse(stored.receivedAt),
    posted: stored.posted,
    body,
    parents: parentsOf(row, store),
    feedback: { ...store.annotation(`${kind}_feedback`, row.project, id) },
    ...(await receiptOf(row, store, explain)),
  };
}

/** The group, where one is named or can be told; a record that belongs to none is in no trace. */
function traceOf(row: RecordRow, { index }: ViewedStore): string | undefined {
  const trace = index.traceOf(row);
  return trace === row.id && row.group === undefined && index.groupOfTail(row.id) === undefined
    ? undefined
    : trace;
}

/** From the outermost to the direct one; the group where no parent is recorded. */
function parentsOf(row: RecordRow, { index }: ViewedStore): RecordView['parents'] {
  const group = index.traceOf(row);
  const parents: RecordView['parents'][number][] = [];
  const seen = new Set([row]);
  let at = row;
  for (let above = index.parentOf(at); above !== undefined; above = index.parentOf(at)) {
    if (seen.has(above) || parents.length >= MAX_PARENTS) return parents.toReversed();
    seen.add(above);
    parents.push({ id: above.id, kind: nodeKind(above, group), name: above.name });
    at = above;
  }
  if (at.id !== group) {
    const recorded = index.findById(group);
    parents.push({
      id: group,
      kind: recorded === undefined ? 'missing' : nodeKind(recorded, group),
      name: recorded?.name ?? MISSING,
    });
  }
  return parents.toReversed();
}

async function receiptOf(
  row: RecordRow,
  store: ViewedStore,
  explain: ExplainRecord,
): Promise<Pick<RecordView, 'receipt' | 'spans' | 'sources'>> {
  const json = store.receipt(row.kind, row.id);
  if (json === undefined) return {};
  const { receipt, spans } = JSON.parse(json) as { receipt: Receipt; spans: JsonValue[] };
  if (spans.length === 0) return { receipt };
  return { receipt, spans, ...defined({ sources: await explain(row, spans) }) };
}
