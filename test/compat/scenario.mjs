/**
 * One traced application, the same to the nanosecond and to the last id on every SDK, so that what is posted can be compared
 * byte by byte. Prints one JSON object: what was posted, what the other exporter on the provider got, and what was warned of.
 *
 *     node scenario.mjs PROJECT MAJOR cjs|esm batch|simple|processor|remote|no-key
 */
import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { loadSdk } from './sdks.mjs';

const PROJECT_ID = '3f1c9a52-7d04-4c1b-9e57-6a2f8d7b0c11';
const RESOURCE = {
  'service.name': 'compat',
  'service.version': '1.2.3',
  'deployment.environment.name': 'test',
};
/** 2025-05-16 10:00:00 UTC; all times are milliseconds after it. */
const EPOCH_SECONDS = 1_747_389_600;

const [folder = '.', majorText = '2', format = 'esm', mode = 'batch'] = process.argv.slice(2);
const sdk = await loadSdk({
  project: resolve(folder),
  major: Number(majorText),
  format: format === 'cjs' ? 'cjs' : 'esm',
});
const { context, trace, SpanKind, SpanStatusCode } = sdk.api;

/** @type {{ code: unknown, message: string }[]} */
const warnings = [];
process.on('warning', (warning) => {
  const { code, message } = /** @type {Error & { code?: string }} */ (warning);
  warnings.push({ code, message });
});

const server = await startServer();
const withKey = {
  apiKey: 'compat-key',
  projectId: PROJECT_ID,
  baseUrl: `${server.url}/api`,
};
const { FreeplaySpanExporter, FreeplaySpanProcessor } = sdk.freeplay;
const isProcessor = mode === 'processor';
const freeplay = isProcessor
  ? new FreeplaySpanProcessor(withKey)
  : new FreeplaySpanExporter(mode === 'no-key' ? {} : withKey);
const other = sdk.createInMemoryExporter();
const provider = sdk.createTracerProvider({
  resource: RESOURCE,
  spanProcessors: [
    sdk.createProcessor('simple', other),
    isProcessor ? freeplay : sdk.createProcessor(mode === 'simple' ? 'simple' : 'batch', freeplay),
  ],
  idGenerator: countingIds(),
});
const loggerProvider = sdk.createLoggerProvider({
  resource: RESOURCE,
  processor: freeplay.logRecordProcessor,
});

const answer = mode === 'remote' ? await serveRemoteCaller() : await serve();
await provider.forceFlush();
// An in-memory exporter forgets its spans at shutdown.
const otherSpans = other
  .getFinishedSpans()
  .map((/** @type {{ name: string, attributes: object }} */ { name, attributes }) => ({
    name,
    keys: Object.keys(attributes).sort(),
  }));
await provider.shutdown();
await loggerProvider.shutdown();
await server.close();
// Warnings are emitted on the next tick.
await new Promise((resolve) => setImmediate(resolve));
console.log(
  JSON.stringify({ answer, posted: server.posted(), otherSpans, warnings, ledger: freeplay.ledger() }),
);

/** The application: a request, an agent in it, calls and a tool in that, and a lone call in a trace of its own. */
async function serve() {
  const attributes = {
    'http.request.method': 'POST',
    'url.path': '/chat',
    'session.id': 'compat-session',
    'user.id': 'ana',
  };
  const text = await span(
    'app',
    'POST /chat',
    { at: 0, until: 900, kind: SpanKind.SERVER, attributes },
    async (root) => {
      await span('app', 'load profile', { at: 5, until: 20 }, async () => {});
      return runAgent(root);
    },
  );
  await span('gen_ai.client', 'chat gpt-4o-mini', {
    at: 1000,
    until: 1100,
    kind: SpanKind.CLIENT,
    attributes: titleCall(),
  });
  return text;
}

