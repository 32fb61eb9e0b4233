/** OTLP/JSON as it should be, as senders write it, and as nobody should. */
import { describe, expect, it } from 'vitest';
import { decodeLogs, decodeTraces } from '../../src/otlp/decode-json.ts';
import { NO_LIMITS } from '../../src/otlp/decoded.ts';

const IDS = { traceId: '5B8EFFF798038103D269B633813FC60C', spanId: 'EEE19B7EC3C1B174' };

function request(span: object, more: object = {}): object {
  return { resourceSpans: [{ scopeSpans: [{ spans: [{ ...IDS, ...span }], ...more }] }] };
}

function decodeSpan(span: object): ReturnType<typeof decodeTraces>['spans'][number] | undefined {
  return decodeTraces(request(span)).spans[0];
}

function readValue(value: unknown): unknown {
  return decodeSpan({ attributes: [{ key: 'a', value }] })?.attributes.a;
}

describe('a span', () => {
  it('has its ids in lower case', () => {
    expect(decodeSpan({ parentSpanId: 'EEE19B7EC3C1B173' })).toMatchObject({
      traceId: '5b8efff798038103d269b633813fc60c',
      spanId: 'eee19b7ec3c1b174',
      parentSpanId: 'eee19b7ec3c1b173',
      sampled: true,
      parentIsRemote: false,
    });
  });

  it.each<[unknown, boolean]>([
    [0x301, true],
    [0x300, true],
    [0x100, false],
    [0x200, false],
    ['768', true],
    [undefined, false],
    ['many', false],
  ])('with flags %s has a remote parent: %s', (flags, parentIsRemote) => {
    expect(decodeSpan({ flags, parentSpanId: 'EEE19B7EC3C1B173' })).toMatchObject({
      parentIsRemote,
      sampled: true,
    });
  });

  it.each<[unknown, readonly [number, number]]>([
    ['1760000000123456789', [1_760_000_000, 123_456_789]],
    [1_760_000_000_000_000_000, [1_760_000_000, 0]],
    ['18446744073709551615', [18_446_744_073, 709_551_615]],
    ['5', [0, 5]],
    ['0', [0, 0]],
    [0, [0, 0]],
    [null, [0, 0]],
    ['yesterday', [0, 0]],
    [-1, [0, 0]],
    [1.5, [0, 0]],
    [1e300, [0, 0]],
  ])('that starts at %s does so at %j', (startTimeUnixNano, time) => {
    expect(decodeSpan({ startTimeUnixNano })?.startTime).toEqual(time);
  });

  it('never ends before it starts', () => {
    const times = { startTimeUnixNano: '2000000001', endTimeUnixNano: '2000000000' };
    expect(decodeSpan(times)?.endTime).toEqual([2, 1]);
    expect(decodeSpan({ startTimeUnixNano: '2000000001' })?.endTime).toEqual([2, 1]);
  });

  it.each<[unknown, number]>([
    [2, 2],
    ['STATUS_CODE_ERROR', 2],
    ['STATUS_CODE_OK', 1],
    ['STATUS_CODE_OTHER', 0],
    ['2', 2],
    [{}, 0],
    [undefined, 0],
  ])('with status %s has code %i', (code, statusCode) => {
    expect(decodeSpan({ status: { code, message: 'why' } })).toMatchObject({
      statusCode,
      statusMessage: 'why',
    });
  });

  it('may be written in snake_case, and below the scopes of before 0.15', () => {
    const { spans } = decodeTraces({
      resource_spans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { string_value: 'shop' } }] },
          instrumentation_library_spans: [
            {
              instrumentation_library: { name: 'old', version: '1' },
              spans: [
                {
                  trace_id: IDS.traceId,
                  span_id: IDS.spanId,
                  start_time_unix_nano: '1',
                  dropped_events_count: 2,
                },
              ],
            },
          ],
        },
      ],
    });
    expect(spans).toMatchObject([
      {
        scope: { name: 'old', version: '1' },
        resource: { 'service.name': 'shop' },
        startTime: [0, 1],
        droppedEventsCount: 2,
      },
    ]);
  });

  it('of a list of requests is found, as of one', () => {
    expect(decodeTraces([request({}), request({})]).spans.length).toBe(2);
  });
});

