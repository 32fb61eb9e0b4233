/**
 * Real, ended spans of an agent, as the GenAI conventions have them (messages as JSON text): ten for each trace – an HTTP root, an
 * agent, four model calls and four tools. The texts are made once from a seed; spans with ids of their own are made of them again
 * and again, so that no exporter sees the same span twice.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';

/**
 * @typedef {import('@opentelemetry/sdk-trace-base').ReadableSpan} Span
 * @typedef {import('@opentelemetry/api').Tracer} Tracer
 * @typedef {keyof typeof SIZES} Size
 */

/** Messages of one model call: S about 1 KB, M 6 KB, L 60 KB. */
export const SIZES = {
  S: { messages: 2, characters: 430, tools: 0, traces: 500 },
  M: { messages: 10, characters: 540, tools: 3, traces: 500 },
  L: { messages: 40, characters: 1_560, tools: 3, traces: 50 },
};
export const SPANS_PER_TRACE = 10;
export const CALLS_PER_TRACE = 4;
export const PROJECT_ID = '00000000-0000-4000-8000-000000000001';

const START_MILLIS = 1_760_000_000_000;
const WORDS = (
  'the customer asked about an order that was placed last week and has not arrived yet please check status refund policy allows ' +
  'returns within thirty days unless item is final sale shipping address must match billing retrieve document context vector ' +
  'search result score ranking summary analysis temperature weather forecast city function result contains field value null true ' +
  'false number string array object schema parameter model token latency retry queue worker batch record session trace completion'
).split(' ');

/** @param {Span} span */
export function isModelCall(span) {
  return span.attributes['gen_ai.operation.name'] === 'chat';
}

/** @param {Size} size */
export function createTraffic(size) {
  const random = createRandom(42);
  const conversations = Array.from({ length: SIZES[size].traces }, (_, i) =>
    Array.from({ length: CALLS_PER_TRACE }, () => callAttributes(random, SIZES[size], i % 10 === 0)),
  );
  const { tracerOf, take } = createCollector();
  let traces = 0;
  return {
    /** How many spans there are before texts come again. */
    distinct: conversations.length * SPANS_PER_TRACE,
    play,
    /** @param {number} count a multiple of ten @returns {Span[]} */
    spans(count) {
      play(tracerOf, count / SPANS_PER_TRACE);
      return take();
    },
  };

  /** The next traces, from start to end. @param {(name: string) => Tracer} getTracer @param {number} count */
  function play(getTracer, count) {
    const tracers = { http: getTracer('http-instrumentation'), ai: getTracer('genai-instrumentation') };
    for (let i = 0; i < count; i++) {
      playTrace(tracers, conversations[traces % conversations.length], traces);
      traces += 1;
    }
  }
}

/** Spans that no record is made of. @param {number} count @returns {Span[]} */
export function plainSpans(count) {
  const { tracerOf, take } = createCollector();
  playPlainSpans(tracerOf, count);
  return take();
}

/** @param {(name: string) => Tracer} getTracer @param {number} count */
export function playPlainSpans(getTracer, count) {
  const tracer = getTracer('http-instrumentation');
  for (let i = 0; i < count; i++) startHttpSpan(tracer, START_MILLIS + i).end(START_MILLIS + i + 5);
}

/** @param {import('@opentelemetry/sdk-trace-base').SpanProcessor[]} spanProcessors */
export function createProvider(...spanProcessors) {
  const resource = resourceFromAttributes({
    'service.name': 'bench',
    'service.version': '1.0.0',
    'deployment.environment.name': 'test',
  });
  return new BasicTracerProvider({ resource, spanProcessors });
}

function createCollector() {
  /** @type {Span[]} */
  const ended = [];
  const provider = createProvider({
    onStart() {},
    onEnd: (span) => ended.push(span),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  });
  return {
    tracerOf: (/** @type {string} */ name) => provider.getTracer(name, '1.0.0'),
    take: () => ended.splice(0),
  };
}

/** @param {Tracer} tracer @param {number} startTime */
function startHttpSpan(tracer, startTime) {
  return tracer.startSpan(
    'POST /chat',
    {
      kind: SpanKind.SERVER,
      startTime,
      attributes: {
        'http.request.method': 'POST',
        'url.path': '/chat',
        'url.scheme': 'https',
        'http.route': '/chat',
        'http.response.status_code': 200,
        'server.address': 'app.example.test',
        'server.port': 443,
        'user_agent.original': 'bench/1.0',
      },
    },
    ROOT_CONTEXT,
  );
}

