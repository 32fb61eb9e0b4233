/**
 * Functions that are frozen as soon as they have answered: what is in memory then may never be sent. So the processor is flushed
 * before the answer (AWS Lambda) or behind it (`waitUntil` of Vercel), once for each request.
 *
 *     node examples/serverless.mjs
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { generateText } from 'ai';
import { FreeplaySpanProcessor, withFreeplayContext } from 'opentelemetry-exporter-freeplay';
import { startModelServer } from './demo/model-server.mjs';
import { reportProblems, runExample } from './support.mjs';

await runExample('Serverless', async (onRecord) => {
  const modelServer = await startModelServer();
  // Outside of the handlers: it lives as long as the instance. The flush must be over before the function's own time limit is.
  const freeplay = new FreeplaySpanProcessor({ onRecord, flushTimeoutMillis: 3_000 });
  const provider = new NodeTracerProvider({ spanProcessors: [freeplay] });
  provider.register();

  /** @param {string} session @param {string} prompt */
  const answer = (session, prompt) =>
    withFreeplayContext({ sessionId: session }, () =>
      trace.getTracer('app').startActiveSpan('request', async (span) => {
        try {
          const models = createOpenAICompatible({
            name: 'openai',
            baseURL: modelServer.url,
            apiKey: 'sk-not-a-real-key',
          });
          const { text } = await generateText({
            model: models('gpt-4o-mini'),
            prompt,
            experimental_telemetry: { isEnabled: true, functionId: 'answer' },
          });
          return text;
        } finally {
          span.end();
        }
      }),
    );

  // AWS Lambda: the instance is frozen when the promise resolves, so the flush comes before.
  /** @param {{ session: string, body: string }} event */
  const handler = async (event) => {
    try {
      return { statusCode: 200, body: await answer(event.session, event.body) };
    } finally {
      await freeplay.forceFlush();
    }
  };

  // Vercel: `import { waitUntil } from '@vercel/functions'`; in Next.js `after` of 'next/server'. The answer does not wait.
  /** @param {Request} request */
  const POST = async (request) => {
    const text = await answer(request.headers.get('x-session-id') ?? '', await request.text());
    waitUntil(freeplay.forceFlush());
    return new Response(text);
  };

  // The platforms, as far as they matter here.
  /** @type {Promise<unknown>[]} */
  const behind = [];
  /** @param {Promise<unknown>} work */
  function waitUntil(work) {
    behind.push(work);
  }
  const problems = [];
  const { body } = await handler({ session: 'lambda', body: 'What is the capital of Portugal?' });
  const afterLambda = freeplay.ledger().records;
  console.log(
    `Lambda answered "${body}", frozen with ${afterLambda.delivered} delivered, ${afterLambda.pending} pending`,
  );
  if (afterLambda.delivered === 0 || afterLambda.pending > 0)
    problems.push('the function froze with records in hand');

  const response = await POST(
    new Request('https://app.example/', {
      method: 'POST',
      headers: { 'x-session-id': 'vercel' },
      body: 'Write a packing list.',
    }),
  );
  await Promise.all(behind);
  const afterVercel = freeplay.ledger().records;
  const [line] = (await response.text()).split('\n');
  console.log(
    `Vercel answered "${line}", frozen with ${afterVercel.delivered} delivered, ${afterVercel.pending} pending\n`,
  );
  if (afterVercel.delivered === afterLambda.delivered || afterVercel.pending > 0)
    problems.push('the function froze with records in hand');
  reportProblems(problems);

  // No shutdown: a frozen instance hears of none, and needs none.
  await modelServer.close();
  return freeplay;
});
