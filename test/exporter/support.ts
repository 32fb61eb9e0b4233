/** A completions API on a free port, and an exporter that posts to it. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import {
  type ExportResult,
  type FreeplayOptions,
  FreeplaySpanExporter,
  type SdkSpan,
} from '../../src/index.ts';

export const KEY = 'key-0123456789-secret';

export interface Post {
  readonly path: string;
  readonly kind: 'completion' | 'trace';
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: a body of either kind
  readonly body: any;
}

export interface Api {
  readonly origin: string;
  readonly posts: Post[];
  post(id: string): Post | undefined;
}

/** @param answer default: 201 */
export async function startApi(answer?: (post: Post, response: ServerResponse) => void): Promise<Api> {
  const posts: Post[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const path = request.url ?? '';
    const body = JSON.parse(text);
    const traceId = /\/traces\/id\/([\da-f-]{36})$/.exec(path)?.[1];
    const post: Post = {
      path,
      kind: traceId === undefined ? 'completion' : 'trace',
      id: traceId ?? body.completion_id,
      body,
    };
    posts.push(post);
    if (answer) answer(post, response);
    else accept(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, posts, post: (id) => posts.find((one) => one.id === id) };
}

export function accept(response: ServerResponse): void {
  response.writeHead(201, { 'content-type': 'application/json' }).end('{}');
}

export function createExporter(options: FreeplayOptions): FreeplaySpanExporter {
  const exporter = new FreeplaySpanExporter({
    apiKey: KEY,
    projectId: 'p1',
    flushOnExit: false,
    shutdownTimeoutMillis: 1_000,
    ...options,
  });
  onTestFinished(() => exporter.shutdown());
  return exporter;
}

export function exportSpans(
  exporter: FreeplaySpanExporter,
  spans: readonly SdkSpan[],
): Promise<ExportResult> {
  return new Promise((resolve, reject) => {
    let calls = 0;
    exporter.export(spans, (result) => {
      calls += 1;
      if (calls > 1) reject(new Error('called back twice'));
      setImmediate(() => resolve(result));
    });
  });
}
