/**
 * One trace over two processes: a gateway asks a worker over HTTP. W3C trace context makes it one trace, and baggage, where both
 * sides want it, carries the session along. Each process has a processor of its own; ids are functions of trace and span ids, so the
 * records meet in one tree.
 *
 *     node examples/multi-service.mjs
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { generateText } from 'ai';
import { FreeplaySpanProcessor, withFreeplayContext } from 'opentelemetry-exporter-freeplay';
import { startModelServer } from './demo/model-server.mjs';
import { openTarget, printRecords, reportProblems } from './support.mjs';

const target = await openTarget();
const modelServer = await startModelServer();
console.log(`Two services, one trace: records go to ${target.description}\n`);

/** @type {import('opentelemetry-exporter-freeplay').FreeplayRecord[]} */
const records = [];
const freeplay = new FreeplaySpanProcessor({ onRecord: (record) => records.push(record) });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'gateway' }),
  spanProcessors: [freeplay],
});
provider.register(); // with the propagators for W3C trace context and baggage
const tracer = trace.getTracer('gateway');

// The other process; it sends its records to the same place.
const worker = fork(new URL('./multi-service-worker.mjs', import.meta.url), [modelServer.url]);
const [workerUrl] = await once(worker, 'message');

// `propagate` sends the session on as baggage: with every instrumented request, so only where those stay in your network.
await withFreeplayContext({ sessionId: 'trip-to-lisbon', userId: 'ana', propagate: true }, () =>
  tracer.startActiveSpan('POST /trip', { kind: SpanKind.SERVER }, async (span) => {
    const models = createOpenAICompatible({
      name: 'openai',
      baseURL: modelServer.url,
      apiKey: 'sk-not-a-real-key',
    });
    const { text } = await generateText({
      model: models('gpt-4o-mini'),
      prompt: 'What is the capital of Portugal?',
      experimental_telemetry: { isEnabled: true, functionId: 'guide' },
    });
    console.log(`worker: ${await askWorker(text)}\n`);
    span.end();
  }),
);

await provider.shutdown();
// It flushes, and says what it recorded.
worker.send('stop');
const [fromWorker] = await once(worker, 'message');
const all = target.arrived?.() ?? [...records, ...fromWorker.records];
printRecords(/** @type {any} */ (all), freeplay.ledger());
if (all.length !== records.length + fromWorker.records.length)
  reportProblems([
    `${all.length} records arrived, ${records.length} + ${fromWorker.records.length} were made`,
  ]);
await modelServer.close();
await target.close();

/**
 * An HTTP client under instrumentation does the same.
 *
 * @param {string} body
 */
function askWorker(body) {
  return tracer.startActiveSpan('POST', { kind: SpanKind.CLIENT }, async (span) => {
    /** @type {Record<string, string>} */
    const headers = {};
    propagation.inject(context.active(), headers);
    const response = await fetch(`${workerUrl}/pack`, { method: 'POST', headers, body });
    span.end();
    return response.text();
  });
}
