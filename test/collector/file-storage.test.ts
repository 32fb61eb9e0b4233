import { expect, it, onTestFinished } from 'vitest';
import { startFaultServer } from '../faults/fault-server.ts';
import { startCollector } from './support/collector.ts';
import { startGateway } from './support/gateway.ts';
import { freePorts, makeFolder } from './support/process.ts';
import { expectCompletions, recorded } from './support/records.ts';
import { completionIdsOf, createApp, createSpanSender } from './support/traffic.ts';

const context = { onTestFinished };

it('what the Collector answered for survives its kill, with no gateway in sight', async () => {
  const api = await startFaultServer(context);
  const [gatewayPort = 0, ...ports] = await freePorts(3);
  const options = {
    recipe: 'file-storage.yaml',
    ports: ports as unknown as readonly [number, number],
    env: { FREEPLAY_GATEWAY: `http://127.0.0.1:${gatewayPort}`, QUEUE_DIRECTORY: makeFolder(context) },
  };
  const first = await startCollector(context, options);
  const sender = createSpanSender(first.httpUrl);
  const app = createApp();
  const traces = Array.from({ length: 50 }, app.makeTrace);
  await Promise.all(traces.map(sender.send));
  // At once: whatever is not on the disk by now is lost.
  expect(await first.kill('SIGKILL')).toBe('SIGKILL');

  await startGateway(context, { api, port: gatewayPort });
  await startCollector(context, options);
  const ids = traces.flatMap(completionIdsOf);
  await recorded(api.book, ids);
  expectCompletions(api.book, ids);
});
