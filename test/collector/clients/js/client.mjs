/**
 * One app in JavaScript under one real instrumentation: `client.mjs LIBRARY json|protobuf`.
 *
 * Asks the model server of OPENAI_BASE_URL; sends spans and log events by OTLP/HTTP to OTEL_EXPORTER_OTLP_ENDPOINT. Prints how many
 * calls it made.
 */
import { register } from 'node:module';
import { trace } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { OTLPLogExporter as LogJsonExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as LogProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

const MODEL = 'gpt-4o-mini';
const SYSTEM = 'Answer briefly, “in kind”.';
const QUESTION = 'Tell me about zażółć gęślą jaźń 🦆\nin two lines.';
const WEATHER = 'Compare the weather here and there.';
const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const TOOL_RESULT = '{"celsius": 21, "sky": "sunny"}';
const apiKey = 'sk-not-a-key';
const baseURL = process.env.OPENAI_BASE_URL;

/** @type {Record<string, () => Promise<() => Promise<number>>>} what instruments, and then asks */
const LIBRARIES = {
  'opentelemetry-openai': async () => {
    const { OpenAIInstrumentation } = await import('@opentelemetry/instrumentation-openai');
    register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);
    registerInstrumentations({
      instrumentations: [new OpenAIInstrumentation({ captureMessageContent: true })],
    });
    return askOpenai;
  },
  'openinference-langchain': async () => {
    const { LangChainInstrumentation } = await import('@arizeai/openinference-instrumentation-langchain');
    const manager = await import('@langchain/core/callbacks/manager');
    new LangChainInstrumentation().manuallyInstrument(manager);
    return askLangchain;
  },
  'vercel-ai': async () => askVercelAi,
};

async function askOpenai() {
  const { default: OpenAI } = await import('openai');
  const client = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
  const system = { role: 'system', content: SYSTEM };
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters: PARAMETERS } }];
  /** @param {any} request */
  const ask = (request) => client.chat.completions.create({ model: MODEL, ...request });
  await ask({
    messages: [system, { role: 'user', content: QUESTION }],
    temperature: 0.25,
    max_tokens: 200,
  });
  const stream = await ask({
    messages: [system, { role: 'user', content: `Stream: ${QUESTION}` }],
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const _ of stream);
  const messages = [system, { role: 'user', content: WEATHER }];
  const { message } = (await ask({ messages, tools })).choices[0];
  messages.push(message);
  for (const { id } of message.tool_calls)
    messages.push({ role: 'tool', tool_call_id: id, content: TOOL_RESULT });
  await ask({ messages, tools });
  await ask({ messages: [{ role: 'user', content: 'Please refuse.' }] }).catch(() => {});
  return 5;
}

async function askLangchain() {
  const { ChatOpenAI } = await import('@langchain/openai');
  const { HumanMessage, SystemMessage, ToolMessage } = await import('@langchain/core/messages');
  const { tool } = await import('@langchain/core/tools');
  const model = new ChatOpenAI({
    model: MODEL,
    temperature: 0.25,
    apiKey,
    configuration: { baseURL },
    maxRetries: 0,
  });
  await model.invoke([new SystemMessage(SYSTEM), new HumanMessage(QUESTION)]);
  for await (const _ of await model.stream([new HumanMessage(`Stream: ${QUESTION}`)]));
  const weather = tool(() => TOOL_RESULT, {
    name: 'get_weather',
    description: 'The weather.',
    schema: PARAMETERS,
  });
  const able = model.bindTools([weather]);
  /** @type {any[]} */
  const messages = [new SystemMessage(SYSTEM), new HumanMessage(WEATHER)];
  const reply = await able.invoke(messages);
  messages.push(reply);
  for (const { id = '', args } of reply.tool_calls ?? [])
    messages.push(new ToolMessage({ content: await weather.invoke(args), tool_call_id: id }));
  await able.invoke(messages);
  return 4;
}

async function askVercelAi() {
  const { generateText, jsonSchema, stepCountIs, streamText, tool } = await import('ai');
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
  const provider = createOpenAICompatible({
    name: 'openai',
    apiKey,
    baseURL: baseURL ?? '',
    includeUsage: true,
  });
  const common = {
    model: provider(MODEL),
    system: SYSTEM,
    temperature: 0.25,
    maxRetries: 0,
    experimental_telemetry: { isEnabled: true },
  };
  await generateText({ ...common, prompt: QUESTION });
  for await (const _ of streamText({ ...common, prompt: `Stream: ${QUESTION}` }).textStream);
  const weather = tool({
    description: 'The weather.',
    inputSchema: jsonSchema(/** @type {any} */ (PARAMETERS)),
    execute: async () => TOOL_RESULT,
  });
  await generateText({
    ...common,
    prompt: WEATHER,
    tools: { get_weather: weather },
    stopWhen: stepCountIs(3),
  });
  return 4;
}

const [library = '', encoding = ''] = process.argv.slice(2);
const isJson = encoding === 'json';
const spans = new NodeTracerProvider({
  spanProcessors: [new BatchSpanProcessor(isJson ? new JsonExporter() : new ProtobufExporter())],
});
spans.register();
const events = new LoggerProvider({
  processors: [
    new BatchLogRecordProcessor({ exporter: isJson ? new LogJsonExporter() : new LogProtobufExporter() }),
  ],
});
logs.setGlobalLoggerProvider(events);
const ask = await LIBRARIES[library]?.();
if (ask === undefined) throw new Error(`which library? ${Object.keys(LIBRARIES).join(', ')}`);
const attributes = { 'session.id': 'javascript-session' };
await trace.getTracer('app').startActiveSpan('POST /ask', { attributes }, async (span) => {
  const count = await ask();
  span.end();
  // Log events first: what a span waits for.
  await events.shutdown();
  await spans.shutdown();
  console.log(`made ${count} calls`);
});
