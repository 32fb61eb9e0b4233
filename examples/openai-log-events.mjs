/**
 * The `openai` client under the official OpenTelemetry instrumentation. It writes messages into log events, not onto spans: with
 * `logRecordProcessor` they arrive; without it, records have model, tokens and timing, but no text.
 *
 *     node examples/openai-log-events.mjs
 */
import { register } from 'node:module';
import { trace } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { OpenAIInstrumentation } from '@opentelemetry/instrumentation-openai';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { FreeplaySpanProcessor } from 'opentelemetry-exporter-freeplay';
import { startModelServer } from './demo/model-server.mjs';
import { runExample } from './support.mjs';

await runExample('OpenAI with log events', async (onRecord) => {
  const modelServer = await startModelServer();
  const freeplay = new FreeplaySpanProcessor({ onRecord });

  const tracerProvider = new NodeTracerProvider({ spanProcessors: [freeplay] });
  tracerProvider.register();
  const loggerProvider = new LoggerProvider({ processors: [freeplay.logRecordProcessor] });
  logs.setGlobalLoggerProvider(loggerProvider);
  // The loader hook is for `import`; in CommonJS `require` needs none. `openai` has to be loaded after it.
  register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);
  registerInstrumentations({
    // Or OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true. The default is off.
    instrumentations: [new OpenAIInstrumentation({ captureMessageContent: true })],
  });
  const { default: OpenAI } = await import('openai');

  const openai = new OpenAI({ baseURL: modelServer.url, apiKey: 'sk-not-a-real-key' });
  const attributes = { 'session.id': 'openai-example' };
  await trace.getTracer('geography').startActiveSpan('quiz', { attributes }, async (span) => {
    await openai.chat.completions.create({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: 'Answer in one sentence.' },
        { role: 'user', content: 'What is the capital of Portugal?' },
      ],
    });
    const stream = await openai.chat.completions.create({
      model: 'gpt-4o-mini',
      stream: true,
      // Without it the API sends no usage for streams, and there is none to record.
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content: 'Write a packing list for going there.' }],
    });
    for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');
    console.log('\n');
    span.end();
  });

  await tracerProvider.shutdown();
  await loggerProvider.shutdown();
  await modelServer.close();
  return freeplay;
});
