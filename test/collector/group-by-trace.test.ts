import { expect, it, onTestFinished } from 'vitest';
import { startFaultServer } from '../faults/fault-server.ts';
import { startCollector } from './support/collector.ts';
import { startGateway } from './support/gateway.ts';
import { expectRecords, recorded } from './support/records.ts';
import { createApp, createSpanSender, recordsOf } from './support/traffic.ts';

const context = { onTestFinished };

it('spans that come one by one, children first, make the records of the whole trace', async () => {
  const api = await startFaultServer(context);
  const gateway = await startGateway(context, { api });
  const collector = await startCollector(context, {
    recipe: 'group-by-trace.yaml',
    env: { FREEPLAY_GATEWAY: gateway.url, WAIT_DURATION: '3s' },
  });
  const sender = createSpanSender(collector.httpUrl);
  const app = createApp();
  const traces = Array.from({ length: 10 }, app.makeTrace);
  for (let place = 0; place < traces[0]!.length; place++) {
    await Promise.all(traces.map((spans) => sender.send([spans[place]!])));
  }
  const records = traces.flatMap(recordsOf);
  await recorded(
    api.book,
    records.map(({ id }) => id),
  );
  expect(await collector.kill('SIGTERM')).toBe(0);
  expect(await gateway.kill('SIGTERM')).toBe(0);
  expectRecords(api.book, records);
});
