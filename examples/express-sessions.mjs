/**
 * Sessions of an Express app: whoever asks names the conversation in a header, and every model call made for the request is in it,
 * however deep. One middleware does it. The span of the request is made by hand here; with `@opentelemetry/instrumentation-http` it is
 * there.
 *
 *     node examples/express-sessions.mjs
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { SpanKind, trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { generateText } from 'ai';
import express from 'express';
import { FreeplaySpanProcessor, withFreeplayContext } from 'opentelemetry-exporter-freeplay';
import { startModelServer } from './demo/model-server.mjs';
import { reportProblems, runExample } from './support.mjs';

await runExample('Sessions from a header', async (onRecord) => {
  const modelServer = await startModelServer();
  const freeplay = new FreeplaySpanProcessor({ onRecord });
  const provider = new NodeTracerProvider({ spanProcessors: [freeplay] });
  provider.register();
  const models = createOpenAICompatible({
    name: 'openai',
    baseURL: modelServer.url,
    apiKey: 'sk-not-a-real-key',
  });

  /** @param {string} prompt */
  const answer = async (prompt) => {
    const { text } = await generateText({
      model: models('gpt-4o-mini'),
      prompt,
      experimental_telemetry: { isEnabled: true, functionId: 'answer' },
    });
    return text;
  };

  const app = express();
  app.use(express.text());
  app.use((request, response, next) => {
    const facts = {
      sessionId: request.get('x-session-id'),
      userId: request.get('x-user-id'),
      metadata: { route: `${request.method} ${request.path}` },
    };
    withFreeplayContext(facts, (handle) => {
      response.locals.freeplay = handle;
      next();
    });
  });
  app.post('/ask', (request, response) =>
    trace.getTracer('web').startActiveSpan('POST /ask', { kind: SpanKind.SERVER }, async (span) => {
      const text = await answer(request.body);
      span.end();
      // The ids of the calls made here: the page sends one back with the user's thumb.
      response.json({ text, completions: response.locals.freeplay.completions() });
    }),
  );
  const server = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());

  /** @param {string} session @param {string} user @param {string} body */
  const ask = async (session, user, body) => {
    const headers = { 'x-session-id': session, 'x-user-id': user, 'content-type': 'text/plain' };
    const reply = await fetch(`http://127.0.0.1:${port}/ask`, { method: 'POST', headers, body });
    return /** @type {Promise<{ text: string, completions: { completionId: string }[] }>} */ (reply.json());
  };
  const replies = await Promise.all([
    ask('conversation-of-ana', 'ana', 'What is the capital of Portugal?'),
    ask('conversation-of-ben', 'ben', 'Write a packing list for it.'),
  ]);
  replies.push(await ask('conversation-of-ana', 'ana', 'And once more?'));
  for (const { text, completions } of replies)
    console.log(`${completions.map(({ completionId }) => completionId).join()}: ${text.split('\n')[0]}`);
  console.log();
  if (replies.some(({ completions }) => completions.length !== 1))
    reportProblems(['a request was told of other calls than its own']);

  server.close();
  server.closeAllConnections();
  await provider.shutdown();
  await modelServer.close();
  return freeplay;
});
