/** Trees that no library would make, and calls that two instrumentations report at once. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/config.ts';
import { createConverter } from '../../src/convert.ts';
import { convertSpans, type FreeplayRecord, type SdkSpan } from '../../src/index.ts';
import { createLineage } from '../../src/lineage/lineage.ts';
import type { ReadSpan } from '../../src/lineage/plan.ts';
import { fromSdkSpan } from '../../src/span/from-sdk.ts';
import { rings } from '../contract/support/structure.ts';
import {
  chatAttributes,
  complaintsOf,
  expectWellFormed,
  llmAttributes,
  makeSpan,
  runs,
  spanIdOf,
} from './support.ts';

const KINDS: readonly ((n: number) => { scope: string; name: string; attributes: object })[] = [
  (n) => ({ scope: 'app', name: 'chat', attributes: chatAttributes({ question: `q${n}`, answer: `a${n}` }) }),
  () => ({ scope: 'http', name: 'POST', attributes: { 'http.request.method': 'POST' } }),
  () => ({
    scope: 'app',
    name: 'invoke_agent',
    attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'helper' },
  }),
  () => ({
    scope: 'app',
    name: 'execute_tool',
    attributes: {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'f',
      'gen_ai.tool.call.id': 'c',
    },
  }),
  () => ({ scope: 'db', name: 'SELECT', attributes: {} }),
];

/** Any shape: parents that come later, never, from elsewhere, or that are the span's own descendants. */
const tree: fc.Arbitrary<SdkSpan[]> = treeOf((parent) => parent);

/** As real telemetry is: nobody is above itself. In pieces a ring cannot be seen before it is closed. */
const acyclicTree: fc.Arbitrary<SdkSpan[]> = treeOf((parent, n) => (parent < n ? parent : 14 - (parent % 3)));

