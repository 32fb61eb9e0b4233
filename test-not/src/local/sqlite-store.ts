import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordBody } from '../record/record.ts';
import {
  type Annotation,
  type ArrivedRecord,
  groupOf,
  LocalServerError,
  parentOf,
  type RecordQuery,
  type RecordStore,
  type Scalars,
  type StoredRecord,
  traceTail,
} from './store.ts';

/** The part of libsql that is used; better-sqlite3 has it too. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

interface SqliteStatement {
  run(parameters: unknown[]): { readonly changes: number; readonly lastInsertRowid: number | bigint };
  get(parameters: unknown[]): unknown;
  all(parameters: unknown[]): unknown[];
}

export type OpenDatabase = (file: string, options: { timeout: number }) => SqliteDatabase;

export const DATABASE_FILE = 'records.db';

/** Raise with each change of the schema, and migrate from every earlier one. */
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    session TEXT NOT NULL,
    trace TEXT,
    parent TEXT,
    tail TEXT NOT NULL,
    path TEXT NOT NULL,
    received_at TEXT NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX records_id ON records (project, kind, id);
  CREATE INDEX records_session ON records (session, seq);
  CREATE INDEX records_trace ON records (trace);
  CREATE INDEX records_tail ON records (tail);
  CREATE INDEX records_parent ON records (parent);
  CREATE TABLE annotations (
    project TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    "values" TEXT NOT NULL,
    PRIMARY KEY (project, kind, id)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

const COLUMNS = 'seq, kind, id, project, session, path, received_at, body';

const IN_TRACE = `(trace = ? OR tail = ? OR id IN (
  WITH RECURSIVE below(id) AS (
    SELECT ? UNION SELECT records.id FROM records JOIN below ON records.parent = below.id
  ) SELECT id FROM below))`;

/** How the database of the package is opened, or why that is not possible here. */
export async function loadLibsql(): Promise<OpenDatabase> {
  const { default: Database } = await import('libsql');
  return (file, options) => new Database(file, options) as unknown as SqliteDatabase;
}

/**
 * Keeps records in one database file below `dir`. What was answered with 201 survives a crash of the process (a crash of
 * the machine may cost the last moments). The file is locked as long as the store is open.
 */
export function openSqliteStore(dir: string, openDatabase: OpenDatabase): RecordStore {
  const file = join(dir, DATABASE_FILE);
  const database = openFile(dir, file, openDatabase);
  const insert = database.prepare(
    `INSERT INTO records (project, kind, id, session, trace, parent, tail, path, received_at, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  );
  const select = database.prepare(`SELECT ${COLUMNS} FROM records WHERE project = ? AND kind = ? AND id = ?`);
  const update = database.prepare('UPDATE records SET body = ? WHERE seq = ?');
  const selectSession = database.prepare('SELECT 1 FROM records WHERE session = ? AND project = ? LIMIT 1');
  const selectValues = database.prepare(
    'SELECT "values" FROM annotations WHERE project = ? AND kind = ? AND id = ?',
  );
  const upsertValues = database.prepare(
    `INSERT INTO annotations (project, kind, id, "values") VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET "values" = excluded."values"`,
  );
  const selectAnnotations = database.prepare('SELECT project, kind, id, "values" FROM annotations');
  let open = true;

  return {
    persistent: true,
    location: file,
    add(record: ArrivedRecord): StoredRecord | undefined {
      const { project, kind, id, session, path, receivedAt, json, body } = record;
      const group = groupOf(body) ?? null;
      const parent = parentOf(body) ?? null;
      const row = [project, kind, id, session, group, parent, traceTail(id), path, receivedAt, json];
      const { changes, lastInsertRowid } = insert.run(row);
      if (changes !== 1) return undefined;
      return { seq: Number(lastInsertRowid), kind, id, project, session, path, body, receivedAt };
    },
    find(project: string, kind: StoredRecord['kind'], id: string): StoredRecord | undefined {
      const row = select.get([project, kind, id]);
      return row === undefined ? undefined : toStored(row as Row);
    },
    replaceBody(record: StoredRecord, body: RecordBody): void {
      update.run([JSON.stringify(body), record.seq]);
    },
    hasSession(project: string, session: string): boolean {
      return selectSession.get([session, project]) !== undefined;
    },
    annotate(kind: Annotation['kind'], project: string, id: string, values: Scalars): void {
      const row = selectValues.get([project, kind, id]) as { values: string } | undefined;
      const known = row === undefined ? {} : (JSON.parse(row.values) as Scalars);
      const merged = Object.fromEntries([...Object.entries(known), ...Object.entries(values)]);
      upsertValues.run([project, kind, id, JSON.stringify(merged)]);
    },
    annotations(): Annotation[] {
      const rows = selectAnnotations.all([]) as (Omit<Annotation, 'values'> & { values: string })[];
      return rows.map(({ kind, project, id, values }) => ({
        kind,
        project,
        id,
        values: JSON.parse(values) as Scalars,
      }));
    },
    list(query: RecordQuery = {}): StoredRecord[] {
      const conditions = ['seq > ?'];
      const parameters: unknown[] = [query.after ?? 0];
      if (query.session !== undefined) {
        conditions.push('session = ?');
        parameters.push(query.session);
      }
      if (query.trace !== undefined) {
        conditions.push(IN_TRACE);
        parameters.push(query.trace, traceTail(query.trace), query.trace);
      }
      // A limit of -1 is none.
      parameters.push(query.limit ?? -1);
      const sql = `SELECT ${COLUMNS} FROM records WHERE ${conditions.join(' AND ')} ORDER BY seq LIMIT ?`;
      return (database.prepare(sql).all(parameters) as Row[]).map(toStored);
    },
    close(): void {
      if (!open) return;
      open = false;
      try {
        // libsql keeps the file open until its statements are garbage: let go of the lock here, and leave one file behind.
        run(database, 'PRAGMA journal_mode = DELETE');
        run(database, 'PRAGMA locking_mode = NORMAL');
        run(database, 'SELECT 1 FROM records LIMIT 1');
      } finally {
        database.close();
      }
    },
  };
}

interface Row extends Omit<StoredRecord, 'body' | 'receivedAt'> {
  readonly received_at: string;
  readonly body: string;
}

function toStored({ seq, kind, id, project, session, path, received_at, body }: Row): StoredRecord {
  return {
    seq,
    kind,
    id,
    project,
    session,
    path,
    body: JSON.parse(body) as RecordBody,
    receivedAt: received_at,
  };
}

function openFile(dir: string, file: string, openDatabase: OpenDatabase): SqliteDatabase {
  let database: SqliteDatabase | undefined;
  try {
    // Records hold what people typed into an app: only for the user who started the server.
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    // SQLite gives its other files the mode of this one; an empty file is a new database.
    closeSync(openSync(file, 'a', 0o600));
    database = openDatabase(file, { timeout: 200 });
    // Exclusive: the second process fails at once instead of interleaving its records, and no shared memory file is needed.
    run(database, 'PRAGMA locking_mode = EXCLUSIVE');
    run(database, 'PRAGMA journal_mode = WAL');
    run(database, 'PRAGMA synchronous = NORMAL');
    database.exec('BEGIN IMMEDIATE');
    const row = database.prepare('PRAGMA user_version').get([]) as { user_version: number };
    if (row.user_version > SCHEMA_VERSION) {
      throw new LocalServerError('STORE_UNUSABLE', `${file} was written by a newer version of freeplay-otel`);
    }
    if (row.user_version === 0) database.exec(SCHEMA);
    database.exec('COMMIT');
    return database;
  } catch (error) {
    try {
      database?.close();
    } catch {
      // The reason it could not be opened is the one worth telling.
    }
    throw toStoreError(error, dir, file);
  }
}

/** A pragma that answers with a row; libsql's `exec` takes none that do. */
function run(database: SqliteDatabase, pragma: string): void {
  database.prepare(pragma).all([]);
}

function toStoreError(error: unknown, dir: string, file: string): LocalServerError {
  if (error instanceof LocalServerError) return error;
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const options = { cause: error };
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const text = `${dir} is in use by another freeplay-otel local: stop that one or give this one another --dir`;
    return new LocalServerError('STORE_IN_USE', text, options);
  }
  const message = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
  const reason = code.startsWith('SQLITE_NOTADB') ? 'it is not a database' : message;
  return new LocalServerError('STORE_UNUSABLE', `cannot keep records in ${file}: ${reason}`, options);
}
