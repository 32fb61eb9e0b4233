import { getEventListeners } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { inspect } from 'node:util';
import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';
import { Agent, MockAgent, ProxyAgent } from 'undici';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createCredentials } from '../../src/delivery/credentials.ts';
import type { DeliveryEvent } from '../../src/delivery/events.ts';
import { MAX_MESSAGE_LENGTH } from '../../src/delivery/response-message.ts';
import type { DeliveryItem, SendResult } from '../../src/delivery/sender.ts';
import { createTransport, type Dispatcher, type TransportPolicy } from '../../src/delivery/transport.ts';
import { AsyncLocalStorageContextManager } from './context-manager.ts';
import { attempt, KEY, makeItem, startServer } from './support.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

function startTransport(origin: string, overrides: Partial<TransportPolicy> = {}) {
  const events: DeliveryEvent[] = [];
  const transport = createTransport({
    baseUrl: new URL(`${origin}/api/`),
    credentials: createCredentials(() => KEY),
    userAgent: 'freeplay-test/1.2.3',
    timeoutMillis: 2_000,
    maxConnections: 4,
    hasProxy: false,
    now: () => performance.now(),
    signal: new AbortController().signal,
    report: (event) => {
      events.push(event);
    },
    ...overrides,
  });
  onTestFinished(() => transport.close());
  const send = (item: DeliveryItem = makeItem('r1')) => attempt(transport.send, item);
  return { send, events, transport };
}

/** Connects through to wherever it is asked to. */
async function startProxy() {
  let tunnels = 0;
  const proxy = await startServer(() => {});
  proxy.server.on('connect', (request, client) => {
    tunnels += 1;
    const { hostname, port } = new URL(`http://${request.url}`);
    const target = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    for (const socket of [client, target]) socket.on('error', () => {});
    onTestFinished(() => void [client, target].map((socket) => socket.destroy()));
  });
  return { origin: proxy.origin, tunnels: () => tunnels };
}

it('posts the body with the headers of the contract', async () => {
  const { origin, received } = await startServer((_, response) => response.writeHead(201).end('{}'));
  const headers = { 'X-Team': 'a', Authorization: 'Basic other', 'content-TYPE': 'text/plain' };
  const { send } = startTransport(origin, { headers });
  expect(await send()).toEqual({ kind: 'delivered', status: 201 });
  expect(received).toMatchObject([
    {
      method: 'POST',
      url: '/api/v2/projects/p1/sessions/s1/completions',
      body: '{"completion_id":"r1"}',
      headers: {
        authorization: `Bearer ${KEY}`,
        'content-type': 'application/json',
        'user-agent': 'freeplay-test/1.2.3',
        'x-team': 'a',
      },
    },
  ]);
});

it('keeps its connections, also after errors and large answers', async () => {
  const { origin, sockets } = await startServer((_, response, count) => {
    response.writeHead(count % 2 ? 201 : 500).end(JSON.stringify({ message: 'x'.repeat(20_000) }));
  });
  const { send } = startTransport(origin);
  for (let time = 0; time < 20; time++) await send();
  expect(sockets()).toBe(1);
});

it('opens as many connections as requests are under way, and keeps them', async () => {
  const { origin, sockets } = await startServer((_, response) =>
    setTimeout(() => response.writeHead(201).end(), 5),
  );
  const { send } = startTransport(origin);
  for (let time = 0; time < 5; time++) await Promise.all([send(), send(), send()]);
  expect(sockets()).toBe(3);
});

it('gives a connection up on which a request ran out of time, or failed', async () => {
  const { origin, received, sockets } = await startServer((_, response, count) => {
    if (count === 2) response.destroy();
    if (count > 2) response.writeHead(201).end();
  });
  const { send } = startTransport(origin, { timeoutMillis: 50 });
  expect(await send()).toMatchObject({ reason: 'timeout' });
  expect(await send()).toMatchObject({ reason: 'unreachable' });
  expect(await send()).toMatchObject({ kind: 'delivered' });
  expect([sockets(), received.length]).toEqual([3, 3]);
});

