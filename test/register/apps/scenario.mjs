/**
 * The app of the tests: what it does is said by its argument. Knows nothing of Freeplay but in the two modes that say so. Prints one JSON
 * object with what it saw itself.
 */

const CALL = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4o',
  'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"Hello?"}]}]',
};

/** @param {(name: string) => any} load @param {number} major @param {string} mode */
export async function run(load, major, mode) {
  const api = await load('@opentelemetry/api');
  /** @type {string[]} */
  const complaints = [];
  const app = { api, load, major, complaints };
  const note = (/** @type {string} */ text) => complaints.push(text);
  if (['late', 'late-unused', 'node-sdk', 'copy'].includes(mode)) {
    const silent = () => {};
    api.diag.setLogger({ error: note, warn: note, info: silent, debug: silent, verbose: silent });
  }
  const modes = {
    own,
    present,
    exporter,
    none,
    late,
    'late-unused': lateUnused,
    'node-sdk': nodeSdk,
    copy,
    refused,
    foreign,
    twice,
    add,
  };
  const seen = await modes[/** @type {keyof typeof modes} */ (mode)](app);
  console.log(JSON.stringify({ ...seen, complaints }));
}

/** @typedef {{ api: any, load: (name: string) => any, major: number, complaints: string[] }} App */

/** Tracing and logs as an app sets them up. @param {App} app */
async function own(app) {
  const early = app.api.trace.getTracer('early');
  const { other } = await register(app);
  const logger = await registerLogs(app);
  await request(app, early, (/** @type {any} */ context) => emit(logger, context));
  return { others: names(other) };
}

/** @param {App} app */
async function present(app) {
  const { FreeplaySpanProcessor } = await app.load('opentelemetry-exporter-freeplay');
  const { other } = await register(app, [new FreeplaySpanProcessor()]);
  await request(app, app.api.trace.getTracer('app'));
  return { others: names(other) };
}

/** @param {App} app */
async function exporter(app) {
  const { FreeplaySpanExporter } = await app.load('opentelemetry-exporter-freeplay');
  const sdk = await sdkOf(app);
  const freeplay = new FreeplaySpanExporter();
  const batch =
    app.major === 3
      ? new sdk.BatchSpanProcessor({ exporter: freeplay })
      : new sdk.BatchSpanProcessor(freeplay);
  const { other, provider } = await register(app, [batch]);
  await request(app, app.api.trace.getTracer('app'));
  await provider.forceFlush();
  return { others: names(other) };
}

/** No SDK: a library that speaks the API, and that is all. @param {App} app */
async function none(app) {
  await request(app, app.api.trace.getTracer('library'));
  const delegate = app.api.trace.getTracerProvider().constructor.name;
  return { others: [], delegate };
}

/** Registers after spans have been made, and keeps the tracer it had before. @param {App} app */
async function late(app) {
  const tracer = app.api.trace.getTracer('early');
  await request(app, tracer);
  const { other, registered } = await register(app);
  await request(app, tracer);
  await request(app, app.api.trace.getTracer('later'));
  return { others: names(other), registered };
}

/** Registers late, without a span before: the usual app. @param {App} app */
async function lateUnused(app) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  const tracer = app.api.trace.getTracer('early');
  const { other, registered } = await register(app);
  await request(app, tracer);
  const loaded = Object.keys(process.getBuiltinModule('node:module')._cache ?? {});
  return {
    others: names(other),
    registered,
    loadedNodeSdk: loaded.some((path) => /sdk(-trace)?-node/.test(path)),
  };
}

/** `NodeSDK`, which registers everything there is, after spans have been made. @param {App} app */
async function nodeSdk(app) {
  const tracer = app.api.trace.getTracer('early');
  await request(app, tracer);
  const { NodeSDK } = await app.load('@opentelemetry/sdk-node');
  const { other, simple } = await otherExporter(app);
  new NodeSDK({ spanProcessors: [simple], autoDetectResources: false }).start();
  await request(app, tracer);
  return { others: names(other) };
}

/** Registers with another copy of the API than the one its libraries use. @param {App} app */
async function copy(app) {
  const { createRequire } = await import('node:module');
  const load = createRequire(`${process.cwd()}/copy/app.js`);
  const { other, registered } = await register({ ...app, api: load('@opentelemetry/api') });
  await request(app, app.api.trace.getTracer('library'));
  return { others: names(other), registered, isCopy: load('@opentelemetry/api') !== app.api };
}

