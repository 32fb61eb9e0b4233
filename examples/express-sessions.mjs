/**
 * Sessions of a web service: whoever asks names the conversation in a header, and every model call made for the request is in it,
 * however deep. With Express, the same in a middleware:
 *
 *     app.use((request, response, next) =>
 *       withFreeplayContext({ sessionId: request.get('x-session-id') }, () => next()));
 *
 * Here it is plain `node:http`, and the span of the request is made by hand; with `@opentelemetry/instrumentation-http` it is there.
 *
 *     node examples/express-sessions.mjs
 */
import { createServer } from 'node:http';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { SpanKind, trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { generateText } from 'ai';
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

  const server = createServer((request, response) => {
    const { headers } = request;
    const facts = {
      sessionId: headers['x-session-id']?.toString(),
      userId: headers['x-user-id']?.toString(),
      metadata: { route: 'POST /ask' },
    };
    withFreeplayContext(facts, (handle) =>
      trace.getTracer('web').startActiveSpan('POST /ask', { kind: SpanKind.SERVER }, async (span) => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const text = await answer(Buffer.concat(chunks).toString('utf8'));
        span.end();
        // The ids of the calls made here: the page sends one back with the user's thumb.
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ text, completions: handle.completions() }));
      }),
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());

  /** @param {string} session @param {string} user @param {string} body */
  const ask = async (session, user, body) => {
    const headers = { 'x-session-id': session, 'x-user-id': user };
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