describe('what the server says', () => {
  const answerOf = async (status: number, body: string, headers = {}): Promise<SendResult> => {
    const { origin } = await startServer((_, response) => response.writeHead(status, headers).end(body));
    return startTransport(origin).send();
  };

  it.each([
    ['the message', '{"message":"Session ID 456 is not valid."}', 'Session ID 456 is not valid.'],
    ['one line', '{"message":"a\\n\\u001b[31mb"}', 'a [31mb'],
    ['no key', `{"message":"wrong key ${KEY}"}`, 'wrong key [redacted]'],
    ['the status, for HTML', '<html>', 'HTTP 400'],
    ['the status, for another type', '{"message":{}}', 'HTTP 400'],
    ['the status, for nothing', '', 'HTTP 400'],
  ])('is passed on: %s', async (_, body, message) => {
    expect(await answerOf(400, body)).toEqual({ kind: 'rejected', status: 400, message });
  });

  it('is cut to a bound, between code points, and after the key was taken out', async () => {
    const text = `${'x'.repeat(MAX_MESSAGE_LENGTH - 1)}😀`;
    expect(await answerOf(400, JSON.stringify({ message: text }))).toMatchObject({
      message: text.slice(0, -2),
    });
    const late = await answerOf(400, JSON.stringify({ message: 'y'.repeat(MAX_MESSAGE_LENGTH - 5) + KEY }));
    expect(late).toMatchObject({ message: `${'y'.repeat(MAX_MESSAGE_LENGTH - 5)}[reda` });
  });

  it('includes how long to wait', async () => {
    expect(await answerOf(429, '{}', { 'retry-after': '3' })).toMatchObject({
      reason: 'throttled',
      retryAfterMillis: 3_000,
    });
    expect(await answerOf(503, '{}', { 'retry-after': 'later' })).not.toHaveProperty('retryAfterMillis');
  });
});

it('does not read an endless answer', async () => {
  let written = 0;
  const { origin } = await startServer((_, response, count) => {
    response.writeHead(count === 1 ? 400 : 201);
    const write = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536))) written += 65_536;
    };
    response.on('drain', write);
    write();
  });
  const { send } = startTransport(origin);
  expect(await send()).toEqual({ kind: 'rejected', status: 400, message: 'HTTP 400' });
  expect(await send()).toEqual({ kind: 'delivered', status: 201 });
  expect(written).toBeLessThan(32 * 1024 * 1024);
});

describe('a redirect', () => {
  it.each([301, 302, 307, 308])('%i within the origin is followed with the same request', async (status) => {
    const { origin, received } = await startServer((request, response) => {
      if (request.url.startsWith('/api')) response.writeHead(status, { location: '/moved?x=1' }).end();
      else response.writeHead(201).end();
    });
    expect(await startTransport(origin).send()).toEqual({ kind: 'delivered', status: 201 });
    expect(received[1]).toMatchObject({ method: 'POST', url: '/moved?x=1', body: '{"completion_id":"r1"}' });
    expect(received[1]?.headers.authorization).toBe(`Bearer ${KEY}`);
  });

  it('is followed twice at most', async () => {
    const { origin, received } = await startServer((_, response, count) =>
      response.writeHead(307, { location: `/${count}` }).end(),
    );
    expect(await startTransport(origin).send()).toMatchObject({
      kind: 'rejected',
      message: 'too many redirects',
    });
    expect(received).toHaveLength(3);
  });

  it('to another origin is refused, said, and never reached', async () => {
    const other = await startServer((_, response) => response.writeHead(201).end());
    const { origin } = await startServer((_, response) =>
      response.writeHead(308, { location: `${other.origin}/api?token=t` }).end(),
    );
    const { send, events } = startTransport(origin);
    const result = await send();
    expect(result).toMatchObject({ kind: 'rejected', status: 308 });
    expect(other.received).toEqual([]);
    expect(events).toEqual([{ kind: 'redirect_refused', origin, target: other.origin }]);
    expect(JSON.stringify([result, events])).not.toContain(KEY);
  });

  it.each([
    [{}],
    [{ location: 'http://[' }],
  ])('without a usable location is rejected: %j', async (headers) => {
    const { origin } = await startServer((_, response) => response.writeHead(302, headers).end());
    expect(await startTransport(origin).send()).toMatchObject({ kind: 'rejected', status: 302 });
  });

  it('with 303 is not followed: it would record nothing', async () => {
    const { origin, received } = await startServer((_, response) =>
      response.writeHead(303, { location: '/' }).end(),
    );
    expect(await startTransport(origin).send()).toMatchObject({ kind: 'rejected', status: 303 });
    expect(received).toHaveLength(1);
  });
});

