import { createMemoryStore } from './memory-store.ts';
import { loadLibsql, type OpenDatabase, openSqliteStore } from './sqlite-store.ts';
import type { RecordStore } from './store.ts';

export interface OpenedStore {
  readonly store: RecordStore;
  /** What the user should know about where records are kept. */
  readonly notice?: string;
  /** True if they asked for a folder and did not get it. */
  readonly degraded: boolean;
}

/**
 * The store for a folder, or one in memory without a folder or without libsql (an optional dependency: platforms that have
 * no binary of it still get a working server).
 */
export async function openStore(
  dir: string | undefined,
  load: () => Promise<OpenDatabase> = loadLibsql,
  onDrop?: (total: number) => void,
): Promise<OpenedStore> {
  if (dir === undefined) {
    return {
      store: createMemoryStore({ onDrop }),
      notice: 'records are kept in memory and gone at the end; --dir DIR keeps them',
      degraded: false,
    };
  }
  let openDatabase: OpenDatabase;
  try {
    openDatabase = await load();
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return {
      store: createMemoryStore({ onDrop }),
      notice: `records are kept in memory and gone at the end: libsql cannot be loaded (${reason}); npm install libsql`,
      degraded: true,
    };
  }
  return { store: openSqliteStore(dir, openDatabase), degraded: false };
}
