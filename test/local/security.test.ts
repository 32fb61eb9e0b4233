import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completion, SESSION, startTestServer, type TestServer } from './support.ts';

const KEY = 'sesame-0123456789';
let folder: string;
let server: TestServer;
let guarded: TestServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'freeplay-page-'));
  const inspectorDir = join(folder, 'inspector');
  mkdirSync(join(inspectorDir, 'fonts'), { recursive: true });
  writeFileSync(join(folder, 'secret.js'), 'secret');
  writeFileSync(join(inspectorDir, 'index.html'), '<!doctype html><title>the page</title>');
  writeFileSync(join(inspectorDir, 'inspector.js'), 'console.log(1)');
  writeFileSync(join(inspectorDir, 'inspector.css'), 'a{}');
  writeFileSync(join(inspectorDir, '.env.js'), 'secret');
  writeFileSync(join(inspectorDir, 'data.bin'), 'secret');
  writeFileSync(join(inspectorDir, 'fonts', 'a.woff2'), 'font');
  server = await startTestServer({ inspectorDir });
  guarded = await startTestServer({ inspectorDir, key: KEY });
});
afterAll(async () => {
  await server.close();
  await guarded.close();
  rmSync(folder, { recursive: true });
});

interface RawReply {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly text: string;
}

/** A request as it is, with any Host, and a path that nobody tidies up. */
function raw(
  to: TestServer,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<RawReply> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: to.port, method, path, headers }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      resolve({ status: response.statusCode, headers: response.headers, text });
    });
    sent.on('error', reject).end();
  });
}

describe('the page', () => {
  it.each([
    '/',
    '/completions/3c90c3cc-0d44-4b50-8888-8dd25736052a',
    '/traces/4bf92f3577b34da6a3ce929d0e0e4736',
    '/sessions/3c90c3cc',
    '/compare?a=1&b=2',
    '/charts',
    '/sessions/<script>alert(1)</script>',
  ])('%s is the page', async (path) => {
    const reply = await raw(server, 'GET', path);
    expect(reply).toMatchObject({ status: 200, text: '<!doctype html><title>the page</title>' });
    expect(reply.headers['content-type']).toBe('text/html; charset=utf-8');
    expect((await raw(server, 'HEAD', path)).text).toBe('');
  });

  it.each([
    ['/inspector.js', 'text/javascript; charset=utf-8'],
    ['/inspector.css', 'text/css; charset=utf-8'],
    ['/fonts/a.woff2', 'font/woff2'],
  ])('%s is its file', async (path, type) => {
    const reply = await raw(server, 'GET', path);
    expect([reply.status, reply.headers['content-type']]).toEqual([200, type]);
  });

  it.each([
    '/../secret.js',
    '/..%2fsecret.js',
    '/%2e%2e/secret.js',
    '/fonts/../../secret.js',
    '/..\\secret.js',
    '//etc/passwd.txt',
    '/.env.js',
    '/data.bin',
    '/nothing.js',
    '/fonts/a.woff2/',
    '/inspector.js%00.css',
    '/con.js\u00e4',
  ])('%s leads nowhere', async (path) => {
    const reply = await raw(server, 'GET', encodeURI(path).replaceAll('%25', '%'));
    expect(reply.text).not.toContain('secret');
    if (!path.endsWith('/')) expect(reply.status).toBe(404);
  });

  it('is not there, and says so', async () => {
    const bare = await startTestServer({ inspectorDir: join(folder, 'nowhere') });
    const reply = await raw(bare, 'GET', '/sessions/x');
    expect(reply.status).toBe(503);
    expect(reply.text).toContain('The inspector page is not here');
    expect(reply.text).not.toContain(folder);
    await bare.close();
  });

  it('can load nothing from elsewhere, be framed by nobody, and run no inline script', async () => {
    for (const path of ['/', '/inspector.js', '/api/view/sessions', '/api/local/records', '/nothing.js']) {
      const { headers } = await raw(server, 'GET', path, { authorization: 'Bearer any' });
      expect(headers, path).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
  });
});

describe('other sites', () => {
  it.each([
    [{ host: 'evil.example' }],
    [{ host: 'localhost.evil.example:4830' }],
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
  ])('%j may neither read nor change', async (headers) => {
    for (const [method, path] of [
      ['GET', '/api/view/status'],
      ['GET', '/api/view/completions'],
      ['GET', '/api/view/events'],
      ['GET', '/api/local/records'],
      ['DELETE', '/api/view/records'],
      ['PUT', '/api/view/faults'],
    ] as const) {
      const reply = await raw(server, method, path, {
        'x-freeplay-local': '1',
        authorization: 'Bearer x',
        ...headers,
      });
      expect(reply.status, `${method} ${path}`).toBe(403);
    }
  });

  it('may link to the page', async () => {
    expect((await raw(server, 'GET', '/', { 'sec-fetch-site': 'cross-site' })).status).toBe(200);
  });

  it('cannot change anything without the header that no form can send', async () => {
    await server.postCompletion(completion());
    const { store } = server;
    const same = `http://127.0.0.1:${server.port}`;
    for (const headers of [{}, { 'x-freeplay-local': '0' }, { origin: same }]) {
      const reply = await raw(server, 'DELETE', '/api/view/records', headers as Record<string, string>);
      expect(reply.status).toBe(403);
    }
    expect(store.list()).toHaveLength(1);
    const own = { 'x-freeplay-local': '1', origin: same, 'sec-fetch-site': 'same-origin' };
    expect((await raw(server, 'DELETE', '/api/view/records', own)).status).toBe(204);
    expect(store.list()).toHaveLength(0);
  });

  it('cannot change anything on a server that is open to the network either', async () => {
    const open = await startTestServer({ host: '0.0.0.0' });
    const host = `dev.example:${open.port}`;
    const local = { 'x-freeplay-local': '1', host };
    const remove = async (headers: object): Promise<number | undefined> =>
      (await raw(open, 'DELETE', '/api/view/records', { ...local, ...headers })).status;
    expect(await remove({ origin: 'http://evil.example' })).toBe(403);
    expect(await remove({ origin: 'null' })).toBe(403);
    expect(await remove({ origin: `http://${host}` })).toBe(204);
    expect(await remove({ origin: `https://${host}` })).toBe(204);
    await open.close();
  });
});

describe('with a key', () => {
  const PATHS = [
    'sessions',
    `sessions/${SESSION}`,
    'completions',
    'facets',
    'charts',
    'events',
    'faults',
    `sessions/${SESSION}/export`,
  ];

  it.each([
    {},
    { authorization: 'Bearer wrong' },
    { authorization: `Basic ${KEY}` },
  ])('%j sees nothing', async (headers) => {
    await guarded.postCompletion(completion());
    for (const path of PATHS)
      expect((await raw(guarded, 'GET', `/api/view/${path}`, headers)).status, path).toBe(401);
    const change = { 'x-freeplay-local': '1', ...headers };
    expect((await raw(guarded, 'DELETE', '/api/view/records', change)).status).toBe(401);
    const { status, text } = await raw(guarded, 'GET', '/api/view/status', headers);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ keyNeeded: true, records: 0, location: '' });
    expect((await raw(guarded, 'GET', '/')).status).toBe(200);
  });

  it('sees everything with it', async () => {
    const headers = { authorization: `Bearer ${KEY}` };
    for (const path of PATHS.filter((one) => one !== 'events'))
      expect((await raw(guarded, 'GET', `/api/view/${path}`, headers)).status, path).toBe(200);
    const { text } = await raw(guarded, 'GET', '/api/view/status', headers);
    expect(JSON.parse(text)).toMatchObject({ keyNeeded: false, location: 'memory' });
  });
});