describe('what the network does', () => {
  it('a refused connection passes', async () => {
    const { origin, server } = await startServer(() => {});
    await new Promise((resolve) => server.close(resolve));
    const result = await startTransport(origin).send();
    expect(result).toEqual({ kind: 'retryable', reason: 'unreachable', message: 'ECONNREFUSED' });
  });

  it.each([
    ['at once', ''],
    ['within the headers', 'HTTP/1.1 20'],
    ['with nonsense', 'SMTP ready\r\n\r\n'],
  ])('a connection that breaks %s passes', async (_, bytes) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(bytes));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const result = await startTransport(`http://127.0.0.1:${port}`).send();
    expect(result).toMatchObject({ kind: 'retryable', reason: 'unreachable' });
  });

  it('an answer that breaks off after its status is that status', async () => {
    const { origin } = await startServer((_, response, count) => {
      response.writeHead(count === 1 ? 201 : 400, { 'content-length': '100' });
      response.write('{"mess');
      setTimeout(() => response.destroy(), 5);
    });
    const { send } = startTransport(origin);
    expect(await send()).toEqual({ kind: 'delivered', status: 201 });
    expect(await send()).toEqual({ kind: 'rejected', status: 400, message: 'HTTP 400' });
  });

  it('no answer in time passes', async () => {
    const { origin } = await startServer(() => {});
    const result = await startTransport(origin, { timeoutMillis: 30 }).send();
    expect(result).toEqual({ kind: 'retryable', reason: 'timeout', message: 'no answer in time' });
  });

  it('an aborted attempt ends at once, also before the connection stands', async () => {
    const { origin } = await startServer(() => {});
    const controller = new AbortController();
    const { signal } = controller;
    const { send } = startTransport(origin, { signal });
    const connecting = send();
    const underWay = send();
    // A dispatcher that never gets a connection; undici looks at nothing before it has one.
    const deaf = { dispatch: () => true } as unknown as Agent;
    const waiting = startTransport(origin, { signal, dispatcher: deaf }).send();
    const asking = startTransport(origin, {
      signal,
      credentials: createCredentials(() => new Promise(() => {})),
    }).send();
    await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort();
    expect(await Promise.all([connecting, underWay, waiting, asking])).toEqual(
      Array(4).fill({ kind: 'aborted' }),
    );
    expect(await send()).toEqual({ kind: 'aborted' });
  });

  it('an answer that has begun counts, though its end does not come in time', async () => {
    const { origin } = await startServer((_, response, count) => {
      response.writeHead(count === 1 ? 201 : count === 2 ? 422 : 307, { location: '/' });
      response.write('{"message":');
    });
    const { send } = startTransport(origin, { timeoutMillis: 50 });
    expect(await send()).toEqual({ kind: 'delivered', status: 201 });
    expect(await send()).toEqual({ kind: 'rejected', status: 422, message: 'HTTP 422' });
    expect(await send()).toMatchObject({ kind: 'retryable', reason: 'timeout' });
  });

  it('a request that waits for its connection is not sent any more once its time is up', async () => {
    const { origin } = await startServer((_, response) => response.writeHead(201).end());
    const handlers: Dispatcher.DispatchHandler[] = [];
    const slow = {
      dispatch: (_: unknown, handler: Dispatcher.DispatchHandler) => handlers.push(handler),
    } as unknown as Agent;
    const { send } = startTransport(origin, { timeoutMillis: 20, dispatcher: slow });
    expect(await send()).toMatchObject({ reason: 'timeout' });
    const abort = vi.fn();
    handlers[0]?.onRequestStart?.({ abort } as unknown as Dispatcher.DispatchController, {});
    expect(abort).toHaveBeenCalledTimes(1);
  });
});

