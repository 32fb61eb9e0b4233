/**
 * A stand-in for the model API, so that the demo and the examples run offline and cost nothing.
 *
 * It speaks OpenAI's chat completions (plain, streamed, with tools and usage) as far as the clients here need it. The answers
 * are written down below; everything around them – ids, chunks, usage, finish reasons – has the shape of the real thing, so the
 * instrumentations cannot tell the difference. What it served is kept in `calls`: the truth that the demo compares with.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * @typedef {{ role: string, content?: unknown, tool_calls?: unknown[] }} ChatMessage
 * @typedef {{ name: string, arguments: Record<string, unknown> }} AskedTool
 * @typedef {{ text?: string, tools?: AskedTool[], reasoning?: string, cachedTokens?: number }} Answer
 * @typedef {{ model: string, messages: ChatMessage[], tools?: unknown[], stream?: boolean, stream_options?: { include_usage?: boolean } }} ChatRequest
 * @typedef {{ prompt_tokens: number, completion_tokens: number, total_tokens: number, prompt_tokens_details: object, completion_tokens_details: object }} Usage
 * @typedef {{ model: string, stream: boolean, text: string | null, toolCalls: number, usage: Usage | undefined }} ServedCall A call that failed has no usage.
 * @typedef {{ url: string, calls: ServedCall[], close(): Promise<void> }} ModelServer
 */

/** Name that a client asks for → name that the API answers with. */
const SNAPSHOTS = new Map([
  ['gpt-4o', 'gpt-4o-2024-08-06'],
  ['gpt-4o-mini', 'gpt-4o-mini-2024-07-18'],
  ['gpt-4.1-mini', 'gpt-4.1-mini-2025-04-14'],
  ['mistral-small-latest', 'mistral-small-2506'],
]);

/** Models whose first request of a run is turned away, as it happens in the afternoon. */
const OVERLOADED = new Set(['mistral-small-latest']);

/**
 * The first rule that fits answers. `step` is the number of tool rounds that have passed.
 *
 * @type {{ when: RegExp, step: number, model?: string, answer: Answer }[]}
 */
const SCRIPT = [
  {
    when: /which dinner/i,
    step: 0,
    answer: {
      text: '**Taberna do Mar.** Two of three suggest it, it is ten minutes on foot from Casa do Bairro, and with 62 EUR it leaves 10 EUR of the 400 for breakfast.',
      cachedTokens: 128,
    },
  },
  {
    when: /suggest one dinner/i,
    step: 0,
    model: 'deepseek-reasoner',
    answer: {
      text: 'Taberna do Mar in Graça: tasting menu of six seafood plates, about 31 EUR each, 10 minutes from Alfama on foot.',
      reasoning:
        'They stay in Alfama and have 72 EUR left of 400. Seafood is wished for, and a walk is welcome. Ramiro is better known, but one queues there for an hour on a Saturday, and 72 EUR hardly do for two. Taberna do Mar is around 31 EUR each: 62 in all. That fits.',
    },
  },
  {
    when: /suggest one dinner/i,
    step: 0,
    model: 'mistral-small-latest',
    answer: {
      text: 'Cervejaria Ramiro, Avenida Almirante Reis: clams and prawns by weight, 35 to 50 EUR each. Come early.',
    },
  },
  {
    when: /suggest one dinner/i,
    step: 0,
    answer: { text: 'Taberna do Mar: small seafood plates to share, around 30 EUR each. Book for 20:00.' },
  },
  {
    when: /what is this/i,
    step: 0,
    answer: {
      text: 'An azulejo: a glazed tile in blue and white. The four-fold star was in fashion after 1755, when much of Lisbon was built anew. The National Tile Museum has thousands of them, twenty minutes from your hotel.',
    },
  },
  {
    when: /read the request/i,
    step: 0,
    answer: {
      text: '{"city":"Lisbon","from":"2025-05-16","nights":2,"travellers":2,"budget_eur":400,"wishes":["walkable","seafood"]}',
    },
  },
  {
    when: /plan the trip/i,
    step: 0,
    answer: {
      text: 'Let me look at the weather and at hotels.',
      tools: [
        { name: 'get_weather', arguments: { city: 'Lisbon', date: '2025-05-16' } },
        { name: 'find_hotels', arguments: { city: 'Lisbon', nights: 2, max_eur: 400 } },
      ],
    },
  },
  {
    when: /plan the trip/i,
    step: 1,
    answer: { tools: [{ name: 'hold_room', arguments: { hotel: 'Casa do Bairro', nights: 2 } }] },
  },
  {
    when: /plan the trip/i,
    step: 2,
    answer: {
      text: 'Stay at Casa do Bairro in Alfama (2 nights, 328 EUR, held until 18:00). Saturday is sunny at 23 °C: walk to Miradouro da Graça, then dinner at the fish market.',
    },
  },
  {
    when: /packing list/i,
    step: 0,
    answer: {
      text: '- Light jacket for the evening breeze\n- Shoes that like cobblestones\n- Sun cream\n- Appetite for sardines',
    },
  },
  {
    when: /confirmation/i,
    step: 0,
    answer: {
      text: 'Dear Ana, your weekend in Lisbon is set: Casa do Bairro, 16 to 18 May, 328 EUR. Enjoy the sardines!',
    },
  },
  { when: /weather/i, step: 0, answer: { tools: [{ name: 'get_weather', arguments: { city: 'Lisbon' } }] } },
  { when: /weather/i, step: 1, answer: { text: 'It is sunny in Lisbon, 23 °C.' } },
];

