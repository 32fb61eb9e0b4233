/** Any trace, in any order, cut anywhere: each call once, the tree whole, and the same records as from the whole trace. */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  completionIdOf,
  convertSpans,
  type FreeplayOptions,
  type FreeplayRecord,
  FreeplaySpanExporter,
  FreeplaySpanProcessor,
} from '../../src/index.ts';
import { rings } from '../contract/support/structure.ts';
import { complaintsOf, runs } from '../property/support.ts';
import {
  arbitraryPlay,
  describePlay,
  GROUP_ID,
  idOf,
  type Play,
  PlayedSpan,
  TRACE_ID,
} from './random-traces.ts';
import { acceptingDispatcher } from './support.ts';

const PROJECT = '0b8a6c1e-6f6f-4b52-9a55-3d1c7f1f9a10';

afterEach(() => vi.useRealTimers());

function optionsFor(records: FreeplayRecord[], options: FreeplayOptions = {}): FreeplayOptions {
  return {
    apiKey: 'k',
    projectId: PROJECT,
    baseUrl: 'http://127.0.0.1:9/api',
    dispatcher: acceptingDispatcher([]),
    onRecord: (record) => records.push(record),
    flushOnExit: false,
    ...options,
  };
}

interface Outcome {
  readonly records: readonly FreeplayRecord[];
  readonly ended: readonly PlayedSpan[];
  readonly started: readonly PlayedSpan[];
}

/** Deliveries are answered in promises, which no time may pass over: the clock is not theirs. */
async function whenDelivered(processor: FreeplaySpanProcessor): Promise<void> {
  while (processor.ledger().records.pending > 0) await new Promise(setImmediate);
}

/** The trace happens, in fake time, under a processor. */
async function play({ moments }: Play, options: FreeplayOptions = {}): Promise<Outcome> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  const records: FreeplayRecord[] = [];
  const processor = new FreeplaySpanProcessor(optionsFor(records, options));
  const spans = new Map<number, PlayedSpan>();
  const ended: PlayedSpan[] = [];
  const began = performance.now();
  for (const [turn, moment] of moments.entries()) {
    // No two things happen at one time: which comes first would be anyone's guess.
    const now = performance.now() - began + turn / 1_000;
    if (moment.kind === 'wait') {
      await whenDelivered(processor);
      vi.advanceTimersByTime(moment.millis);
    } else if (moment.kind === 'flush') void processor.forceFlush();
    else if (moment.kind === 'start') {
      const span = new PlayedSpan(moment.span, now);
      spans.set(moment.span.id, span);
      processor.onStart(span);
    } else {
      const span = spans.get(moment.span.id) as PlayedSpan;
      span.finish(now);
      processor.onEnding(span);
      span.end();
      processor.onEnd(span);
      ended.push(span);
    }
  }
  const stopped = processor.shutdown();
  await whenDelivered(processor);
  await Promise.all([stopped, vi.advanceTimersByTimeAsync(5_000)]);
  vi.useRealTimers();
  const { created, delivered, pending } = processor.ledger().records;
  expect({ created, delivered, pending }).toEqual({
    created: records.length,
    delivered: records.length,
    pending: 0,
  });
  return { records, ended, started: [...spans.values()] };
}

async function inBatches(
  spans: readonly PlayedSpan[],
  sizes: readonly number[],
): Promise<readonly FreeplayRecord[]> {
  const records: FreeplayRecord[] = [];
  const exporter = new FreeplaySpanExporter(optionsFor(records));
  for (let at = 0, turn = 0; at < spans.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    exporter.export(spans.slice(at, at + size), () => {});
    at += size;
  }
  await exporter.shutdown();
  return records;
}

const idOfSpan = (id: number): string => completionIdOf({ traceId: TRACE_ID, spanId: idOf(id) });

/** By call: ids of the records that may stand for it. */
function callsOf(spans: readonly PlayedSpan[]): Map<number, Set<string>> {
  const calls = new Map<number, Set<string>>();
  for (const { planned } of spans) {
    if (planned.call === undefined) continue;
    calls.set(planned.call, (calls.get(planned.call) ?? new Set()).add(idOfSpan(planned.id)));
  }
  return calls;
}

function expectEachCallOnce(
  spans: readonly PlayedSpan[],
  records: readonly FreeplayRecord[],
  shape: string,
): void {
  const completions = records.filter((record) => record.kind === 'completion').map((record) => record.id);
  const calls = [...callsOf(spans)];
  for (const [call, ids] of calls)
    expect(completions.filter((id) => ids.has(id)).length, `completions of call ${call} in ${shape}`).toBe(1);
  expect(completions.length, shape).toBe(calls.length);
}

