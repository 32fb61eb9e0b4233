/** Whatever arrives is decoded or refused; nothing throws, and nothing takes long. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLogs, decodeTraces } from '../../src/otlp/decode-json.ts';
import { decodeLogsProtobuf, decodeTracesProtobuf } from '../../src/otlp/decode-protobuf.ts';
import { type CapturedSpan, scenarioNamed } from '../contract/support/corpus.ts';
import { logProtobuf, toLogRequest, toOtlpJson, toTraceRequest, traceProtobuf } from './encode.ts';

const { spans, logs } = scenarioNamed('otel-openai/tools-round-trip');
const TRACES = traceProtobuf(toTraceRequest(spans));
const LOGS = logProtobuf(toLogRequest(logs));

const anyValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    // JSON has no negative zero.
    fc.double().map((number) => number + 0),
    fc.integer(),
    fc.constant(null),
    fc.uint8Array().map((bytes) => new Uint8Array(bytes)),
    fc.array(tie('value')),
    fc.dictionary(fc.string(), tie('value')),
  ),
})).value;

const attributes = fc.dictionary(fc.string({ unit: 'binary' }), anyValue);
const nanos = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const hex = (bytes: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((one) => Buffer.from(one).toString('hex'))
    .filter((text) => /[1-9a-f]/.test(text));

const span: fc.Arbitrary<CapturedSpan> = fc.record({
  traceId: hex(16),
  spanId: hex(8),
  parentSpanId: hex(8),
  parentIsRemote: fc.boolean(),
  name: fc.string({ unit: 'binary' }),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes,
  events: fc.array(fc.record({ name: fc.string(), timeUnixNano: nanos, attributes })),
  status: fc.record({ code: fc.constantFrom(0, 1, 2), message: fc.string() }),
  scope: fc.record({ name: fc.string(), version: fc.string() }),
  resource: fc.record({ attributes }),
});

describe('protobuf', () => {
  it('of any span says what its JSON says', () => {
    fc.assert(
      fc.property(fc.array(span), (all) => {
        const request = toTraceRequest(all);
        const json = decodeTraces(JSON.parse(toOtlpJson(request)));
        expect(json).toMatchObject({ rejected: 0, malformed: 0 });
        expect(decodeTracesProtobuf(traceProtobuf(request))).toEqual(json);
      }),
    );
  });

  it('cut off anywhere is refused, or is a shorter message', () => {
    for (const [bytes, decode] of [
      [TRACES, decodeTracesProtobuf],
      [LOGS, decodeLogsProtobuf],
    ] as const) {
      const whole = decode(bytes);
      for (let length = 0; length < bytes.length; length++) {
        const decoded = decode(bytes.subarray(0, length));
        if ('unreadable' in decoded) expect(decoded.unreadable).toMatch(/^not protobuf of the OTLP schema: /);
        else expect(decoded).not.toEqual(whole);
      }
    }
  });

  it('with bytes changed is decoded or refused', () => {
    const change = fc.tuple(fc.nat({ max: TRACES.length - 1 }), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = Buffer.from(TRACES);
        for (const [at, byte] of changes) bytes[at] = byte;
        const decoded = decodeTracesProtobuf(bytes);
        if ('unreadable' in decoded) expect(decoded.unreadable).toMatch(/^not protobuf of the OTLP schema: /);
        else expect(decoded.spans.length).toBeLessThanOrEqual(TRACES.length / 2);
        decodeLogsProtobuf(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  it('of any bytes is decoded or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        decodeTracesProtobuf(Buffer.from(bytes));
        decodeLogsProtobuf(Buffer.from(bytes));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('JSON', () => {
  it('of any shape is decoded', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        decodeTraces(json);
        decodeLogs(json);
      }),
    );
  });

  it('with any part changed is decoded', () => {
    const whole = toOtlpJson(toTraceRequest(spans));
    const places = countPlaces(JSON.parse(whole));
    fc.assert(
      fc.property(fc.nat({ max: places - 1 }), fc.jsonValue({ depthSize: 'small' }), (place, value) => {
        const { spans: read, rejected } = decodeTraces(replace(JSON.parse(whole), place, value));
        expect(read.length + rejected).toBeLessThanOrEqual(Math.max(spans.length, 100));
      }),
      { numRuns: 2_000 },
    );
  });
});

function countPlaces(json: unknown): number {
  if (typeof json !== 'object' || json === null) return 1;
  return Object.values(json).reduce<number>((sum, one) => sum + countPlaces(one), 1);
}

/** The place-th value from the top, in the order in which they are written. */
function replace(json: unknown, place: number, value: unknown): unknown {
  let at = place;
  const visit = (one: unknown): unknown => {
    if (at-- === 0) return value;
    if (Array.isArray(one)) return one.map(visit);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, visit(inner)]));
  };
  return visit(json);
}