/** @param {any} root */
async function runAgent(root) {
  const attributes = {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'weather-desk',
    'gen_ai.provider.name': 'openai',
  };
  return span('gen_ai.client', 'invoke_agent weather-desk', { at: 30, until: 880, attributes }, async () => {
    /** @type {object | undefined} */
    let asked;
    await span(
      'gen_ai.client',
      'chat gpt-4o',
      { at: 40, until: 200, kind: SpanKind.CLIENT, attributes: askingCall() },
      async (call) => {
        call.setAttribute('gen_ai.response.id', 'chatcmpl-compat-1');
        asked = call.spanContext();
      },
    );
    await span(
      'gen_ai.client',
      'execute_tool get_weather',
      { at: 210, until: 300, attributes: toolRun() },
      async () => {
        const links = [
          { context: root.spanContext() },
          { context: asked, attributes: { 'link.reason': 'asked by' } },
        ];
        await span('http', 'GET', {
          at: 220,
          until: 290,
          kind: SpanKind.CLIENT,
          links,
          attributes: { 'http.request.method': 'GET' },
        });
      },
    );
    await failingCall();
    return callWithLogEvents();
  });
}

/** A try that the API turns down: exception event, error status. */
async function failingCall() {
  const attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.input.messages': JSON.stringify([
      { role: 'user', parts: [{ type: 'text', content: 'And in Porto?' }] },
    ]),
    'error.type': 'RateLimitError',
  };
  await span(
    'gen_ai.client',
    'chat gpt-4o',
    { at: 310, until: 400, kind: SpanKind.CLIENT, attributes },
    async (call) => {
      const message = '429 Rate limit reached for gpt-4o';
      const stack = `RateLimitError: ${message}\n    at Completions.create (/app/agent.js:12:7)`;
      call.recordException({ name: 'RateLimitError', message, stack }, time(395));
      call.setStatus({ code: SpanStatusCode.ERROR, message });
    },
  );
}

/** As the official OpenAI instrumentation reports: messages in log events. */
async function callWithLogEvents() {
  const attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.system': 'openai',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.request.temperature': 0.2,
    'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
    'gen_ai.response.id': 'chatcmpl-compat-2',
    'gen_ai.response.finish_reasons': ['stop'],
    'gen_ai.usage.input_tokens': 31,
    'gen_ai.usage.output_tokens': 9,
    'server.address': 'api.openai.com',
    'server.port': 443,
  };
  const scope = '@opentelemetry/instrumentation-openai';
  const logger = loggerProvider.getLogger(scope, '0.12.0');
  await span(
    scope,
    'chat gpt-4o-mini',
    { at: 410, until: 600, kind: SpanKind.CLIENT, attributes },
    async () => {
      const emit = (/** @type {string} */ eventName, /** @type {object} */ body, /** @type {number} */ at) =>
        logger.emit({
          eventName,
          // SDK 1.x has no field for the name of an event.
          attributes: { 'event.name': eventName, 'gen_ai.system': 'openai' },
          body,
          timestamp: time(at),
          observedTimestamp: time(at),
          context: context.active(),
        });
      emit('gen_ai.system.message', { content: 'Answer in one sentence.' }, 411);
      emit('gen_ai.user.message', { content: 'Say it nicely: sunny, 23 °C.' }, 412);
      const message = { role: 'assistant', content: 'A sunny day in Lisbon, 23 °C.' };
      emit('gen_ai.choice', { index: 0, finish_reason: 'stop', message }, 590);
    },
  );
  return 'A sunny day in Lisbon, 23 °C.';
}

/** The caller is another process: its span is the parent and will never be seen here. */
async function serveRemoteCaller() {
  const caller = {
    traceId: 'c0ffee00c0ffee00c0ffee00c0ffee01',
    spanId: 'ca11e4ca11e4ca11',
    traceFlags: 1,
    isRemote: true,
  };
  return context.with(trace.setSpanContext(sdk.api.ROOT_CONTEXT, caller), () =>
    span('app', 'POST /title', { at: 0, until: 200, kind: SpanKind.SERVER }, async () => {
      await span('gen_ai.client', 'chat gpt-4o-mini', {
        at: 10,
        until: 110,
        kind: SpanKind.CLIENT,
        attributes: titleCall(),
      });
      return 'Weather in Lisbon';
    }),
  );
}

