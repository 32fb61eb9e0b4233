/** What OpenTelemetry JS sends, by its own exporters, with and without gzip. */
import { OTLPLogExporter as LogsAsJson } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as LogsAsProtobuf } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPTraceExporter as TracesAsJson } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as TracesAsProtobuf } from '@opentelemetry/exporter-trace-otlp-proto';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import { convertSpans } from '../../src/index.ts';
import { scenarioNamed } from '../contract/support/corpus.ts';
import { toSdkLog, toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { PROJECT, startApi, startTestGateway } from './support.ts';

interface Exporter<T> {
  export(items: T[], done: (result: { code: number; error?: Error }) => void): void;
  shutdown(): Promise<void>;
}

const EXPORTERS = {
  json: [TracesAsJson, LogsAsJson],
  protobuf: [TracesAsProtobuf, LogsAsProtobuf],
} as const;

/** Its own spans and logs have more than ours need; what the exporters read of them is filled in. */
function asSdkSpan(span: object): ReadableSpan {
  return { links: [], attributes: {}, ...span } as unknown as ReadableSpan;
}

function asSdkLog(log: object): ReadableLogRecord {
  const rest = { hrTimeObserved: [0, 0], droppedAttributesCount: 0, resource: { attributes: {} } };
  return { ...rest, ...log } as unknown as ReadableLogRecord;
}

async function send<T>(exporter: Exporter<T>, items: T[]): Promise<unknown> {
  const result = await new Promise((resolve) => exporter.export(items, resolve));
  await exporter.shutdown();
  return result;
}

describe.each(['json', 'protobuf'] as const)('as %s', (encoding) => {
  it.each([
    ['otel-openai/tools-round-trip', 'none'],
    ['otel-openai/tools-round-trip', 'gzip'],
    ['mixed/two-services', 'gzip'],
    ['openinference/openai-vision', 'none'],
    ['traceloop/anthropic-messages', 'gzip'],
  ])('%s, packed with %s, is what convertSpans makes of it', async (name, compression) => {
    const scenario = scenarioNamed(name);
    const api = await startApi();
    const gateway = await startTestGateway(api.url);
    const [Traces, Logs] = EXPORTERS[encoding];
    const options = { compression } as ConstructorParameters<typeof Traces>[0];
    const sent = await Promise.all([
      send(
        new Logs({ ...options, url: `${gateway.url}/v1/logs` }) as Exporter<ReadableLogRecord>,
        scenario.logs.map((log) => asSdkLog(toSdkLog(log))),
      ),
      send(
        new Traces({ ...options, url: `${gateway.url}/v1/traces` }) as Exporter<ReadableSpan>,
        scenario.spans.map((span) => asSdkSpan(toSdkSpan(span))),
      ),
    ]);
    expect(sent).toEqual([{ code: 0 }, { code: 0 }]);
    const wanted = convertSpans(
      scenario.spans.map((span) => toSdkSpan(span)),
      { projectId: PROJECT, logs: scenario.logs.map(toSdkLog) },
    );
    expect(api.records.size).toBe(wanted.length);
    for (const { kind, id, body } of wanted)
      expect(api.records.get(`${kind} ${id}`)?.text).toBe(JSON.stringify(body));
  });
});
