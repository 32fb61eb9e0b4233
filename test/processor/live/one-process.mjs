/**
 * The demo's libraries under their real instrumentation, all in one process, through the span processor: run by live.test.ts in a copy
 * of the package, beside its examples.
 */
import { register } from 'node:module';
import { LangChainInstrumentation } from '@arizeai/openinference-instrumentation-langchain';
import * as callbackManager from '@langchain/core/callbacks/manager';
import { logs } from '@opentelemetry/api-logs';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { OpenAIInstrumentation } from '@opentelemetry/instrumentation-openai';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { FreeplaySpanProcessor, withFreeplayContext } from 'opentelemetry-exporter-freeplay';
import { startModelServer } from '../examples/demo/model-server.mjs';
import { findProblems, openTarget, printRecords, reportProblems } from '../examples/support.mjs';

const target = await openTarget();
const modelServer = await startModelServer();
const records = [];
const processor = new FreeplaySpanProcessor({
  onRecord: (record) => records.push(record),
  // Short, so that calls are converted while the request is still running.
  flushDelayMillis: Number(process.argv[2] ?? 1_000),
});
const others = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(others), processor] });
provider.register();
logs.setGlobalLoggerProvider(new LoggerProvider({ processors: [processor.logRecordProcessor] }));
register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);
registerInstrumentations({ instrumentations: [new OpenAIInstrumentation({ captureMessageContent: true })] });
new LangChainInstrumentation().manuallyInstrument(callbackManager);

const { runConcierge } = await import('../examples/demo/agent.mjs');
const listed = await withFreeplayContext({ userId: 'ana' }, async (handle) => {
  await runConcierge({
    model: { baseURL: modelServer.url, apiKey: 'sk-not-a-real-key' },
    sessionId: 'a weekend in Lisbon',
    request: 'A weekend in Lisbon for two, from Friday 16 May, below 400 euros.',
  });
  return handle.completions().map(({ completionId }) => completionId);
});
const early = records.length;
await processor.forceFlush();
const spans = others.getFinishedSpans();
await provider.shutdown();

printRecords(records, processor.ledger());
const completions = records.filter(({ kind }) => kind === 'completion').map(({ id }) => id);
const ids = new Set(records.map(({ id }) => id));
const stamped = spans.flatMap(({ attributes }) =>
  [attributes['freeplay.completion.id'] ?? attributes['freeplay.trace.id']].filter((id) => id !== undefined),
);
console.log(
  JSON.stringify({
    early,
    spans: spans.length,
    served: modelServer.calls.length,
    handle: listed.filter((id) => completions.includes(id)).length,
    stamped: stamped.length,
    stampsWithoutRecord: stamped.filter((id) => !ids.has(id)).length,
    users: new Set(
      records.map(({ body }) => (body.session_info?.custom_metadata ?? body.custom_metadata)?.['user.id']),
    ).size,
  }),
);
reportProblems(findProblems(target, records, processor.ledger()));
await modelServer.close();
await target.close();
