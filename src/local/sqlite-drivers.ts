/** The two ways to an embedded SQLite: the one that is part of Node, and the package `libsql`. Both synchronous. */

export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

export type SqliteValue = string | number | null;

export interface SqliteStatement {
  run(parameters: readonly SqliteValue[]): unknown;
  get(parameters: readonly SqliteValue[]): unknown;
  all(parameters: readonly SqliteValue[]): unknown[];
}

export type OpenDatabase = (file: string) => SqliteDatabase;

/** How a database is opened here, or why that is not possible. Node's own first: nothing has to be installed for it. */
export async function loadSqlite(): Promise<OpenDatabase> {
  return (await loadNodeSqlite()) ?? (await loadLibsql());
}

/** Of Node 22.13 and later; `undefined`: this one has none. */
export async function loadNodeSqlite(): Promise<OpenDatabase | undefined> {
  const sqlite = await importQuietly();
  if (sqlite === undefined) return undefined;
  return (file) => {
    const database = new sqlite.DatabaseSync(file);
    return {
      exec: (sql) => database.exec(sql),
      close: () => database.close(),
      prepare(sql) {
        const statement = database.prepare(sql);
        return {
          run: (parameters) => statement.run(...parameters),
          get: (parameters) => statement.get(...parameters),
          all: (parameters) => statement.all(...parameters),
        };
      },
    };
  };
}

/** An optional peer dependency: only who needs it installs it. */
export async function loadLibsql(): Promise<OpenDatabase> {
  const { default: Database } = await import('libsql');
  return (file) => new Database(file) as unknown as SqliteDatabase;
}

/** The part of `node:sqlite` that is used. */
interface NodeSqlite {
  readonly DatabaseSync: new (
    file: string,
  ) => {
    exec(sql: string): void;
    close(): void;
    prepare(sql: string): Record<'run' | 'get', (...parameters: SqliteValue[]) => unknown> & {
      all(...parameters: SqliteValue[]): unknown[];
    };
  };
}

/** Without the warning that it is experimental: what is used of it has been the same since it came. */
async function importQuietly(): Promise<NodeSqlite | undefined> {
  // A name in a variable: bundlers and types of older Nodes do not know the module.
  const name = 'node:sqlite';
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (/sqlite/i.test(String(warning))) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  try {
    return (await import(name)) as NodeSqlite;
  } catch {
    return undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}