function treeOf(above: (parent: number, n: number) => number): fc.Arbitrary<SdkSpan[]> {
  return fc
    .array(
      fc.record({
        kind: fc.nat(KINDS.length - 1),
        parent: fc.option(fc.nat(14), { nil: undefined, freq: 4 }),
        remote: fc.boolean(),
        start: fc.nat(200),
        length: fc.nat(200),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((list) =>
      list.map((one, n) => {
        const made = (KINDS[one.kind] as (typeof KINDS)[number])(n);
        return makeSpan({
          ...made,
          spanId: spanIdOf(n),
          parentSpanId: one.parent === undefined ? undefined : spanIdOf(above(one.parent, n)),
          remote: one.remote && one.parent !== undefined,
          start: one.start,
          end: one.start + one.length,
        });
      }),
    );
}

/** A model span around others may be their wrapper: then it is none of the calls, and who can tell? */
function expectCalls(spans: readonly SdkSpan[], records: readonly FreeplayRecord[]): void {
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
  const chats = spans.filter((span) => span.name === 'chat');
  const wrappers = new Set<SdkSpan>();
  for (const chat of chats) {
    const seen = new Set<SdkSpan>([chat]);
    for (let at = byId.get(chat.parentSpanContext?.spanId ?? ''); at && !seen.has(at); ) {
      seen.add(at);
      if (at.name === 'chat') wrappers.add(at);
      at = byId.get(at.parentSpanContext?.spanId ?? '');
    }
  }
  const made = records.filter((record) => record.kind === 'completion').length;
  expect(made).toBeLessThanOrEqual(chats.length);
  expect(made).toBeGreaterThanOrEqual(chats.length - wrappers.size);
}

/** As the exporter does it: batch by batch, then what never came. */
function inBatches(spans: readonly SdkSpan[], sizes: readonly number[]): readonly FreeplayRecord[] {
  const converter = createConverter(resolveConfig({}, {}).config);
  const lineage = createLineage();
  const plans = [];
  for (let at = 0, turn = 0; at < spans.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    const batch: ReadSpan[] = spans.slice(at, at + size).flatMap((span) => {
      const data = fromSdkSpan(span);
      return data ? [converter.read(data, [])] : [];
    });
    plans.push(...lineage.resolve(batch, false));
    at += size;
  }
  plans.push(...lineage.settle());
  return plans.map(converter.build);
}

function shapeOf(span: SdkSpan): string {
  const parent = span.parentSpanContext;
  const above = parent ? ` < ${Number.parseInt(parent.spanId, 16)}${parent.isRemote ? ' (remote)' : ''}` : '';
  return `${span.name} ${Number.parseInt(span.spanContext().spanId, 16)}${above}`;
}

describe('any tree of spans', () => {
  it('as a whole: each call once, parents exist or are the group, no ring', () => {
    fc.assert(
      fc.property(tree, (spans) => {
        const records = convertSpans(spans);
        expectWellFormed(records);
        expectCalls(spans, records);
      }),
      runs(500),
    );
  });

  it('in batches of any size and order: the same', () => {
    fc.assert(
      fc.property(
        acyclicTree.chain((spans) => fc.shuffledSubarray(spans, { minLength: spans.length })),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
        (spans, sizes) => {
          const shape = spans.map(shapeOf).join('; ');
          const records = inBatches(spans, sizes);
          expect(complaintsOf(records)).toEqual([]);
          expectCalls(spans, records);
          const ids = records.map((record) => record.id);
          expect(new Set(ids).size, shape).toBe(ids.length);
          const group = '4bf92f35-77b3-4da6-a3ce-929d0e0e4736';
          for (const { body, id } of records)
            if (id !== group) expect([...ids, group]).toContain(body.parent_id);
          expect(rings(records), shape).toEqual([]);
        },
      ),
      runs(500),
    );
  });

  it('handed in twice is recorded once', () => {
    fc.assert(
      fc.property(acyclicTree, (spans) => {
        const once = inBatches(spans, [3]);
        const twice = inBatches([...spans, ...spans], [spans.length]);
        expectCalls(spans, once);
        expectCalls(spans, twice);
        expect(new Set(twice.map((record) => record.id)).size).toBe(twice.length);
      }),
      runs(200),
    );
  });

  it.each(['genai', 'completions'] as const)('as "%s" names no parent that is not recorded', (records) => {
    fc.assert(
      fc.property(tree, (spans) => {
        const made = convertSpans(spans, { records });
        expectWellFormed(made);
        if (records === 'completions') expect(made.every((one) => one.kind === 'completion')).toBe(true);
        else expect(made.every((one) => one.receipt.dialect !== 'plain')).toBe(true);
      }),
      runs(200),
    );
  });
});

/** N calls at once, the second report inside the first, around it, or beside it. */
function doubled(count: number, how: 'inside' | 'beside' | 'apart', same: boolean): SdkSpan[] {
  const root = makeSpan({ spanId: 'f'.repeat(16), name: 'app', start: 0, end: 900 });
  const pairs = Array.from({ length: count }, (_, n) => {
    const texts = same ? {} : { question: `question ${n}`, answer: `answer ${n}` };
    const outerId = spanIdOf(2 * n);
    const chain = makeSpan({
      spanId: spanIdOf(1000 + n),
      parentSpanId: 'f'.repeat(16),
      name: 'step',
      start: 1,
      end: 800,
    });
    const inner = makeSpan({
      spanId: spanIdOf(2 * n + 1),
      parentSpanId: how === 'inside' ? outerId : 'f'.repeat(16),
      name: 'chat gpt-4o',
      scope: '@opentelemetry/instrumentation-openai',
      attributes: chatAttributes({ ...texts, id: `chatcmpl-${n}` }),
      start: 20,
      end: 100,
    });
    const outer = makeSpan({
      spanId: outerId,
      parentSpanId: how === 'apart' ? spanIdOf(1000 + n) : 'f'.repeat(16),
      name: 'ChatOpenAI',
      scope: '@arizeai/openinference-instrumentation-langchain',
      attributes: llmAttributes(texts),
      start: 10,
      end: 110,
    });
    return how === 'apart' ? [chain, inner, outer] : [inner, outer];
  });
  return [...pairs.flat(), root];
}

describe('N equal parallel calls', () => {
  it.each([1, 2, 3, 7, 20, 40])('reported once are %i completions', (count) => {
    const spans = doubled(count, 'beside', true).filter((span) => span.name !== 'ChatOpenAI');
    expect(convertSpans(spans).filter((record) => record.kind === 'completion')).toHaveLength(count);
  });

  const cases = [1, 2, 3, 7, 20].flatMap((count) =>
    (['inside', 'beside', 'apart'] as const).flatMap((how) =>
      [true, false].map((same) => ({ count, how, same })),
    ),
  );
  it.each(cases)('reported twice ($how, same texts: $same) are $count completions', ({
    count,
    how,
    same,
  }) => {
    const spans = doubled(count, how, same);
    const records = convertSpans(spans);
    expectWellFormed(records);
    const completions = records.filter((record) => record.kind === 'completion');
    expect(completions).toHaveLength(count);
    for (const { body } of completions) {
      expect(body.call_info).toMatchObject({ usage: { prompt_tokens: 10, completion_tokens: 5 } });
      expect((body.call_info as { provider_info: object }).provider_info).toHaveProperty('response_id');
    }
    fc.assert(
      fc.property(fc.shuffledSubarray(spans, { minLength: spans.length }), (disordered) => {
        const again = convertSpans(disordered).filter((record) => record.kind === 'completion');
        expect(again).toHaveLength(count);
      }),
      runs(10),
    );
  });

  it.each(cases)('by the exporter too ($count, $how, same texts: $same)', ({ count, how, same }) => {
    const spans = doubled(count, how, same);
    for (const size of [1, 3, spans.length]) {
      const records = inBatches(spans, [size]);
      expect(
        records.filter((record) => record.kind === 'completion'),
        `batches of ${size}`,
      ).toHaveLength(count);
    }
  });
});
