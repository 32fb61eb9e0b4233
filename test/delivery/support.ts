import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { createDelivery, type Delivery, type DeliveryOptions } from '../../src/delivery/delivery.ts';
import type { DeliveryEvent } from '../../src/delivery/events.ts';
import type { DeliveryItem } from '../../src/delivery/sender.ts';
import type { Dispatcher } from '../../src/delivery/transport.ts';

export const KEY = 'key-0123456789-secret';

export function makeItem(id: string, overrides: Partial<DeliveryItem> = {}): DeliveryItem {
  const projectId = overrides.projectId ?? 'p1';
  return {
    id,
    kind: 'completion',
    projectId,
    path: `/v2/projects/${projectId}/sessions/s1/completions`,
    bytes: 100,
    body: () => JSON.stringify({ completion_id: id }),
    ...overrides,
  };
}

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A real server on a free port. Keeps what it received; closed with the test. */
export async function startServer(
  answer: (request: Received, response: ServerResponse, count: number) => void,
): Promise<{
  readonly origin: string;
  readonly received: Received[];
  readonly sockets: () => number;
  readonly server: Server;
}> {
  const received: Received[] = [];
  let sockets = 0;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    received.push(one);
    answer(one, response, received.length);
  });
  server.on('connection', () => {
    sockets += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, received, sockets: () => sockets, server };
}

export type FakeAnswer =
  | {
      readonly status: number;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly error: string }
  /** Never answers. */
  | { readonly hang: true };

export interface FakeRequest {
  readonly path: string;
  readonly id: string;
  readonly at: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** For tests of time: no sockets, an answer one millisecond after the request. To be used with fake timers. */
export function createFakeDispatcher(answer: (request: FakeRequest, count: number) => FakeAnswer): {
  readonly dispatcher: Dispatcher;
  readonly requests: FakeRequest[];
  readonly most: () => number;
} {
  const requests: FakeRequest[] = [];
  let underWay = 0;
  let most = 0;
  const dispatcher = {
    async request(options: Dispatcher.RequestOptions) {
      const body = JSON.parse(String(options.body)) as { completion_id: string };
      const headers = options.headers as Record<string, string>;
      const request = { path: options.path, id: body.completion_id, at: performance.now(), headers };
      requests.push(request);
      underWay += 1;
      most = Math.max(most, underWay);
      const result = answer(request, requests.length);
      if ('hang' in result) await new Promise(() => {});
      await new Promise((resolve) => setTimeout(resolve, 1));
      underWay -= 1;
      if ('error' in result) throw Object.assign(new Error('network'), { code: result.error });
      if (!('status' in result)) throw new Error('unreachable');
      const text = JSON.stringify(result.message === undefined ? {} : { message: result.message });
      return {
        statusCode: result.status,
        headers: result.headers ?? {},
        body: {
          dump: () => Promise.resolve(),
          async *[Symbol.asyncIterator]() {
            yield Buffer.from(text);
          },
        },
      };
    },
  };
  return { dispatcher: dispatcher as unknown as Dispatcher, requests, most: () => most };
}

/** A delivery with the given parts, its events, and jitter in the middle. Shut down with the test. */
export function startDelivery(options: Partial<DeliveryOptions>): {
  readonly delivery: Delivery;
  readonly events: DeliveryEvent[];
  readonly kinds: () => string[];
} {
  const events: DeliveryEvent[] = [];
  const delivery = createDelivery({
    baseUrl: 'http://api.test/api',
    apiKey: () => KEY,
    userAgent: 'test/1',
    random: () => 0.5,
    report: (event) => {
      events.push(event);
    },
    ...options,
  });
  onTestFinished(() => delivery.shutdown(0));
  return { delivery, events, kinds: () => events.map(({ kind }) => kind) };
}

export function total(delivery: Delivery): number {
  const { delivered, rejected, dropped, pending } = delivery.stats();
  return delivered + rejected + pending + Object.values(dropped).reduce((sum, count) => sum + count, 0);
}

/** Whether the promise has settled by now. */
export async function isSettled(promise: Promise<unknown> | undefined): Promise<boolean> {
  let settled = false;
  promise?.then(() => {
    settled = true;
  });
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return settled;
}
