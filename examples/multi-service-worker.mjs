/** The second process of `multi-service.mjs`: takes the trace and the session from the request, and makes a model call of its own. */
import { createServer } from 'node:http';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { generateText } from 'ai';
import { FreeplaySpanProcessor } from 'opentelemetry-exporter-freeplay';

/** @type {import('opentelemetry-exporter-freeplay').FreeplayRecord[]} */
const records = [];
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'worker' }),
  // Baggage from outside is not believed unless it is said to be: this service is reached by our own gateway only.
  spanProcessors: [
    new FreeplaySpanProcessor({ readBaggage: true, onRecord: (record) => records.push(record) }),
  ],
});
provider.register();
const models = createOpenAICompatible({
  name: 'openai',
  baseURL: process.argv[2] ?? '',
  apiKey: 'sk-not-a-real-key',
});

const server = createServer((request, response) => {
  // HTTP instrumentation does this by itself.
  const from = propagation.extract(ROOT_CONTEXT, request.headers);
  context.with(from, () =>
    trace.getTracer('worker').startActiveSpan('POST /pack', { kind: SpanKind.SERVER }, async (span) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const { text } = await generateText({
        model: models('gpt-4.1-mini'),
        prompt: `Write a packing list. ${Buffer.concat(chunks).toString('utf8')}`,
        experimental_telemetry: { isEnabled: true, functionId: 'packer' },
      });
      span.end();
      response.end(text.split('\n')[0]);
    }),
  );
});
server.listen(0, '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.send?.(`http://127.0.0.1:${port}`);
});

process.once('message', async () => {
  server.close();
  server.closeAllConnections();
  await provider.shutdown();
  process.send?.({ records }, () => process.disconnect());
});
