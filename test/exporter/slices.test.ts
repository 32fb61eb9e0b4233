/** Large batches are converted in slices: the app has the event loop in between, and nobody sees the difference. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { SdkSpan } from '../../src/index.ts';
import { chatAttributes, makeSpan, spanIdOf } from '../property/support.ts';
import { createExporter, exportSpans, startApi } from './support.ts';

const CALLS = 3_000;
const AGENT = spanIdOf(CALLS + 1);

/** Calls whose parent is in no batch but the last. */
const calls: readonly SdkSpan[] = Array.from({ length: CALLS }, (_, i) =>
  makeSpan({
    spanId: spanIdOf(i + 1),
    parentSpanId: AGENT,
    name: 'chat gpt-4o',
    attributes: chatAttributes({ question: `q${i} ${'?'.repeat(500)}`, answer: `a${i}` }),
  }),
);
const parent = makeSpan({ spanId: AGENT, name: 'handle request' });

it('gives the event loop back while a large batch is converted, and loses nothing of it', async () => {
  const { origin, posts } = await startApi();
  const exporter = createExporter({ baseUrl: origin });
  const answer = exportSpans(exporter, calls);
  await turn();
  expect(exporter.ledger().records.created).toBeLessThan(CALLS / 2);
  await expect(answer).resolves.toEqual({ code: 0 });
  expect(exporter.ledger().records).toMatchObject({ created: CALLS, delivered: CALLS, pending: 0 });
  expect(new Set(posts.map(({ id }) => id)).size).toBe(CALLS);
});

it('converts batches in their order, however large the first', async () => {
  const bodies = async (isPatient: boolean): Promise<Map<string, unknown>> => {
    const { origin, posts } = await startApi();
    const exporter = createExporter({ baseUrl: origin, shutdownTimeoutMillis: 20_000 });
    const first = exportSpans(exporter, calls);
    if (isPatient) await first;
    await Promise.all([first, exportSpans(exporter, [parent])]);
    await exporter.shutdown();
    return new Map(posts.map(({ id, body }) => [id, body]));
  };
  const [atOnce, oneByOne] = [await bodies(false), await bodies(true)];
  expect(atOnce.size).toBeGreaterThan(CALLS);
  expect(atOnce).toEqual(oneByOne);
});

it.each(['forceFlush', 'shutdown'] as const)('%s waits for what is not converted yet', async (method) => {
  const { origin } = await startApi();
  const exporter = createExporter({ baseUrl: origin, shutdownTimeoutMillis: 20_000 });
  void exportSpans(exporter, calls);
  await exporter[method]();
  const { created, delivered } = exporter.ledger().records;
  expect(delivered).toBe(created);
  expect(created).toBeGreaterThanOrEqual(CALLS);
});
