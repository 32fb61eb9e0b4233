import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checkApi } from '../../src/cli/doctor/api.ts';
import { judgeBatches, SDK_LIMITS } from '../../src/cli/doctor/batches.ts';
import { EMITTER_LIST, hintOf } from '../../src/cli/doctor/capture.ts';
import { checkSampling } from '../../src/cli/doctor/sampling.ts';
import { satisfies } from '../../src/cli/doctor/semver.ts';
import { checkSettings } from '../../src/cli/doctor/settings.ts';
import { startLocalServer } from '../../src/local/server.ts';
import { buildPackage, ROOT } from '../support/build-package.ts';
import { type BuiltCli, buildCli, runCli } from './build-cli.ts';

const KEY = 'sesame-open-the-door-0123';
const PROJECT = '10ca1000-0000-4000-8000-000000000000';

let cli: BuiltCli;
let library: string;
const folders: string[] = [];
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const cache = join(ROOT, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  library = mkdtempSync(join(cache, 'doctor-test-'));
  [cli] = await Promise.all([buildCli(), buildPackage(['src/index.ts'], library)]);
}, 90_000);
afterAll(() => {
  cli.remove();
  rmSync(library, { recursive: true, force: true });
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** Below node_modules, where the SDK is in reach. */
function app(files: Readonly<Record<string, string | object>> = {}): string {
  const dir = mkdtempSync(join(ROOT, 'node_modules', '.cache', 'doctor-app-'));
  folders.push(dir);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return dir;
}

function installed(packages: Readonly<Record<string, string>>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(packages).map(([path, version]) => {
      const name = path.replace(/^.*node_modules\//, '');
      return [
        `${path.includes('node_modules') ? path : `node_modules/${path}`}/package.json`,
        { name, version },
      ];
    }),
  );
}

interface Check {
  readonly id: string;
  readonly section: string;
  readonly status: string;
  readonly subject: string;
  readonly finding: string;
  readonly fix?: string;
}

interface Diagnosis {
  readonly code: number | string | null;
  readonly text: string;
  readonly checks: readonly Check[];
  of(id: string): Check;
}

const QUIET = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) =>
      /^(FREEPLAY_|OTEL_|OPENINFERENCE_|TRACELOOP_|LANGSMITH_|https?_proxy$|no_proxy$|FORCE_COLOR$)/i.test(
        name,
      ),
    )
    .map((name) => [name, undefined]),
);
const SET = { FREEPLAY_API_KEY: KEY, FREEPLAY_PROJECT_ID: PROJECT };

