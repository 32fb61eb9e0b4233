/** Node's own `fetch` brings an undici of another version than ours: 6 in Node 20 and 22. Its dispatcher may be given to us. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Dispatcher } from '../../src/delivery/transport.ts';

// Before anything imports ours, which would be in its place.
await fetch('data:,');
const dispatcher = Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.1')) as Dispatcher;
const { createCredentials } = await import('../../src/delivery/credentials.ts');
const { createTransport } = await import('../../src/delivery/transport.ts');
const { attempt, KEY, makeItem, startServer } = await import('./support.ts');
const { Agent } = await import('undici');

function startTransport(origin: string, timeoutMillis: number = 2_000) {
  const transport = createTransport({
    baseUrl: new URL(origin),
    credentials: createCredentials(() => KEY),
    userAgent: 'test/1',
    timeoutMillis,
    maxConnections: 4,
    dispatcher,
    hasProxy: false,
    now: () => performance.now(),
    signal: new AbortController().signal,
    report: vi.fn(),
  });
  onTestFinished(() => transport.close());
  return () => attempt(transport.send, makeItem('r1'));
}

it('is not one of ours', () => {
  expect(typeof dispatcher.dispatch).toBe('function');
  expect(dispatcher).not.toBeInstanceOf(Agent);
});

describe("the dispatcher of Node's fetch", () => {
  it('delivers, with the body and the headers of the contract', async () => {
    const { origin, received } = await startServer((_, response) => response.writeHead(201).end('{}'));
    expect(await startTransport(origin)()).toEqual({ kind: 'delivered', status: 201 });
    expect(received).toMatchObject([
      {
        body: '{"completion_id":"r1"}',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      },
    ]);
  });

  it('passes on the words of the server, and how long to wait', async () => {
    const { origin } = await startServer((_, response) =>
      response.writeHead(429, { 'Retry-After': '3' }).end('{"message":"later"}'),
    );
    expect(await startTransport(origin)()).toEqual({
      kind: 'retryable',
      reason: 'throttled',
      status: 429,
      message: 'later',
      retryAfterMillis: 3_000,
    });
  });

  it('follows redirects within the origin', async () => {
    const { origin, received } = await startServer((_, response, count) =>
      response.writeHead(count === 1 ? 307 : 201, { location: '/moved' }).end(),
    );
    expect(await startTransport(origin)()).toMatchObject({ kind: 'delivered' });
    expect(received.map(({ url }) => url)).toEqual([makeItem('r1').path, '/moved']);
  });

  it('gives up in time, and says what failed', async () => {
    const { origin, server } = await startServer(() => {});
    expect(await startTransport(origin, 30)()).toMatchObject({ reason: 'timeout' });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await startTransport(origin)()).toMatchObject({ reason: 'unreachable', message: 'ECONNREFUSED' });
  });

  it('does not read an endless answer', async () => {
    const { origin } = await startServer((_, response) => {
      response.writeHead(400);
      const write = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', write);
      write();
    });
    expect(await startTransport(origin)()).toMatchObject({ kind: 'rejected', message: 'HTTP 400' });
  });
});