it('without a key, the page asks for none; the API still wants one', async () => {
  expect((await raw(server, 'GET', '/api/view/sessions')).status).toBe(200);
  expect((await raw(server, 'GET', '/api/local/records')).status).toBe(401);
});

it('refuses methods it does not know, and bodies that are too large', async () => {
  for (const [method, path] of [
    ['POST', '/api/view/sessions'],
    ['GET', '/api/view/records'],
    ['OPTIONS', '/api/view/faults'],
    ['POST', '/api/view/events'],
  ] as const)
    expect((await raw(server, method, path, { 'x-freeplay-local': '1' })).status, path).toBe(405);
  expect((await raw(server, 'GET', '/api/view/')).status).toBe(404);
  expect((await raw(server, 'POST', '/')).status).toBe(404);
  const large = { percent: 1, status: 500, latencyMillis: 0, x: 'x'.repeat(21 * 1024 * 1024) };
  const reply = await server.send('PUT', '/api/view/faults', large, { 'x-freeplay-local': '1' });
  expect(reply.status).toBe(413);
});

it('huge and odd questions are answered or refused, and cost nobody else', async () => {
  const words = `${'weather '.repeat(500)}"*():^`;
  for (const query of [
    `text=${encodeURIComponent(words)}`,
    `text=${'%F0%9F%98%80'.repeat(500)}`,
    'text=%ff%fe',
    'text=%00',
    `model=${'x'.repeat(5_000)}`,
    'session=%25%27%22;drop',
    'text=NEAR(a,b)',
    'text=-x',
    'before=1e999_1',
  ]) {
    const { status } = await raw(server, 'GET', `/api/view/completions?${query}`);
    expect([200, 400], query.slice(0, 40)).toContain(status);
  }
});
