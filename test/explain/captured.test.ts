import { describe, expect, it } from 'vitest';
import {
  looksLikeLog,
  looksLikeSpan,
  readCapturedLog,
  readCapturedSpan,
} from '../../src/explain/captured.ts';
import { fromSdkSpan } from '../../src/span/from-sdk.ts';
import { scenarioNamed } from '../contract/support/corpus.ts';
import { toSdkSpan } from '../contract/support/sdk-shapes.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const PARENT = '00f067aa0ba902b7';

/** What every form below says. */
const SAID = {
  traceId: TRACE,
  spanId: SPAN,
  parentSpanId: PARENT,
  name: 'chat gpt-4o',
  startTime: [1_700_000_000, 123_456_000],
  endTime: [1_700_000_001, 500_000_000],
  statusCode: 2,
  statusMessage: 'overloaded',
  attributes: { 'gen_ai.request.model': 'gpt-4o' },
  events: [{ name: 'e', time: [1_700_000_000, 200_000_000], attributes: { k: 1 } }],
  resource: { 'service.name': 'app' },
};

const COMMON = { name: SAID.name, attributes: SAID.attributes, resource: { attributes: SAID.resource } };

describe.each<[form: string, value: object, scope: string]>([
  [
    'a capture',
    {
      ...COMMON,
      traceId: TRACE,
      spanId: SPAN,
      parentSpanId: PARENT,
      startTimeUnixNano: '1700000000123456000',
      endTimeUnixNano: '1700000001500000000',
      status: { code: 2, message: 'overloaded' },
      events: [{ name: 'e', timeUnixNano: '1700000000200000000', attributes: { k: 1 } }],
      scope: { name: 'x', version: '1' },
    },
    'x',
  ],
  [
    'what this library keeps',
    {
      ...SAID,
      parentIsRemote: false,
      sampled: true,
      scope: { name: 'x', version: '1' },
      droppedAttributesCount: 0,
    },
    'x',
  ],
  [
    'an SDK span that was stringified',
    {
      ...COMMON,
      _spanContext: { traceId: TRACE, spanId: SPAN, traceFlags: 1 },
      parentSpanContext: { traceId: TRACE, spanId: PARENT, traceFlags: 1 },
      startTime: SAID.startTime,
      endTime: SAID.endTime,
      status: { code: 2, message: 'overloaded' },
      events: [{ name: 'e', time: [1_700_000_000, 200_000_000], attributes: { k: 1 } }],
      instrumentationScope: { name: 'x', version: '1' },
      resource: { _rawAttributes: [['service.name', 'app']] },
    },
    'x',
  ],
  [
    'what the console exporter of the JavaScript SDK prints',
    {
      ...COMMON,
      traceId: TRACE,
      id: SPAN,
      parentSpanContext: { traceId: TRACE, spanId: PARENT, traceFlags: 1 },
      timestamp: 1_700_000_000_123_456,
      duration: 1_376_544,
      status: { code: 2, message: 'overloaded' },
      events: [{ name: 'e', time: [1_700_000_000, 200_000_000], attributes: { k: 1 } }],
      instrumentationScope: { name: 'x', version: '1' },
    },
    'x',
  ],
  [
    'what the console exporter of the Python SDK prints',
    {
      ...COMMON,
      context: { trace_id: `0x${TRACE}`, span_id: `0x${SPAN}`, trace_state: '[]' },
      kind: 'SpanKind.CLIENT',
      parent_id: `0x${PARENT}`,
      start_time: '2023-11-14T22:13:20.123456Z',
      end_time: '2023-11-14T22:13:21.500000Z',
      status: { status_code: 'ERROR', description: 'overloaded' },
      events: [{ name: 'e', timestamp: '2023-11-14T22:13:20.200000Z', attributes: { k: 1 } }],
      links: [],
    },
    '',
  ],
])('%s', (_, value, scope) => {
  it('is read', () => {
    const json = JSON.parse(JSON.stringify(value));
    expect(looksLikeSpan(json)).toBe(true);
    const span = readCapturedSpan(json);
    expect(span).toMatchObject({ ...SAID, sampled: true });
    expect(span?.scope.name).toBe(scope);
  });
});

it('reads what a span of this library is after JSON', () => {
  const data = fromSdkSpan(toSdkSpan(scenarioNamed('vercel-ai-6/generate-text').spans[0]!));
  expect(readCapturedSpan(JSON.parse(JSON.stringify(data)))).toEqual(data);
});

it('reads values that JSON cannot hold', () => {
  const attributes = {
    bytes: { $bytes: 'AQI=' },
    big: { $bigint: '9007199254740993' },
    nan: { $number: 'NaN' },
    hole: [{ $undefined: true }, 1],
    plain: { $other: 'x' },
  };
  expect(readCapturedSpan({ traceId: TRACE, spanId: SPAN, name: 'n', attributes })?.attributes).toEqual({
    bytes: new Uint8Array([1, 2]),
    big: 9_007_199_254_740_993n,
    nan: Number.NaN,
    hole: [undefined, 1],
    plain: { $other: 'x' },
  });
});

it.each([
  [null],
  ['text'],
  [{}],
  [{ name: 'x', traceId: '0'.repeat(32), spanId: SPAN }],
  [{ name: 'x', traceId: TRACE, spanId: 'zz' }],
])('finds no span in %j', (value) => {
  expect(readCapturedSpan(value)).toBeUndefined();
});

it('never throws, whatever the fields are', () => {
  for (const odd of [null, 1, 'x', [], {}, [[]], { __proto__: null }, Number.NaN])
    for (const field of [
      'attributes',
      'events',
      'status',
      'resource',
      'scope',
      'startTime',
      'endTime',
      'timestamp',
      'duration',
      'parentSpanId',
      'context',
    ])
      expect(() => readCapturedSpan({ name: 'n', traceId: TRACE, spanId: SPAN, [field]: odd })).not.toThrow();
});

it('reads log events, and leaves those that belong to no span', () => {
  const log = {
    traceId: TRACE,
    spanId: SPAN,
    eventName: 'gen_ai.choice',
    body: { index: 0 },
    attributes: { a: 1 },
  };
  expect(looksLikeLog(log)).toBe(true);
  expect(readCapturedLog(log)).toMatchObject({
    eventName: 'gen_ai.choice',
    body: { index: 0 },
    attributes: { a: 1 },
  });
  expect(readCapturedLog({ ...log, spanId: undefined })).toBeUndefined();
});