async function diagnose(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Diagnosis> {
  const run = runCli(cli.main, ['doctor', '--json', ...args], { ...QUIET, ...env });
  const code = await run.ended;
  expect(run.err()).toBe('');
  const { checks, ok, failures, warnings } = JSON.parse(run.out()) as {
    checks: readonly Check[];
    ok: boolean;
    failures: number;
    warnings: number;
  };
  expect(failures).toBe(checks.filter(({ status }) => status === 'fail').length);
  expect(warnings).toBe(checks.filter(({ status }) => status === 'warn').length);
  expect([ok, code]).toEqual(failures === 0 ? [true, 0] : [false, 1]);
  return {
    code,
    text: run.out(),
    checks,
    of: (id) => {
      const found = checks.find((one) => one.id === id);
      if (found === undefined) throw new Error(`no check ${id} in ${run.out()}`);
      return found;
    },
  };
}

describe('settings', () => {
  it.each<[name: string, env: NodeJS.ProcessEnv, id: string, status: string, finding: RegExp]>([
    ['no key', {}, 'settings.key', 'fail', /FREEPLAY_API_KEY is not set/],
    ['a key', SET, 'settings.key', 'ok', /is set$/],
    ['a key in quotes', { ...SET, FREEPLAY_API_KEY: `"${KEY}"` }, 'settings.key', 'fail', /quotes/],
    [
      'a key with a dash from a word processor',
      { ...SET, FREEPLAY_API_KEY: `${KEY}–x` },
      'settings.key',
      'fail',
      /no HTTP header/,
    ],
    ['a short key', { ...SET, FREEPLAY_API_KEY: 'abc' }, 'settings.key', 'warn', /shorter than 16/],
    [
      'a short key for a server on this machine',
      { ...SET, FREEPLAY_API_KEY: 'any', FREEPLAY_API_BASE: 'http://127.0.0.1:4830/api' },
      'settings.key',
      'ok',
      /is set$/,
    ],
    ['no project', { FREEPLAY_API_KEY: KEY }, 'settings.project', 'fail', /is not set/],
    [
      'the name of a project',
      { ...SET, FREEPLAY_PROJECT_ID: 'My project' },
      'settings.project',
      'fail',
      /"My project" is no v4 UUID/,
    ],
    ['no base', SET, 'settings.base', 'ok', /^https:\/\/app\.freeplay\.ai\/api \(default\)$/],
    [
      'a base that is none',
      { ...SET, FREEPLAY_API_BASE: 'app.example.com/api' },
      'settings.base',
      'fail',
      /no http or https URL/,
    ],
    [
      'a base with the version',
      { ...SET, FREEPLAY_API_BASE: 'https://x.example/api/v2/' },
      'settings.base',
      'fail',
      /ends in \/v2/,
    ],
    [
      'a base in the clear',
      { ...SET, FREEPLAY_API_BASE: 'http://x.example/api' },
      'settings.base',
      'warn',
      /not encrypted/,
    ],
    [
      'no content',
      { ...SET, FREEPLAY_CAPTURE_CONTENT: 'false' },
      'settings.capture-content',
      'warn',
      /no texts/,
    ],
    [
      'nonsense',
      { ...SET, FREEPLAY_CAPTURE_CONTENT: 'maybe' },
      'settings.value',
      'warn',
      /neither true nor false/,
    ],
    [
      'the SDK turned off',
      { ...SET, OTEL_SDK_DISABLED: 'true' },
      'settings.sdk-disabled',
      'fail',
      /no spans at all/,
    ],
  ])('%s', (_, env, id, status, finding) => {
    const found = checkSettings(env).find((one) => one.id === id);
    expect(found?.status).toBe(status);
    expect(found?.finding).toMatch(finding);
  });

  it('come from a file, too, which does not overrule what is set', async () => {
    const dir = app({ 'my.env': `FREEPLAY_API_KEY=${KEY}\nFREEPLAY_PROJECT_ID=not-this-one\n` });
    const { of } = await diagnose(['--offline', '--dir', dir, '--env', join(dir, 'my.env')], {
      FREEPLAY_PROJECT_ID: PROJECT,
    });
    expect(of('settings.key').status).toBe('ok');
    expect(of('settings.project').finding).toBe(PROJECT);
  });
});

describe('the API', () => {
  it('takes key and project, and nothing is recorded', async () => {
    const server = await startLocalServer({ port: 0, key: KEY });
    closing.push(() => server.close());
    const { of, text } = await diagnose(['--dir', app()], { ...SET, FREEPLAY_API_BASE: `${server.url}/api` });
    expect(of('api.reachable')).toMatchObject({ status: 'ok' });
    expect(of('api.key')).toMatchObject({
      status: 'ok',
      finding: 'the API takes key and project (nothing was recorded)',
    });
    expect(server.store.list()).toHaveLength(0);
    expect(text).not.toContain(KEY);
  });

  it('is told from one that takes everything', async () => {
    const url = await answering(200, '{}');
    const { of } = await diagnose(['--dir', app()], { ...SET, FREEPLAY_API_BASE: url });
    expect(of('api.key')).toMatchObject({
      status: 'warn',
      finding: expect.stringContaining('hardly the completions API'),
    });
  });

  it.each<[status: number, body: string, result: string, finding: RegExp]>([
    [401, `{"message":"key ${KEY} is unknown"}`, 'fail', /answers 401/],
    [403, '{"message":"no rights"}', 'fail', /answers 403: .*no rights/],
    [404, '{"message":"no such project"}', 'fail', /404 for project 10ca1000.*no such project/],
    [422, '{"message":"messages"}', 'ok', /nothing was recorded/],
    [405, 'no', 'fail', /answers 405: this is not the completions API/],
    [429, '{}', 'warn', /asks for patience, 429/],
    [503, '{}', 'warn', /not available, 503/],
    [500, '{}', 'warn', /fails, 500/],
  ])('that answers %d', async (status, body, result, finding) => {
    const url = await answering(status, body);
    const findings = await checkApi({ ...SET, FREEPLAY_API_BASE: url }, new AbortController().signal);
    const found = findings.find(({ id }) => id === 'api.key');
    expect(found?.status).toBe(result);
    expect(found?.finding).toMatch(finding);
    expect(JSON.stringify(findings)).not.toContain(KEY);
  });

  it.each<[name: string, base: () => Promise<string>, finding: RegExp]>([
    [
      'nothing listens',
      async () => `http://127.0.0.1:${await freePort()}/api`,
      /nothing listens there \(ECONNREFUSED\)/,
    ],
    ['no such host', async () => 'http://no-such-host.invalid/api', /no such host|cannot be resolved/],
    [
      'no TLS',
      async () => (await answering(200, '')).replace('http:', 'https:'),
      /does not speak TLS|the connection was cut/,
    ],
  ])('cannot be reached: %s', async (_, base, finding) => {
    const { of, checks } = await diagnose(['--dir', app()], { ...SET, FREEPLAY_API_BASE: await base() });
    expect(of('api.reachable').status).toBe('fail');
    expect(of('api.reachable').finding).toMatch(finding);
    expect(checks.some(({ id }) => id === 'api.key')).toBe(false);
  });

  it('is asked through the proxy of the environment, whose password is not shown', async () => {
    let asked = '';
    const proxy = createServer((_, response) => response.writeHead(502).end());
    proxy.on('connect', (request, socket) => {
      asked = request.url ?? '';
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    const port = await listen(proxy);
    const { of, text } = await diagnose(['--dir', app()], {
      ...SET,
      FREEPLAY_API_BASE: 'http://api.example.test/api',
      http_proxy: `http://user:geheim@127.0.0.1:${port}`,
    });
    expect(of('api.proxy')).toMatchObject({
      status: 'ok',
      finding: `http_proxy names http://127.0.0.1:${port}`,
    });
    expect(of('api.key').status).toMatch(/fail|warn/);
    expect(asked).toBe('api.example.test:80');
    expect(text).not.toContain('geheim');
  });
});

async function answering(status: number, body: string): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(status, { 'content-type': 'application/json' }).end(body));
  });
  return `http://127.0.0.1:${await listen(server)}/api`;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Outside the repository's own node_modules, whose packages would be found, too. */
