import { describe, expect, it, onTestFinished } from 'vitest';
import { startFaultServer } from '../faults/fault-server.ts';
import { startCollector } from './support/collector.ts';
import { startGateway } from './support/gateway.ts';
import { startBroker } from './support/kafka.ts';
import { freePorts } from './support/process.ts';
import { expectCompletions, recorded } from './support/records.ts';
import { prepareIfPossible } from './support/tools.ts';
import { completionIdsOf, createApp, createSpanSender } from './support/traffic.ts';

const context = { onTestFinished };
const jars = prepareIfPossible('kafka');

describe.skipIf(jars === undefined)('Kafka between two tiers', () => {
  it('nothing is lost while the second tier is away, killed, or without a gateway', async () => {
    const api = await startFaultServer(context);
    const broker = await startBroker(context, jars!);
    const [gatewayPort = 0] = await freePorts(1);
    const env = {
      KAFKA_BROKERS: `[${broker.address}]`,
      FREEPLAY_GATEWAY: `http://127.0.0.1:${gatewayPort}`,
    };
    const app = createApp();
    const traces = Array.from({ length: 60 }, app.makeTrace);
    const first = await startCollector(context, { recipe: 'kafka-in.yaml', env });
    const sender = createSpanSender(first.httpUrl);

    await Promise.all(traces.slice(0, 20).map(sender.send));
    const reader = await startCollector(context, { recipe: 'kafka-out.yaml', env });
    await reader.printed(/Exporting failed|error from the next consumer/);
    // Offsets are committed each second: by now those of messages that count as read before they are answered for would be.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await reader.kill('SIGKILL');

    const gateway = await startGateway(context, { api, port: gatewayPort });
    const second = await startCollector(context, { recipe: 'kafka-out.yaml', env });
    await Promise.all(traces.slice(20, 40).map(sender.send));
    await recorded(api.book, traces.slice(0, 20).flatMap(completionIdsOf), 90_000);
    await gateway.kill('SIGKILL');
    await Promise.all(traces.slice(40).map(sender.send));
    await startGateway(context, { api, port: gatewayPort });

    const ids = traces.flatMap(completionIdsOf);
    await recorded(api.book, ids, 90_000);
    expectCompletions(api.book, ids);
    expect(await first.kill('SIGTERM')).toBe(0);
    expect(await second.kill('SIGTERM')).toBe(0);
  }, 240_000);
});
