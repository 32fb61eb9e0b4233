import { afterEach, describe, expect, it } from 'vitest';
import { createFaults, NO_FAULTS, readFaults } from '../../src/local/faults.ts';
import { completion, startTestServer, type TestServer } from './support.ts';

const LOCAL = { 'x-freeplay-local': '1' };
const never = new AbortController().signal;
let server: TestServer | undefined;
afterEach(() => server?.close());

it.each([
  0, 1, 10, 33.3, 50, 99, 100,
])('%d %% of the requests fail, and the same ones each time', async (percent) => {
  const run = async (): Promise<boolean[]> => {
    const faults = createFaults({ ...NO_FAULTS, percent });
    const answers: boolean[] = [];
    for (let i = 0; i < 1_000; i++) answers.push((await faults.next(never)) !== undefined);
    return answers;
  };
  const answers = await run();
  expect(Math.abs(answers.filter(Boolean).length - percent * 10)).toBeLessThanOrEqual(1);
  expect(await run()).toEqual(answers);
  // Two clients that take turns meet about the same share.
  const even = answers.filter((failed, index) => failed && index % 2 === 0).length;
  expect(Math.abs(even - percent * 5)).toBeLessThan(60);
});

it('fails, waits and says when to come back; recording alone', async () => {
  server = await startTestServer({
    faults: { percent: 100, status: 429, latencyMillis: 50, retryAfterSeconds: 2 },
  });
  const begin = performance.now();
  const reply = await server.postCompletion(completion());
  expect(performance.now() - begin).toBeGreaterThan(45);
  expect(reply).toMatchObject({ status: 429, json: { message: 'fault mode: this failure was asked for' } });
  expect(reply.headers.get('retry-after')).toBe('2');
  expect(await server.view('completions')).toMatchObject({ total: 0 });
  expect((await server.send('GET', '/api/local/records')).status).toBe(200);
  expect((await server.send('POST', '/api/local/receipts', { receipts: [] })).status).toBe(202);
  expect(await server.view('status')).toMatchObject({ faults: { percent: 100, status: 429 } });
});

it('is changed while the server runs', async () => {
  server = await startTestServer();
  expect(await server.view('faults')).toEqual({ percent: 0, status: 503, latencyMillis: 0 });
  const settings = { percent: 100, status: 500, latencyMillis: 0 };
  expect(await server.send('PUT', '/api/view/faults', settings, LOCAL)).toMatchObject({
    status: 200,
    json: settings,
  });
  const failed = await server.postCompletion(completion());
  expect(failed.status).toBe(500);
  expect(failed.headers.has('retry-after')).toBe(false);
  await server.send('PUT', '/api/view/faults', NO_FAULTS, LOCAL);
  expect((await server.postCompletion(completion())).status).toBe(201);
});

it('does not keep a server from stopping', async () => {
  server = await startTestServer({ faults: { percent: 0, status: 503, latencyMillis: 60_000 } });
  const reply = server.postCompletion(completion()).catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const begin = performance.now();
  await server.close();
  await reply;
  expect(performance.now() - begin).toBeLessThan(5_000);
});

describe('settings', () => {
  const good = { percent: 5, status: 503, latencyMillis: 10 };
  it.each<[unknown, string]>([
    [null, 'expected an object'],
    [[], 'expected an object'],
    [{ ...good, percent: 101 }, 'percent: '],
    [{ ...good, percent: -1 }, 'percent: '],
    [{ ...good, percent: '5' }, 'percent: '],
    [{ ...good, status: 200 }, 'status: '],
    [{ ...good, status: 503.5 }, 'status: '],
    [{ ...good, latencyMillis: 1e9 }, 'latencyMillis: '],
    [{ ...good, retryAfterSeconds: 1.5 }, 'retryAfterSeconds: '],
    [{ percent: 5, status: 503 }, 'latencyMillis: '],
    [{ ...good, surprise: 1 }, 'surprise: unknown field'],
    [JSON.parse('{"percent":5,"status":503,"latencyMillis":1,"__proto__":{}}'), '__proto__: unknown field'],
  ])('%j is refused', (value, message) => {
    expect(readFaults(value)).toContain(message);
  });

  it('are taken', () => {
    expect(readFaults({ ...good, retryAfterSeconds: 0 })).toEqual({ ...good, retryAfterSeconds: 0 });
  });
});
