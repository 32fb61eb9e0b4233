/**
 * A small travel concierge. It is ordinary application code: it knows OpenTelemetry's API for its own root span, and nothing of
 * Freeplay. Three libraries call models here, as they do in grown applications, and each reports in a dialect of its own:
 *
 * - the `openai` client, under the official OpenTelemetry instrumentation (messages in log events),
 * - the Vercel AI SDK with tools, under its built-in telemetry (`ai.*` attributes),
 * - a LangChain chain, under the OpenInference instrumentation (`llm.*` attributes).
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { awaitAllCallbacks } from '@langchain/core/callbacks/promises';
import { StringOutputParser } from '@langchain/core/output_parsers';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { ChatOpenAI } from '@langchain/openai';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import { generateText, stepCountIs, tool } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';

/** @typedef {{ baseURL: string, apiKey: string }} Model */

/**
 * One request of the web app, under one root span that names the session.
 *
 * @template T
 * @param {string} route
 * @param {string} sessionId
 * @param {() => Promise<T>} handle
 * @returns {Promise<T>}
 */
function handleRequest(route, sessionId, handle) {
  const attributes = { 'session.id': sessionId, 'user.id': 'ana' };
  return trace.getTracer('travel-concierge').startActiveSpan(route, { attributes }, async (span) => {
    try {
      return await handle();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}

/**
 * A trip is planned: three libraries, an agent with tools, a stream.
 *
 * @param {{ model: Model, sessionId: string, request: string }} options
 * @returns {Promise<{ plan: string, packing: string, letter: string }>}
 */
export function runConcierge({ model, sessionId, request }) {
  return handleRequest('POST /concierge', sessionId, async () => {
    const openai = new OpenAI({ ...model, maxRetries: 0 });
    const facts = await readRequest(openai, request);
    const plan = await planTrip(model, facts);
    const packing = await packingList(openai, plan);
    const letter = await confirmation(model, plan);
    return { plan, packing, letter };
  });
}

/**
 * The traveller sends a photo.
 *
 * @param {{ model: Model, sessionId: string, photo: Uint8Array }} options
 * @returns {Promise<string>}
 */
export function runPhoto({ model, sessionId, photo }) {
  return handleRequest('POST /concierge/photo', sessionId, async () => {
    const { text } = await generateText({
      model: createOpenAICompatible({ name: 'openai', ...model })('gpt-4o'),
      maxRetries: 0,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'We saw this on a wall. What is this?' },
            { type: 'image', image: photo, mediaType: 'image/png' },
          ],
        },
      ],
      experimental_telemetry: { isEnabled: true, functionId: 'photo-guide' },
    });
    return text;
  });
}

/**
 * Three models are asked at once, one of them turns the first try away, one thinks aloud; a fourth call judges.
 *
 * @param {{ model: Model, sessionId: string }} options
 * @returns {Promise<string>}
 */
export function runDinner({ model, sessionId }) {
  return handleRequest('POST /concierge/dinner', sessionId, async () => {
    const panel = [
      { vendor: 'openai', id: 'gpt-4o-mini' },
      { vendor: 'mistral', id: 'mistral-small-latest' },
      { vendor: 'deepseek', id: 'deepseek-reasoner' },
    ];
    const suggestions = await Promise.all(
      panel.map(async ({ vendor, id }) => {
        const { text } = await generateText({
          model: createOpenAICompatible({ name: vendor, ...model })(id),
          maxRetries: 2,
          system: 'You know the restaurants of Lisbon. Suggest one dinner, in one sentence, with its price.',
          prompt: 'Two people in Alfama, Saturday evening, seafood, at most 72 EUR together.',
          temperature: 0.8,
          experimental_telemetry: { isEnabled: true, functionId: 'dinner-panel' },
        });
        return `- ${text}`;
      }),
    );
    const { text } = await generateText({
      model: createOpenAICompatible({ name: 'openai', ...model })('gpt-4o'),
      maxRetries: 0,
      system: HOUSE_RULES,
      prompt: `Which dinner do we recommend?\n${suggestions.join('\n')}`,
      temperature: 0,
      experimental_telemetry: { isEnabled: true, functionId: 'dinner-judge' },
    });
    return text;
  });
}

