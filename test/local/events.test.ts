import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { createEventHub } from '../../src/local/event-hub.ts';
import type { ViewEvent } from '../../src/local/view-types.ts';
import { completion, GROUP, PROJECT, SESSION, startTestServer, type TestServer } from './support.ts';

interface Listener {
  readonly events: ViewEvent[];
  /** Until what was told satisfies it. */
  until(isEnough: (events: readonly ViewEvent[]) => boolean): Promise<void>;
  readonly ended: Promise<void>;
}

async function listen(url: string, headers: Record<string, string> = {}): Promise<Listener> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const response = await fetch(`${url}/api/view/events`, { signal: abort.signal, headers });
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/event-stream; charset=utf-8',
  ]);
  const events: ViewEvent[] = [];
  const waiting = new Set<() => void>();
  const read = async (): Promise<void> => {
    let text = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        text += decoder.decode(chunk, { stream: true });
        const messages = text.split('\n\n');
        text = messages.pop() ?? '';
        for (const message of messages)
          if (message.startsWith('data: ')) events.push(JSON.parse(message.slice(6)));
        for (const check of waiting) check();
      }
    } catch {
      // Aborted at the end of the test.
    }
  };
  return {
    events,
    ended: read(),
    until: (isEnough) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!isEnough(events)) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
  };
}

function recordsIn(events: readonly ViewEvent[]): Set<string> {
  return new Set(events.flatMap((event) => (event.type === 'changed' ? event.records : [])));
}

async function start(options: Parameters<typeof startTestServer>[0] = {}): Promise<TestServer> {
  const server = await startTestServer(options);
  onTestFinished(() => server.close());
  return server;
}

it('every page is told of records, updates, patches, feedback, receipts and the end of all', async () => {
  const server = await start();
  const pages = await Promise.all(Array.from({ length: 20 }, () => listen(server.url)));
  const body = completion();
  await server.postCompletion(body);
  await Promise.all(pages.map((page) => page.until((events) => events.length >= 1)));
  for (const { events } of pages)
    expect(events).toEqual([
      { type: 'changed', sessions: [SESSION], traces: [GROUP], records: [body.completion_id], more: false },
    ]);
  const [page] = pages as [Listener];
  const base = `/api/v2/projects/${PROJECT}`;
  for (const [method, path, json, fits] of [
    [
      'POST',
      `/completions/${body.completion_id}`,
      { eval_results: { a: 1 } },
      { records: [body.completion_id] },
    ],
    ['PATCH', `/sessions/id/${SESSION}/metadata`, { a: 1 }, { sessions: [SESSION], records: [] }],
    ['POST', `/completion-feedback/id/${body.completion_id}`, { a: 1 }, { records: [body.completion_id] }],
  ] as const) {
    const before = page.events.length;
    await server.send(method, base + path, json);
    await page.until((events) => events.length > before);
    expect(page.events.at(-1)).toMatchObject({ type: 'changed', ...fits });
  }
  await server.send('DELETE', '/api/view/records', undefined, { 'x-freeplay-local': '1' });
  await page.until((events) => events.at(-1)?.type === 'cleared');
});

it('what comes together is told together, and what does not fit is counted as more', async () => {
  const server = await start();
  const page = await listen(server.url);
  const bodies = Array.from({ length: 300 }, () => completion());
  for (let at = 0; at < bodies.length; at += 50)
    await Promise.all(bodies.slice(at, at + 50).map((body) => server.postCompletion(body)));
  await page.until(
    (events) =>
      recordsIn(events).size === 300 || events.some((event) => event.type === 'changed' && event.more),
  );
  expect(page.events.length).toBeLessThan(150);
  for (const event of page.events)
    if (event.type === 'changed') expect(event.records.length).toBeLessThanOrEqual(200);
});

it('bounds what one message names', async () => {
  const told: string[] = [];
  const hub = createEventHub({ intervalMillis: 1 });
  hub.add(fakeResponse((text) => told.push(text)));
  for (let i = 0; i < 1_000; i++) hub.changed({ record: `r${i}`, session: 's' });
  await expect.poll(() => told.length).toBe(2);
  const event = JSON.parse((told[1] ?? '').slice(6)) as {
    records: string[];
    sessions: string[];
    more: boolean;
  };
  expect([event.records.length, event.sessions, event.more]).toEqual([200, ['s'], true]);
  hub.close();
});

it('hangs up on a page that does not read, and on no other', async () => {
  const hub = createEventHub({ intervalMillis: 0, maxBufferedBytes: 64 * 1024 });
  const server = createServer((_, response) => hub.add(response.writeHead(200)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const open = (): ReturnType<typeof connect> => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    );
    return socket.on('error', () => {});
  };
  const quick = open();
  let received = 0;
  quick.on('data', (data) => {
    received += data.length;
  });
  const slow = open();
  slow.pause();
  onTestFinished(async () => {
    quick.destroy();
    slow.destroy();
    hub.close();
    server.close();
  });
  await expect.poll(() => hub.count).toBe(2);
  const long = 'x'.repeat(10_000);
  for (let i = 0; hub.count > 1 && i < 5_000; i++) {
    hub.changed({ record: `${i} ${long}` });
    await sleep(1);
  }
  expect(hub.count).toBe(1);
  const before = received;
  hub.cleared();
  await expect.poll(() => received).toBeGreaterThan(before);
});

it('takes no more pages than it has room for, and lets go of those that leave', async () => {
  const server = await start();
  const stops: AbortController[] = [];
  const statuses: number[] = [];
  for (let i = 0; i < 66; i++) {
    const stop = new AbortController();
    const { status } = await fetch(`${server.url}/api/view/events`, { signal: stop.signal });
    statuses.push(status);
    stops.push(stop);
  }
  expect(statuses.filter((status) => status === 503)).toHaveLength(2);
  for (const stop of stops) stop.abort();
  await expect
    .poll(async () => {
      const stop = new AbortController();
      const { status } = await fetch(`${server.url}/api/view/events`, { signal: stop.signal });
      stop.abort();
      return status;
    })
    .toBe(200);
});

it('a server that stops waits for no page', async () => {
  const server = await startTestServer();
  const page = await listen(server.url);
  const begin = performance.now();
  await server.close();
  await page.ended;
  expect(performance.now() - begin).toBeLessThan(1_500);
});

function fakeResponse(onText: (text: string) => void): ServerResponse {
  return {
    write: onText,
    on: () => {},
    end: () => {},
    destroy: () => {},
    writableLength: 0,
  } as unknown as ServerResponse;
}
