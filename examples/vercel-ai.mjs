/**
 * The Vercel AI SDK: a loop with a tool and a stream, recorded through its built-in telemetry.
 *
 *     node examples/vercel-ai.mjs
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { streamText } from 'ai';
import { FreeplaySpanProcessor } from 'opentelemetry-exporter-freeplay';
import { startModelServer } from './demo/model-server.mjs';
import { runExample } from './support.mjs';
import { askAboutWeather } from './weather-agent.mjs';

await runExample('Vercel AI SDK', async (onRecord) => {
  const modelServer = await startModelServer();
  const freeplay = new FreeplaySpanProcessor({ onRecord });
  const provider = new NodeTracerProvider({ spanProcessors: [freeplay] });
  provider.register();

  // A loop of model calls and tools: see weather-agent.mjs.
  await askAboutWeather(modelServer.url);

  // A stream: recorded when it has been read to its end.
  const models = createOpenAICompatible({
    name: 'openai',
    baseURL: modelServer.url,
    apiKey: 'sk-not-a-real-key',
    includeUsage: true,
  });
  const { textStream } = streamText({
    model: models('gpt-4.1-mini'),
    prompt: 'Write a packing list for a weekend at the sea.',
    temperature: 0.5,
    experimental_telemetry: {
      // Switched on call by call; `recordInputs` and `recordOutputs` turn content off.
      isEnabled: true,
      functionId: 'packing-list',
      metadata: { sessionId: 'weather-desk-example' },
    },
  });
  for await (const piece of textStream) process.stdout.write(piece);
  console.log('\n');

  await provider.shutdown();
  await modelServer.close();
  return freeplay;
});