/** Long and always the same: the model API has it in its cache. */
const HOUSE_RULES = `You decide for a travel agency, and give reasons. House rules:
1. The budget of the traveller is a limit, not a target. Say what is left of it.
2. Prefer what can be reached on foot from the hotel; say how long it takes.
3. Prefer places that take reservations. Never send anyone to a queue.
4. If two independent sources suggest the same place, that counts.
5. Name one place. Put its name in bold, and first.
6. No superlatives, no exclamation marks, no advertising.
7. Prices are for all travellers together unless said otherwise.`;

/**
 * The openai client, one plain call.
 *
 * @param {OpenAI} openai
 * @param {string} request
 */
async function readRequest(openai, request) {
  const completion = await openai.chat.completions.create({
    model: 'gpt-4o-mini',
    temperature: 0,
    messages: [
      { role: 'system', content: 'Read the request of a traveller. Answer with JSON.' },
      { role: 'user', content: request },
    ],
  });
  return completion.choices[0]?.message.content ?? '';
}

/**
 * The Vercel AI SDK: a loop of model calls and tools.
 *
 * @param {Model} model
 * @param {string} facts
 */
async function planTrip(model, facts) {
  const provider = createOpenAICompatible({ name: 'openai', ...model });
  const { text } = await generateText({
    model: provider('gpt-4o'),
    maxRetries: 0,
    system: 'You are a travel concierge. Plan the trip with the tools at hand.',
    prompt: facts,
    temperature: 0.3,
    stopWhen: stepCountIs(5),
    tools: {
      get_weather: tool({
        description: 'Weather forecast for a city',
        inputSchema: z.object({ city: z.string(), date: z.string() }),
        execute: async ({ city, date }) => later(25, { city, date, sky: 'sunny', celsius: 23 }),
      }),
      find_hotels: tool({
        description: 'Hotels within a budget',
        inputSchema: z.object({ city: z.string(), nights: z.number(), max_eur: z.number() }),
        execute: async ({ nights }) =>
          later(40, [
            { hotel: 'Casa do Bairro', area: 'Alfama', eur: 164 * nights },
            { hotel: 'Tejo Palace', area: 'Baixa', eur: 198 * nights },
          ]),
      }),
      hold_room: tool({
        description: 'Holds a room for some hours',
        inputSchema: z.object({ hotel: z.string(), nights: z.number() }),
        execute: async ({ hotel }) => later(15, { hotel, held_until: '18:00' }),
      }),
    },
    experimental_telemetry: { isEnabled: true, functionId: 'trip-planner' },
  });
  return text;
}

/**
 * The openai client again, streamed. Usage comes only if one asks for it.
 *
 * @param {OpenAI} openai
 * @param {string} plan
 */
async function packingList(openai, plan) {
  const stream = await openai.chat.completions.create({
    model: 'gpt-4o-mini',
    stream: true,
    stream_options: { include_usage: true },
    messages: [{ role: 'user', content: `Write a packing list for this plan: ${plan}` }],
  });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

/**
 * A LangChain chain: prompt | model | parser.
 *
 * @param {Model} model
 * @param {string} plan
 */
async function confirmation({ baseURL, apiKey }, plan) {
  const prompt = ChatPromptTemplate.fromMessages([
    ['system', 'You write the confirmation letters of a travel agency, in two sentences.'],
    ['human', 'Write to {traveller}: {plan}'],
  ]);
  const chat = new ChatOpenAI({
    model: 'gpt-4.1-mini',
    temperature: 0.7,
    maxRetries: 0,
    apiKey,
    configuration: { baseURL },
  });
  const chain = prompt.pipe(chat).pipe(new StringOutputParser());
  const letter = await chain.invoke({ traveller: 'Ana', plan }, { runName: 'confirmation-letter' });
  // LangChain reports in the background: without this a short-lived program may end before the chain's own span has.
  await awaitAllCallbacks();
  return letter;
}

/**
 * @template T
 * @param {number} millis
 * @param {T} value
 * @returns {Promise<T>}
 */
function later(millis, value) {
  return new Promise((resolve) => setTimeout(resolve, millis, value));
}
