import type { RecordBody } from '../record/record.ts';
import {
  type Annotation,
  type ArrivedRecord,
  groupOf,
  parentOf,
  type RecordQuery,
  type RecordStore,
  type Scalars,
  type StoredRecord,
  traceTail,
} from './store.ts';

export interface MemoryStoreOptions {
  /** @default 10,000 */
  readonly maxRecords?: number | undefined;
  /** Of posted JSON, in UTF-16 code units. @default 256 Mi */
  readonly maxBytes?: number | undefined;
  /** @default 10,000 */
  readonly maxAnnotations?: number | undefined;
  /** Called when the oldest records had to go, with the total so far. */
  readonly onDrop?: ((total: number) => void) | undefined;
}

interface Entry extends Omit<StoredRecord, 'body'> {
  /** Bodies are kept as text: about the size they had on the wire, and nobody can change them. */
  json: string;
  readonly group: string | undefined;
  readonly parent: string | undefined;
}

/** Keeps records in this process; full, it lets go of the oldest. */
export function createMemoryStore(options: MemoryStoreOptions = {}): RecordStore {
  const maxRecords = options.maxRecords ?? 10_000;
  const maxBytes = options.maxBytes ?? 256 * 1024 * 1024;
  const maxAnnotations = options.maxAnnotations ?? 10_000;
  // A Map iterates in order of insertion, which is the order of arrival.
  const entries = new Map<string, Entry>();
  const notes = new Map<string, Annotation>();
  let lastSeq = 0;
  let bytes = 0;
  let dropped = 0;

  function makeRoom(): void {
    const before = dropped;
    for (const [key, entry] of entries) {
      if (entries.size <= 1 || (entries.size <= maxRecords && bytes <= maxBytes)) break;
      entries.delete(key);
      bytes -= entry.json.length;
      dropped++;
    }
    if (dropped > before) options.onDrop?.(dropped);
  }

  return {
    persistent: false,
    location: 'memory',
    add(record: ArrivedRecord): StoredRecord | undefined {
      const key = keyOf(record.project, record.kind, record.id);
      if (entries.has(key)) return undefined;
      const { kind, id, project, session, path, json, receivedAt, body } = record;
      lastSeq++;
      bytes += json.length;
      entries.set(key, {
        seq: lastSeq,
        kind,
        id,
        project,
        session,
        path,
        json,
        receivedAt,
        group: groupOf(body),
        parent: parentOf(body),
      });
      const stored = { seq: lastSeq, kind, id, project, session, path, body, receivedAt };
      makeRoom();
      return stored;
    },
    find(project: string, kind: StoredRecord['kind'], id: string): StoredRecord | undefined {
      const entry = entries.get(keyOf(project, kind, id));
      return entry && toStored(entry);
    },
    replaceBody(record: StoredRecord, body: RecordBody): void {
      const entry = entries.get(keyOf(record.project, record.kind, record.id));
      if (entry === undefined) return;
      bytes -= entry.json.length;
      entry.json = JSON.stringify(body);
      bytes += entry.json.length;
      makeRoom();
    },
    hasSession(project: string, session: string): boolean {
      for (const entry of entries.values()) {
        if (entry.session === session && entry.project === project) return true;
      }
      return false;
    },
    annotate(kind: Annotation['kind'], project: string, id: string, values: Scalars): void {
      const key = `${project} ${kind} ${id}`;
      const merged = Object.fromEntries([
        ...Object.entries(notes.get(key)?.values ?? {}),
        ...Object.entries(values),
      ]);
      notes.delete(key);
      notes.set(key, { kind, project, id, values: merged });
      for (const oldest of notes.keys()) {
        if (notes.size <= maxAnnotations) break;
        notes.delete(oldest);
      }
    },
    annotations(): Annotation[] {
      return [...notes.values()];
    },
    list(query: RecordQuery = {}): StoredRecord[] {
      const ofTrace = query.trace === undefined ? undefined : traceFilter(entries.values(), query.trace);
      const limit = query.limit ?? Number.POSITIVE_INFINITY;
      const found: StoredRecord[] = [];
      for (const entry of entries.values()) {
        if (found.length >= limit) break;
        if (query.after !== undefined && entry.seq <= query.after) continue;
        if (query.session !== undefined && entry.session !== query.session) continue;
        if (ofTrace === undefined || ofTrace(entry)) found.push(toStored(entry));
      }
      return found;
    },
    close(): void {
      entries.clear();
      notes.clear();
    },
  };
}

function keyOf(project: string, kind: string, id: string): string {
  return `${project} ${kind} ${id}`;
}

function toStored({ seq, kind, id, project, session, path, json, receivedAt }: Entry): StoredRecord {
  return { seq, kind, id, project, session, path, body: JSON.parse(json) as RecordBody, receivedAt };
}

/** Same question as the SQL of the other store: names the group, shares its tail, or hangs below the record asked for. */
function traceFilter(entries: Iterable<Entry>, trace: string): (entry: Entry) => boolean {
  const children = new Map<string, string[]>();
  for (const { id, parent } of entries) {
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings) siblings.push(id);
    else children.set(parent, [id]);
  }
  const below = new Set([trace]);
  for (const id of below) {
    for (const child of children.get(id) ?? []) below.add(child);
  }
  const tail = traceTail(trace);
  return (entry) => entry.group === trace || traceTail(entry.id) === tail || below.has(entry.id);
}
