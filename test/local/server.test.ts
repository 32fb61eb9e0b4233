import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RefusedRequest } from '../../src/local/handle-request.ts';
import { startLocalServer } from '../../src/local/server.ts';
import type { StoredRecord } from '../../src/local/store.ts';
import {
  completion,
  GROUP,
  PROJECT,
  SESSION,
  spanId,
  startTestServer,
  type TestServer,
  trace,
} from './support.ts';

const BASE = `/api/v2/projects/${PROJECT}`;
let server: TestServer;
const seen: [string, StoredRecord][] = [];
const refused: RefusedRequest[] = [];

beforeAll(async () => {
  server = await startTestServer({
    onRecord: (record, event) => {
      seen.push([event, record]);
      throw new Error('a callback of the user is broken');
    },
    onRefuse: (request) => refused.push(request),
  });
});
afterAll(() => server.close());

describe('recording', () => {
  it('answers 201 with the id and lists what was posted, in order', async () => {
    const session = randomUUID();
    const body = completion();
    const reply = await server.postCompletion(body, session);
    expect(reply).toMatchObject({ status: 201, json: { completion_id: body.completion_id } });
    const id = randomUUID();
    expect(
      await server.send('POST', `/v2/projects/${PROJECT}/sessions/${session}/traces/id/${id}`, trace()),
    ).toMatchObject({ status: 201, json: {} });
    const records = await server.records(`?session=${session}`);
    expect(records).toMatchObject([
      {
        kind: 'completion',
        id: body.completion_id,
        project: PROJECT,
        session,
        path: `/v2/projects/${PROJECT}/sessions/${session}/completions`,
        body,
      },
      {
        kind: 'trace',
        id,
        path: `/v2/projects/${PROJECT}/sessions/${session}/traces/id/${id}`,
        body: trace(),
      },
    ]);
    expect(Date.parse(records[0].receivedAt)).toBeGreaterThan(Date.now() - 60_000);
    expect(await server.records(`?session=${session}&limit=1`)).toHaveLength(1);
    expect(await server.records(`?session=${session}&after=${records[0].seq}`)).toMatchObject([{ id }]);
    expect(await server.records('?limit=0')).toEqual([]);
    expect(seen.map(([event, { id }]) => [event, id])).toContainEqual(['recorded', id]);
  });

  it('makes an id where the client left it out, and takes nothing but messages', async () => {
    const reply = await server.postCompletion({ messages: [{ role: 'user', content: 'hi' }] });
    expect(reply.status).toBe(201);
    expect(reply.json.completion_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('answers 409 to the same id again, in any case of letters, also for traces', async () => {
    const body = completion({ completion_id: randomUUID() });
    await server.postCompletion(body);
    const again = { ...body, completion_id: String(body.completion_id).toUpperCase() };
    expect(await server.postCompletion(again)).toMatchObject({
      status: 409,
      json: { message: expect.stringContaining('already recorded') },
    });
    const path = `${BASE}/sessions/${SESSION}/traces/id/${randomUUID()}`;
    expect((await server.send('POST', path, trace())).status).toBe(201);
    expect((await server.send('POST', path, trace())).status).toBe(409);
  });

  it('finds a trace by its group: named, made from the same trace id, or below', async () => {
    const session = randomUUID();
    const foreign = randomUUID();
    await server.postCompletion(completion({ completion_id: spanId('1') }), session);
    await server.send(
      'POST',
      `${BASE}/sessions/${session}/traces/id/${spanId('2')}`,
      trace({ kind: 'tool' }),
    );
    await server.send(
      'POST',
      `${BASE}/sessions/${session}/traces/id/${foreign}`,
      trace({ parent_id: spanId('1').toUpperCase() }),
    );
    await server.send('POST', `${BASE}/sessions/${session}/traces/id/${randomUUID()}`, trace());
    const ids = async (id: string): Promise<string[]> =>
      (await server.records(`?session=${session}&trace=${id}`)).map((r) => r.id);
    expect(await ids(GROUP)).toEqual([spanId('1'), spanId('2')]);
    expect(await ids(foreign)).toEqual([foreign]);
  });
});

describe('updates', () => {
  it('appends messages and merges evaluation results', async () => {
    const body = completion({ eval_results: { a: 1, b: 1 } });
    await server.postCompletion(body);
    const update = { new_messages: [{ role: 'assistant', content: 'late' }], eval_results: { b: true } };
    const reply = await server.send('POST', `${BASE}/completions/${body.completion_id}`, update);
    expect(reply).toMatchObject({ status: 201, json: { completion_id: body.completion_id } });
    const withSession = `${BASE}/sessions/${SESSION}/completions/${body.completion_id}`;
    expect((await server.send('POST', withSession, { eval_results: { c: 2 } })).status).toBe(201);
    const stored = (await server.records()).find(({ id }) => id === body.completion_id);
    expect(stored.body.messages).toEqual([...(body.messages as object[]), ...update.new_messages]);
    expect(stored.body.eval_results).toEqual({ a: 1, b: true, c: 2 });
    expect(seen.at(-1)?.[0]).toBe('updated');
  });

  it('merges metadata and feedback', async () => {
    const session = randomUUID();
    const id = randomUUID();
    const body = completion();
    await server.postCompletion(body, session);
    await server.send(
      'POST',
      `${BASE}/sessions/${session}/traces/id/${id}`,
      trace({ custom_metadata: { a: 1 } }),
    );
    const patch = JSON.parse('{"b":"x","__proto__":1}');
    expect(
      (await server.send('PATCH', `${BASE}/sessions/${session}/traces/id/${id}/metadata`, patch)).status,
    ).toBe(200);
    expect(
      (await server.send('PATCH', `${BASE}/sessions/id/${session}/metadata`, { plan: 'pro' })).status,
    ).toBe(200);
    expect(
      (await server.send('PATCH', `${BASE}/sessions/id/${session}/metadata`, { plan: 'free', seats: 2 }))
        .status,
    ).toBe(200);
    expect(
      (await server.send('POST', `${BASE}/completion-feedback/id/${body.completion_id}`, { thumbs: true }))
        .status,
    ).toBe(201);
    expect((await server.send('POST', `${BASE}/trace-feedback/id/${id}`, { stars: 5 })).status).toBe(201);
    const stored = (await server.records(`?session=${session}`)).find((record) => record.id === id);
    expect(Object.entries(stored.body.custom_metadata)).toEqual([
      ['a', 1],
      ['b', 'x'],
      ['__proto__', 1],
    ]);
    const notes = (await server.send('GET', '/api/local/annotations')).json;
    expect(notes).toContainEqual({
      kind: 'session_metadata',
      project: PROJECT,
      id: session,
      values: { plan: 'free', seats: 2 },
    });
    expect(notes).toContainEqual({
      kind: 'completion_feedback',
      project: PROJECT,
      id: body.completion_id,
      values: { thumbs: true },
    });
    expect(notes).toContainEqual({ kind: 'trace_feedback', project: PROJECT, id, values: { stars: 5 } });
  });

  const unknown = '99999999-9999-4999-8999-999999999999';
  it.each([
    ['POST', `/completions/${unknown}`, { eval_results: { a: 1 } }],
    ['POST', `/sessions/${unknown}/completions/${unknown}`, { eval_results: { a: 1 } }],
    ['PATCH', `/sessions/id/${unknown}/metadata`, { a: 1 }],
    ['PATCH', `/sessions/${SESSION}/traces/id/${unknown}/metadata`, { a: 1 }],
    ['POST', `/completion-feedback/id/${unknown}`, { a: 1 }],
    ['POST', `/trace-feedback/id/${unknown}`, { a: 1 }],
  ])('%s %s of what is not recorded is 404', async (method, path, body) => {
    expect(await server.send(method, BASE + path, body)).toMatchObject({
      status: 404,
      json: { message: expect.stringContaining(unknown) },
    });
  });
});

describe('refusals', () => {
  it.each([
    ['/sessions/456/completions', 'Session ID 456 is not a valid uuid4 format.'],
    [
      `/sessions/${SESSION}/traces/id/4bf92f3577b34da6a3ce929d0e0e4736`,
      'Trace ID 4bf92f3577b34da6a3ce929d0e0e4736 is not a valid uuid4 format.',
    ],
    ['/completions/%zz', 'Completion ID %zz is not a valid uuid4 format.'],
  ])('%s names the id', async (path, message) => {
    expect(await server.send('POST', BASE + path, {})).toMatchObject({ status: 400, json: { message } });
  });

  it('checks the project id', async () => {
    const reply = await server.send(
      'POST',
      `/api/v2/projects/my-project/sessions/${SESSION}/completions`,
      completion(),
    );
    expect(reply).toMatchObject({
      status: 400,
      json: { message: 'Project ID my-project is not a valid uuid4 format.' },
    });
  });

  it.each([
    ['{"messages": [', 400, 'not valid JSON'],
    ['', 400, 'empty'],
    ['null', 400, 'expected an object, received null'],
    [Buffer.from([0x7b, 0xff, 0x7d]), 400, 'UTF-8'],
    ['{"messages":[]}', 400, 'messages: must hold at least one item'],
    [
      `{"messages":[{"role":"user","content":"x"}],"inputs":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`,
      400,
      'nested deeper',
    ],
  ])('body %#', async (body, status, message) => {
    expect(await server.postCompletion(body)).toMatchObject({
      status,
      json: { message: expect.stringContaining(message) },
    });
    expect(refused.at(-1)).toMatchObject({
      status,
      method: 'POST',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    ['POST', '/nowhere', 404],
    ['POST', '/api//v2/projects', 404],
    ['POST', `${BASE}/sessions/${SESSION}/completions/`, 404],
    ['GET', `${BASE}/sessions/${SESSION}/completions`, 405],
    ['OPTIONS', `${BASE}/sessions/${SESSION}/completions`, 405],
    ['PATCH', `${BASE}/sessions/${SESSION}/completions`, 405],
    ['POST', '/api/local/records', 405],
    ['GET', '/api/local/records?limit=-1', 400],
    ['GET', '/api/local/records?session=1', 400],
    ['GET', '/api/local/records?what=1', 400],
  ])('%s %s → %i', async (method, path, status) => {
    const reply = await server.send(method, path, method === 'GET' || method === 'OPTIONS' ? undefined : {});
    expect(reply).toMatchObject({ status, json: { message: expect.any(String) } });
    expect(reply.headers.has('access-control-allow-origin')).toBe(false);
    if (status === 405) expect(reply.headers.get('allow')).toMatch(/GET|POST/);
  });

  it.each([
    ['content-type', 'text/plain'],
    ['content-type', 'application/jsonx'],
    ['content-encoding', 'gzip'],
  ])('%s: %s → 415', async (name, value) => {
    const path = `${BASE}/sessions/${SESSION}/completions`;
    expect((await server.send('POST', path, completion(), { [name]: value })).status).toBe(415);
  });

  it('a body over 20 MB → 413, and the connection lives on', async () => {
    const large = completion({ inputs: { text: 'x'.repeat(20 * 1024 * 1024) } });
    expect(await server.postCompletion(large)).toMatchObject({ status: 413 });
    expect(
      (await server.postCompletion(completion({ inputs: { text: 'x'.repeat(19 * 1024 * 1024) } }))).status,
    ).toBe(201);
  });

  it.each(['', 'Basic abc', 'Bearer', 'Bearer  '])('authorization %j → 401', async (authorization) => {
    const path = `${BASE}/sessions/${SESSION}/completions`;
    const reply = await server.send('POST', path, completion(), { authorization });
    expect(reply).toMatchObject({ status: 401, json: { message: expect.stringContaining('Bearer') } });
    expect((await server.send('GET', '/api/local/records', undefined, { authorization })).status).toBe(401);
  });

  it('asks for the key it was given', async () => {
    const guarded = await startTestServer({ key: 'right key' });
    expect((await guarded.postCompletion(completion())).status).toBe(201);
    const wrong = { authorization: 'Bearer wrong' };
    const path = `${BASE}/sessions/${SESSION}/completions`;
    expect(await guarded.send('POST', path, completion(), wrong)).toMatchObject({
      status: 401,
      json: { message: 'the key is wrong' },
    });
    expect((await guarded.send('GET', '/api/local/records', undefined, wrong)).status).toBe(401);
    expect(await guarded.records()).toHaveLength(1);
    await guarded.close();
    await guarded.close();
  });

  it.each([
    [{ host: 'evil.example' }, 403],
    [{ host: '127.0.0.1.evil.example' }, 403],
    [{ host: '127.0.0.1@evil.example' }, 403],
    [{ origin: 'https://evil.example' }, 403],
    [{ host: 'localhost:1234' }, 200],
    [{ host: '[::1]' }, 200],
  ])('%j → %i', async (headers, status) => {
    const got = await new Promise<number | undefined>((resolve, reject) => {
      const options = {
        headers: { authorization: 'Bearer any', ...headers },
        path: '/api/local/records?limit=0',
      };
      request(server.url, options, (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(got).toBe(status);
  });
});

it('lives through whatever is sent', async () => {
  const raw = [
    'garbage\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'CONNECT evil:1 HTTP/1.1\r\nHost: localhost\r\n\r\n',
    `POST ${BASE}/sessions/${SESSION}/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    `POST ${BASE}/sessions/${SESSION}/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    'GET http://[ HTTP/1.1\r\nHost: [\r\n\r\n',
  ];
  for (const text of raw) {
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.end(text));
      socket
        .on('error', () => {})
        .on('close', () => resolve())
        .resume();
    });
  }
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), fc.webPath(), async (json, path) => {
      const reply = await server.postCompletion(completion({ messages: json, inputs: json }));
      expect([201, 400]).toContain(reply.status);
      const stray = await server.send('PATCH', `${BASE}${path}`, json ?? {});
      expect(stray.status).toBeLessThan(500);
    }),
    { numRuns: 50 },
  );
  expect((await server.postCompletion(completion())).status).toBe(201);
});

it('a port in use is one clear line', async () => {
  await expect(startLocalServer({ port: server.port })).rejects.toMatchObject({
    name: 'LocalServerError',
    code: 'PORT_IN_USE',
    message: expect.stringContaining(`port ${server.port} on 127.0.0.1 is in use`),
  });
});
