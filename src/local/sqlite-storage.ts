import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordBody } from '../record/record.ts';
import { type RecordFacts, type RecordTexts, readRecord } from './facts.ts';
import type { OpenDatabase, SqliteDatabase } from './sqlite-drivers.ts';
import type { LoadedRecord, RecordStorage, StoredJson } from './storage.ts';
import {
  type Annotation,
  type ArrivedRecord,
  LocalServerError,
  type Scalars,
  type StoredRecord,
} from './store.ts';

export const DATABASE_FILE = 'records.db';

/** Raise with each change of the schema, and migrate from every earlier one. */
const SCHEMA_VERSION = 2;

/**
 * What is read when the store is opened is apart from the bodies, which are many times as large.
 * `words` keeps no text of its own and no positions: it answers which records have a word that begins so. Its words come
 * as they are to be found (`search-words.ts`), so all it does is to part them at spaces.
 */
const SCHEMA = `
  CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    session TEXT NOT NULL,
    received_at TEXT NOT NULL,
    size INTEGER NOT NULL,
    facts TEXT NOT NULL,
    texts TEXT NOT NULL
  ) STRICT;
  CREATE TABLE bodies (
    seq INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    posted TEXT NOT NULL,
    updated TEXT
  ) STRICT;
  CREATE TABLE receipts (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    size INTEGER NOT NULL,
    json TEXT NOT NULL,
    UNIQUE (kind, id)
  ) STRICT;
  CREATE VIRTUAL TABLE words USING fts5(
    word, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii', prefix = '1 2 3 4'
  );
`;

const ANNOTATIONS = `
  CREATE TABLE annotations (
    project TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    "values" TEXT NOT NULL,
    PRIMARY KEY (project, kind, id)
  ) STRICT;
`;

/** Rows read at once: a driver hands out all of them in one list. */
const PAGE = 2_000;

/**
 * In one database file below `dir`. What was committed survives a crash of the process (a crash of the machine may cost the
 * last moments). The file is locked as long as the storage is open.
 */
