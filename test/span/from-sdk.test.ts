import { describe, expect, it } from 'vitest';
import { convertSpans } from '../../src/index.ts';
import { getId, toCount, toNumber, toStringArray } from '../../src/span/attributes.ts';
import { fromSdkLogRecord, fromSdkSpan } from '../../src/span/from-sdk.ts';
import { listOf, readFlat } from '../../src/span/indexed.ts';
import { loadScenario, SCENARIO_FILES } from '../contract/support/corpus.ts';
import { type Major, toSdkLog, toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { makeSpan } from '../property/support.ts';

const SOURCES = [...new Map(SCENARIO_FILES.map((file) => [file.source, file])).values()];

describe('SDK majors', () => {
  it.each(SOURCES)('$name gives the same bodies from 1.x, 2.x and 3.x', (file) => {
    const scenario = loadScenario(file);
    const [one, two, three] = ([1, 2, 3] as Major[]).map((major) =>
      JSON.stringify(
        convertSpans(
          // 1.x does not tell whether a parent is remote.
          scenario.spans.map((span) => toSdkSpan({ ...span, parentIsRemote: false }, major)),
          { logs: scenario.logs.map(toSdkLog) },
        ),
      ),
    );
    expect(one).toBe(two);
    expect(three).toBe(two);
  });
});

describe('a span', () => {
  const base = makeSpan({
    spanId: '00f067aa0ba902b7',
    parentSpanId: '00f067aa0ba902b8',
    attributes: { a: 1 },
  });

  it.each<[string, object, object]>([
    ['times as hrtime', { startTime: [5, 6], endTime: [7, 8] }, { startTime: [5, 6], endTime: [7, 8] }],
    [
      'times in milliseconds',
      { startTime: 5_006, endTime: 7_008 },
      { startTime: [5, 6_000_000], endTime: [7, 8_000_000] },
    ],
    [
      'times as dates',
      { startTime: new Date(5_000), endTime: new Date(7_000) },
      { startTime: [5, 0], endTime: [7, 0] },
    ],
    [
      'a clock that stepped back',
      { startTime: [7, 0], endTime: [5, 0] },
      { startTime: [7, 0], endTime: [7, 0] },
    ],
    ['no times', { startTime: undefined, endTime: 'x' }, { startTime: [0, 0], endTime: [0, 0] }],
    ['no status', { status: undefined }, { statusCode: 0, statusMessage: undefined }],
    ['no scope', { instrumentationScope: undefined }, { scope: { name: '', version: undefined } }],
    [
      'the scope of 1.x',
      { instrumentationScope: undefined, instrumentationLibrary: { name: 'l', version: '1' } },
      { scope: { name: 'l', version: '1' } },
    ],
    [
      'the parent of 1.x',
      { parentSpanContext: undefined, parentSpanId: '00f067aa0ba902b9' },
      { parentSpanId: '00f067aa0ba902b9' },
    ],
    [
      'a parent of zeros',
      { parentSpanContext: undefined, parentSpanId: '0'.repeat(16) },
      { parentSpanId: undefined },
    ],
    ['itself as parent', { parentSpanContext: { spanId: '00f067aa0ba902b7' } }, { parentSpanId: undefined }],
    ['attributes that are none', { attributes: null, resource: 5 }, { attributes: {}, resource: {} }],
    [
      'events that are none',
      { events: [null, {}, { name: 'e' }] },
      { events: [{ name: 'e', time: [0, 0], attributes: {} }] },
    ],
    [
      'no sampling flag',
      { spanContext: () => ({ traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }) },
      { sampled: true },
    ],
  ])('%s', (_, fields, expected) => {
    expect(fromSdkSpan({ ...base, ...fields } as never)).toMatchObject(expected);
  });

  it('keeps its attributes as they are, unread', () => {
    expect(fromSdkSpan(base)?.attributes).toBe(base.attributes);
  });
});

describe('a log record', () => {
  const spanContext = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

  it.each<[string, object, string | undefined]>([
    ['its event name', { spanContext, eventName: 'gen_ai.choice' }, 'gen_ai.choice'],
    ['the attribute', { spanContext, attributes: { 'event.name': 'gen_ai.choice' } }, 'gen_ai.choice'],
    ['no name', { spanContext }, ''],
    ['no span', { eventName: 'gen_ai.choice' }, undefined],
  ])('is known by %s', (_, log, name) => {
    expect(fromSdkLogRecord(log)?.eventName).toBe(name);
  });
});

describe('attribute readers', () => {
  it.each<[unknown, number | undefined]>([
    [5, 5],
    ['5', 5],
    [' 5.5 ', 5.5],
    [5n, 5],
    [{ low: 5, high: 1, unsigned: true }, 2 ** 32 + 5],
    ['', undefined],
    ['5 tokens', undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [null, undefined],
    [true, undefined],
    ['0x10', undefined],
  ])('read %s as the number %s', (value, number) => {
    expect(toNumber(value)).toBe(number);
  });

  it.each<[unknown, number | undefined]>([
    [5.4, 5],
    [-1, undefined],
    ['7', 7],
    [1e300, undefined],
  ])('read %j as the count %j', (value, count) => {
    expect(toCount(value)).toBe(count);
  });

  it.each<[unknown, readonly string[] | undefined]>([
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    ['["a","b"]', ['a', 'b']],
    ['a', ['a']],
    [['', 5], undefined],
    ['', undefined],
    [5, undefined],
  ])('read %j as the texts %j', (value, texts) => {
    expect(toStringArray(value)).toEqual(texts);
  });

  it.each<[unknown, string | undefined]>([
    ['s-42', 's-42'],
    [42, '42'],
    ['[team] 42', '[team] 42'],
    ['None', undefined],
    ["[Scrubbed due to 'session']", undefined],
    ['[Filtered]', undefined],
    ['__REDACTED__', undefined],
  ])('read %j as the id %j', (value, id) => {
    expect(getId({ 'session.id': value }, 'session.id')).toBe(id);
  });

  it('read indexed keys in numeric order, gaps closed', () => {
    const node = readFlat(
      { 'p.10.x': 'c', 'p.2.x': 'b', 'p.0.x': 'a', 'p.x': 'no', 'p.-1.x': 'no', 'q.0.x': 'no' },
      'p.',
    );
    expect(listOf(node).map((one) => one.children.get('x')?.value)).toEqual(['a', 'b', 'c']);
  });
});
