import type { RecordReading, RecordTexts } from './facts.ts';
import type { RecordStorage } from './storage.ts';
import type { Annotation, ArrivedRecord } from './store.ts';
import { createWordIndex } from './word-index.ts';

interface Kept extends Pick<ArrivedRecord, 'path' | 'receivedAt'> {
  /** Bytes lie outside the heap, whose limit is far below what a machine has. */
  readonly posted: Buffer;
  body: Buffer;
  /** JSON: first words would else be slices of the whole texts, and keep these in memory. */
  texts: string;
}

/** In this process, gone with it. */
export function createMemoryStorage(): RecordStorage {
  const records = new Map<number, Kept>();
  const notes = new Map<string, Annotation>();
  const receipts = new Map<string, Buffer>();
  const wordIndex = createWordIndex();
  const toBytes = createByteRoom();
  let last = 0;

  return {
    persistent: false,
    location: 'memory',
    begin() {},
    commit() {},
    // Nothing of it can fail half-way.
    rollback() {},
    load() {},
    lastSeq: () => last,
    insert(seq, { path, receivedAt, json }, reading) {
      last = seq;
      const posted = toBytes(json);
      records.set(seq, { path, receivedAt, posted, body: posted, texts: JSON.stringify(reading.texts) });
      wordIndex.add(seq, reading.words);
    },
    replace(seq, json, { texts, words }: RecordReading) {
      const kept = records.get(seq);
      if (kept === undefined) return;
      Object.assign(kept, { body: toBytes(json), texts: JSON.stringify(texts) });
      // Updates only ever add to the messages, so the words that it had are still right.
      wordIndex.add(seq, words);
    },
    remove(seq) {
      records.delete(seq);
      const [oldest = seq + 1] = records.keys();
      wordIndex.forget(oldest - 1);
    },
    read(seq) {
      const kept = records.get(seq);
      if (kept === undefined) return undefined;
      const { path, receivedAt, posted, body } = kept;
      return { path, receivedAt, posted: posted.toString(), body: body.toString() };
    },
    texts(seq) {
      const kept = records.get(seq);
      return kept && (JSON.parse(kept.texts) as RecordTexts);
    },
    search: (beginning, found) => wordIndex.search(beginning, found),
    annotation: (kind, project, id) => notes.get(keyOf(kind, project, id)),
    putAnnotation(note) {
      const key = keyOf(note.kind, note.project, note.id);
      notes.delete(key);
      notes.set(key, note);
    },
    removeAnnotation(kind, project, id) {
      notes.delete(keyOf(kind, project, id));
    },
    annotations: () => [...notes.values()],
    receipt: (kind, id) => receipts.get(keyOf(kind, id))?.toString(),
    putReceipt({ kind, id, json }) {
      receipts.set(keyOf(kind, id), toBytes(json));
    },
    removeReceipt(kind, id) {
      receipts.delete(keyOf(kind, id));
    },
    loadReceipts() {},
    clear() {
      for (const part of [records, notes, receipts, wordIndex]) part.clear();
    },
    close() {
      this.clear();
    },
  };
}

const CHUNK_BYTES = 1024 * 1024;

/** Texts side by side in large pieces of memory, each of which goes when the last text in it is gone. One by one they would take up a third more. */
function createByteRoom(): (text: string) => Buffer {
  let chunk = Buffer.alloc(0);
  let used = 0;
  return (text) => {
    const length = Buffer.byteLength(text);
    if (length > CHUNK_BYTES / 8) return Buffer.from(text);
    if (used + length > chunk.length) {
      chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      used = 0;
    }
    const bytes = chunk.subarray(used, used + length);
    bytes.write(text);
    used += length;
    return bytes;
  };
}

function keyOf(...parts: readonly string[]): string {
  return parts.join(' ');
}