describe('the key', () => {
  it('is asked for at every attempt', async () => {
    const { origin, received } = await startServer((_, response) => response.writeHead(201).end());
    const keys = ['first', ' second\n'];
    const { send } = startTransport(origin, {
      credentials: createCredentials(async () => keys.shift() ?? 'third'),
    });
    for (let time = 0; time < 3; time++) await send();
    expect(received.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer first',
      'Bearer second',
      'Bearer third',
    ]);
  });

  it.each<[string, () => string | Promise<string>]>([
    [
      'throws',
      () => {
        throw new Error(KEY);
      },
    ],
    ['rejects', () => Promise.reject(new Error(KEY))],
    ['never answers', () => new Promise(() => {})],
    ['is empty', () => ' '],
    ['would break the header', () => 'a\r\nx: y'],
    ['is no string', () => undefined as unknown as string],
  ])('is refused, and nothing sent, where its function %s', async (_, apiKey) => {
    const { origin, received } = await startServer((_, response) => response.writeHead(201).end());
    const { send } = startTransport(origin, { credentials: createCredentials(apiKey), timeoutMillis: 20 });
    const result = await send();
    expect(result).toEqual({ kind: 'refused', credential: 0, message: 'there is no usable API key' });
    expect(received).toEqual([]);
  });

  it('is not shown by any way of printing', async () => {
    const credential = await createCredentials(() => KEY).current();
    expect(inspect(credential, { depth: 9, showHidden: true }) + JSON.stringify(credential)).not.toContain(
      KEY,
    );
  });
});

it.each<[string, () => string]>([
  [
    'throws',
    () => {
      throw new Error('content');
    },
  ],
  ['gives no text', () => undefined as unknown as string],
])('a body whose function %s costs that record only', async (_, body) => {
  const { origin, received } = await startServer((_, response) => response.writeHead(201).end());
  const { send } = startTransport(origin);
  const result = await send(makeItem('r1', { body }));
  expect(result).toEqual({ kind: 'unsendable', message: 'the body could not be built' });
  expect(await send()).toMatchObject({ kind: 'delivered' });
  expect(received).toHaveLength(1);
});

it('a bug costs the attempt that it meets, also where the key comes late', async () => {
  const { origin } = await startServer((_, response) => response.writeHead(201).end());
  const broken = {
    generation: 1,
    authorization: () => {
      throw new Error('bug');
    },
    redact: (text: string) => text,
  };
  const credentials = { generation: () => 1, current: () => Promise.resolve(broken) };
  expect(await startTransport(origin, { credentials }).send()).toEqual({ kind: 'failed' });
});

it('a header that cannot be sent is no outage', async () => {
  const { origin } = await startServer((_, response) => response.writeHead(201).end());
  const { send } = startTransport(origin, { headers: { 'x-bad': 'a\nb' } });
  expect(await send()).toEqual({ kind: 'unsendable', message: 'UND_ERR_INVALID_ARG' });
});

describe('tracing', () => {
  const suppressed = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
  const mine = createContextKey('mine');
  const host = ROOT_CONTEXT.setValue(mine, 'request of the host');
  const look = () => [context.active().getValue(suppressed), context.active().getValue(mine)];

  it.each<[string, () => string | Promise<string>]>([
    ['at once', () => KEY],
    ['later', () => new Promise((resolve) => setTimeout(() => resolve(KEY), 1))],
  ])('is suppressed for every request, without a trace of the caller, also where the key comes %s', async (_, apiKey) => {
    const seen: unknown[] = [];
    context.setGlobalContextManager(new AsyncLocalStorageContextManager());
    onTestFinished(() => context.disable());
    const { origin } = await startServer((_, response, count) =>
      response.writeHead(count === 2 ? 307 : 201, { location: '/moved' }).end(),
    );
    const agent = new Agent().compose((dispatch) => (options, handler) => {
      seen.push(look());
      return dispatch(options, handler);
    });
    onTestFinished(() => agent.close());
    const asked: unknown[] = [];
    const credentials = createCredentials(() => {
      asked.push(look());
      return apiKey();
    });
    const { send } = startTransport(origin, { dispatcher: agent, credentials });
    // The first makes the connection, in the context of which the answers of all come back.
    await context.with(host, () => agent.request({ origin, path: '/', method: 'GET' }));
    seen.length = 0;
    await context.with(host, () => send());
    expect(seen).toEqual(Array(2).fill([true, undefined]));
    expect(asked).toEqual([[true, undefined]]);
  });
});

it('leaves nothing behind on the signal that ends it', async () => {
  const { origin } = await startServer((_, response) => response.writeHead(201).end());
  const { signal } = new AbortController();
  const { send } = startTransport(origin, { signal });
  for (let time = 0; time < 20; time++) await send();
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
});

