/**
 * Freeplay beside an OTLP exporter that is there already, with NodeSDK.
 *
 *     node examples/node-sdk.mjs
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { FreeplaySpanProcessor } from 'opentelemetry-exporter-freeplay';
import { startModelServer } from './demo/model-server.mjs';
import { startOtlpReceiver } from './otlp-receiver.mjs';
import { reportProblems, runExample } from './support.mjs';

await runExample('NodeSDK beside OTLP', async (onRecord) => {
  const collector = await startOtlpReceiver();
  const modelServer = await startModelServer();
  const freeplay = new FreeplaySpanProcessor({ onRecord });

  // `spanProcessors` replaces `traceExporter` and what OTEL_TRACES_EXPORTER names, so the exporter that you have moves in too.
  const sdk = new NodeSDK({
    serviceName: 'weather-desk',
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url: `${collector.url}/v1/traces` })),
      freeplay,
    ],
    // For instrumentations that put messages into log events, such as the official one of OpenAI. The same holds here: log
    // processors that you have go into this list.
    logRecordProcessors: [freeplay.logRecordProcessor],
  });
  sdk.start();

  const { askAboutWeather } = await import('./weather-agent.mjs');
  await askAboutWeather(modelServer.url);

  await sdk.shutdown();
  await Promise.all([collector.close(), modelServer.close()]);
  const names = collector.spanNames();
  console.log(`The OTLP receiver still got ${names.length} spans: ${names.join(', ')}\n`);
  if (names.length !== freeplay.ledger().spans.seen)
    reportProblems(['the OTLP receiver got other spans than Freeplay']);
  return freeplay;
});
