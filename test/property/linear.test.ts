/** Work grows with the input and no faster: counted, not timed. */
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/config.ts';
import { createConverter } from '../../src/convert.ts';
import { convertSpans, type SdkSpan } from '../../src/index.ts';
import { createLineage } from '../../src/lineage/lineage.ts';
import { fromSdkSpan } from '../../src/span/from-sdk.ts';
import { scenarioNamed } from '../contract/support/corpus.ts';
import { toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { chatAttributes, llmAttributes, makeSpan, spanIdOf } from './support.ts';

const GROWTH = 2.2;

/** Every way of looking at an attribute bag, counted. */
function counted(span: SdkSpan, count: { reads: number }): SdkSpan {
  const attributes = new Proxy(span.attributes, {
    get(target, key, receiver) {
      count.reads++;
      return Reflect.get(target, key, receiver);
    },
    has(target, key) {
      count.reads++;
      return Reflect.has(target, key);
    },
    ownKeys(target) {
      const keys = Reflect.ownKeys(target);
      count.reads += keys.length;
      return keys;
    },
    getOwnPropertyDescriptor(target, key) {
      count.reads++;
      return Reflect.getOwnPropertyDescriptor(target, key);
    },
  });
  return { ...span, attributes };
}

function workOf(spans: readonly SdkSpan[]): { reads: number; steps: number; chars: number } {
  const count = { reads: 0 };
  const records = convertSpans(spans.map((span) => counted(span, count)));
  const converter = createConverter(resolveConfig({}, {}).config);
  const lineage = createLineage({ maxSpansPerTrace: Number.POSITIVE_INFINITY });
  lineage.resolve(
    spans.flatMap((span) => {
      const data = fromSdkSpan(span);
      return data ? [converter.read(data, [])] : [];
    }),
    true,
  );
  return { reads: count.reads, steps: lineage.stats().steps, chars: JSON.stringify(records).length };
}

/** The scenario's spans `times` over, in one trace. */
function repeated(name: string, times: number): SdkSpan[] {
  const { spans } = scenarioNamed(name);
  const [first] = spans;
  return Array.from({ length: times }, (_, n) => {
    const shift = (id: string): string =>
      (BigInt(`0x${id}`) ^ BigInt(n)).toString(16).padStart(16, '0').slice(-16);
    return spans.map((span) =>
      toSdkSpan({
        ...span,
        traceId: first?.traceId ?? '',
        spanId: shift(span.spanId),
        ...(span.parentSpanId === undefined ? {} : { parentSpanId: shift(span.parentSpanId) }),
      }),
    );
  }).flat();
}

/** N calls at once, each reported by two instrumentations beside each other. */
function doubles(count: number, same: boolean): SdkSpan[] {
  return Array.from({ length: count }, (_, n) => {
    const texts = same ? {} : { question: `question ${n}`, answer: `answer ${n}` };
    const parentSpanId = 'f'.repeat(16);
    return [
      makeSpan({
        spanId: spanIdOf(2 * n),
        parentSpanId,
        scope: 'a',
        attributes: chatAttributes(texts),
        start: 20,
        end: 100,
      }),
      makeSpan({
        spanId: spanIdOf(2 * n + 1),
        parentSpanId,
        scope: 'b',
        attributes: llmAttributes(texts),
        start: 10,
        end: 110,
      }),
    ];
  }).flat();
}

function deep(count: number): SdkSpan[] {
  return Array.from({ length: count }, (_, n) =>
    makeSpan({
      spanId: spanIdOf(n),
      parentSpanId: n === 0 ? undefined : spanIdOf(n - 1),
      attributes: n % 3 === 2 ? { 'gen_ai.operation.name': 'invoke_agent' } : {},
    }),
  );
}

const GROWING: [string, (n: number) => SdkSpan[], number][] = [
  ['a Vercel AI tool loop', (n) => repeated('vercel-ai-5/tool-loop-parallel', n), 16],
  ['an OpenInference LangChain run', (n) => repeated('openinference-langchain/agent', n), 16],
  ['an OpenLLMetry workflow', (n) => repeated('traceloop/openai-agent-tools', n), 16],
  ['two services', (n) => repeated('mixed/two-services', n), 16],
  ['equal parallel doubles', (n) => doubles(n, true), 32],
  ['different parallel doubles', (n) => doubles(n, false), 32],
  ['a deep chain', deep, 100],
];

describe('work', () => {
  it.each(GROWING)('for %s grows at most linearly', (_, make, size) => {
    const [one, two, four] = [1, 2, 4].map((times) => workOf(make(size * times))) as [
      ReturnType<typeof workOf>,
      ReturnType<typeof workOf>,
      ReturnType<typeof workOf>,
    ];
    for (const what of ['reads', 'steps', 'chars'] as const) {
      expect(one[what]).toBeGreaterThan(0);
      expect(two[what] / one[what], `${what}, once and twice`).toBeLessThanOrEqual(GROWTH);
      expect(four[what] / two[what], `${what}, twice and four times`).toBeLessThanOrEqual(GROWTH);
    }
  });

  it('for one attribute more is a few reads more, however many there are', () => {
    const reads = (extra: number): number => {
      const count = { reads: 0 };
      const attributes = Object.fromEntries([
        ...Object.entries(chatAttributes()),
        ...Array.from({ length: extra }, (_, n) => [`app.value.${n}`, n]),
      ]);
      convertSpans([counted(makeSpan({ spanId: spanIdOf(1), attributes }), count)]);
      return count.reads;
    };
    expect((reads(800) - reads(400)) / (reads(400) - reads(0))).toBeLessThanOrEqual(1.1);
  });
});
