/**
 * The demo: one agent, three libraries under their real instrumentation, every model call in Freeplay once. `npm run demo`, and
 * `npm run demo -- --open` to look at it in the browser until Ctrl-C.
 *
 * Without settings it starts the local completions server and needs no network beyond this machine. With FREEPLAY_API_KEY and
 * FREEPLAY_PROJECT_ID set it records in that project (FREEPLAY_API_BASE is honoured). The model API is a stand-in either way.
 */
import { randomUUID } from 'node:crypto';
import { register } from 'node:module';
import { parseArgs } from 'node:util';
import { LangChainInstrumentation } from '@arizeai/openinference-instrumentation-langchain';
import * as callbackManager from '@langchain/core/callbacks/manager';
import { logs } from '@opentelemetry/api-logs';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { OpenAIInstrumentation } from '@opentelemetry/instrumentation-openai';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { FreeplaySpanExporter } from 'opentelemetry-exporter-freeplay';
// Not part of the package's public API: what `freeplay-otel local --open` does.
import { openInBrowser } from '../../dist/cli/open-browser.mjs';
import { findProblems, openTarget, printRecords, reportProblems } from '../support.mjs';
import { startModelServer } from './model-server.mjs';
import { startRecorder } from './recorder.mjs';
import { drawTile } from './tile.mjs';

/**
 * @typedef {import('opentelemetry-exporter-freeplay').FreeplayRecord} FreeplayRecord
 * @typedef {import('@opentelemetry/sdk-trace-node').SpanExporter} SpanExporter
 */

const { values: given } = parseArgs({
  options: { open: { type: 'boolean', default: false }, record: { type: 'string' } },
});
const target = await openTarget();
const modelServer = await startModelServer();
const sessionId = randomUUID();
try {
  console.log(`Records go to ${target.description}`);
  console.log(`The model API is a stand-in at ${modelServer.url}\n`);
  await demo();
  await modelServer.close();
  await showPage();
} finally {
  await target.close();
}

/** Leaves the page up with the session, if that was asked for. */
async function showPage() {
  if (target.page === undefined) return;
  if (!given.open) {
    console.log('\nTo look at this session in the browser: npm run demo -- --open');
    return;
  }
  const address = `${target.page}/sessions/${sessionId}`;
  console.log(`\nThe session is at ${address}\nCtrl-C ends it.`);
  openInBrowser(address);
  await new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, resolve);
  });
}

async function demo() {
  /** @type {FreeplayRecord[]} */
  const records = [];
  const exporter = new FreeplaySpanExporter({
    onRecord: (record) => records.push(record),
    // The page then shows which attribute each field came from. Elsewhere FREEPLAY_DEVELOPMENT says.
    development: target.page === undefined ? undefined : true,
  });
  const existing = countingExporter();
  const recorder = startRecorder();
  const shutdown = setUpTelemetry(exporter, existing, recorder);

  // Only now, so that the hook that instruments ES modules sees `openai` being imported.
  const { runConcierge, runDinner, runPhoto } = await import('./agent.mjs');
  const model = { baseURL: modelServer.url, apiKey: 'sk-not-a-real-key' };
  const request =
    'A weekend in Lisbon for two, from Friday 16 May, below 400 euros. We like walking and seafood.';
  await runConcierge({ model, sessionId, request });
  await runDinner({ model, sessionId });
  await runPhoto({ model, sessionId, photo: drawTile() });
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
  if (given.record !== undefined) await recorder.write(given.record);
}

/**
 * What an application does at its start, before it imports anything that is to be instrumented.
 *
 * @param {FreeplaySpanExporter} exporter
 * @param {SpanExporter} existing
 * @param {import('./recorder.mjs').Recorder} recorder
 */
function setUpTelemetry(exporter, existing, recorder) {
  const resource = resourceFromAttributes({
    'service.name': 'travel-concierge',
    'deployment.environment.name': 'demo',
  });
  const tracerProvider = new NodeTracerProvider({
    resource,
    spanProcessors: [
      new BatchSpanProcessor(existing),
      new BatchSpanProcessor(exporter),
      ...(given.record === undefined ? [] : [recorder.spanProcessor]),
    ],
  });
  tracerProvider.register();
  // The official OpenAI instrumentation writes messages into log events and nowhere else.
  const loggerProvider = new LoggerProvider({
    resource,
    processors: [
      exporter.logRecordProcessor,
      ...(given.record === undefined ? [] : [recorder.logRecordProcessor]),
    ],
  });
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
    ({ usage, model }) => `${model}: ${usage?.prompt_tokens} → ${usage?.completion_tokens}`,
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
