import type { RecordBody } from '../record/record.ts';
import { createBatches } from './batches.ts';
import { type RecordTexts, readRecord } from './facts.ts';
import { createRecordIndex, type RecordIndex, type RecordRow } from './record-index.ts';
import { queryWords, wordsOf } from './search-words.ts';
import type { RecordStorage, StoredJson } from './storage.ts';
import {
  type Annotation,
  type ArrivedReceipt,
  type ArrivedRecord,
  LocalServerError,
  type RecordQuery,
  type RecordStore,
  type RecordWriter,
  type Scalars,
  type StoredRecord,
} from './store.ts';

export interface StoreBounds {
  readonly maxRecords: number;
  /** Of posted JSON, in UTF-16 code units. */
  readonly maxSize: number;
  readonly maxAnnotations: number;
  /** Of receipts, with the spans that they come with, in UTF-16 code units. */
  readonly maxReceiptsSize: number;
}

/** What views ask beyond what the API needs. */
export interface ViewedStore extends RecordStore {
  readonly index: RecordIndex;
  /** As `list`, one by one; nothing that arrives meanwhile. */
  each(query?: RecordQuery): Iterable<StoredRecord>;
  texts(row: RecordRow): RecordTexts;
  read(row: RecordRow): StoredJson | undefined;
  /** Has a completion all words of the text? `undefined`: nothing is asked for. */
  search(text: string): ((row: RecordRow) => boolean) | undefined;
  annotation(kind: Annotation['kind'], project: string, id: string): Scalars | undefined;
  /** JSON: `{ receipt, spans }`. */
  receipt(kind: StoredRecord['kind'], id: string): string | undefined;
}

const NO_TEXTS: RecordTexts = { input: '', output: '' };

