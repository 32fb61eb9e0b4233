import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { expect, it, onTestFinished } from 'vitest';
import { startFaultServer } from '../faults/fault-server.ts';
import { status } from '../faults/faults.ts';
import { startCollector } from './support/collector.ts';
import { startGateway } from './support/gateway.ts';
import { expectRecords, recorded } from './support/records.ts';
import { createApp, createSpanSender, recordsOf } from './support/traffic.ts';

const context = { onTestFinished };

it.each([
  'protobuf',
  'json',
] as const)('%s: what apps send to the Collector is recorded, once, as if they had the exporter themselves', async (encoding) => {
  const api = await startFaultServer(context);
  const gateway = await startGateway(context, { api });
  const collector = await startCollector(context, {
    recipe: 'agent-to-gateway.yaml',
    env: { FREEPLAY_GATEWAY: gateway.url },
  });
  const app = createApp();
  const traces = Array.from({ length: 20 }, app.makeTrace);
  if (encoding === 'protobuf') {
    const sender = createSpanSender(collector.httpUrl);
    await Promise.all(traces.map(sender.send));
  } else {
    const exporter = new JsonExporter({ url: `${collector.httpUrl}/v1/traces` });
    await Promise.all(
      traces.map((spans) => new Promise<void>((resolve) => exporter.export([...spans], () => resolve()))),
    );
  }
  const records = traces.flatMap(recordsOf);
  await recorded(
    api.book,
    records.map(({ id }) => id),
  );
  expect(await gateway.kill('SIGTERM')).toBe(0);
  expect(await collector.kill('SIGTERM')).toBe(0);
  expectRecords(api.book, records);
});

it('an outage of the API, then of the gateway: the Collector waits and sends again', async () => {
  let isAway = true;
  const api = await startFaultServer(context, () => (isAway ? status(503) : undefined));
  const first = await startGateway(context, { api });
  const collector = await startCollector(context, {
    recipe: 'agent-to-gateway.yaml',
    env: { FREEPLAY_GATEWAY: first.url },
  });
  const sender = createSpanSender(collector.httpUrl);
  const app = createApp();
  const before: readonly ReadableSpan[][] = Array.from({ length: 10 }, () => [...app.makeTrace()]);
  await Promise.all(before.map(sender.send));
  await first.kill('SIGKILL');
  const during = Array.from({ length: 10 }, app.makeTrace);
  await Promise.all(during.map(sender.send));
  await startGateway(context, { api, port: first.port });
  isAway = false;
  const ids = [...before, ...during].flatMap(recordsOf).map(({ id }) => id);
  await recorded(api.book, ids);
  expect([...api.book.recorded.keys()].sort()).toEqual(ids.sort());
});
