/**
 * Freeplay with `@vercel/otel`: what stands in `instrumentation.ts` of a Next.js project.
 *
 *     node examples/vercel-otel.mjs
 */
import { trace } from '@opentelemetry/api';
import { registerOTel } from '@vercel/otel';
import { FreeplaySpanProcessor } from 'opentelemetry-exporter-freeplay';
import { startModelServer } from './demo/model-server.mjs';
import { startOtlpReceiver } from './otlp-receiver.mjs';
import { reportProblems, runExample } from './support.mjs';

await runExample('@vercel/otel', async (onRecord) => {
  const collector = await startOtlpReceiver();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/json';
  const modelServer = await startModelServer();
  const freeplay = new FreeplaySpanProcessor({ onRecord });

  registerOTel({
    serviceName: 'weather-desk',
    // 'auto' keeps what `@vercel/otel` sets up by itself: Vercel's own tracing, and OTLP as the environment has it.
    spanProcessors: ['auto', freeplay],
  });

  const { askAboutWeather } = await import('./weather-agent.mjs');
  await trace.getTracer('next.js').startActiveSpan('GET /api/weather', async (span) => {
    await askAboutWeather(modelServer.url);
    span.end();
  });

  // On Vercel, `@vercel/otel` flushes at the end of each request; here the program does it.
  await /** @type {any} */ (trace.getTracerProvider()).getDelegate().shutdown();
  await Promise.all([collector.close(), modelServer.close()]);
  const count = collector.spanNames().length;
  console.log(`The OTLP receiver still got ${count} spans.\n`);
  if (count !== freeplay.ledger().spans.seen)
    reportProblems(['the OTLP receiver got other spans than Freeplay']);
  return freeplay;
});
