import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { builtinModules } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KEY, makeCall, PROJECT, postSpans, startApi } from '../gateway/support.ts';
import { ROOT } from '../support/build-package.ts';
import type { Run } from './build-cli.ts';
import { useCli } from './use-cli.ts';

const cli = useCli();

/** Nothing of the surroundings: what a test needs it gives. */
const NO_SETTINGS = {
  FREEPLAY_API_KEY: '',
  FREEPLAY_PROJECT_ID: '',
  FREEPLAY_API_BASE: '',
  FREEPLAY_SPOOL_DIR: '',
  FREEPLAY_GATEWAY_TOKEN: '',
};
const SETTINGS = { FREEPLAY_API_KEY: KEY, FREEPLAY_PROJECT_ID: PROJECT };

function gateway(args: readonly string[], env: NodeJS.ProcessEnv = SETTINGS): Run {
  return cli.run(['gateway', ...args], { ...NO_SETTINGS, ...env });
}

async function listening(run: Run): Promise<{ readonly url: string }> {
  const [, url] = await run.printed(/^listening on (http:\S+)$/m);
  return { url: url ?? '' };
}

function makeFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'freeplay-gateway-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

describe('the command', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('serves until %s, and says what it has done', async (signal) => {
    const api = await startApi();
    const run = gateway(['--port', '0'], { ...SETTINGS, FREEPLAY_API_BASE: api.url });
    const served = await listening(run);
    expect(run.out().split('\n')[0]).toBe(`listening on ${served.url}`);
    expect((await postSpans(served, [makeCall(), makeCall()])).status).toBe(200);
    run.child.kill(signal);
    expect(await run.ended).toBe(0);
    expect(run.out()).toMatch(
      /^2 spans taken, 2 records delivered, 0 rejected, 0 in the spool, 0 given back, 0 lost$/m,
    );
    expect(run.err()).toBe('');
    expect([...api.records.values()].map(({ key, path }) => [key, path.split('/')[3]])).toEqual([
      [KEY, PROJECT],
      [KEY, PROJECT],
    ]);
  });

  it('prints JSON lines, and nothing but the first line when it is to be quiet', async () => {
    const api = await startApi();
    const [json, quiet] = [
      gateway(['--port', '0', '--url', api.url, '--json']),
      gateway(['--port', '0', '--quiet']),
    ];
    await json.printed(/"event":"listening"/);
    await listening(quiet);
    for (const run of [json, quiet]) {
      run.child.kill('SIGTERM');
      expect(await run.ended).toBe(0);
    }
    expect(
      json
        .out()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { event: 'listening', url: expect.any(String) },
      { event: 'stopped', route: 'default', records: { delivered: 0, returned: 0 } },
    ]);
    expect(quiet.out().trim().split('\n')).toHaveLength(1);
  });

  it('serves metrics of what it does, and of what becomes of the records', async () => {
    const api = await startApi();
    const served = await listening(gateway(['--port', '0', '--url', api.url]));
    await postSpans(served, [makeCall()]);
    await fetch(`${served.url}/v1/traces`, { method: 'POST', body: 'x' });
    const response = await fetch(`${served.url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const text = await response.text();
    for (const pattern of [
      /^freeplay_gateway_requests_total\{signal="traces",http_response_status_code="200".*\} 1$/m,
      /^freeplay_gateway_refusals_total\{signal="traces",reason="media_type".*\} 1$/m,
      /^freeplay_gateway_items_total\{signal="traces",result="read".*\} 1$/m,
      /^freeplay_gateway_received_total\{signal="traces",form="unpacked".*\} \d{3,}$/m,
      /^freeplay_gateway_request_duration_count\{signal="traces".*\} 2$/m,
      /^freeplay_gateway_requests_inflight\{.*\} 0$/m,
      /^freeplay_records\{.*freeplay_record_state="delivered".*\} 1$/m,
      /^otel_sdk_exporter_span_exported_total\{.*otel_component_type="FreeplayGateway".*\} 1$/m,
    ])
      expect(text).toMatch(pattern);
    expect(text).not.toContain(KEY);
  });

  it('sends by the routes of a file, with keys from the environment and from files', async () => {
    const api = await startApi();
    const dir = makeFolder();
    writeFileSync(join(dir, 'key'), 'key-of-a-file\n');
    const routes = [
      { name: 'acme', when: { 'tenant.id': 'acme' }, projectId: 'p-acme', keyEnv: 'ACME_KEY' },
      { name: 'shop', when: { 'service.name': 'shop' }, projectId: 'p-shop', keyFile: join(dir, 'key') },
    ];
    writeFileSync(join(dir, 'routes.json'), JSON.stringify(routes));
    const run = gateway(
      ['--port', '0', '--url', api.url, '--routes', join(dir, 'routes.json'), '--spool', join(dir, 'spool')],
      {
        ...SETTINGS,
        ACME_KEY: 'key-of-acme',
      },
    );
    const served = await listening(run);
    const acme = makeCall();
    const spans = [
      { ...acme, attributes: { ...acme.attributes, 'tenant.id': 'acme' } },
      makeCall(),
      makeCall({ resource: { attributes: { 'service.name': 'other' } } }),
    ];
    expect((await postSpans(served, spans)).status).toBe(200);
    expect([...api.records.values()].map(({ key, path }) => [key, path.split('/')[3]]).sort()).toEqual([
      [KEY, PROJECT],
      ['key-of-a-file', 'p-shop'],
      ['key-of-acme', 'p-acme'],
    ]);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
    expect(run.out()).toMatch(/^acme: 1 spans taken, 1 records delivered/m);
  });

  it('asks for the token of a file', async () => {
    const dir = makeFolder();
    writeFileSync(join(dir, 'token'), 'sesame\n');
    const served = await listening(gateway(['--port', '0', '--token-file', join(dir, 'token')]));
    const send = (headers: Record<string, string>): Promise<number> =>
      fetch(`${served.url}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{}',
      }).then(({ status }) => status);
    expect([await send({}), await send({ authorization: 'Bearer sesame' })]).toEqual([401, 200]);
  });

  it('says so when anybody can reach it', async () => {
    const run = gateway(['--port', '0', '--host', '0.0.0.0', '--quiet']);
    await listening(run);
    run.child.kill('SIGTERM');
    await run.ended;
    expect(run.err()).toMatch(/reachable from the network by anybody, without a token/);
  });

  it('says in one line what goes wrong with the API', async () => {
    const api = await startApi((_, response) => {
      response.writeHead(422, { 'content-type': 'application/json' }).end('{"message":"no"}');
      return true;
    });
    const run = gateway(['--port', '0', '--url', api.url]);
    await postSpans(await listening(run), [makeCall()]);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
    expect(run.err()).toMatch(/^freeplay-otel gateway: the API rejected a record, status 422, 1 in all/m);
    expect(run.err()).not.toMatch(/\(node:|^\s+at /m);
  });

  it('counts what it gave back to its sender as given back, and not as lost', async () => {
    const api = await startApi((_, response) => {
      response.writeHead(503, { 'retry-after': '60' }).end();
      return true;
    });
    const run = gateway(['--port', '0', '--url', api.url, '--answer-millis', '100', '--drain-millis', '50']);
    expect((await postSpans(await listening(run), [makeCall()])).status).toBe(503);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
    expect(run.out()).toMatch(/ 1 given back, 0 lost\n$/);
    expect(run.err()).not.toMatch(/lost/);
  });

  it('ends with 1 when its port is taken', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const run = gateway(['--port', String((server.address() as AddressInfo).port)]);
    expect(await run.ended).toBe(1);
    expect(run.err()).toMatch(/^freeplay-otel gateway: port \d+ on 127\.0\.0\.1 is in use: .*--port.*\n$/);
  });
});

