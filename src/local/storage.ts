import type { RecordFacts, RecordReading, RecordTexts } from './facts.ts';
import type { Annotation, ArrivedReceipt, ArrivedRecord, StoredRecord } from './store.ts';

/** A record as it is when a store is opened: enough to find it by. */
export interface LoadedRecord {
  readonly seq: number;
  readonly kind: StoredRecord['kind'];
  readonly id: string;
  readonly project: string;
  readonly session: string;
  readonly receivedAt: string;
  readonly facts: RecordFacts;
  readonly size: number;
}

export interface StoredJson {
  readonly path: string;
  readonly receivedAt: string;
  /** As it was posted. */
  readonly posted: string;
  /** With updates. */
  readonly body: string;
}

/** What holds bodies and texts; who asks is `record-store.ts`, which knows what there is and where. Throws where it fails. */
export interface RecordStorage {
  readonly persistent: boolean;
  readonly location: string;
  begin(): void;
  commit(): void;
  /** What was done since `begin` is undone. */
  rollback(): void;
  /** In order of arrival. */
  load(each: (record: LoadedRecord) => void): void;
  /** The highest number that was ever given. */
  lastSeq(): number;
  insert(seq: number, record: ArrivedRecord, reading: RecordReading, size: number): void;
  replace(seq: number, json: string, reading: RecordReading, size: number): void;
  remove(seq: number): void;
  read(seq: number): StoredJson | undefined;
  texts(seq: number): RecordTexts | undefined;
  /**
   * Numbers of the records that have a word which begins so; see `search-words.ts`. In any order, perhaps more than once,
   * and those of records that are gone may be among them.
   */
  search(beginning: string, found: (seq: number) => void): void;
  annotation(kind: Annotation['kind'], project: string, id: string): Annotation | undefined;
  putAnnotation(annotation: Annotation): void;
  removeAnnotation(kind: Annotation['kind'], project: string, id: string): void;
  /** The oldest first. */
  annotations(): Annotation[];
  receipt(kind: StoredRecord['kind'], id: string): string | undefined;
  putReceipt(receipt: ArrivedReceipt): void;
  removeReceipt(kind: StoredRecord['kind'], id: string): void;
  /** In order of arrival, with their sizes. */
  loadReceipts(each: (kind: StoredRecord['kind'], id: string, size: number) => void): void;
  /** Everything, so that nothing of it can be read from the disk afterwards. */
  clear(): void;
  close(): void;
}