/** Records, found by an index in memory and kept in a storage, within bounds. */
export function createRecordStore(
  storage: RecordStorage,
  bounds: StoreBounds,
  onDrop: (total: number) => void = () => {},
): ViewedStore {
  const index = createRecordIndex();
  /** Sizes by kind and id, in order of arrival. */
  const receipts = new Map<string, number>();
  let receiptsSize = 0;
  let lastSeq = 0;
  let noteCount = 0;
  let droppedRecords = 0;
  let droppedReceipts = 0;
  let open = true;
  /** The page asks for lists, facets and charts of one text at once. */
  let latestSearch:
    | { readonly text: string; readonly version: number; readonly has: (row: RecordRow) => boolean }
    | undefined;

  /** Everything that is in memory, from what is stored. */
  function load(): void {
    index.clear();
    receipts.clear();
    receiptsSize = 0;
    storage.load(({ receivedAt, ...record }) => {
      index.add({ ...record, receivedAt: Date.parse(receivedAt) });
    });
    storage.loadReceipts((kind, id, size) => {
      receipts.set(`${kind} ${id}`, size);
      receiptsSize += size;
    });
    noteCount = storage.annotations().length;
    lastSeq = Math.max(lastSeq, storage.lastSeq());
  }

  function find(project: string, kind: StoredRecord['kind'], id: string): StoredRecord | undefined {
    const row = index.find(project, kind, id);
    return row && toStored(row);
  }

  function toStored(row: RecordRow): StoredRecord | undefined {
    const stored = storage.read(row.seq);
    if (stored === undefined) return undefined;
    const { seq, kind, id, project, session } = row;
    const { path, receivedAt, body } = stored;
    return {
      seq,
      kind,
      id,
      project,
      session: session.id,
      path,
      body: JSON.parse(body) as RecordBody,
      receivedAt,
    };
  }

  function* each(query: RecordQuery = {}): Iterable<StoredRecord> {
    const last = lastSeq;
    for (const row of index.list(query)) {
      if (row.seq > last) return;
      const record = toStored(row);
      if (record !== undefined) yield record;
    }
  }

  function dropReceipt(kind: StoredRecord['kind'], id: string): void {
    const size = receipts.get(`${kind} ${id}`);
    if (size === undefined) return;
    receipts.delete(`${kind} ${id}`);
    receiptsSize -= size;
    storage.removeReceipt(kind, id);
  }

  function makeRoom(): void {
    const { maxRecords, maxSize, maxReceiptsSize } = bounds;
    while (index.count > 1 && (index.count > maxRecords || index.size > maxSize)) {
      const row = index.oldest();
      if (row === undefined) break;
      index.remove(row);
      storage.remove(row.seq);
      dropReceipt(row.kind, row.id);
      dropAnnotations(row);
      droppedRecords++;
    }
    while (receipts.size > 1 && (receiptsSize > maxReceiptsSize || receipts.size > maxRecords)) {
      const [kind, id] = String(receipts.keys().next().value).split(' ') as [StoredRecord['kind'], string];
      dropReceipt(kind, id);
      droppedReceipts++;
    }
  }

  /** What was said of a record goes with it, and what was said of its session with the last one. */
  function dropAnnotations({ kind, project, id, session }: RecordRow): void {
    if (noteCount === 0) return;
    storage.removeAnnotation(`${kind}_feedback`, project, id);
    if (!index.sessions.has(session.id)) storage.removeAnnotation('session_metadata', project, session.id);
  }

  /** In its messages, model or error, or in the name of the agent above it: each word somewhere. */
  function searchAll(words: readonly string[]): (row: RecordRow) => boolean {
    const first = index.oldest()?.seq ?? 0;
    // For each record, how many of the words it has, counted only while it has all so far.
    const marks = new Uint8Array(lastSeq - first + 1);
    const agents = new Map<string, boolean>();
    for (const [done, word] of words.entries()) {
      storage.search(word, (seq) => {
        if (marks[seq - first] === done) marks[seq - first] = done + 1;
      });
      agents.clear();
      for (const { seq, agent } of index.completions()) {
        if (agent === undefined || marks[seq - first] !== done) continue;
        let fits = agents.get(agent);
        if (fits === undefined) {
          fits = wordsOf([agent]).some((one) => one.startsWith(word));
          agents.set(agent, fits);
        }
        if (fits) marks[seq - first] = done + 1;
      }
    }
    return ({ seq }) => marks[seq - first] === words.length;
  }

  const writer: RecordWriter = {
    add(record: ArrivedRecord): StoredRecord | undefined {
      const { kind, id, project, session, path, json, receivedAt, body } = record;
      if (index.find(project, kind, id) !== undefined) return undefined;
      const seq = lastSeq + 1;
      const reading = readRecord(kind, body);
      storage.insert(seq, record, reading, json.length);
      lastSeq = seq;
      const { facts } = reading;
      index.add({
        seq,
        kind,
        id,
        project,
        session,
        receivedAt: Date.parse(receivedAt),
        facts,
        size: json.length,
      });
      makeRoom();
      return { seq, kind, id, project, session, path, body, receivedAt };
    },
    find,
    replaceBody(record: StoredRecord, body: RecordBody): void {
      const row = index.bySeq(record.seq);
      if (row === undefined) return;
      const json = JSON.stringify(body);
      const reading = readRecord(row.kind, body);
      // What was posted is kept, too.
      const size = (storage.read(row.seq)?.posted.length ?? 0) + json.length;
      storage.replace(row.seq, json, reading, size);
      index.update(row, reading.facts, size);
      makeRoom();
    },
    hasSession: (project, session) =>
      index.sessions.get(session)?.rows.some((row) => row.project === project) ?? false,
    annotate(kind, project, id, values) {
      const known = storage.annotation(kind, project, id);
      if (known === undefined) noteCount++;
      const merged = Object.fromEntries([...Object.entries(known?.values ?? {}), ...Object.entries(values)]);
      storage.putAnnotation({ kind, project, id, values: merged });
      if (noteCount <= bounds.maxAnnotations) return;
      const notes = storage.annotations();
      for (const note of notes.slice(0, notes.length - bounds.maxAnnotations))
        storage.removeAnnotation(note.kind, note.project, note.id);
      noteCount = Math.min(notes.length, bounds.maxAnnotations);
    },
    keepReceipt(receipt: ArrivedReceipt): void {
      const { kind, id, json } = receipt;
      dropReceipt(kind, id);
      storage.putReceipt(receipt);
      receipts.set(`${kind} ${id}`, json.length);
      receiptsSize += json.length;
      makeRoom();
    },
  };

  const batch = createBatches((jobs) => {
    if (!open) throw new LocalServerError('STORE_UNUSABLE', 'the store is closed');
    const before = droppedRecords;
    storage.begin();
    try {
      for (const job of jobs) job();
      storage.commit();
    } catch (error) {
      storage.rollback();
      load();
      throw error;
    }
    if (droppedRecords > before) onDrop(droppedRecords);
  });

  load();
  // It may have been kept with wider bounds.
  storage.begin();
  makeRoom();
  storage.commit();
  return {
    persistent: storage.persistent,
    location: storage.location,
    get dropped() {
      return { records: droppedRecords, receipts: droppedReceipts };
    },
    index,
    write: (job, hasCompany = false) => batch.add(() => job(writer), hasCompany),
    clear: () =>
      batch.alone(() => {
        storage.clear();
        load();
      }),
    find,
    annotations: () => storage.annotations(),
    annotation: (kind, project, id) => storage.annotation(kind, project, id)?.values,
    each,
    list: (query) => [...each(query)],
    texts: (row) => storage.texts(row.seq) ?? NO_TEXTS,
    read: (row) => storage.read(row.seq),
    receipt: (kind, id) => storage.receipt(kind, id),
    search(text) {
      const { version } = index;
      if (latestSearch?.text === text && latestSearch.version === version) return latestSearch.has;
      const words = queryWords(text);
      // Signs alone are in no record, as words go.
      if (words.length === 0) return text.trim() === '' ? undefined : () => false;
      latestSearch = { text, version, has: searchAll(words) };
      return latestSearch.has;
    },
    close() {
      if (!open) return;
      batch.flush();
      open = false;
      storage.close();
    },
  };
}