it('needs no package that the published one does not ask for', () => {
  const folder = dirname(dirname(cli.main));
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const allowed = new Set([...Object.keys({ ...dependencies, ...peerDependencies }), ...builtinModules]);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.mjs'),
  );
  // `npm pack` leaves out what is in a folder of that name.
  expect(files.filter((name) => name.includes('node_modules'))).toEqual([]);
  const named = files.flatMap((name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    return [
      ...text.matchAll(
        /^(?:import|export)\b[^'"\n]*["']([^'"./][^'"]*)["']|\bimport\(["']([^'"./][^'"]*)["']\)/gm,
      ),
    ];
  });
  const packages = new Set(named.map(([, one, other]) => packageOf(one ?? other ?? '')));
  expect(packages.size).toBeGreaterThan(3);
  expect([...packages].filter((name) => !allowed.has(name))).toEqual([]);
  expect(readFileSync(join(folder, 'bundled', 'LICENSES.txt'), 'utf8')).toMatch(/^fzstd .*\(MIT\)/m);
});

function packageOf(specifier: string): string {
  const parts = specifier.replace(/^node:/, '').split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

describe('refuses to start', () => {
  it.each<[string, readonly string[], NodeJS.ProcessEnv, RegExp]>([
    ['without a key', [], { FREEPLAY_PROJECT_ID: 'p' }, /no API key given: --key, or FREEPLAY_API_KEY/],
    [
      'without a project',
      [],
      { FREEPLAY_API_KEY: 'k' },
      /no project given: --project, or FREEPLAY_PROJECT_ID/,
    ],
    ['with an unknown option', ['--prot', '1'], SETTINGS, /--prot/],
    ['with an argument', ['here'], SETTINGS, /here/],
    ['with a port that is none', ['--port', '70000'], SETTINGS, /--port "70000" is not a port/],
    [
      'with a number that is none',
      ['--max-spans', 'many'],
      SETTINGS,
      /--max-spans "many" is not a whole number/,
    ],
    ['with no bytes at all', ['--max-body-bytes', '0'], SETTINGS, /--max-body-bytes "0"/],
    ['with a URL that is none', ['--url', 'ftp://x'], SETTINGS, /--url: cannot be used/],
    ['with an unknown choice', ['--records', 'some'], SETTINGS, /--records: cannot be used/],
    ['with an unknown spool mode', ['--spool-mode', 'never'], SETTINGS, /--spool-mode: cannot be used/],
    [
      'with a wrong environment',
      [],
      { ...SETTINGS, FREEPLAY_API_BASE: 'nowhere' },
      /FREEPLAY_API_BASE is not an http/,
    ],
    [
      'with a wrong switch',
      [],
      { ...SETTINGS, FREEPLAY_CAPTURE_CONTENT: 'perhaps' },
      /FREEPLAY_CAPTURE_CONTENT is neither/,
    ],
    ['with no token in the file', ['--token-file', '/dev/null'], SETTINGS, /--token-file is empty/],
    [
      'with no such token file',
      ['--token-file', '/no/such'],
      SETTINGS,
      /--token-file cannot be read \(ENOENT\)/,
    ],
    ['with no such routes', ['--routes', '/no/such'], SETTINGS, /the routes file cannot be read \(ENOENT\)/],
    ['with an empty value', ['--host', ''], SETTINGS, /--host must not be empty/],
  ])('%s', async (_, args, env, message) => {
    const run = gateway(args, env);
    expect(await run.ended).toBe(2);
    expect(run.out()).toBe('');
    expect(run.err()).toMatch(message);
    expect(run.err().trim().split('\n'), 'one line').toHaveLength(1);
  });

  it.each<[unknown, RegExp]>([
    [{}, /wrong at its top/],
    [[{ name: 'a b', when: { x: 'y' }, projectId: 'p' }], /wrong at 0\.name/],
    [[{ name: 'a', projectId: 'p' }], /the route a has no condition/],
    [[{ name: 'a', when: { x: [] }, projectId: 'p' }], /wrong at 0\.when\.x/],
    [[{ name: 'a', when: { x: 'y' }, projectId: 'p', key: 'secret-1' }], /wrong at its top|wrong at 0/],
    [
      [{ name: 'a', when: { x: 'y' }, projectId: 'p', keyEnv: 'NO_SUCH_KEY' }],
      /NO_SUCH_KEY, is not in the environment/,
    ],
    [[{ name: 'default', when: { x: 'y' }, projectId: 'p' }], /"default"/],
    [Array(2).fill({ name: 'a', when: { x: 'y' }, projectId: 'p' }), /two routes/],
  ])('with the routes %j', async (routes, message) => {
    const file = join(makeFolder(), 'routes.json');
    writeFileSync(file, JSON.stringify(routes));
    const run = gateway(['--routes', file]);
    expect(await run.ended).toBe(2);
    expect(run.err()).toMatch(message);
    expect(run.err()).not.toContain('secret-1');
  });
});
