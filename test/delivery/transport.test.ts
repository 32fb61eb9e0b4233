import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';
import { Agent } from 'undici';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createCredentials } from '../../src/delivery/credentials.ts';
import type { DeliveryEvent } from '../../src/delivery/events.ts';
import { MAX_MESSAGE_LENGTH } from '../../src/delivery/response-message.ts';
import type { DeliveryItem, SendResult } from '../../src/delivery/sender.ts';
import { createTransport, type TransportPolicy } from '../../src/delivery/transport.ts';
import { AsyncLocalStorageContextManager } from './context-manager.ts';
import { KEY, makeItem, startServer } from './support.ts';

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
    report: (event) => {
      events.push(event);
    },
    ...overrides,
  });
  onTestFinished(() => transport.close());
  const send = (item: DeliveryItem = makeItem('r1'), signal: AbortSignal = new AbortController().signal) =>
    transport.send(item, { signal, number: 1 });
  return { send, events, transport };
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
  // undici's pool may open a second one when asked again before the first has quite finished.
  expect(sockets()).toBeLessThanOrEqual(2);
});

it('opens no more connections than it may', async () => {
  const { origin, sockets } = await startServer((_, response) =>
    setTimeout(() => response.writeHead(201).end(), 5),
  );
  const { send } = startTransport(origin, { maxConnections: 3 });
  await Promise.all(Array.from({ length: 12 }, () => send()));
  expect(sockets()).toBe(3);
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
    const result = startTransport(origin).send(makeItem('r1'), controller.signal);
    setTimeout(() => controller.abort(), 10);
    expect(await result).toEqual({ kind: 'aborted' });
    expect(await startTransport(origin).send(makeItem('r1'), controller.signal)).toEqual({ kind: 'aborted' });
    // A dispatcher that looks at no signal, as undici does until it has a connection.
    const deaf = { request: () => new Promise(() => {}) } as unknown as Agent;
    const later = new AbortController();
    const waiting = startTransport(origin, { dispatcher: deaf }).send(makeItem('r1'), later.signal);
    setTimeout(() => later.abort(), 10);
    expect(await waiting).toEqual({ kind: 'aborted' });
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
    const credential = await createCredentials(() => KEY).current(new AbortController().signal);
    expect(inspect(credential, { depth: 9, showHidden: true }) + JSON.stringify(credential)).not.toContain(
      KEY,
    );
  });
});

it('a body that cannot be built costs that record only', async () => {
  const { origin } = await startServer((_, response) => response.writeHead(201).end());
  const item = makeItem('r1', {
    body: () => {
      throw new Error('content');
    },
  });
  const result = await startTransport(origin).send(item);
  expect(result).toEqual({ kind: 'unsendable', message: 'the body could not be built' });
});

it('a header that cannot be sent is no outage', async () => {
  const { origin } = await startServer((_, response) => response.writeHead(201).end());
  const { send } = startTransport(origin, { headers: { 'x-bad': 'a\nb' } });
  expect(await send()).toEqual({ kind: 'unsendable', message: 'UND_ERR_INVALID_ARG' });
});

it('requests run with tracing suppressed, without a trace of the caller', async () => {
  const suppressed = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
  const mine = createContextKey('mine');
  const seen: unknown[] = [];
  const look = () => seen.push([context.active().getValue(suppressed), context.active().getValue(mine)]);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  onTestFinished(() => context.disable());
  const { origin } = await startServer((_, response) => response.writeHead(201).end());
  const agent = new Agent().compose((dispatch) => (options, handler) => {
    look();
    return dispatch(options, handler);
  });
  onTestFinished(() => agent.close());
  const credentials = createCredentials(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return KEY;
  });
  const { send } = startTransport(origin, { dispatcher: agent, credentials });
  await context.with(ROOT_CONTEXT.setValue(mine, 'request of the host'), () => send());
  expect(seen).toEqual([[true, undefined]]);
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
    expect(await startTransport(origin).send()).toMatchObject({ kind: 'retryable', reason: 'unreachable' });
    expect(proxied).toEqual([new URL(origin).host]);
    vi.stubEnv('NO_PROXY', '127.0.0.1');
    vi.stubEnv('no_proxy', '127.0.0.1');
    expect(await startTransport(origin).send()).toMatchObject({ kind: 'delivered' });
    expect(received).toHaveLength(1);
  });

  it('falls back to direct connections where the proxy setting is no URL', async () => {
    const { origin } = await startServer((_, response) => response.writeHead(201).end());
    vi.stubEnv('HTTPS_PROXY', 'not a url');
    vi.stubEnv('https_proxy', 'not a url');
    const { send, events } = startTransport(origin);
    expect(await send()).toMatchObject({ kind: 'delivered' });
    expect(events).toEqual([{ kind: 'proxy_ignored' }]);
  });
});