/** A call of which everything is known, in the newest conventions; it asks for a tool. */
function askingCall() {
  const tool = {
    type: 'function',
    name: 'get_weather',
    description: 'Weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  };
  const question = [{ type: 'text', content: 'What is the weather in Lisbon? ☀️' }];
  const call = { type: 'tool_call', id: 'call_1', name: 'get_weather', arguments: { city: 'Lisbon' } };
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.request.temperature': 0,
    'gen_ai.request.max_tokens': 256,
    'gen_ai.request.stop_sequences': ['END'],
    'gen_ai.response.model': 'gpt-4o-2024-08-06',
    'gen_ai.response.finish_reasons': ['tool_calls'],
    'gen_ai.usage.input_tokens': 87,
    'gen_ai.usage.output_tokens': 17,
    'gen_ai.system_instructions': JSON.stringify([{ type: 'text', content: 'You are a weather desk.' }]),
    'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: question }]),
    'gen_ai.output.messages': JSON.stringify([
      { role: 'assistant', parts: [call], finish_reason: 'tool_calls' },
    ]),
    'gen_ai.tool.definitions': JSON.stringify([tool]),
  };
}

function toolRun() {
  return {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'get_weather',
    'gen_ai.tool.call.id': 'call_1',
    'gen_ai.tool.type': 'function',
    'gen_ai.tool.call.arguments': '{"city":"Lisbon"}',
    'gen_ai.tool.call.result': '{"sky":"sunny","celsius":23}',
  };
}

function titleCall() {
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.usage.input_tokens': 12,
    'gen_ai.usage.output_tokens': 4,
    'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"A title, please."}]}]',
    'gen_ai.output.messages':
      '[{"role":"assistant","parts":[{"type":"text","content":"Weather in Lisbon"}],"finish_reason":"stop"}]',
  };
}

/**
 * A span with fixed times around some work, with the context a real application would have.
 *
 * @param {string} scope
 * @param {string} name
 * @param {{ at: number, until: number, kind?: number, attributes?: object, links?: object[] }} options
 * @param {(span: any) => Promise<any>} work
 */
async function span(scope, name, { at, until, ...options }, work = async () => {}) {
  const tracer = provider.getTracer(
    scope,
    scope === '@opentelemetry/instrumentation-openai' ? '0.12.0' : '1.0.0',
  );
  return tracer.startActiveSpan(
    name,
    { ...options, startTime: time(at) },
    async (/** @type {any} */ started) => {
      const result = await work(started);
      started.end(time(until));
      return result;
    },
  );
}

/** @param {number} millis @returns {[number, number]} with odd nanoseconds, so that lost precision shows */
function time(millis) {
  return [EPOCH_SECONDS + Math.floor(millis / 1000), (millis % 1000) * 1_000_000 + 123_457];
}

function countingIds() {
  let traces = 0;
  let spans = 0;
  return {
    generateTraceId: () => `4bf92f3577b34da6a3ce929d0e0e47${(++traces).toString(16).padStart(2, '0')}`,
    generateSpanId: () => `00f067aa0ba902${(++spans).toString(16).padStart(2, '0')}`,
  };
}

/** Takes everything and keeps it, byte by byte. */
async function startServer() {
  /** @type {{ path: string, body: string }[]} */
  const posts = [];
  const http = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    posts.push({ path: `${request.method} ${request.url}`, body: Buffer.concat(chunks).toString('utf8') });
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end('{}');
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (http.address());
  return {
    url: `http://127.0.0.1:${port}`,
    // Requests run side by side, so their order says nothing.
    posted: () => posts.toSorted((a, b) => compare(a.path, b.path) || compare(a.body, b.body)),
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve(undefined));
        http.closeAllConnections();
      }),
  };
}

/** @param {string} a @param {string} b */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