describe('the dispatcher', () => {
  it('of the caller is used, and not closed', async () => {
    const { origin } = await startServer((_, response) => response.writeHead(201).end());
    const agent = new Agent();
    onTestFinished(() => agent.close());
    const { send, transport } = startTransport(origin, { dispatcher: agent });
    await send();
    await transport.close();
    expect(agent.destroyed).toBe(false);
  });

  it('may be a mock, and sees the body as text', async () => {
    const agent = new MockAgent();
    agent.disableNetConnect();
    onTestFinished(() => agent.close());
    agent
      .get('http://api.test')
      .intercept({
        path: '/api/v2/projects/p1/sessions/s1/completions',
        method: 'POST',
        body: '{"completion_id":"r1"}',
        headers: { authorization: `Bearer ${KEY}` },
      })
      .reply(422, { message: 'no' });
    const { send } = startTransport('http://api.test', { dispatcher: agent });
    expect(await send()).toEqual({ kind: 'rejected', status: 422, message: 'no' });
    expect(await send()).toMatchObject({ kind: 'retryable', reason: 'unreachable' });
  });

  it('may be a proxy agent, and may throw', async () => {
    const { origin, received } = await startServer((_, response) => response.writeHead(201).end());
    const proxy = await startProxy();
    const agent = new ProxyAgent(proxy.origin);
    onTestFinished(() => agent.close());
    const { send } = startTransport(origin, { dispatcher: agent });
    for (let time = 0; time < 3; time++) expect(await send()).toMatchObject({ kind: 'delivered' });
    expect(received).toHaveLength(3);
    expect(proxy.tunnels()).toBeLessThanOrEqual(2);
    const broken = {
      dispatch: () => {
        throw Object.assign(new Error(KEY), { code: 'EBROKEN' });
      },
    } as unknown as Agent;
    expect(await startTransport(origin, { dispatcher: broken }).send()).toEqual({
      kind: 'retryable',
      reason: 'unreachable',
      message: 'EBROKEN',
    });
  });

  it.each([false, true])('of our own keeps no process alive (proxy: %s)', async (hasProxy) => {
    const { origin, received } = await startServer((_, response, count) => {
      if (count === 1) response.writeHead(201).end();
    });
    const proxy = await startProxy();
    if (hasProxy) for (const name of ['HTTP_PROXY', 'http_proxy']) vi.stubEnv(name, proxy.origin);
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    await vi.waitFor(() => expect(sockets()).toBe(0));
    const { send, transport } = startTransport(origin, { hasProxy });
    // Idle, and used again.
    await send();
    await new Promise((resolve) => setTimeout(resolve, 20));
    void send();
    await vi.waitFor(() => expect(received).toHaveLength(2));
    // What the servers of this test hold: one end of each connection.
    expect(sockets()).toBe(hasProxy ? 3 : 1);
    await transport.close();
  });

  it('of our own obeys the proxy settings', async () => {
    const proxied: string[] = [];
    const { origin, received } = await startServer((_, response) => response.writeHead(201).end());
    const proxy = await startServer(() => {});
    proxy.server.on('connect', (request, socket) => {
      proxied.push(request.url ?? '');
      socket.end('HTTP/1.1 502 no\r\n\r\n');
    });
    vi.stubEnv('HTTP_PROXY', proxy.origin);
    vi.stubEnv('http_proxy', proxy.origin);
    vi.stubEnv('NO_PROXY', '');
    vi.stubEnv('no_proxy', '');
    const hasProxy = true;
    expect(await startTransport(origin, { hasProxy }).send()).toMatchObject({ reason: 'unreachable' });
    expect(proxied).toEqual([new URL(origin).host]);
    vi.stubEnv('NO_PROXY', '127.0.0.1');
    vi.stubEnv('no_proxy', '127.0.0.1');
    expect(await startTransport(origin, { hasProxy }).send()).toMatchObject({ kind: 'delivered' });
    expect(received).toHaveLength(1);
    // Told that there is none, it does not look.
    vi.stubEnv('NO_PROXY', '');
    vi.stubEnv('no_proxy', '');
    expect(await startTransport(origin).send()).toMatchObject({ kind: 'delivered' });
    expect(proxied).toHaveLength(1);
  });

  it('falls back to direct connections where the proxy setting is no URL', async () => {
    const { origin } = await startServer((_, response) => response.writeHead(201).end());
    vi.stubEnv('HTTPS_PROXY', 'not a url');
    vi.stubEnv('https_proxy', 'not a url');
    const { send, events } = startTransport(origin, { hasProxy: true });
    expect(await send()).toMatchObject({ kind: 'delivered' });
    expect(events).toEqual([{ kind: 'proxy_ignored' }]);
  });
});
