import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { expect, it, onTestFinished } from 'vitest';
import { loadScenario, SCENARIO_FILES } from '../contract/support/corpus.ts';
import { toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { startFaultServer } from '../faults/fault-server.ts';
import { startCollector } from './support/collector.ts';
import { startGateway } from './support/gateway.ts';
import { until } from './support/process.ts';
import { recorded } from './support/records.ts';
import { completionIdsOf, createApp, createSpanSender } from './support/traffic.ts';

const context = { onTestFinished };

interface Backend {
  readonly url: string;
  /** Has any span of the trace arrived? */
  hasSeen(traceId: string): boolean;
}

/** A tracing backend that remembers what it was sent. */
async function startBackend(): Promise<Backend> {
  const bodies: Buffer[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    bodies.push(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    // Sixteen random bytes stand nowhere else in the protobuf.
    hasSeen: (traceId) => bodies.some((body) => body.includes(Buffer.from(traceId, 'hex'))),
  };
}

function traceIdOf([span]: readonly ReadableSpan[]): string {
  return span!.spanContext().traceId;
}

it('of every dialect each trace with a model call is kept, and of the others what was asked for', async () => {
  const api = await startFaultServer(context);
  const backend = await startBackend();
  const gateway = await startGateway(context, { api });
  const collector = await startCollector(context, {
    recipe: 'tail-sampling.yaml',
    env: {
      FREEPLAY_GATEWAY: gateway.url,
      TRACING_BACKEND: backend.url,
      DECISION_WAIT: '3s',
      SAMPLING_PERCENTAGE: '0',
    },
  });
  const app = createApp();
  const captured = SCENARIO_FILES.flatMap((file) => {
    const spans = loadScenario(file).spans.map((span) => toSdkSpan(span) as unknown as ReadableSpan);
    const ids = [...new Set(spans.map((span) => span.spanContext().traceId))];
    return ids.map((id) => ({
      source: file.source,
      spans: spans.filter((span) => span.spanContext().traceId === id),
    }));
  });
  const genai = [
    ...captured.filter(({ spans }) => completionIdsOf(spans).length > 0),
    ...Array.from({ length: 20 }, () => ({ source: 'app', spans: app.makeTrace() })),
  ];
  const plain = Array.from({ length: 100 }, app.makePlainTrace);
  expect(genai.length).toBeGreaterThan(100);

  const sender = createSpanSender(collector.httpUrl);
  for (const { spans } of genai) {
    // Apart: the sampler must wait for the span that tells.
    for (const span of spans) await sender.send([span]);
  }
  await sender.send(plain.flat());
  const lost = (): string[] =>
    genai.filter(({ spans }) => !backend.hasSeen(traceIdOf(spans))).map(({ source }) => source);
  await until(
    () => lost().length === 0,
    30_000,
    () => `traces are missing, of ${[...new Set(lost())].join(', ')}`,
  );
  await recorded(
    api.book,
    genai.flatMap(({ spans }) => completionIdsOf(spans)),
  );
  expect(await collector.kill('SIGTERM')).toBe(0);
  expect(plain.filter((spans) => backend.hasSeen(traceIdOf(spans)))).toEqual([]);
});