/** @type {Answer} */
const OTHERWISE = { text: 'The capital of Portugal is Lisbon.' };

/**
 * Starts the stand-in on a free port of the loopback interface.
 *
 * @returns {Promise<ModelServer>} `url` is the base URL to give to a client, ending in `/v1`
 */
export async function startModelServer() {
  /** @type {ServedCall[]} */
  const calls = [];
  const overloaded = new Set(OVERLOADED);
  const server = createServer((request, response) => {
    answerRequest(request, response, calls, overloaded).catch((error) => response.destroy(error));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/v1`,
    calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 * @param {ServedCall[]} calls
 * @param {Set<string>} overloaded models that turn their next request away
 */
async function answerRequest(request, response, calls, overloaded) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  if (request.method !== 'POST' || !request.url?.endsWith('/chat/completions')) {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        error: {
          message: `Unknown path ${request.url}`,
          type: 'invalid_request_error',
          param: null,
          code: null,
        },
      }),
    );
    return;
  }
  /** @type {ChatRequest} */
  const asked = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  if (overloaded.delete(asked.model)) {
    calls.push({
      model: asked.model,
      stream: asked.stream === true,
      text: null,
      toolCalls: 0,
      usage: undefined,
    });
    await sleep(120);
    const error = {
      message: 'Service tier capacity exceeded for this model.',
      type: 'service_tier_capacity_exceeded',
      param: null,
      code: '3505',
    };
    response.writeHead(503, { 'content-type': 'application/json', 'retry-after-ms': '150' });
    response.end(JSON.stringify({ error }));
    return;
  }
  const { text = null, tools = [], reasoning, cachedTokens = 0 } = chooseAnswer(asked);
  const base = {
    id: `chatcmpl-${randomId(29)}`,
    created: Math.floor(Date.now() / 1000),
    model: SNAPSHOTS.get(asked.model) ?? asked.model,
    service_tier: 'default',
    system_fingerprint: 'fp_560af6e559',
  };
  const toolCalls = tools.map((tool) => ({
    id: `call_${randomId(24)}`,
    type: 'function',
    function: { name: tool.name, arguments: JSON.stringify(tool.arguments) },
  }));
  const usage = countUsage(asked, text, toolCalls, { reasoning, cachedTokens });
  calls.push({ model: base.model, stream: asked.stream === true, text, toolCalls: toolCalls.length, usage });
  const finish = toolCalls.length > 0 ? 'tool_calls' : 'stop';
  const headers = { 'x-request-id': `req_${randomId(24)}`, 'openai-version': '2020-10-01' };

  // A model takes its time: to the first token, and a little more for longer answers.
  await sleep(60);
  if (asked.stream === true) {
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8' });
    for (const chunk of chunksOf({ base, text, toolCalls, finish, usage, asked })) {
      response.write(`data: ${JSON.stringify(chunk)}\n\n`);
      await sleep(3);
    }
    response.end('data: [DONE]\n\n');
    return;
  }
  await sleep(Math.min(400, usage.completion_tokens * 4));
  const message = {
    role: 'assistant',
    content: text,
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
    refusal: null,
    annotations: [],
  };
  response.writeHead(200, { ...headers, 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      ...base,
      object: 'chat.completion',
      choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
      usage,
    }),
  );
}

/**
 * @param {ChatRequest} asked
 * @returns {Answer}
 */
function chooseAnswer({ model, messages }) {
  const words = messages
    .filter(({ role }) => role === 'system' || role === 'user')
    .map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content)))
    .join('\n');
  const step = messages.filter(({ tool_calls }) => tool_calls !== undefined).length;
  const fits = (/** @type {typeof SCRIPT[number]} */ rule) =>
    rule.step === step && (rule.model ?? model) === model && rule.when.test(words);
  return SCRIPT.find(fits)?.answer ?? OTHERWISE;
}

/**
 * The stream that a whole answer stands for: role, pieces, finish reason, usage.
 *
 * @param {{ base: object, text: string | null, toolCalls: { id: string, type: string, function: { name: string, arguments: string } }[], finish: string, usage: Usage, asked: ChatRequest }} answer
 */
function chunksOf({ base, text, toolCalls, finish, usage, asked }) {
  const withUsage = asked.stream_options?.include_usage === true;
  /** @param {object[]} choices @param {Usage | null} counted */
  const chunk = (choices, counted = null) => ({
    ...base,
    object: 'chat.completion.chunk',
    choices,
    ...(withUsage && { usage: counted }),
  });
  /** @param {object} delta @param {string | null} finishReason */
  const piece = (delta, finishReason = null) =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason: finishReason }]);
  return [
    piece({ role: 'assistant', content: text === null ? null : '', refusal: null }),
    ...(text?.match(/\s*\S+/g) ?? []).map((content) => piece({ content })),
    ...toolCalls.flatMap(({ id, type, function: { name, arguments: json } }, index) => [
      piece({ tool_calls: [{ index, id, type, function: { name, arguments: '' } }] }),
      piece({ tool_calls: [{ index, function: { arguments: json } }] }),
    ]),
    piece({}, finish),
    ...(withUsage ? [chunk([], usage)] : []),
  ];
}

/**
 * A tokenizer's rule of thumb, four letters a token; deterministic, so that the numbers in the tree can be checked.
 *
 * @param {ChatRequest} asked
 * @param {string | null} text
 * @param {{ function: { name: string, arguments: string } }[]} toolCalls
 * @param {{ reasoning: string | undefined, cachedTokens: number }} details
 * @returns {Usage}
 */
function countUsage(asked, text, toolCalls, { reasoning, cachedTokens }) {
  // Ids are random and must not change the count.
  const words = asked.messages.map(({ role, content, tool_calls }) => [
    role,
    // A picture costs what it costs, however long its base64 is.
    Array.isArray(content) ? content.map((part) => part.text ?? 'x'.repeat(1_020)) : content,
    /** @type {any[] | undefined} */ (tool_calls)?.map((call) => call.function),
  ]);
  const prompt = tokens(JSON.stringify([words, asked.tools ?? []]));
  const thought = reasoning === undefined ? 0 : tokens(reasoning);
  const completion =
    thought + tokens(`${text ?? ''}${toolCalls.map((call) => JSON.stringify(call.function)).join('')}`);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: thought,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** @param {string} text */
function tokens(text) {
  return Math.max(1, Math.ceil(text.length / 4));
}

/** @param {number} length */
function randomId(length) {
  return randomBytes(length).toString('base64url').replace(/[-_]/g, 'x').slice(0, length);
}