describe('a value', () => {
  it.each<[unknown, unknown]>([
    [{ stringValue: '' }, ''],
    [{ boolValue: false }, false],
    [{ intValue: '-9007199254740991' }, -9_007_199_254_740_991],
    [{ intValue: '9223372036854775807' }, 9_223_372_036_854_775_807n],
    [{ intValue: 7 }, 7],
    [{ intValue: '+7' }, 7],
    [{ doubleValue: 0.5 }, 0.5],
    [{ doubleValue: '0.5' }, 0.5],
    [{ doubleValue: 'NaN' }, Number.NaN],
    [{ doubleValue: '-Infinity' }, Number.NEGATIVE_INFINITY],
    [{ bytesValue: 'AQI=' }, new Uint8Array([1, 2])],
    [{ bytesValue: 'AQI' }, new Uint8Array([1, 2])],
    [{ arrayValue: {} }, []],
    [{ arrayValue: { values: [{ intValue: 1 }, {}, null] } }, [1, null, null]],
    [
      { kvlistValue: { values: [{ key: 'b', value: { boolValue: true } }, { key: 'c' }] } },
      { b: true, c: null },
    ],
    [{ array_value: { values: [{ string_value: 'x' }] } }, ['x']],
    [{}, undefined],
    [null, undefined],
    [{ stringValue: null, intValue: '3' }, 3],
    [{ laterValue: 'of a later schema' }, undefined],
  ])('%j is %o', (value, expected) => {
    expect(readValue(value)).toEqual(expected);
    expect(decodeTraces(request({ attributes: [{ key: 'a', value }] }))).toMatchObject({
      malformed: 0,
      rejected: 0,
    });
  });

  it.each<[unknown]>([
    ['text'],
    [5],
    [[]],
    [{ stringValue: 5 }],
    [{ intValue: 1.5 }],
    [{ intValue: 'five' }],
    [{ intValue: '999999999999999999999' }],
    [{ boolValue: 'true' }],
    [{ doubleValue: {} }],
    [{ bytesValue: '!' }],
    [{ arrayValue: [] }],
    [{ arrayValue: { values: 'x' } }],
    [{ kvlistValue: 5 }],
  ])('%j is counted as malformed', (value) => {
    const span = {
      name: 'kept',
      attributes: [
        { key: 'a', value },
        { key: 'b', value: { intValue: 1 } },
      ],
    };
    const { spans, malformed, reason } = decodeTraces(request(span));
    expect(spans).toMatchObject([{ name: 'kept', attributes: { b: 1 } }]);
    expect(spans[0]?.attributes.a).toBeUndefined();
    expect({ malformed, reason }).toEqual({
      malformed: 1,
      reason: expect.stringContaining('attribute value'),
    });
  });

  it('called __proto__ is an attribute like any other', () => {
    const attributes = [{ key: '__proto__', value: { stringValue: 'x' } }];
    const span = decodeSpan({ attributes });
    expect(Object.keys(span?.attributes ?? {})).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(span?.attributes)).toBe(Object.prototype);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it('too deep is cut off and counted', () => {
    let value: object = { intValue: 1 };
    for (let i = 0; i < 100; i++) value = { arrayValue: { values: [value] } };
    expect(decodeTraces(request({ attributes: [{ key: 'a', value }] }))).toMatchObject({
      malformed: 1,
      reason: expect.stringContaining('inside each other'),
    });
  });
});

describe('whatever else', () => {
  it.each<[unknown, number, number]>([
    [undefined, 0, 1],
    [null, 0, 1],
    ['text', 0, 1],
    [{}, 0, 0],
    [{ resourceSpans: null }, 0, 0],
    [{ resourceSpans: 'all' }, 0, 1],
    [{ resourceSpans: [null, 5, { scopeSpans: {} }] }, 0, 3],
    [{ resourceSpans: [{ resource: 5, scopeSpans: [{ spans: 'x' }] }] }, 0, 2],
    [{ resourceSpans: [{ scopeSpans: [{ scope: 'x', spans: [null, 5, {}] }] }] }, 3, 0],
    [request({ traceId: '0'.repeat(32) }), 1, 0],
    [request({ spanId: IDS.traceId }), 1, 0],
    [request({ spanId: 5 }), 1, 0],
    [request({ attributes: {}, events: 'x' }), 0, 2],
    [request({ attributes: [null, { value: {} }, { key: 5 }] }), 0, 3],
    [request({ events: [null, {}, { name: 5 }, { name: 'kept' }] }), 0, 3],
  ])('%j is counted: %i spans, %i parts', (json, rejected, malformed) => {
    expect(decodeTraces(json)).toMatchObject({ rejected, malformed });
  });

  it('stops at the limits', () => {
    const spans = Array.from({ length: 5 }, () => IDS);
    const json = { resourceSpans: [{ scopeSpans: [{ spans }] }] };
    expect(decodeTraces(json, { ...NO_LIMITS, maxSpans: 4 })).toMatchObject({ exceeded: 'spans' });
    expect(decodeTraces(json, { ...NO_LIMITS, maxSpans: 5 })).toMatchObject({ exceeded: undefined });
    const attributes = Array.from({ length: 5 }, (_, i) => ({ key: String(i), value: { intValue: i } }));
    expect(decodeTraces(request({ attributes }), { ...NO_LIMITS, maxValues: 4 })).toMatchObject({
      exceeded: 'values',
    });
  });
});

describe('a log record', () => {
  const log = (record: object): ReturnType<typeof decodeLogs> =>
    decodeLogs({ resourceLogs: [{ scopeLogs: [{ scope: { name: 's' }, logRecords: [record] }] }] });

  it('has its event name in the field, or in the attribute of before', () => {
    const attributes = [{ key: 'event.name', value: { stringValue: 'old' } }];
    expect(log({ ...IDS, eventName: 'new', attributes }).logs).toMatchObject([{ eventName: 'new' }]);
    expect(log({ ...IDS, event_name: '', attributes }).logs).toMatchObject([{ eventName: 'old' }]);
  });

  it('has a body of any kind, and a time', () => {
    const body = { kvlistValue: { values: [{ key: 'content', value: { stringValue: 'hi' } }] } };
    expect(log({ ...IDS, body, observedTimeUnixNano: '5' }).logs).toMatchObject([
      { body: { content: 'hi' }, time: [0, 5], scope: { name: 's' } },
    ]);
  });

  it('outside of spans is no fault, one with malformed ids is', () => {
    expect(log({ traceId: '', spanId: '' })).toMatchObject({ outsideSpans: 1, rejected: 0 });
    expect(log({})).toMatchObject({ outsideSpans: 1, rejected: 0 });
    expect(log({ ...IDS, spanId: 'xyz' })).toMatchObject({ outsideSpans: 0, rejected: 1 });
    expect(log(5 as unknown as object)).toMatchObject({ rejected: 1 });
  });
});
