/**
 * A stand-in for the APIs of OpenAI (chat completions) and Anthropic (messages), whole and streamed, with tools and refused calls. It
 * remembers what it really got and gave: the truth that records are held against.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Finisher } from './process.ts';

export type Api = 'openai' | 'anthropic';

/** Somebody else's JSON. */
// biome-ignore lint/suspicious/noExplicitAny: read as the API's documentation has it
export type Json = any;

export interface ServedCall {
  readonly api: Api;
  readonly isStream: boolean;
  readonly request: Json;
  /** The whole message; of a stream: what it added up to. */
  readonly response: Json;
  readonly status: number;
}

export interface ModelServer {
  readonly url: string;
  readonly calls: readonly ServedCall[];
}

/** What Anthropic's streams count before they have said anything. */
export const FIRST_TOKENS = 1;

interface Answer {
  readonly text: string;
  readonly tools: readonly { id: string; name: string; args: object }[];
}

export async function startModelServer(context: Finisher): Promise<ModelServer> {
  const calls: ServedCall[] = [];
  const server = createServer((request, response) => {
    serve(request, response, calls).catch((error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls };
}

async function serve(request: IncomingMessage, response: ServerResponse, calls: ServedCall[]): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const api: Api = request.url?.includes('/messages') ? 'anthropic' : 'openai';
  const asked = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  const isStream = asked.stream === true;
  const question = lastQuestion(asked);
  if (/refuse/i.test(question)) {
    const body = refusal(api);
    calls.push({ api, isStream, request: asked, response: body, status: 400 });
    response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return;
  }
  const answer = answerTo(asked, question);
  const whole = api === 'openai' ? openaiAnswer(asked, answer) : anthropicAnswer(asked, answer);
  calls.push({ api, isStream, request: asked, response: whole, status: 200 });
  if (!isStream) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  const events = api === 'openai' ? openaiEvents(asked, whole) : anthropicEvents(whole);
  for (const event of events) response.write(event);
  response.end();
}

/** The last words of the user; nothing if tools have answered since. */
function lastQuestion(asked: Json): string {
  const last = asked.messages.at(-1);
  return last.role === 'user' ? textOf(last.content) : '';
}

function textOf(content: Json): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part: Json) => (part.type === 'text' ? part.text : '')).join('');
}

function answerTo(asked: Json, question: string): Answer {
  const offers = (asked.tools ?? []).length > 0;
  if (offers && /weather/i.test(question)) {
    const cities = /compare/i.test(question) ? ['Łódź', 'Pará'] : ['Łódź'];
    const tools = cities.map((city) => ({ id: `call_${randomId()}`, name: 'get_weather', args: { city } }));
    return { text: cities.length > 1 ? 'Let me look at both.' : '', tools };
  }
  const told = question === '' ? 'What the tools said: 21 °C, "sunny" 🌤' : `You said: ${question}`;
  return { text: told, tools: [] };
}

function refusal(api: Api): Json {
  const message = 'This was refused on purpose';
  return api === 'openai'
    ? { error: { message, type: 'invalid_request_error', param: null, code: 'refused' } }
    : { type: 'error', error: { type: 'invalid_request_error', message } };
}

/** A tokenizer's rule of thumb. */
function tokens(value: unknown): number {
  return Math.ceil(JSON.stringify(value).length / 4);
}

function randomId(): string {
  return randomBytes(12).toString('hex');
}

function openaiAnswer(asked: Json, { text, tools }: Answer): Json {
  const calls = tools.map(({ id, name, args }) => ({
    id,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  }));
  const usage = { prompt_tokens: tokens(asked.messages), completion_tokens: tokens([text, calls]) };
  return {
    id: `chatcmpl-${randomId()}`,
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model: `${asked.model}-2024-07-18`,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' ? null : text,
          ...(calls.length > 0 && { tool_calls: calls }),
          refusal: null,
        },
        logprobs: null,
        finish_reason: calls.length > 0 ? 'tool_calls' : 'stop',
      },
    ],
    usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens },
    service_tier: 'default',
    system_fingerprint: 'fp_560af6e559',
  };
}

function openaiEvents(asked: Json, whole: Json): string[] {
  const { choices, usage, ...base } = whole;
  const withUsage = asked.stream_options?.include_usage === true;
  const chunk = (delta: Json, finish: string | null = null): Json => ({
    ...base,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(withUsage && { usage: null }),
  });
  const [{ message, finish_reason: finish }] = choices;
  const calls: Json[] = message.tool_calls ?? [];
  const chunks = [
    chunk({ role: 'assistant', content: message.content === null ? null : '' }),
    ...pieces(message.content ?? '').map((content) => chunk({ content })),
    ...calls.flatMap(({ id, type, function: { name, arguments: json } }, index) => [
      chunk({ tool_calls: [{ index, id, type, function: { name, arguments: '' } }] }),
      ...pieces(json).map((part) => chunk({ tool_calls: [{ index, function: { arguments: part } }] })),
    ]),
    chunk({}, finish),
    ...(withUsage ? [{ ...base, object: 'chat.completion.chunk', choices: [], usage }] : []),
  ];
  return [...chunks.map((data) => `data: ${JSON.stringify(data)}\n\n`), 'data: [DONE]\n\n'];
}

function anthropicAnswer(asked: Json, { text, tools }: Answer): Json {
  const content = [
    ...(text === '' ? [] : [{ type: 'text', text }]),
    ...tools.map(({ id, name, args }) => ({
      type: 'tool_use',
      id: id.replace('call_', 'toolu_'),
      name,
      input: args,
    })),
  ];
  return {
    id: `msg_${randomId()}`,
    type: 'message',
    role: 'assistant',
    model: `${asked.model}-20250929`,
    content,
    stop_reason: tools.length > 0 ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: {
      input_tokens: tokens(asked.messages),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: tokens(content),
    },
  };
}

function anthropicEvents(whole: Json): string[] {
  const { content, stop_reason: stopReason, usage, ...base } = whole;
  const start = { ...base, content: [], stop_reason: null, usage: { ...usage, output_tokens: FIRST_TOKENS } };
  const events: Json[] = [{ type: 'message_start', message: start }];
  content.forEach((block: Json, index: number) => {
    const isText = block.type === 'text';
    const empty = isText ? { type: 'text', text: '' } : { ...block, input: {} };
    events.push({ type: 'content_block_start', index, content_block: empty });
    for (const piece of pieces(isText ? block.text : JSON.stringify(block.input))) {
      const delta = isText
        ? { type: 'text_delta', text: piece }
        : { type: 'input_json_delta', partial_json: piece };
      events.push({ type: 'content_block_delta', index, delta });
    }
    events.push({ type: 'content_block_stop', index });
  });
  events.push({
    type: 'message_delta',
    delta: { stop_reason: stopReason, stop_sequence: null },
    usage: { output_tokens: usage.output_tokens },
  });
  events.push({ type: 'message_stop' });
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

function pieces(text: string): string[] {
  return text.match(/\s*\S+/gu) ?? [];
}
