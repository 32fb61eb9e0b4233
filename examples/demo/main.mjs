/**
 * The demo: one agent, three libraries under their real instrumentation, every model call in Freeplay once. `npm run demo`
 *
 * Without settings it starts the local completions server and needs no network beyond this machine. With FREEPLAY_API_KEY and
 * FREEPLAY_PROJECT_ID set it records in that project (FREEPLAY_API_BASE is honoured). The model API is a stand-in either way.
 */
import { randomUUID } from 'node:crypto';
import { register } from 'node:module';
import { LangChainInstrumentation } from '@arizeai/openinference-instrumentation-langchain';
import * as callbackManager from '@langchain/core/callbacks/manager';
import { logs } from '@opentelemetry/api-logs';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { OpenAIInstrumentation } from '@opentelemetry/instrumentation-openai';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { FreeplaySpanExporter } from 'opentelemetry-exporter-freeplay';
import { findProblems, openTarget, printRecords, reportProblems } from '../support.mjs';
import { startModelServer } from './model-server.mjs';

/**
 * @typedef {import('opentelemetry-exporter-freeplay').FreeplayRecord} FreeplayRecord
 * @typedef {import('@opentelemetry/sdk-trace-node').SpanExporter} SpanExporter
 */

const target = await openTarget();
const modelServer = await startModelServer();
try {
  console.log(`Records go to ${target.description}`);
  console.log(`The model API is a stand-in at ${modelServer.url}\n`);
  await demo();
} finally {
  await modelServer.close();
  await target.close();
}

async function demo() {
  /** @type {FreeplayRecord[]} */
  const records = [];
  const exporter = new FreeplaySpanExporter({ onRecord: (record) => records.push(record) });
  const existing = countingExporter();
  const shutdown = setUpTelemetry(exporter, existing);

  // Only now, so that the hook that instruments ES modules sees `openai` being imported.
  const { runConcierge } = await import('./agent.mjs');
  await runConcierge({
    model: { baseURL: modelServer.url, apiKey: 'sk-not-a-real-key' },
    sessionId: randomUUID(),
    request: 'A weekend in Lisbon for two, from Friday 16 May, below 400 euros. We like walking and seafood.',
  });
  // Everything is delivered, or counted as lost, when this is done.
  await shutdown();

  printRecords(records, exporter.ledger());
  console.log(`\nThe other exporter on the provider received ${existing.received()} spans.`);
  const problems = findProblems(target, records, exporter.ledger());
  if (existing.received() !== exporter.ledger().spans.seen)
    problems.push('the other exporter received other spans');
  problems.push(...compareWithTruth(records));
  if (problems.length === 0) {
    const merged = records.filter(({ receipt }) => receipt.merged.length > 0).length;
    console.log(
      `Model calls served: ${modelServer.calls.length}, completions recorded: ${modelServer.calls.length}. ` +
        `Reported by two instrumentations at once, and recorded once: ${merged}.`,
    );
  }
  reportProblems(problems);
}

/**
 * What an application does at its start, before it imports anything that is to be instrumented.
 *
 * @param {FreeplaySpanExporter} exporter
 * @param {SpanExporter} existing
 */
function setUpTelemetry(exporter, existing) {
  const resource = resourceFromAttributes({
    'service.name': 'travel-concierge',
    'deployment.environment.name': 'demo',
  });
  const tracerProvider = new NodeTracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor(existing), new BatchSpanProcessor(exporter)],
  });
  tracerProvider.register();
  // The official OpenAI instrumentation writes messages into log events and nowhere else.
  const loggerProvider = new LoggerProvider({ resource, processors: [exporter.logRecordProcessor] });
  logs.setGlobalLoggerProvider(loggerProvider);

  // `openai` is imported as an ES module, which can only be patched through a loader hook. A program that has its set-up in a
  // file of its own puts this line there and starts with `node --import ./telemetry.mjs`.
  register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);
  registerInstrumentations({
    instrumentations: [new OpenAIInstrumentation({ captureMessageContent: true })],
  });
  // LangChain has many entry points, so its instrumentation is handed the one module that it patches.
  new LangChainInstrumentation().manuallyInstrument(callbackManager);
  return async () => {
    await tracerProvider.shutdown();
    await loggerProvider.shutdown();
  };
}

/**
 * Stands for the exporter that is there already.
 *
 * @returns {SpanExporter & { received(): number }}
 */
function countingExporter() {
  let count = 0;
  return {
    export(spans, done) {
      count += spans.length;
      done({ code: 0 }); // ExportResultCode.SUCCESS
    },
    shutdown: async () => {},
    received: () => count,
  };
}

/**
 * The stand-in knows what was really asked: as many completions as model calls, and the same tokens.
 *
 * @param {readonly FreeplayRecord[]} records
 */
function compareWithTruth(records) {
  const served = modelServer.calls.map(
    ({ usage, model }) => `${model}: ${usage.prompt_tokens} → ${usage.completion_tokens}`,
  );
  const recorded = records
    .filter(({ kind }) => kind === 'completion')
    .map(({ body }) => {
      const { model, usage } = /** @type {any} */ (body.call_info);
      return `${model}: ${usage?.prompt_tokens} → ${usage?.completion_tokens}`;
    });
  if (served.toSorted().join() === recorded.toSorted().join()) return [];
  return [`recorded are\n  ${recorded.join('\n  ')}\nbut the model API served\n  ${served.join('\n  ')}`];
}
