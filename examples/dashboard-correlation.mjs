/**
 * From a dashboard to the completion, and back: spans carry the id and the link of their record, records the link to their span.
 *
 *     node examples/dashboard-correlation.mjs
 */
import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { completionIdOf, FreeplaySpanProcessor } from 'opentelemetry-exporter-freeplay';
import { attributeOf, startBackend } from './dashboard-correlation-backend.mjs';
import { startModelServer } from './demo/model-server.mjs';
import { reportProblems, runExample } from './support.mjs';
import { askAboutWeather } from './weather-agent.mjs';

await runExample('Links both ways', async (onRecord) => {
  const backend = await startBackend();
  const modelServer = await startModelServer();
  /** @type {import('opentelemetry-exporter-freeplay').FreeplayRecord[]} */
  const completions = [];
  const freeplay = new FreeplaySpanProcessor({
    // Into the record. Of a real backend: 'https://jaeger.example/trace/{traceId}?uiFind={spanId}'
    traceUrlTemplate: `${backend.url}/trace/{traceId}?uiFind={spanId}`,
    // Onto the span, as `freeplay.url`: any page of yours that finds a record by its id.
    completionUrlTemplate: 'https://freeplay.example/records/{id}',
    onRecord: (record) => {
      if (record.kind === 'completion') completions.push(record);
      onRecord(record);
    },
  });
  const provider = new NodeTracerProvider({
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url: `${backend.url}/v1/traces` })), // what was there
      freeplay,
    ],
  });
  provider.register();

  // The id is known before the call is made: wherever the span's context is at hand, so is the record's id.
  const tracer = trace.getTracer('weather-desk');
  await tracer.startActiveSpan('GET /weather', async (span) => {
    await askAboutWeather(modelServer.url);
    span.end();
  });
  await provider.shutdown();

  const problems = [];
  console.log('From the dashboard:');
  for (const span of backend.spans()) {
    const id = attributeOf(span, 'freeplay.completion.id');
    if (id === undefined) continue;
    console.log(`  span ${span.spanId} ${span.name} → ${attributeOf(span, 'freeplay.url')}`);
    if (id !== completionIdOf(span) || !completions.some((record) => record.id === id))
      problems.push(`the stamp of span ${span.spanId} names no completion`);
  }
  console.log('\nFrom Freeplay:');
  for (const { id, body } of completions) {
    const { provider_info } = /** @type {any} */ (body.call_info);
    const found = await (await fetch(provider_info.otel.url)).json();
    console.log(`  completion ${id} → ${provider_info.otel.url}\n    there: ${found.name}`);
    if (found.spanId !== provider_info.otel.span_id) problems.push(`the link of ${id} finds another span`);
  }
  console.log();
  reportProblems(problems);
  await Promise.all([modelServer.close(), backend.close()]);
  return freeplay;
});