function bareApp(files: Readonly<Record<string, string | object>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'freeplay-doctor-'));
  folders.push(dir);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return dir;
}

describe('versions', () => {
  it('that go together', async () => {
    const dir = bareApp(
      installed({
        '@opentelemetry/api': '1.9.0',
        '@opentelemetry/sdk-trace-base': '2.1.0',
        'opentelemetry-exporter-freeplay': '0.1.0',
        'node_modules/other/node_modules/@opentelemetry/api': '1.9.0',
      }),
    );
    const { of } = await diagnose(['--offline', '--dir', dir], SET);
    expect(of('versions.api')).toMatchObject({
      status: 'ok',
      finding: '1.9.0, 2 copies of the same version',
      fix: expect.stringContaining('start the SDK before anything takes a tracer'),
    });
    expect(of('versions.sdk')).toMatchObject({ status: 'ok', finding: '2.1.0' });
    expect(of('versions.package')).toMatchObject({ status: 'ok', finding: '0.1.0' });
    expect(of('versions.node').status).toBe('ok');
  });

  it.each([
    [
      '1.8.0',
      'fail',
      /2 versions that do not go together: 1\.9\.0 \(node_modules\/@opentelemetry\/api\), 1\.8\.0 \(node_modules\/other/,
    ],
    ['1.9.1', 'warn', /2 copies of 2 versions/],
  ])('two copies of the API, the other %s', async (version, status, finding) => {
    const dir = bareApp(
      installed({
        '@opentelemetry/api': '1.9.0',
        'node_modules/other/node_modules/@opentelemetry/api': version,
        'node_modules/other': '1.0.0',
      }),
    );
    const { of } = await diagnose(['--offline', '--dir', dir], SET);
    expect(of('versions.api').status).toBe(status);
    expect(of('versions.api').finding).toMatch(finding);
    expect(of('versions.api').fix).toContain('npm dedupe');
  });

  it("of pnpm's store, where one copy with two links is one", async () => {
    const dir = bareApp(
      installed({
        'node_modules/.pnpm/@opentelemetry+api@1.9.0/node_modules/@opentelemetry/api': '1.9.0',
        'node_modules/.pnpm/@opentelemetry+api@1.4.0/node_modules/@opentelemetry/api': '1.4.0',
      }),
    );
    mkdirSync(join(dir, 'node_modules/@opentelemetry'), { recursive: true });
    symlinkSync(
      join(dir, 'node_modules/.pnpm/@opentelemetry+api@1.9.0/node_modules/@opentelemetry/api'),
      join(dir, 'node_modules/@opentelemetry/api'),
    );
    const { of } = await diagnose(['--offline', '--dir', dir], SET);
    expect(of('versions.api').finding).toMatch(/^2 copies of 2 versions/);
  });

  it.each<[client: string, script: string, range: string | undefined]>([
    ['7.1.0', 'new i.InstrumentationNodeModuleDefinition("openai", [">=4 <7"], f)', '>=4 <7'],
    ['6.2.0', 'new i.InstrumentationNodeModuleDefinition("openai", [">=4 <7"], f)', undefined],
    [
      '4.9.0',
      "new NodeModuleDefinition('openai',\n // best effort\n ['^6.0.0', '^5.0.0'])",
      '^6.0.0 || ^5.0.0',
    ],
    ['9.0.0', 'new NodeModuleDefinition("openai", RANGES)', undefined],
  ])('of a client, %s, that its instrumentation may not patch: %s', async (version, script, range) => {
    const name = '@opentelemetry/instrumentation-openai';
    const dir = bareApp({
      ...installed({ [name]: '0.22.0', openai: version }),
      [`node_modules/${name}/dist/instrumentation.cjs`]: script,
    });
    const { checks } = await diagnose(['--offline', '--dir', dir], SET);
    expect(checks.filter(({ id }) => id === 'versions.openai')).toEqual(
      range === undefined
        ? []
        : [
            expect.objectContaining({
              status: 'warn',
              finding: `${version}; ${name} 0.22.0 reports calls of ${range} alone`,
              fix: expect.stringContaining(`npm install openai@"${range}"`),
            }),
          ],
    );
  });

  it('of an SDK that wants another API', async () => {
    const dir = bareApp({
      ...installed({ '@opentelemetry/api': '1.10.0' }),
      'node_modules/@opentelemetry/sdk-trace-base/package.json': {
        name: '@opentelemetry/sdk-trace-base',
        version: '2.1.0',
        peerDependencies: { '@opentelemetry/api': '>=1.3.0 <1.10.0' },
      },
    });
    const { of } = await diagnose(['--offline', '--dir', dir], SET);
    expect(of('versions.sdk')).toMatchObject({
      status: 'fail',
      finding: '2.1.0 wants @opentelemetry/api >=1.3.0 <1.10.0, and 1.10.0 is installed',
    });
  });

  it('of an SDK that has the API it wants, whatever others have', async () => {
    const dir = bareApp({
      ...installed({
        '@opentelemetry/api': '1.10.0',
        '@ai-sdk/otel': '1.0.0',
        'node_modules/@ai-sdk/otel/node_modules/@opentelemetry/api': '1.9.1',
      }),
      'node_modules/@opentelemetry/sdk-trace/package.json': {
        name: '@opentelemetry/sdk-trace',
        version: '3.1.0',
        peerDependencies: { '@opentelemetry/api': '>=1.10.0 <1.11.0' },
      },
    });
    const { of } = await diagnose(['--offline', '--dir', dir], SET);
    expect(of('versions.sdk')).toMatchObject({ status: 'ok', finding: '3.1.0' });
    expect(of('versions.api').fix).toContain('start the SDK before anything takes a tracer');
  });

  it('of an SDK nobody knows, two majors at once, and none at all', async () => {
    const strange = await diagnose(
      [
        '--offline',
        '--dir',
        bareApp(
          installed({ '@opentelemetry/sdk-trace': '4.0.0', '@opentelemetry/sdk-trace-base': '1.30.1' }),
        ),
      ],
      SET,
    );
    expect(strange.of('versions.sdk').finding).toMatch(/4\.0\.0 is none of the versions/);
    expect(strange.of('versions.sdk-majors').status).toBe('warn');
    expect(strange.of('versions.api').status).toBe('fail');
    const none = await diagnose(
      ['--offline', '--dir', bareApp(installed({ '@opentelemetry/api': '1.9.0' }))],
      SET,
    );
    expect(none.of('versions.sdk').finding).toMatch(/no OpenTelemetry SDK/);
    const empty = await diagnose(['--offline', '--dir', bareApp({})], SET);
    expect(empty.of('packages').finding).toMatch(/no node_modules/);
  });

  it.each<[version: string, range: string, expected: boolean | undefined]>([
    ['1.9.0', '^1.3.0', true],
    ['2.0.0', '^1.3.0', false],
    ['0.3.1', '^0.3.0', true],
    ['0.4.0', '^0.3.0', false],
    ['1.10.0', '>=1.3.0 <1.10.0', false],
    ['1.9.9', '>= 1.3.0 < 1.10.0', true],
    ['3.1.0', '^2.9.0 || ^3.0.0', true],
    ['1.4.9', '~1.4.1', true],
    ['1.5.0', '~1.4.1', false],
    ['1.9.0', '1.x', true],
    ['1.9.0', '1.9', true],
    ['1.8.0', '1.9', false],
    ['1.9.0', '*', true],
    ['1.9.0', 'workspace:^', undefined],
    ['latest', '^1.0.0', undefined],
  ])('%s in %s: %s', (version, range, expected) => {
    expect(satisfies(version, range)).toBe(expected);
  });
});

describe('samplers and limits', () => {
  it.each<[env: NodeJS.ProcessEnv, id: string, status: string, finding: RegExp]>([
    [{}, 'sampling.sampler', 'ok', /names none/],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_on' }, 'sampling.sampler', 'ok', /always_on/],
    [
      { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.05' },
      'sampling.sampler',
      'warn',
      /about 5 % of all calls/,
    ],
    [
      { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' },
      'sampling.sampler',
      'fail',
      /nothing is recorded/,
    ],
    [
      { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: 'x' },
      'sampling.sampler',
      'warn',
      /"x" is no number from 0 to 1/,
    ],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, 'sampling.sampler', 'fail', /nothing is recorded/],
    [{ OTEL_TRACES_SAMPLER: 'xray' }, 'sampling.sampler', 'warn', /xray/],
    [
      { OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '4096' },
      'sampling.attribute-length',
      'warn',
      /is 4096: longer messages are cut off/,
    ],
    [
      { OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '10', OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '100000' },
      'sampling.limits',
      'ok',
      /none/,
    ],
    [{ OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '32' }, 'sampling.attribute-count', 'warn', /is 32/],
    [{ OTEL_SPAN_EVENT_COUNT_LIMIT: '8' }, 'sampling.event-count', 'warn', /is 8/],
    [{ OTEL_BSP_MAX_QUEUE_SIZE: '100' }, 'sampling.batches', 'warn', /a queue of 100 overflows/],
    [{ OTEL_BSP_MAX_QUEUE_SIZE: '4096' }, 'sampling.batches', 'ok', /OTEL_BSP_MAX_QUEUE_SIZE=4096/],
  ])('%j', (env, id, status, finding) => {
    const found = checkSampling(env).find((one) => one.id === id);
    expect(found?.status).toBe(status);
    expect(found?.finding).toMatch(finding);
  });

  it('are judged by arithmetic', () => {
    expect(judgeBatches(SDK_LIMITS)).toEqual([]);
    expect(judgeBatches({ ...SDK_LIMITS, maxExportBatchSize: 9 })[0]).toMatch(
      /let about 90 spans a second through/,
    );
    expect(judgeBatches({ ...SDK_LIMITS, maxExportBatchSize: 10 })).toEqual([]);
    expect(judgeBatches({ ...SDK_LIMITS, maxQueueSize: 999 })[0]).toMatch(/100 a second × 10 s = 1000/);
    expect(judgeBatches({ ...SDK_LIMITS, maxQueueSize: 1_000 })).toEqual([]);
    expect(judgeBatches({ ...SDK_LIMITS, exportTimeoutMillis: 5_000 })[0]).toMatch(/given up after 5000 ms/);
    expect(judgeBatches({ ...SDK_LIMITS, scheduledDelayMillis: 60_000 })[0]).toMatch(/wait up to 60000 ms/);
    expect(judgeBatches({ ...SDK_LIMITS, maxQueueSize: 1_000, maxExportBatchSize: 2_000 })[0]).toMatch(
      /more than the queue/,
    );
  });
});

describe('message content', () => {
  const OPENAI = installed({ '@opentelemetry/instrumentation-openai': '0.21.0' });

  it.each<
    [
      name: string,
      files: Readonly<Record<string, string | object>>,
      env: NodeJS.ProcessEnv,
      status: string,
      finding: RegExp,
      fix: RegExp,
    ]
  >([
    ['off', OPENAI, {}, 'warn', /off by default/, /captureMessageContent: true/],
    [
      'on in the environment',
      OPENAI,
      { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' },
      'ok',
      /on: OTEL_INSTRUMENTATION_GENAI/,
      /logRecordProcessor/,
    ],
    [
      'on in code',
      { ...OPENAI, 'src/telemetry.ts': 'new OpenAIInstrumentation({ captureMessageContent: true })' },
      {},
      'ok',
      /captureMessageContent: true in src\/telemetry\.ts/,
      /logRecordProcessor/,
    ],
    [
      'off in code that is not the app’s',
      { ...OPENAI, 'dist/x.js': 'captureMessageContent: true' },
      {},
      'warn',
      /off by default/,
      /captureMessageContent/,
    ],
  ])('%s', async (_, files, env, status, finding, fix) => {
    const found = (await diagnose(['--offline', '--dir', bareApp(files)], { ...SET, ...env })).of(
      'content.@opentelemetry/instrumentation-openai',
    );
    expect(found.status).toBe(status);
    expect(found.finding).toMatch(finding);
    expect(found.fix).toMatch(fix);
  });

  it('of what is on by default, until something turns it off', async () => {
    const dir = bareApp(installed({ '@arizeai/openinference-instrumentation-langchain': '4.0.0' }));
    const id = 'content.@arizeai/openinference-instrumentation-openai';
    expect((await diagnose(['--offline', '--dir', dir], SET)).of(id).status).toBe('ok');
    const off = (
      await diagnose(['--offline', '--dir', dir], { ...SET, OPENINFERENCE_HIDE_INPUTS: 'true' })
    ).of(id);
    expect(off).toMatchObject({
      status: 'warn',
      finding: 'content is turned off: OPENINFERENCE_HIDE_INPUTS=true',
    });
  });

  it('of libraries that the app itself names, and not of those that others bring', async () => {
    const packages = installed({ '@anthropic-ai/sdk': '1.2.0', ai: '5.0.1' });
    const named = await diagnose(
      [
        '--offline',
        '--dir',
        bareApp({ ...packages, 'package.json': { dependencies: { '@anthropic-ai/sdk': '1' } } }),
      ],
      SET,
    );
    expect(named.of('content.com.anthropic.sdk.typescript').fix).toContain(
      'ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE=content',
    );
    expect(named.checks.some(({ id }) => id === 'content.ai')).toBe(false);
    const set = await diagnose(
      [
        '--offline',
        '--dir',
        bareApp({ ...packages, 'package.json': { dependencies: { '@anthropic-ai/sdk': '1' } } }),
      ],
      { ...SET, ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE: 'content' },
    );
    expect(set.of('content.com.anthropic.sdk.typescript').status).toBe('ok');
  });

  it.each<[name: string, version: string, source: string, finding: RegExp | undefined, fix: RegExp]>([
    [
      'ai',
      '7.0.1',
      '',
      /reports nothing by itself from version 7 on/,
      /registerTelemetry\(new OpenTelemetry\(\)\)/,
    ],
    ['ai', '7.0.1', 'registerTelemetry(new OpenTelemetry())', undefined, /./],
    ['ai', '6.0.1', 'experimental_telemetry', undefined, /./],
    [
      '@sentry/node',
      '11.0.0',
      'sendDefaultPii: true',
      /no OpenTelemetry spans from version 11 on/,
      /instrumentation/,
    ],
  ])('of %s %s, which may report nothing at all: %s', async (name, version, source, finding, fix) => {
    const files = { ...installed({ [name]: version }), 'app.ts': source };
    const dir = bareApp({ ...files, 'package.json': { dependencies: { [name]: version } } });
    const { checks } = await diagnose(['--offline', '--dir', dir], SET);
    const found = checks.filter(({ section, status }) => section === 'Message content' && status === 'warn');
    if (finding === undefined) expect(found.filter(({ id }) => id !== 'content.none')).toEqual([]);
    else
      expect(found).toEqual([
        expect.objectContaining({
          id: `content.${name}`,
          finding: expect.stringMatching(finding),
          fix: expect.stringMatching(fix),
        }),
      ]);
  });

  it('in log events, which two copies of their API lose', async () => {
    const openai = {
      '@opentelemetry/instrumentation-openai': '0.21.0',
      '@opentelemetry/api-logs': '0.223.1',
    };
    const one = await diagnose(['--offline', '--dir', bareApp(installed(openai))], SET);
    expect(one.checks.some(({ id }) => id === 'content.log-events')).toBe(false);
    const nested = 'node_modules/@opentelemetry/sdk-node/node_modules/@opentelemetry/api-logs';
    const two = await diagnose(
      ['--offline', '--dir', bareApp(installed({ ...openai, [nested]: '0.223.0' }))],
      SET,
    );
    expect(two.of('content.log-events')).toMatchObject({
      status: 'warn',
      finding: expect.stringMatching(/^2 copies of @opentelemetry\/api-logs/),
      fix: expect.stringContaining('after sdk.start()'),
    });
  });

  it('says so where there is nothing', async () => {
    const { of } = await diagnose(
      ['--offline', '--dir', bareApp(installed({ '@opentelemetry/api': '1.9.0' }))],
      SET,
    );
    expect(of('content.none').status).toBe('warn');
  });

  it('is turned on by what the receipt of a call of each one says', () => {
    expect(Object.fromEntries(EMITTER_LIST.map((emitter) => [emitter.scope, hintOf(emitter)]))).toEqual({
      ai: expect.stringContaining('experimental_telemetry: { isEnabled: true'),
      gen_ai: expect.stringContaining('recordInputs: true'),
      '@opentelemetry/instrumentation-openai': expect.stringContaining('captureMessageContent: true'),
      '@opentelemetry/instrumentation-aws-sdk': expect.stringContaining('never records content'),
      'com.anthropic.sdk.typescript': 'ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE=content',
      mistralai_sdk_tracer: expect.stringContaining('none needed'),
      '@sentry/node': expect.stringContaining('sendDefaultPii: true'),
      'gcp.vertex.agent': 'ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS=true',
      '@traceloop/instrumentation-openai': expect.stringContaining('TRACELOOP_TRACE_CONTENT=true'),
      '@arizeai/openinference-instrumentation-openai': expect.stringContaining('hideInputs: false'),
      langsmith: expect.stringContaining('LANGSMITH_HIDE_INPUTS'),
      'langfuse-sdk': expect.stringContaining('none needed'),
      'lmnr.tracer': expect.stringContaining('traceContent'),
      langwatch: expect.stringContaining('dataCapture: "all"'),
      '@voltagent/core': expect.stringContaining('none needed'),
      '@mastra/otel-exporter': expect.stringContaining('hideInput and hideOutput unset'),
      'genkit-tracer': expect.stringContaining('none needed'),
      'strands-agents': expect.stringContaining('none needed'),
      'livekit-agents': expect.stringContaining('allowPii: true'),
      Agent365Sdk: expect.stringContaining('recordInputMessages'),
      '@flue/opentelemetry': expect.stringContaining('without content: false'),
      app: expect.stringContaining('captureContent: true'),
      effect: expect.stringContaining('Telemetry.CurrentSpanTransformer'),
      ax: expect.stringContaining('never records content from 24 on'),
      openlit: expect.stringContaining('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true'),
    });
  });
});

describe('the spool', () => {
  it('that can be written to, and one that cannot', async () => {
    const dir = app({ file: 'x' });
    const good = await diagnose(['--offline', '--dir', dir], { ...SET, FREEPLAY_SPOOL_DIR: 'spool' });
    expect(good.of('spool.folder')).toMatchObject({ status: 'ok', finding: 'spool' });
    const bad = await diagnose(['--offline', '--dir', dir], { ...SET, FREEPLAY_SPOOL_DIR: 'file' });
    expect(bad.of('spool.folder')).toMatchObject({ status: 'fail', finding: 'file is no folder' });
    const below = await diagnose(['--offline', '--dir', dir], { ...SET, FREEPLAY_SPOOL_DIR: 'file/spool' });
    expect(below.of('spool.folder').status).toBe('fail');
  });
});

describe('--load', () => {
  const setup = (options: string, before = ''): string => `
    import { BasicTracerProvider, BatchSpanProcessor, SimpleSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-base';
    import { trace } from '@opentelemetry/api';
    import { FreeplaySpanExporter, FreeplaySpanProcessor } from '${join(library, 'index.mjs')}';
    console.log('noise'); console.error('more noise');
    ${before}
    trace.setGlobalTracerProvider(new BasicTracerProvider(${options}));`;

  it('sees a set-up that is right', async () => {
    const dir = app({ 'telemetry.mjs': setup('{ spanProcessors: [new FreeplaySpanProcessor()] }') });
    const { of } = await diagnose(['--offline', '--dir', dir, '--load', 'telemetry.mjs'], SET);
    expect(of('setup.processors')).toMatchObject({ status: 'ok', finding: 'FreeplaySpanProcessor' });
    expect(of('setup.sampler').status).toBe('ok');
  });

  it('finds us twice, limits that cannot keep up, a ratio, a length limit', async () => {
    const dir = app({
      'telemetry.mjs': setup(`{
        sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.25) }),
        spanLimits: { attributeValueLengthLimit: 1000 },
        spanProcessors: [new FreeplaySpanProcessor(), new BatchSpanProcessor(new FreeplaySpanExporter(), { maxQueueSize: 64, maxExportBatchSize: 8 })],
      }`),
    });
    const { of } = await diagnose(['--offline', '--dir', dir, '--load', 'telemetry.mjs'], SET);
    expect(of('setup.processors')).toMatchObject({
      status: 'fail',
      finding: 'Freeplay is there 2 times: FreeplaySpanProcessor, BatchSpanProcessor(FreeplaySpanExporter)',
    });
    expect(of('setup.batches').finding).toMatch(/batches of 8 .*a queue of 64 overflows/);
    expect(of('setup.sampler')).toMatchObject({
      status: 'warn',
      finding: expect.stringContaining('about 25 %'),
    });
    expect(of('setup.attribute-length').finding).toContain('is 1000');
  });

  it.each([
    ['processors: [freeplay.logRecordProcessor]', /^logRecordProcessor is on/],
    ['processors: [other, freeplay.logRecordProcessor]', /^logRecordProcessor is on/],
    ['processors: [other]', /^logRecordProcessor is not on/],
    ['', /^logRecordProcessor is not on/],
  ])('sees whether messages in log events arrive: { %s }', async (options, finding) => {
    const before = `
      const { LoggerProvider } = await import('@opentelemetry/sdk-logs');
      const { logs } = await import('@opentelemetry/api-logs');
      const other = { onEmit() {}, forceFlush: async () => {}, shutdown: async () => {} };
      const freeplay = new FreeplaySpanProcessor();
      logs.setGlobalLoggerProvider(new LoggerProvider({ ${options} }));`;
    const dir = app({ 'telemetry.mjs': setup('{ spanProcessors: [freeplay] }', before) });
    const { of } = await diagnose(['--offline', '--dir', dir, '--load', 'telemetry.mjs'], SET);
    expect(of('setup.logs').finding).toMatch(finding);
  });

  it('waits for a set-up that takes its time', async () => {
    const text = setup('{ spanProcessors: [new FreeplaySpanProcessor()] }');
    const dir = app({
      'telemetry.mjs': text
        .replace('trace.setGlobalTracerProvider', 'setTimeout(() => trace.setGlobalTracerProvider')
        .replace(/;$/, ', 300);'),
    });
    const { of } = await diagnose(['--offline', '--dir', dir, '--load', 'telemetry.mjs'], SET);
    expect(of('setup.processors').status).toBe('ok');
  });

  it.each<[name: string, text: () => string, finding: RegExp]>([
    [
      'none of ours',
      () => setup('{ spanProcessors: [new SimpleSpanProcessor({ export() {}, shutdown() {} })] }'),
      /none of the span processors is Freeplay's: SimpleSpanProcessor\(Object\)/,
    ],
    ['no provider', () => 'export {};', /registers no tracer provider/],
    [
      'a mistake in it',
      () => 'throw new TypeError("not like this")',
      /cannot be loaded: TypeError: not like this/,
    ],
    ['an end', () => 'process.exit(7)', /ended the process \(exit code 7\)/],
    [
      'no such package',
      () => 'import "no-such-package-at-all";',
      /cannot be loaded: .*no-such-package-at-all/,
    ],
  ])('finds %s', async (_, text, finding) => {
    const dir = app({ 'telemetry.mjs': text() });
    const { checks, code } = await diagnose(['--offline', '--dir', dir, '--load', 'telemetry.mjs'], SET);
    const [found] = checks.filter(({ section, status }) => section === 'Setup' && status === 'fail');
    expect(found?.finding).toMatch(finding);
    expect(code).toBe(1);
  });
});

describe('the text', () => {
  it('says what to do, in lines that fit, without colours in a pipe', async () => {
    const run = runCli(cli.main, ['doctor', '--offline', '--dir', app()], {
      ...QUIET,
      FREEPLAY_PROJECT_ID: PROJECT,
    });
    expect(await run.ended).toBe(1);
    expect(run.err()).toBe('');
    expect(run.out()).toMatch(/^freeplay-otel doctor \d/);
    expect(run.out()).toMatch(/✗ API key .*FREEPLAY_API_KEY is not set/);
    expect(run.out()).toMatch(/→ export FREEPLAY_API_KEY=…/);
    expect(run.out()).toMatch(/\n\d+ failures?(, \d+ warnings?)?\n$/);
    expect(run.out()).not.toContain('\u001b');
    for (const line of run.out().split('\n')) expect(line.length).toBeLessThan(140);
  });

  it('names packages whole, however long', async () => {
    const name = '@opentelemetry/instrumentation-openai';
    const run = runCli(
      cli.main,
      ['doctor', '--offline', '--dir', bareApp(installed({ [name]: '0.21.0' }))],
      QUIET,
    );
    await run.ended;
    expect(run.out()).toContain(`  ! ${name} 0.21.0\n`);
  });

  it.each([
    [['--dir', '/no/such/folder'], /--dir "\/no\/such\/folder" is no folder/],
    [['--env', '/no/such/file'], /--env "\/no\/such\/file" cannot be read \(ENOENT\)/],
    [['--load', ' '], /--load must not be empty/],
    [['--load', 'no-such-file.mjs'], /--load "no-such-file\.mjs" is not there \(looked for in \//],
    [['extra'], /'extra'/],
    [['--ofline'], /'--ofline'; did you mean --offline\?/],
  ])('of wrong arguments is one line: %j', async (args, message) => {
    const run = runCli(cli.main, ['doctor', ...args], QUIET);
    expect(await run.ended).toBe(2);
    expect(run.err()).toMatch(message);
    expect(run.err().trimEnd().split('\n')).toHaveLength(1);
    expect(run.out()).toBe('');
  });
});
