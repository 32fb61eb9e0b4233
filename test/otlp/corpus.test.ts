/** What comes over the wire is what the SDK had in hand. */
import { describe, expect, it } from 'vitest';
import { decodeLogs, decodeTraces } from '../../src/otlp/decode-json.ts';
import { decodeLogsProtobuf, decodeTracesProtobuf } from '../../src/otlp/decode-protobuf.ts';
import { fromSdkLogRecord, fromSdkSpan } from '../../src/span/from-sdk.ts';
import type { LogData, SpanData } from '../../src/span/span-data.ts';
import { loadScenario, SCENARIO_FILES } from '../contract/support/corpus.ts';
import { toSdkLog, toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { logProtobuf, toLogRequest, toOtlpJson, toTraceRequest, traceProtobuf } from './encode.ts';

const CLEAN = { rejected: 0, malformed: 0, reason: undefined, exceeded: undefined };

function bySpanId(spans: readonly (SpanData | undefined)[]): unknown[] {
  return [...spans].sort((one, other) => ((one?.spanId ?? '') < (other?.spanId ?? '') ? -1 : 1));
}

/** A request has its logs by scope: the order of two of different scopes is not in it. */
function byScope(logs: readonly LogData[]): readonly LogData[] {
  return [...logs].sort((one, other) =>
    one.scope.name === other.scope.name ? 0 : one.scope.name < other.scope.name ? -1 : 1,
  );
}

/** Python's `None` is a value without a kind, which is none. */
function withoutNulls(span: SpanData | undefined): SpanData | undefined {
  const set = Object.entries(span?.attributes ?? {}).filter(([, value]) => value !== null);
  return span && { ...span, attributes: Object.fromEntries(set) };
}

describe.each(SCENARIO_FILES)('$name', (file) => {
  const scenario = loadScenario(file);
  const spans = bySpanId(scenario.spans.map((span) => withoutNulls(fromSdkSpan(toSdkSpan(span)))));
  const logs = byScope(scenario.logs.flatMap((log) => fromSdkLogRecord(toSdkLog(log)) ?? []));
  const request = toTraceRequest(scenario.spans);
  const logRequest = toLogRequest(scenario.logs);

  it('as JSON', () => {
    const { spans: decoded, ...faults } = decodeTraces(JSON.parse(toOtlpJson(request)));
    expect(faults).toEqual(CLEAN);
    expect(bySpanId(decoded)).toEqual(spans);
    const { logs: decodedLogs, outsideSpans, ...logFaults } = decodeLogs(JSON.parse(toOtlpJson(logRequest)));
    expect(logFaults).toEqual(CLEAN);
    expect(decodedLogs.length + outsideSpans).toBe(scenario.logs.length);
    expect(byScope(decodedLogs)).toEqual(logs);
  });

  it('as protobuf', () => {
    const decoded = decodeTracesProtobuf(traceProtobuf(request));
    expect(decoded).toMatchObject(CLEAN);
    expect(bySpanId('spans' in decoded ? decoded.spans : [])).toEqual(spans);
    const decodedLogs = decodeLogsProtobuf(logProtobuf(logRequest));
    expect(decodedLogs).toMatchObject(CLEAN);
    expect(byScope('logs' in decodedLogs ? decodedLogs.logs : [])).toEqual(logs);
  });
});