function expectWholeTree(records: readonly FreeplayRecord[], shape: string): void {
  expect(complaintsOf(records), shape).toEqual([]);
  const ids = records.map((record) => record.id);
  expect(new Set(ids).size, `ids once in ${shape}`).toBe(ids.length);
  for (const { id, body } of records)
    if (id !== GROUP_ID) expect([...ids, GROUP_ID], `parent of ${id} in ${shape}`).toContain(body.parent_id);
  expect(rings(records), shape).toEqual([]);
}

/** A person in another dashboard follows the stamp of a span that has ended: there is a record. */
function expectStampsNameRecords({ ended, records }: Outcome, shape: string): void {
  const ids = new Set(records.map((record) => record.id));
  for (const { attributes, planned } of ended) {
    const stamp = attributes['freeplay.completion.id'] ?? attributes['freeplay.trace.id'];
    if (stamp !== undefined) expect([...ids], `stamp of ${planned.id} in ${shape}`).toContain(stamp);
    if (planned.call !== undefined) expect(stamp, `stamp of ${planned.id}`).toBe(idOfSpan(planned.id));
  }
}

const essence = (records: readonly FreeplayRecord[]): object[] =>
  records
    .map(({ id, kind, sessionId, path, body }) => ({ id, kind, sessionId, path, body }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));

const batches = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });

describe('any trace, as it happens', () => {
  it('cut anywhere, some spans never ending: each call once, the tree whole, stamps name records', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryPlay({ cuts: true, unended: true }), async (one) => {
        const shape = describePlay(one);
        const outcome = await play(one);
        expectEachCallOnce(outcome.started, outcome.records, shape);
        expectWholeTree(outcome.records, shape);
        expectStampsNameRecords(outcome, shape);
      }),
      runs(400),
    );
  });

  it('with several roots, too', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryPlay({ cuts: true, unended: true, severalRoots: true }), async (one) => {
        const { started, records } = await play(one);
        expectEachCallOnce(started, records, describePlay(one));
        expectWholeTree(records, describePlay(one));
      }),
      runs(200),
    );
  });

  it('all ended before the first conversion: exactly the records of the whole trace', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryPlay({ cuts: false, unended: false }), async (one) => {
        const { records, ended } = await play(one);
        expect(essence(records), describePlay(one)).toEqual(
          essence(convertSpans(ended, { projectId: PROJECT })),
        );
      }),
      runs(300),
    );
  });

  it('converted piece by piece as time passes: the records of the whole trace, where second reports are in time', async () => {
    const structure = (records: readonly FreeplayRecord[]): string[] =>
      records.map(({ id, kind, body }) => `${kind} ${id} < ${body.parent_id}`).sort();
    await fc.assert(
      fc.asyncProperty(arbitraryPlay({ cuts: 'waits', unended: false }), async (one) => {
        const { records, ended } = await play(one);
        expect(structure(records), describePlay(one)).toEqual(
          structure(convertSpans(ended, { projectId: PROJECT })),
        );
      }),
      runs(300),
    );
  });

  it('by the exporter, in any batches: each call once, the tree whole', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryPlay({ cuts: false, unended: false }), batches, async (one, sizes) => {
        const shape = `${sizes}: ${describePlay(one)}`;
        const { ended } = await play(one);
        const records = await inBatches(ended, sizes);
        expectEachCallOnce(ended, records, shape);
        expectWholeTree(records, shape);
      }),
      runs(300),
    );
  });

  it('ids do not change with the order of the spans, nor with the way they came', async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryPlay({ cuts: true, unended: false }),
        fc.infiniteStream(fc.nat(1_000)),
        async (one, draws) => {
          const { ended, records } = await play(one);
          const order = ended.map((span) => [draws.next().value as number, span] as const);
          const disordered = order.sort(([a], [b]) => a - b).map(([, span]) => span);
          const whole = convertSpans(ended, { projectId: PROJECT });
          const again = convertSpans(disordered, { projectId: PROJECT });
          expect(essence(again), describePlay(one)).toEqual(essence(whole));
          const once = new Set(
            [...callsOf(ended).values()].filter((ids) => ids.size === 1).flatMap((ids) => [...ids]),
          );
          const completions = (list: readonly FreeplayRecord[]): string[] =>
            list
              .filter(({ id, kind }) => kind === 'completion' && once.has(id))
              .map(({ id }) => id)
              .sort();
          expect(completions(records)).toEqual(completions(whole));
        },
      ),
      runs(200),
    );
  });
});
