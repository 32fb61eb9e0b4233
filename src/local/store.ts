import type { RecordBody } from '../record/record.ts';

/** A record that was validated and is about to be stored. Ids are lower-case. */
export interface ArrivedRecord {
  readonly kind: 'completion' | 'trace';
  readonly id: string;
  readonly project: string;
  readonly session: string;
  /** Path it was posted to, beginning with `/v2/projects/`. */
  readonly path: string;
  readonly body: RecordBody;
  /** The body exactly as it was posted. */
  readonly json: string;
  /** ISO 8601. */
  readonly receivedAt: string;
}

/** A record as it is kept; updates and metadata patches are part of `body`. */
export interface StoredRecord {
  /** Grows in order of arrival, perhaps with gaps; a cursor for `after`. */
  readonly seq: number;
  readonly kind: 'completion' | 'trace';
  readonly id: string;
  readonly project: string;
  readonly session: string;
  readonly path: string;
  readonly body: RecordBody;
  readonly receivedAt: string;
}

export interface RecordQuery {
  readonly session?: string | undefined;
  /** Id of a trace group, or of any trace record: it and what hangs below it. */
  readonly trace?: string | undefined;
  /** Only what arrived after this `seq`. */
  readonly after?: number | undefined;
  /** At most so many, the earliest first. */
  readonly limit?: number | undefined;
}

/** What one can say about something that is recorded, without changing the record itself. */
export type AnnotationKind = 'session_metadata' | 'completion_feedback' | 'trace_feedback';

export interface Annotation {
  readonly kind: AnnotationKind;
  readonly project: string;
  /** Id of the session, completion or trace. */
  readonly id: string;
  readonly values: Scalars;
}

export type Scalars = { readonly [key: string]: string | number | boolean };

/** Changes of one transaction; only inside `RecordStore.write`. */
export interface RecordWriter {
  /** The record as stored; `undefined`, and nothing stored, if the project has one of this kind and id already. */
  add(record: ArrivedRecord): StoredRecord | undefined;
  find(project: string, kind: StoredRecord['kind'], id: string): StoredRecord | undefined;
  /** The body of a stored record anew; it keeps its place in the order. */
  replaceBody(record: StoredRecord, body: RecordBody): void;
  hasSession(project: string, session: string): boolean;
  /** Adds values to what is said already; the same name again wins. */
  annotate(kind: AnnotationKind, project: string, id: string, values: Scalars): void;
  /** How a record came about; it may come before its record. */
  keepReceipt(receipt: ArrivedReceipt): void;
}

export interface ArrivedReceipt {
  readonly kind: StoredRecord['kind'];
  readonly id: string;
  /** JSON: `{ receipt, spans }`. */
  readonly json: string;
}

/** Where the local server keeps records: one process, one writer; reads are synchronous and see what was committed. */
export interface RecordStore {
  /** Does it survive the process? */
  readonly persistent: boolean;
  /** Where the records are, for people: a file, or `memory`. */
  readonly location: string;
  /** Let go of to stay within the bounds, the oldest first. */
  readonly dropped: { readonly records: number; readonly receipts: number };
  /**
   * Resolves once what the job changed is committed; jobs of the same few milliseconds share a transaction.
   * A job must not throw for anything but a failing store: all jobs of the transaction fail with it.
   *
   * @param hasCompany others are on their way, which are worth a short wait. @default false
   */
  write<Result>(job: (writer: RecordWriter) => Result, hasCompany?: boolean): Promise<Result>;
  /** Everything there is, gone for good. */
  clear(): Promise<void>;
  find(project: string, kind: StoredRecord['kind'], id: string): StoredRecord | undefined;
  annotations(): Annotation[];
  /** In order of arrival. */
  list(query?: RecordQuery): StoredRecord[];
  /** Writes what is waiting, then closes. Idempotent. */
  close(): void;
}

/** A mistake of the user's, said in one line: nothing a stack trace would explain. */
export class LocalServerError extends Error {
  /** `STORE_IN_USE`, `STORE_UNUSABLE`, `PORT_IN_USE`, `CANNOT_LISTEN` or `BAD_OPTION`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LocalServerError';
    this.code = code;
  }
}

/** The trace group a completion names, lower-case. */
export function groupOf(body: RecordBody): string | undefined {
  const info = body.trace_info;
  return typeof info === 'object' && info !== null && !Array.isArray(info)
    ? lowerCase((info as RecordBody).trace_id)
    : undefined;
}

/** The record's `parent_id`, lower-case. */
export function parentOf(body: RecordBody): string | undefined {
  return lowerCase(body.parent_id);
}

/**
 * What all ids made from one telemetry trace share: they end in the last 8 bytes of the trace id (design section 3).
 * Trace records do not name their group, so this is how they are found without their ancestors.
 */
export function traceTail(id: string): string {
  return id.slice(19);
}

function lowerCase(value: unknown): string | undefined {
  return typeof value === 'string' ? value.toLowerCase() : undefined;
}
