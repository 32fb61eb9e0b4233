/**
 * A dialect of one's own: an in-house model client has traced its calls for years, with attributes that no convention knows.
 * A dialect says which spans are meant and what they say; the rest (ids, sessions, parents, delivery) is not its concern.
 *
 *     node examples/custom-dialect.mjs
 */
import { SpanStatusCode, trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { FreeplaySpanProcessor } from 'opentelemetry-exporter-freeplay';
import { runExample } from './support.mjs';

/** @typedef {import('opentelemetry-exporter-freeplay').Dialect} Dialect */

/** @type {Dialect} */
const acmeDialect = {
  name: 'acme-llm',
  // The cheapest certain sign. Dialects given here are asked before the built-in ones.
  detect: (span) => span.scope.name === 'acme-llm',
  // Attributes can be missing or of any type: read defensively, and leave out what is not there rather than guess.
  read({ attributes, statusCode, statusMessage }) {
    const question = asText(attributes['acme.question']);
    const answer = asText(attributes['acme.answer']);
    return {
      operation: 'inference',
      provider: 'acme',
      requestModel: asText(attributes['acme.model']),
      input: question === undefined ? undefined : [message('user', question)],
      choices: answer === undefined ? undefined : [message('assistant', answer)],
      parameters: { temperature: asNumber(attributes['acme.heat']) },
      usage: {
        input: asNumber(attributes['acme.tokens.read']),
        output: asNumber(attributes['acme.tokens.written']),
      },
      error: statusCode === SpanStatusCode.ERROR ? { type: 'acme', message: statusMessage } : undefined,
    };
  },
};

/** @param {'user' | 'assistant'} role @param {string} text */
function message(role, text) {
  return { role, parts: [{ kind: /** @type {const} */ ('text'), text }], toolCalls: [] };
}

/** @param {unknown} value */
function asText(value) {
  return typeof value === 'string' ? value : undefined;
}

/** @param {unknown} value */
function asNumber(value) {
  return typeof value === 'number' ? value : undefined;
}

await runExample('A dialect of your own', async (onRecord) => {
  const freeplay = new FreeplaySpanProcessor({ dialects: [acmeDialect], onRecord });
  const provider = new NodeTracerProvider({ spanProcessors: [freeplay] });
  provider.register();

  await trace.getTracer('acme-app').startActiveSpan('nightly report', async (span) => {
    await askAcme(
      'How many orders came in yesterday?',
      'acme-large',
      '1,204 orders, 3 % more than the day before.',
    );
    await askAcme('And how many were returned?', 'acme-small', '17 were returned.');
    span.end();
  });

  await provider.shutdown();
  return freeplay;
});

/**
 * The in-house client, with its tracing.
 *
 * @param {string} question @param {string} model @param {string} answer
 */
async function askAcme(question, model, answer) {
  await trace.getTracer('acme-llm', '3.2.0').startActiveSpan('ask', async (span) => {
    span.setAttributes({ 'acme.model': model, 'acme.question': question, 'acme.heat': 0.2 });
    await new Promise((resolve) => setTimeout(resolve, 40));
    span.setAttributes({ 'acme.answer': answer, 'acme.tokens.read': 12, 'acme.tokens.written': 9 });
    span.end();
  });
}
