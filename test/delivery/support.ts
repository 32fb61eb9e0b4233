import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import { createDelivery, type Delivery, type DeliveryOptions } from '../../src/delivery/delivery.ts';
import type { DeliveryEvent } from '../../src/delivery/events.ts';
import type { Outcome } from '../../src/delivery/outcome.ts';
import type { DeliveryItem, Sender, SendResult } from '../../src/delivery/sender.ts';
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
      /** How long it takes. @default 1 */
      readonly millis?: number;
      readonly status: number;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly error: string; readonly millis?: number }
  /** Never answers. */
  | { readonly hang: true };

export interface FakeRequest {
  readonly path: string;
  readonly id: string;
  readonly at: number;
  readonly headers: Readonly<Record<string, string>>;
}

type ModernHandler = Pick<
  Dispatcher.DispatchHandler,
  'onRequestStart' | 'onResponseStart' | 'onResponseData' | 'onResponseEnd' | 'onResponseError'
>;

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
    dispatch(options: Dispatcher.DispatchOptions, handler: Required<ModernHandler>): boolean {
      const body = JSON.parse(String(options.body)) as { completion_id: string };
      const headers = options.headers as Record<string, string>;
      const request = { path: options.path, id: body.completion_id, at: performance.now(), headers };
      requests.push(request);
      underWay += 1;
      most = Math.max(most, underWay);
      const result = answer(request, requests.length);
      let isAborted = false;
      const controller = {
        abort: () => {
          isAborted = true;
        },
      } as unknown as Dispatcher.DispatchController;
      handler.onRequestStart(controller, {});
      if ('hang' in result) return true;
      setTimeout(() => {
        underWay -= 1;
        if (isAborted) return;
        if ('error' in result)
          return handler.onResponseError(
            controller,
            Object.assign(new Error('network'), { code: result.error }),
          );
        handler.onResponseStart(controller, result.status, result.headers ?? {}, '');
        const { message } = result;
        handler.onResponseData(
          controller,
          Buffer.from(JSON.stringify(message === undefined ? {} : { message })),
        );
        handler.onResponseEnd(controller, {});
      }, result.millis ?? 1);
      return true;
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

/** What becomes of an offered record, as promises. */
export interface Offered {
  readonly outcome: Promise<Outcome>;
  /** Resolves when the record is settled or handed to retry. */
  readonly firstAttempt: Promise<void>;
}

/** Offers the record; `undefined` if it was not taken. */
export function offer(delivery: Delivery, item: DeliveryItem): Offered | undefined {
  let isTaken = false;
  let retrying = 0;
  let resolveFirst = () => {};
  const firstAttempt = new Promise<void>((resolve) => {
    resolveFirst = resolve;
  });
  const outcome = new Promise<Outcome>((resolve) => {
    isTaken = delivery.offer(item, {
      onRetrying() {
        retrying += 1;
        resolveFirst();
      },
      onSettled(final) {
        expect([isTaken, retrying]).toEqual([true, Math.min(retrying, 1)]);
        resolve(final);
        resolveFirst();
      },
    });
  });
  return isTaken ? { outcome, firstAttempt } : undefined;
}

/** The result of one attempt; fails the test where a sender tells it twice. */
export function attempt(send: Sender, item: DeliveryItem): Promise<SendResult> {
  let results = 0;
  return new Promise((resolve) => {
    send({
      item,
      number: 1,
      onResult(result) {
        expect(++results).toBe(1);
        resolve(result);
      },
    });
  });
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
