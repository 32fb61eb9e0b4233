import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createMemoryStorage } from '../../src/local/memory-storage.ts';
import { createRecordStore, type ViewedStore } from '../../src/local/record-store.ts';
import { loadSqlite } from '../../src/local/sqlite-drivers.ts';
import { openSqliteStorage } from '../../src/local/sqlite-storage.ts';
import type { ArrivedRecord } from '../../src/local/store.ts';
import { drawCharts } from '../../src/local/view-charts.ts';
import { readFilter } from '../../src/local/view-filter.ts';
import { countFacets, listCompletions, listSessions } from '../../src/local/view-lists.ts';
import { viewRecord, viewSession, viewTrace } from '../../src/local/view-records.ts';
import type { RecordBody } from '../../src/record/record.ts';
import { PROJECT } from './support.ts';

const openDatabase = await loadSqlite();

/** Few ids, so that records meet, hang under each other in every way, and come twice. */
const id = fc
  .record({ span: fc.integer({ min: 1, max: 6 }), trace: fc.integer({ min: 1, max: 3 }) })
  .map(({ span, trace }) => `${String(span).repeat(8)}-0000-4000-8000-${String(trace).repeat(12)}`);
const session = fc
  .constantFrom('a', 'b', 'c')
  .map((digit) => `${digit.repeat(8)}-0000-4000-8000-000000000000`);
const words = fc
  .array(
    fc.constantFrom('refund', 'Refunds', 'café', 'CAFE', '天気', '天', 'weather', 'a', '42', '— "x" *'),
    { maxLength: 4 },
  )
  .map((list) => list.join(' '));
const seconds = fc.integer({ min: 0, max: 500 }).map((n) => 1_700_000_000 + n);

const completion = fc
  .record({
    content: words,
    reply: words,
    model: fc.option(fc.constantFrom('gpt', 'claude', 'o3')),
    start: fc.option(seconds),
    tokens: fc.option(fc.nat(1_000)),
    error: fc.boolean(),
    group: fc.option(id),
    parent: fc.option(id),
    name: fc.option(fc.constantFrom('chat-1', 'chat-2')),
  })
  .map(({ content, reply, model, start, tokens, error, group, parent, name }) => ({
    messages: [
      { role: 'user', content },
      { role: 'assistant', content: reply },
    ],
    ...(group && { trace_info: { trace_id: group } }),
    ...(parent && { parent_id: parent }),
    ...(name && { session_info: { custom_metadata: { 'session.id': name } } }),
    call_info: {
      ...(model && { model }),
      ...(start && { start_time: start, end_time: start + 1.5 }),
      ...(tokens !== null && { usage: { prompt_tokens: tokens } }),
      ...(error && { provider_info: { error: { message: 'weather is bad' } } }),
    },
  }));
const trace = fc
  .record({
    name: words,
    agent: fc.option(fc.constantFrom('planner', 'weather agent')),
    parent: fc.option(id),
  })
  .map(({ name, agent, parent }) => ({
    input: name,
    output: null,
    name,
    ...(agent && { agent_name: agent }),
    ...(parent && { parent_id: parent }),
  }));

type Step =
  | {
      readonly kind: 'completion' | 'trace';
      readonly id: string;
      readonly session: string;
      readonly body: object;
    }
  | { readonly kind: 'append'; readonly id: string; readonly content: string }
  | { readonly kind: 'note'; readonly id: string; readonly value: number }
  | { readonly kind: 'receipt'; readonly id: string };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({ kind: fc.constant('completion' as const), id, session, body: completion }),
    weight: 4,
  },
  { arbitrary: fc.record({ kind: fc.constant('trace' as const), id, session, body: trace }), weight: 3 },
  { arbitrary: fc.record({ kind: fc.constant('append' as const), id, content: words }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('note' as const), id, value: fc.nat() }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('receipt' as const), id }), weight: 1 },
);

async function apply(store: ViewedStore, steps: readonly Step[]): Promise<void> {
  await Promise.all(
    steps.map((one, index) =>
      store.write((writer) => {
        if (one.kind === 'append') {
          const stored = writer.find(PROJECT, 'completion', one.id);
          const messages = [
            ...((stored?.body.messages as object[]) ?? []),
            { role: 'assistant', content: one.content },
          ];
          if (stored) writer.replaceBody(stored, { ...stored.body, messages } as RecordBody);
        } else if (one.kind === 'note')
          writer.annotate('completion_feedback', PROJECT, one.id, { value: one.value });
        else if (one.kind === 'receipt')
          writer.keepReceipt({ kind: 'completion', id: one.id, json: '{"receipt":{},"spans":[{}]}' });
        else writer.add(toArrived(one, index));
      }),
    ),
  );
}

function toArrived(
  { kind, id, session, body }: Extract<Step, { session: string }>,
  index: number,
): ArrivedRecord {
  return {
    kind,
    id,
    project: PROJECT,
    session,
    path: '/v2/x',
    body: body as RecordBody,
    json: JSON.stringify(body),
    receivedAt: new Date(1_700_000_000_000 + index).toISOString(),
  };
}

const QUERIES = [
  '',
  'text=refund',
  'text=caf+a',
  'text=天',
  'text=weather',
  'text=4',
  'model=gpt&error=true',
  'agent=planner',
  'session=chat-1',
  'from=1700000200000',
  'text=nowhere',
];

/** Everything that a page can ask. */
async function everything(store: ViewedStore): Promise<unknown> {
  const all: unknown[] = [store.list(), store.annotations(), store.index.count, store.dropped];
  for (const query of QUERIES) {
    const filter = readFilter(new URLSearchParams(query), store);
    if (typeof filter === 'string') throw new Error(filter);
    const page = { limit: 3, before: undefined };
    const completions = listCompletions(store, filter, page);
    const [at, tie] = (completions.next ?? '1e15_0').split('_').map(Number) as [number, number];
    all.push(query, completions, listCompletions(store, filter, { limit: 50, before: { at, tie } }));
    all.push(listSessions(store, filter, page), countFacets(store, filter), drawCharts(store, filter));
  }
  for (const record of store.list()) {
    all.push(await viewRecord(record.kind, record.id, store, async () => ({ a: ['b'] })));
    all.push(viewTrace(record.id, store), viewSession(record.session, store));
  }
  return JSON.parse(JSON.stringify(all));
}

it('memory and database give equal answers, and a database that is opened again', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 3, max: 60 }),
      async (steps, maxRecords) => {
        const bounds = { maxRecords, maxSize: 1e9, maxAnnotations: 5, maxReceiptsSize: 200 };
        const dir = mkdtempSync(join(tmpdir(), 'freeplay-equal-'));
        try {
          const memory = createRecordStore(createMemoryStorage(), bounds);
          const database = createRecordStore(openSqliteStorage(dir, openDatabase), bounds);
          await apply(memory, steps);
          await apply(database, steps);
          const expected = await everything(memory);
          expect(await everything(database)).toEqual(expected);
          const isWhole = database.dropped.records === 0 && database.dropped.receipts === 0;
          database.close();
          if (!isWhole) return;
          // What has gone may still be remembered: by the name of an agent, say.
          const again = createRecordStore(openSqliteStorage(dir, openDatabase), bounds);
          expect(await everything(again)).toEqual(expected);
          again.close();
        } finally {
          rmSync(dir, { recursive: true, force: true });
        }
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);
