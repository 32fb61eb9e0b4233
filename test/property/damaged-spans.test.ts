import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convertSpans, type FreeplayRecord, FreeplaySpanExporter } from '../../src/index.ts';
import type { CapturedLog, CapturedSpan } from '../contract/support/corpus.ts';
import { deepFreeze, toSdkLog, toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { damagedBag, damagedSpan, expectWellFormed, junk, runs, SAMPLE } from './support.ts';

const scenario = fc.nat(SAMPLE.length - 1).map((at) => SAMPLE[at] as (typeof SAMPLE)[number]);

const damagedTrace: fc.Arbitrary<{ spans: CapturedSpan[]; logs: CapturedLog[] }> = scenario.chain((one) =>
  fc.record({
    spans: fc.tuple(...one.spans.map(damagedSpan)) as fc.Arbitrary<CapturedSpan[]>,
    logs: fc.tuple(...one.logs.map(damagedLog)) as fc.Arbitrary<CapturedLog[]>,
  }),
);

function damagedLog(log: CapturedLog): fc.Arbitrary<CapturedLog> {
  return fc
    .record({
      body: fc.oneof({ weight: 3, arbitrary: fc.constant(log.body) }, junk),
      attributes: damagedBag(log.attributes ?? {}, 0.5),
      eventName: fc.option(fc.constant(log.eventName ?? 'gen_ai.choice'), { nil: '' }),
    })
    .map((changes) => ({ ...log, ...changes }));
}

function frozen<T>(value: T): T {
  return deepFreeze(value);
}

describe('captured spans, damaged', () => {
  it('give valid bodies, whole trees, and stay as they were', () => {
    fc.assert(
      fc.property(damagedTrace, ({ spans, logs }) => {
        const records = convertSpans(frozen(spans.map((span) => withoutClone(span))), {
          logs: frozen(logs.map((log) => ({ ...toSdkLog({ ...log, body: null }), body: log.body }))),
        });
        expectWellFormed(records);
      }),
      runs(600),
    );
  });

  it('give valid bodies without content, masked, with placeholders and tight limits too', () => {
    const options = fc.record(
      {
        captureContent: fc.boolean(),
        mask: fc.constantFrom(
          'secrets' as const,
          () => '',
          (text: string) => `${text}${text}`,
        ),
        media: fc.constantFrom('inline' as const, 'placeholder' as const, () => 'gone'),
        records: fc.constantFrom('all' as const, 'genai' as const, 'completions' as const),
        maxRecordBytes: fc.integer({ min: 1024, max: 8192 }),
        metadata: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean())),
        traceUrlTemplate: fc.constant('https://jaeger.example/{traceId}/{spanId}'),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(damagedTrace, options, ({ spans }, given) => {
        expectWellFormed(convertSpans(spans.map(withoutClone), given));
      }),
      runs(300),
    );
  });

  it('never make the exporter throw', async () => {
    const exporter = new FreeplaySpanExporter({
      apiKey: 'key',
      projectId: 'p',
      baseUrl: 'http://127.0.0.1:9',
      flushOnExit: false,
      shutdownTimeoutMillis: 1,
      dispatcher: {
        dispatch: (
          _: unknown,
          handler: { onError?(e: Error): void; onResponseError?(c: unknown, e: Error): void },
        ) => {
          const error = new Error('no network here');
          if (handler.onResponseError) handler.onResponseError(undefined, error);
          else handler.onError?.(error);
          return true;
        },
      },
    });
    fc.assert(
      fc.property(fc.array(fc.anything(), { maxLength: 5 }), (spans) => {
        exporter.export(spans as never, () => {});
        exporter.logRecordProcessor.onEmit(spans[0] as never);
      }),
      runs(200),
    );
    fc.assert(
      fc.property(damagedTrace, ({ spans, logs }) => {
        for (const log of logs) exporter.logRecordProcessor.onEmit(log as never);
        exporter.export(spans.map(withoutClone), () => {});
      }),
      runs(50),
    );
    await exporter.shutdown();
    expect(exporter.ledger().spans.seen).toBeGreaterThan(0);
  });
});

describe('captured spans, cut by a limit of attribute lengths', () => {
  const withLimit = (bag: Readonly<Record<string, unknown>>, limit: number): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(bag).map(([key, value]) => [
        key,
        typeof value === 'string' ? value.slice(0, limit) : value,
      ]),
    );
  const opened = /^\s*(\[\s*\{|\{\s*")/;
  const messagesOf = ({ body }: FreeplayRecord): readonly { role: string; content: unknown }[] =>
    'messages' in body ? (body.messages as never) : [];
  /** How many messages the model was given, completion by completion. */
  const askedOf = (records: readonly FreeplayRecord[]): readonly number[] =>
    records
      .filter(({ kind }) => kind === 'completion')
      .map((record) => messagesOf(record).filter(({ role }) => role !== 'assistant').length);
  const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);
  const textsOf = (records: readonly FreeplayRecord[]): string[] =>
    records.flatMap(messagesOf).flatMap(({ content }) => (typeof content === 'string' ? [content] : []));

  it.each([
    100, 160, 250, 400, 640, 1_000, 1_600, 4_000,
  ])('at %i characters: as many completions, no more messages, and no JSON where a text should be', (limit) => {
    for (const { name, spans, logs } of SAMPLE) {
      const cut = spans.map((span) => ({
        ...span,
        attributes: withLimit(span.attributes, limit),
        events: span.events.map((event) => ({
          ...event,
          attributes: withLimit(event.attributes ?? {}, limit),
        })),
      }));
      const options = { logs: logs.map(toSdkLog) };
      const whole = convertSpans(
        spans.map((span) => toSdkSpan(span)),
        options,
      );
      const left = convertSpans(
        cut.map((span) => toSdkSpan(span)),
        options,
      );
      const [most, rest] = [askedOf(whole), askedOf(left)];
      expect(rest, name).toHaveLength(most.length);
      expect(sum(rest), name).toBeLessThanOrEqual(sum(most));
      // What a raw body has without spaces, its flattened copy may have with them.
      const begin = (text: string): string => text.replace(/\s/g, '').slice(0, 12);
      const known = textsOf(whole).map((text) => text.replace(/\s/g, ''));
      for (const text of textsOf(left).filter((one) => opened.test(one)))
        expect(
          known.some((one) => one.startsWith(begin(text))),
          `${name}: ${text}`,
        ).toBe(true);
    }
  });
});

/** Junk attributes may hold what cannot be cloned. */
function withoutClone(span: CapturedSpan): ReturnType<typeof toSdkSpan> {
  return {
    ...toSdkSpan({ ...span, attributes: {}, events: [] }),
    attributes: span.attributes,
    events: eventsOf(span),
  };
}

function eventsOf(span: CapturedSpan): readonly object[] {
  return span.events.map((event) => ({ ...event, time: [1, 2], attributes: event.attributes ?? {} }));
}