/** One trace, from start to end. @param {{ http: Tracer, ai: Tracer }} tracers @param {object[]} calls @param {number} number its */
function playTrace({ http, ai }, calls, number) {
  let now = START_MILLIS + number * 7;
  const session = `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
  const root = startHttpSpan(http, now);
  const inRoot = trace.setSpan(ROOT_CONTEXT, root);
  const agent = ai.startSpan(
    'invoke_agent support',
    {
      kind: SpanKind.INTERNAL,
      startTime: now + 1,
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.provider.name': 'openai',
        'gen_ai.agent.name': 'support',
        'gen_ai.agent.id': 'asst_1',
        'gen_ai.conversation.id': session,
        'gen_ai.request.model': 'gpt-4o-mini',
      },
    },
    inRoot,
  );
  const inAgent = trace.setSpan(inRoot, agent);
  for (const [i, { request, response }] of calls.entries()) {
    const call = ai.startSpan(
      'chat gpt-4o-mini',
      {
        kind: SpanKind.CLIENT,
        startTime: now + 2,
        attributes: { ...request, 'gen_ai.conversation.id': session },
      },
      inAgent,
    );
    call.setAttributes({ ...response, 'gen_ai.response.id': `chatcmpl-${number.toString(36)}-${i}` });
    call.setStatus({ code: SpanStatusCode.OK });
    call.end(now + 400);
    ai.startSpan(
      'execute_tool lookup_0',
      {
        kind: SpanKind.INTERNAL,
        startTime: now + 401,
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': 'lookup_0',
          'gen_ai.tool.call.id': `call_${number.toString(36)}_${i}`,
          'gen_ai.tool.type': 'function',
          'gen_ai.tool.call.arguments': '{"id":"42","verbose":true}',
          'gen_ai.tool.call.result': '{"status":"shipped","items":[1,2,3]}',
        },
      },
      inAgent,
    ).end(now + 420);
    now += 420;
  }
  agent.end(now + 1);
  root.end(now + 2);
}

/** What an instrumentation says when the call begins, and when it has ended. */
function callAttributes(random, size, isUnicode) {
  const { input, output } = messages(random, size, isUnicode);
  return {
    request: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.request.temperature': 0.2,
      'gen_ai.request.max_tokens': 1024,
      'gen_ai.request.top_p': 1,
      'server.address': 'api.example.test',
      'server.port': 443,
    },
    response: {
      'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': 900 + (random() % 500),
      'gen_ai.usage.output_tokens': 80 + (random() % 100),
      'gen_ai.system_instructions': JSON.stringify([
        {
          type: 'text',
          content: 'You are a helpful support assistant. Answer briefly and cite the order number.',
        },
      ]),
      'gen_ai.input.messages': JSON.stringify(input),
      'gen_ai.output.messages': JSON.stringify(output),
      ...(size.tools > 0 && { 'gen_ai.tool.definitions': JSON.stringify(toolDefinitions(size.tools)) }),
    },
  };
}

function messages(random, { messages: count, characters }, isUnicode) {
  const write = (length) => text(random, length, isUnicode);
  const say = (role) => ({ role, parts: [{ type: 'text', content: write(characters) }] });
  const shapes = [
    () => say('user'),
    () => ({
      role: 'assistant',
      parts: [
        { type: 'text', content: write(characters / 2) },
        {
          type: 'tool_call',
          id: `call_${random().toString(36)}`,
          name: 'lookup_0',
          arguments: { id: String(random()), verbose: true, limit: 10 },
        },
      ],
    }),
    () => ({
      role: 'tool',
      parts: [
        {
          type: 'tool_call_response',
          id: `call_${random().toString(36)}`,
          response: { status: 'shipped', note: write(characters), items: [1, 2, 3] },
        },
      ],
    }),
    () => say('assistant'),
  ];
  const input = Array.from({ length: count - 1 }, (_, i) => shapes[i % shapes.length]());
  return { input, output: [{ ...say('assistant'), finish_reason: 'stop' }] };
}

function toolDefinitions(count) {
  return Array.from({ length: count }, (_, i) => ({
    type: 'function',
    name: `lookup_${i}`,
    description:
      'Look up an order, a customer or a shipment by its identifier and return the current status.',
    parameters: {
      type: 'object',
      properties: {
        id: { type: 'string', description: 'identifier' },
        verbose: { type: 'boolean' },
        limit: { type: 'integer', minimum: 1, maximum: 100 },
      },
      required: ['id'],
    },
  }));
}

/** Words with what JSON has to escape, and now and then characters beyond Latin-1. */
function text(random, length, isUnicode) {
  let out = '';
  while (out.length < length) {
    const number = random();
    const kind = (number >>> 8) % 40;
    out += WORDS[number % WORDS.length];
    out += kind === 0 ? '.\n' : kind === 1 ? ', "quoted" ' : kind === 2 && isUnicode ? ' — déjà ✓ ' : ' ';
  }
  return out.slice(0, length);
}

/** xorshift32: the same texts on every machine. */
function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