/** Registers with another version of the API, which the one that is registered refuses. @param {App} app */
async function refused(app) {
  const { createRequire } = await import('node:module');
  const other = createRequire(`${process.cwd()}/copy/app.js`)('@opentelemetry/api');
  const first = other.trace.setGlobalTracerProvider({});
  return { others: [], registered: first, again: (await register({ ...app, api: other })).registered };
}

/** A provider whose inside nobody knows. @param {App} app */
async function foreign({ api }) {
  class StrangeProvider {
    getTracer() {
      return { startSpan: () => api.trace.wrapSpanContext(api.INVALID_SPAN_CONTEXT) };
    }
  }
  const registered = api.trace.setGlobalTracerProvider(new StrangeProvider());
  api.trace.getTracer('app').startSpan('chat').end();
  api.trace.disable();
  api.trace.setGlobalTracerProvider(new StrangeProvider());
  return { others: [], registered };
}

/** One SDK is shut down, another one registered, as a hot reload does. @param {App} app */
async function twice(app) {
  const first = await register(app);
  await request(app, app.api.trace.getTracer('first'));
  app.api.trace.disable();
  const second = await register(app);
  await first.provider.shutdown();
  await request(app, app.api.trace.getTracer('second'));
  return { others: names(second.other) };
}

/** SDK 1.x: our processor, added by the app after it has registered the provider. @param {App} app */
async function add(app) {
  const { FreeplaySpanProcessor } = await app.load('opentelemetry-exporter-freeplay');
  const { other, provider } = await register(app);
  provider.addSpanProcessor(new FreeplaySpanProcessor());
  await request(app, app.api.trace.getTracer('app'));
  return { others: names(other) };
}

/** @param {App} app */
async function sdkOf({ load, major }) {
  return load(major === 3 ? '@opentelemetry/sdk-trace' : '@opentelemetry/sdk-trace-base');
}

/** What the app had before us. @param {App} app */
async function otherExporter(app) {
  const sdk = await sdkOf(app);
  const other = new sdk.InMemorySpanExporter();
  const Processor = sdk.SimpleSpanProcessor;
  return { other, simple: app.major === 3 ? new Processor({ exporter: other }) : new Processor(other) };
}

/** @param {App} app @param {object[]} [more] */
async function register(app, more = []) {
  const { api, load, major } = app;
  const sdk = await sdkOf(app);
  const { other, simple } = await otherExporter(app);
  const Provider = major === 3 ? sdk.TracerProvider : sdk.BasicTracerProvider;
  const provider = new Provider({ spanProcessors: [simple, ...more] });
  const { AsyncLocalStorageContextManager } = await load('@opentelemetry/context-async-hooks');
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  return { other, provider, registered: api.trace.setGlobalTracerProvider(provider) };
}

/** @param {App} app */
async function registerLogs({ api, load, major }) {
  const { LoggerProvider } = await load('@opentelemetry/sdk-logs');
  const provider = new LoggerProvider();
  const logs = major === 3 ? api.logs : (await load('@opentelemetry/api-logs')).logs;
  logs.setGlobalLoggerProvider(provider);
  return logs.getLogger('@opentelemetry/instrumentation-openai', '0.1.0');
}

/** @param {any} logger @param {any} context */
function emit(logger, context) {
  const message = { role: 'assistant', content: 'said in a log event' };
  logger.emit({
    eventName: 'gen_ai.choice',
    attributes: { 'event.name': 'gen_ai.choice', 'gen_ai.system': 'openai' },
    body: { index: 0, finish_reason: 'stop', message },
    context,
  });
}

/** A request and a model call in it. @param {App} app @param {any} tracer @param {(context: any) => void} [inside] */
async function request({ api }, tracer, inside = () => {}) {
  await tracer.startActiveSpan('POST /chat', async (/** @type {any} */ root) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const call = tracer.startSpan('chat gpt-4o', { attributes: CALL });
    inside(api.trace.setSpan(api.context.active(), call));
    call.end();
    root.end();
  });
}

/** @param {any} exporter */
function names(exporter) {
  return exporter.getFinishedSpans().map((/** @type {{ name: string }} */ { name }) => name);
}
