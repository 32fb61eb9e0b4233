import { expect } from 'vitest';
import type { FreeplayRecord } from '../../../src/index.ts';
import type { Book } from '../../faults/book.ts';
import { until } from './process.ts';

/** Waits until all of them are recorded. */
export async function recorded(
  book: Book,
  ids: readonly string[],
  limitMillis: number = 60_000,
): Promise<void> {
  const missing = (): string[] => ids.filter((id) => !book.recorded.has(id));
  await until(
    () => missing().length === 0,
    limitMillis,
    () => `${missing().length} of ${ids.length} records are missing, such as ${missing()[0]}`,
  );
}

/** The API has these records and no other, with these bodies. */
export function expectRecords(book: Book, records: readonly FreeplayRecord[]): void {
  expect(book.complaints).toEqual([]);
  expect([...book.recorded.keys()].sort()).toEqual(records.map(({ id }) => id).sort());
  for (const { id, body } of records) {
    expect(JSON.parse(book.recorded.get(id)?.text ?? 'null')).toEqual(JSON.parse(JSON.stringify(body)));
  }
}

/** Every completion is there exactly once, and nobody made any other. */
export function expectCompletions(book: Book, ids: readonly string[]): void {
  expect(book.complaints).toEqual([]);
  const completions = [...book.recorded.values()].filter(({ text }) => 'messages' in JSON.parse(text));
  expect(completions.map(({ id }) => id).sort()).toEqual([...ids].sort());
}