export function openSqliteStorage(dir: string, openDatabase: OpenDatabase): RecordStorage {
  const file = join(dir, DATABASE_FILE);
  const database = openFile(dir, file, openDatabase);
  const prepare = (sql: string) => database.prepare(sql);
  const insertWords = prepare(INSERT_WORDS);
  const updateRecord = prepare('UPDATE records SET size = ?, facts = ?, texts = ? WHERE seq = ?');
  const updateBody = prepare('UPDATE bodies SET updated = ? WHERE seq = ?');
  const deletes = ['records WHERE seq', 'bodies WHERE seq', 'words WHERE rowid'].map((what) =>
    prepare(`DELETE FROM ${what} = ?`),
  );
  const deleteWords = deletes[2]!;
  // One text for all of a page, here and below: rows one by one cost many times as much.
  const selectRecords = prepare(
    `SELECT max(seq) AS last, json_group_array(json_array(seq, project, kind, id, session, received_at, size, json(facts))) AS rows
     FROM (SELECT * FROM records WHERE seq > ? ORDER BY seq LIMIT ${PAGE})`,
  );
  const selectBody = prepare(
    `SELECT path, received_at AS receivedAt, posted, coalesce(updated, posted) AS body
     FROM bodies JOIN records USING (seq) WHERE seq = ?`,
  );
  const selectTexts = prepare('SELECT texts FROM records WHERE seq = ?');
  const selectMatches = prepare('SELECT group_concat(rowid) AS seqs FROM words WHERE words MATCH ?');
  const selectNote = prepare('SELECT "values" FROM annotations WHERE project = ? AND kind = ? AND id = ?');
  const deleteNote = prepare('DELETE FROM annotations WHERE project = ? AND kind = ? AND id = ?');
  const insertNote = prepare('INSERT INTO annotations (project, kind, id, "values") VALUES (?, ?, ?, ?)');
  const selectNotes = prepare('SELECT project, kind, id, "values" FROM annotations ORDER BY rowid');
  const selectReceipt = prepare('SELECT json FROM receipts WHERE kind = ? AND id = ?');
  const deleteReceipt = prepare('DELETE FROM receipts WHERE kind = ? AND id = ?');
  const insertReceipt = prepare('INSERT INTO receipts (kind, id, size, json) VALUES (?, ?, ?, ?)');
  const selectReceipts = prepare(
    `SELECT rowid AS place, kind, id, size FROM receipts WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE}`,
  );
  let open = true;

  return {
    persistent: true,
    location: file,
    begin() {
      database.exec('BEGIN IMMEDIATE');
    },
    commit() {
      database.exec('COMMIT');
    },
    rollback() {
      try {
        database.exec('ROLLBACK');
      } catch {
        // A full disk has ended the transaction already.
      }
    },
    load(each) {
      for (let after = -1; ; ) {
        const page = selectRecords.get([after]) as { last: number | null; rows: string };
        if (page.last === null) return;
        for (const [seq, project, kind, id, session, receivedAt, size, facts] of JSON.parse(
          page.rows,
        ) as LoadedTuple[])
          each({ seq, project, kind, id, session, receivedAt, size, facts });
        after = page.last;
      }
    },
    lastSeq() {
      const row = prepare("SELECT seq FROM sqlite_sequence WHERE name = 'records'").get([]);
      return (row as { seq: number } | undefined)?.seq ?? 0;
    },
    insert: prepareInsert(database),
    replace(seq, json, { facts, texts, words }, size) {
      updateRecord.run([size, JSON.stringify(facts), JSON.stringify(texts), seq]);
      updateBody.run([json, seq]);
      deleteWords.run([seq]);
      if (words.length > 0) insertWords.run([seq, words.join(' ')]);
    },
    remove(seq) {
      for (const statement of deletes) statement.run([seq]);
    },
    read: (seq) => selectBody.get([seq]) as StoredJson | undefined,
    texts(seq) {
      const row = selectTexts.get([seq]) as { texts: string } | undefined;
      return row && (JSON.parse(row.texts) as RecordTexts);
    },
    search(beginning, found) {
      // Letters and digits only, so there is nothing in it that would end the quotes.
      const { seqs } = selectMatches.get([`"${beginning}"*`]) as { seqs: string | null };
      if (seqs !== null) eachNumber(seqs, found);
    },
    annotation(kind, project, id) {
      const row = selectNote.get([project, kind, id]) as { values: string } | undefined;
      return row && { kind, project, id, values: JSON.parse(row.values) as Scalars };
    },
    putAnnotation({ kind, project, id, values }) {
      // Anew, so that it is the latest.
      deleteNote.run([project, kind, id]);
      insertNote.run([project, kind, id, JSON.stringify(values)]);
    },
    removeAnnotation(kind, project, id) {
      deleteNote.run([project, kind, id]);
    },
    annotations() {
      const rows = selectNotes.all([]) as (Omit<Annotation, 'values'> & { values: string })[];
      return rows.map(({ kind, project, id, values }) => ({
        kind,
        project,
        id,
        values: JSON.parse(values) as Scalars,
      }));
    },
    receipt: (kind, id) => (selectReceipt.get([kind, id]) as { json: string } | undefined)?.json,
    putReceipt({ kind, id, json }) {
      insertReceipt.run([kind, id, json.length, json]);
    },
    removeReceipt(kind, id) {
      deleteReceipt.run([kind, id]);
    },
    loadReceipts(each) {
      type Row = { place: number; kind: StoredRecord['kind']; id: string; size: number };
      for (const { kind, id, size } of pages<Row>(selectReceipts, 'place')) each(kind, id, size);
    },
    clear() {
      database.exec('BEGIN IMMEDIATE');
      try {
        // The sequence goes on: a reader's place in the list stays a place.
        for (const table of ['records', 'bodies', 'receipts', 'annotations'])
          database.exec(`DELETE FROM ${table}`);
        database.exec("INSERT INTO words (words) VALUES ('delete-all')");
        database.exec('COMMIT');
      } catch (error) {
        this.rollback();
        throw error;
      }
      // What was deleted is still in the file's free pages, and in the log.
      database.exec('VACUUM');
      run(database, 'PRAGMA wal_checkpoint(TRUNCATE)');
    },
    close() {
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

type LoadedTuple = [
  seq: number,
  project: string,
  kind: LoadedRecord['kind'],
  id: string,
  session: string,
  receivedAt: string,
  size: number,
  facts: RecordFacts,
];

/** All rows of a statement that is asked for what comes after a number. */
function* pages<Row>(
  statement: { all(parameters: readonly number[]): unknown[] },
  key: keyof Row,
): Iterable<Row> {
  let after = -1;
  for (;;) {
    const rows = statement.all([after]) as Row[];
    yield* rows;
    if (rows.length < PAGE) return;
    after = rows.at(-1)?.[key] as number;
  }
}

function openFile(dir: string, file: string, openDatabase: OpenDatabase): SqliteDatabase {
  let database: SqliteDatabase | undefined;
  try {
    // Records hold what people typed into an app: only for the user who started the server.
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    // SQLite gives its other files the mode of this one; an empty file is a new database.
    closeSync(openSync(file, 'a', 0o600));
    database = openDatabase(file);
    run(database, 'PRAGMA busy_timeout = 200');
    // Exclusive: the second process fails at once instead of interleaving its records, and no shared memory file is needed.
    run(database, 'PRAGMA locking_mode = EXCLUSIVE');
    run(database, 'PRAGMA journal_mode = WAL');
    run(database, 'PRAGMA synchronous = NORMAL');
    run(database, 'PRAGMA cache_size = -65536');
    database.exec('BEGIN IMMEDIATE');
    const { user_version: version } = database.prepare('PRAGMA user_version').get([]) as {
      user_version: number;
    };
    if (version > SCHEMA_VERSION)
      throw new LocalServerError('STORE_UNUSABLE', `${file} was written by a newer version of freeplay-otel`);
    if (version === 0) {
      database.exec(SCHEMA);
      database.exec(ANNOTATIONS);
    } else if (version === 1) migrateFrom1(database);
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
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

const INSERT_WORDS = 'INSERT INTO words (rowid, word) VALUES (?, ?)';

function prepareInsert(database: SqliteDatabase): RecordStorage['insert'] {
  const insertRecord = database.prepare(
    `INSERT INTO records (seq, project, kind, id, session, received_at, size, facts, texts)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertBody = database.prepare('INSERT INTO bodies (seq, path, posted) VALUES (?, ?, ?)');
  const insertWords = database.prepare(INSERT_WORDS);
  return (seq, record, { facts, texts, words }, size) => {
    const { project, kind, id, session, receivedAt, path, json } = record;
    const read = [JSON.stringify(facts), JSON.stringify(texts)];
    insertRecord.run([seq, project, kind, id, session, receivedAt, size, ...read]);
    insertBody.run([seq, path, json]);
    if (words.length > 0) insertWords.run([seq, words.join(' ')]);
  };
}

/** Version 1 had everything in one table, and no posted text once a record was updated. */
function migrateFrom1(database: SqliteDatabase): void {
  for (const index of ['id', 'session', 'trace', 'tail', 'parent'])
    database.exec(`DROP INDEX records_${index}`);
  database.exec('ALTER TABLE records RENAME TO old_records');
  database.exec('ALTER TABLE annotations RENAME TO old_annotations');
  database.exec(SCHEMA);
  database.exec(ANNOTATIONS);
  database.exec('INSERT INTO annotations SELECT project, kind, id, "values" FROM old_annotations');
  const old = database.prepare(
    `SELECT seq, project, kind, id, session, path, received_at AS receivedAt, body
     FROM old_records WHERE seq > ? ORDER BY seq LIMIT ${PAGE}`,
  );
  const insert = prepareInsert(database);
  type Row = Omit<ArrivedRecord, 'body' | 'json'> & { seq: number; body: string };
  for (const { body: json, ...row } of pages<Row>(old, 'seq')) {
    const body = JSON.parse(json) as RecordBody;
    insert(row.seq, { ...row, body, json }, readRecord(row.kind, body), json.length);
  }
  database.exec('DROP TABLE old_records');
  database.exec('DROP TABLE old_annotations');
}

/** `12,7,130`; there may be a hundred thousand. */
function eachNumber(list: string, found: (number: number) => void): void {
  let number = 0;
  for (let at = 0; at < list.length; at++) {
    const code = list.charCodeAt(at);
    if (code === COMMA) {
      found(number);
      number = 0;
    } else number = number * 10 + code - ZERO;
  }
  found(number);
}

const COMMA = 0x2c;
const ZERO = 0x30;

/** A pragma that answers with a row; libsql's `exec` takes none that do. */
function run(database: SqliteDatabase, pragma: string): void {
  database.prepare(pragma).all([]);
}

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_NOTADB = 26;

function toStoreError(error: unknown, dir: string, file: string): LocalServerError {
  if (error instanceof LocalServerError) return error;
  // libsql names the code, Node gives its number.
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  const is = (name: string, number: number): boolean =>
    String(code).startsWith(name) || (typeof errcode === 'number' && (errcode & 0xff) === number);
  const options = { cause: error };
  if (is('SQLITE_BUSY', SQLITE_BUSY) || is('SQLITE_LOCKED', SQLITE_LOCKED)) {
    const text = `${dir} is in use by another freeplay-otel local: stop that one or give this one another --dir`;
    return new LocalServerError('STORE_IN_USE', text, options);
  }
  const message = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
  const reason = is('SQLITE_NOTADB', SQLITE_NOTADB) ? 'it is not a database' : message;
  return new LocalServerError('STORE_UNUSABLE', `cannot keep records in ${file}: ${reason}`, options);
}
