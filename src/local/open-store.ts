import { createMemoryStorage } from './memory-storage.ts';
import { createRecordStore, type ViewedStore } from './record-store.ts';
import { loadSqlite, type OpenDatabase } from './sqlite-drivers.ts';
import { openSqliteStorage } from './sqlite-storage.ts';

export interface StoreOptions {
  /** Folder for the database; left out, or where there is no SQLite, records are kept in memory. */
  readonly dir?: string | undefined;
  /** At most so many records, the oldest out first. @default 300,000 in a folder, 100,000 in memory */
  readonly keep?: number | undefined;
  /** Called when the oldest records had to go, with the total so far. */
  readonly onDrop?: ((total: number) => void) | undefined;
  /** How SQLite is loaded; for tests of its absence. */
  readonly loadDatabase?: (() => Promise<OpenDatabase>) | undefined;
}

export interface OpenedStore {
  readonly store: ViewedStore;
  /** What the user should know about where records are kept. */
  readonly notice?: string;
  /** True if they asked for a folder and did not get it. */
  readonly degraded: boolean;
}

const MIB = 1024 * 1024;
const MEMORY_BOUNDS = {
  maxRecords: 100_000,
  maxSize: 512 * MIB,
  maxAnnotations: 10_000,
  maxReceiptsSize: 128 * MIB,
};
const FOLDER_BOUNDS = {
  maxRecords: 300_000,
  maxSize: 8_192 * MIB,
  maxAnnotations: 100_000,
  maxReceiptsSize: 2_048 * MIB,
};

/** @throws {LocalServerError} if the folder cannot be used. */
export async function openStore(options: StoreOptions = {}): Promise<OpenedStore> {
  const { dir, keep, onDrop, loadDatabase = loadSqlite } = options;
  const inMemory = (): ViewedStore =>
    createRecordStore(createMemoryStorage(), { ...MEMORY_BOUNDS, ...(keep && { maxRecords: keep }) }, onDrop);
  if (dir === undefined) {
    const notice = 'records are kept in memory and gone at the end; --dir DIR keeps them';
    return { store: inMemory(), notice, degraded: false };
  }
  let openDatabase: OpenDatabase;
  try {
    openDatabase = await loadDatabase();
  } catch {
    return {
      store: inMemory(),
      notice: `records are kept in memory and gone at the end: this Node (${process.versions.node}) has no SQLite and libsql is not installed; npm install libsql, or take Node 22.13 or later`,
      degraded: true,
    };
  }
  const bounds = { ...FOLDER_BOUNDS, ...(keep && { maxRecords: keep }) };
  return { store: createRecordStore(openSqliteStorage(dir, openDatabase), bounds, onDrop), degraded: false };
}
