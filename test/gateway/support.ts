/** A gateway in this process, in front of a completions API on a free port. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { FreeplayOptions } from '../../src/config.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../../src/gateway/gateway.ts';
import { DEFAULT_LIMITS } from '../../src/gateway/limits.ts';
import type { CapturedSpan } from '../contract/support/corpus.ts';
import { toOtlpJson, toTraceRequest, traceProtobuf } from '../otlp/encode.ts';

export const KEY = 'key-0123456789-secret';
export const PROJECT = 'project-1';

export interface Post {
  readonly key: string;
  readonly path: string;
  readonly kind: 'completion' | 'trace';
  readonly id: string;
  readonly text: string;
}

export interface Api {
  readonly url: string;
  /** Every attempt. */
  readonly posts: Post[];
  /** What was accepted, first text of each id. */
  readonly records: Map<string, Post>;
  /** Closes, as an outage would. */
  stop(): Promise<void>;
}

export type Script = (
  post: Post,
  response: ServerResponse,
) => boolean | undefined | Promise<boolean | undefined>;

/** @param script true: it has answered itself; nothing: 201, or 409 for an id that is there */
export async function startApi(script?: Script, port: number = 0): Promise<Api> {
  const posts: Post[] = [];
  const records = new Map<string, Post>();
  const server = createServer(async (request, response) => {
    const post = await readPost(request);
    posts.push(post);
    if (await script?.(post, response)) return;
    const key = `${post.kind} ${post.id}`;
    const isNew = !records.has(key);
    if (isNew) records.set(key, post);
    response.writeHead(isNew ? 201 : 409, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  onTestFinished(stop);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, posts, records, stop };
}

async function readPost(request: IncomingMessage): Promise<Post> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const text = Buffer.concat(pieces).toString();
  const path = request.url ?? '';
  const traceId = /\/traces\/id\/([\da-f-]{36})$/.exec(path)?.[1];
  return {
    key: request.headers.authorization?.replace(/^Bearer /, '') ?? '',
    path,
    kind: traceId === undefined ? 'completion' : 'trace',
    id: traceId ?? JSON.parse(text).completion_id,
    text,
  };
}

export type GatewayChanges = Partial<Omit<GatewayOptions, 'limits'>> & {
  readonly limits?: Partial<GatewayOptions['limits']>;
  readonly options?: FreeplayOptions;
};

/** Closed with the test. */
export async function startTestGateway(apiUrl: string, changes: GatewayChanges = {}): Promise<Gateway> {
  const { limits, options, ...rest } = changes;
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    routes: [
      {
        name: 'default',
        when: [],
        options: { apiKey: KEY, projectId: PROJECT, baseUrl: apiUrl, ...options },
      },
    ],
    limits: { ...DEFAULT_LIMITS, ...limits },
    token: undefined,
    logWaitMillis: 2_000,
    answerMillis: 8_000,
    drainMillis: 2_000,
    maxTraces: 2_000,
    ...rest,
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

export type Encoding = 'json' | 'protobuf';

export const MEDIA_TYPES: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  protobuf: 'application/x-protobuf',
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** Of a JSON answer. */
  // biome-ignore lint/suspicious/noExplicitAny: an answer of any kind
  readonly json: any;
}

export async function post(
  gateway: Pick<Gateway, 'url'>,
  path: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': MEDIA_TYPES.json, ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    json: isJson ? JSON.parse(bytes.toString()) : undefined,
  };
}

export function postSpans(
  gateway: Pick<Gateway, 'url'>,
  spans: readonly CapturedSpan[],
  encoding: Encoding = 'json',
): Promise<Answer> {
  const request = toTraceRequest(spans);
  const body = encoding === 'json' ? toOtlpJson(request) : traceProtobuf(request);
  return post(gateway, '/v1/traces', body, { 'content-type': MEDIA_TYPES[encoding] });
}

let count = 0;

/** A model call of its own. */
export function makeCall(changes: Partial<CapturedSpan> = {}): CapturedSpan {
  count++;
  return {
    traceId: count.toString(16).padStart(8, '0').repeat(4),
    spanId: count.toString(16).padStart(16, 'a'),
    name: 'chat gpt-4o',
    kind: 2,
    startTimeUnixNano: '1760000000000000001',
    endTimeUnixNano: '1760000001000000002',
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.usage.input_tokens': 12,
      'gen_ai.usage.output_tokens': 3,
      'gen_ai.input.messages': JSON.stringify([
        { role: 'user', parts: [{ type: 'text', content: `question ${count}` }] },
      ]),
      'gen_ai.output.messages': JSON.stringify([
        { role: 'assistant', parts: [{ type: 'text', content: `answer ${count}` }], finish_reason: 'stop' },
      ]),
    },
    events: [],
    status: { code: 0 },
    scope: { name: 'test-instrumentation', version: '1.0.0' },
    resource: { attributes: { 'service.name': 'shop' } },
    ...changes,
  };
}

/** Resolves once it holds; the limit is for a test that has failed. */
export async function until(holds: () => boolean, limitMillis: number = 10_000): Promise<void> {
  const deadline = performance.now() + limitMillis;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`still not so after ${limitMillis} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
