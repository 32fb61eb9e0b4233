import { expect, it, onTestFinished } from 'vitest';
import { startFaultServer } from '../faults/fault-server.ts';
import { startCollector } from './support/collector.ts';
import { startGateway } from './support/gateway.ts';
import { expectRecords, recorded } from './support/records.ts';
import { createApp, createSpanSender, recordsOf } from './support/traffic.ts';

const context = { onTestFinished };

it('all spans of a trace reach one gateway, and every gateway has its share', async () => {
  const api = await startFaultServer(context);
  const backends = await Promise.all(
    ['sk-first', 'sk-second'].map(async (apiKey) => {
      const gateway = await startGateway(context, { api, apiKey });
      return startCollector(context, {
        recipe: 'group-by-trace.yaml',
        env: { FREEPLAY_GATEWAY: gateway.url, WAIT_DURATION: '3s' },
      });
    }),
  );
  const balancer = await startCollector(context, {
    recipe: 'load-balancing.yaml',
    env: { FREEPLAY_BACKENDS: `[${backends.map(({ grpc }) => grpc).join(', ')}]` },
  });
  const sender = createSpanSender(balancer.httpUrl);
  const app = createApp();
  const traces = Array.from({ length: 40 }, app.makeTrace);
  // Requests that hold one span of each of many traces: torn apart here or nowhere.
  for (let place = 0; place < traces[0]!.length; place++) {
    await sender.send(traces.map((spans) => spans[place]!));
  }
  const records = traces.map(recordsOf);
  await recorded(
    api.book,
    records.flat().map(({ id }) => id),
  );
  expectRecords(api.book, records.flat());
  const keys = records.map((trace) => new Set(trace.map(({ id }) => api.book.recorded.get(id)?.key)));
  expect(keys.filter(({ size }) => size !== 1)).toEqual([]);
  expect(new Set(keys.flatMap((set) => [...set]))).toEqual(new Set(['sk-first', 'sk-second']));
});
