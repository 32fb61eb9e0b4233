import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DEFAULT_BASE_URL, resolveConfig, Secret } from '../src/config.ts';
import { convertSpans, FreeplayOptionError, FreeplaySpanExporter } from '../src/index.ts';

const SECRET = 'sk-very-secret-value-123';

describe('a wrong option', () => {
  const WRONG: [option: string, options: object][] = [
    ['apiKey', { apiKey: 5 }],
    ['apiKey', { apiKey: { key: SECRET } }],
    ['apiKey', { apiKey: `${SECRET} Schlüssel` }],
    ['apiKey', { apiKey: `${SECRET}\nanother` }],
    ['projectId', { projectId: 5 }],
    ['baseUrl', { baseUrl: SECRET }],
    ['baseUrl', { baseUrl: 'ftp://api.test' }],
    ['headers.x', { headers: { x: 5 } }],
    ['headers.x', { headers: { x: `${SECRET}\n` } }],
    ['headers.x', { headers: { x: `${SECRET} 漢` } }],
    ['headers.bad name', { headers: { 'bad name': SECRET } }],
    ['headers.Content-Length', { headers: { 'Content-Length': SECRET } }],
    ['records', { records: SECRET }],
    ['captureContent', { captureContent: 'yes' }],
    ['mask', { mask: SECRET }],
    ['media', { media: SECRET }],
    ['filter', { filter: SECRET }],
    ['dialects[0]', { dialects: [{ name: SECRET }] }],
    ['metadata.x', { metadata: { x: { deep: SECRET } } }],
    ['session', { session: SECRET }],
    ['projects[1]', { projects: ['p', 5] }],
    ['concurrency', { concurrency: 0 }],
    ['concurrency', { concurrency: 1.5 }],
    ['timeoutMillis', { timeoutMillis: -1 }],
    ['timeoutMillis', { timeoutMillis: Number.NaN }],
    ['timeoutMillis', { timeoutMillis: SECRET }],
    ['retryDeadlineMillis', { retryDeadlineMillis: -1 }],
    ['maxQueueRecords', { maxQueueRecords: 0 }],
    ['maxQueueBytes', { maxQueueBytes: '1' }],
    ['maxRecordBytes', { maxRecordBytes: 100 }],
    ['spoolDir', { spoolDir: 5 }],
    ['spoolMode', { spoolMode: SECRET }],
    ['maxSpoolBytes', { maxSpoolBytes: 0 }],
    ['flushTimeoutMillis', { flushTimeoutMillis: null }],
    ['shutdownTimeoutMillis', { shutdownTimeoutMillis: [] }],
    ['flushOnExit', { flushOnExit: 1 }],
    ['meterProvider', { meterProvider: { getMeter: SECRET } }],
    ['onRecord', { onRecord: SECRET }],
    ['onDrop', { onDrop: {} }],
    ['dispatcher', { dispatcher: {} }],
    ['api_key', { api_key: SECRET }],
  ];

  it.each(WRONG)('is named, and its value is not: %s (%j)', (option, options) => {
    let error: unknown;
    try {
      resolveConfig(options as never, {});
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(FreeplayOptionError);
    expect(error).toMatchObject({ code: 'FREEPLAY_OTEL_OPTION', option });
    expect(String(error)).toContain(`"${option}"`);
    expect(inspect(error)).not.toContain(SECRET);
  });

  it('throws from the exporter and from convertSpans', () => {
    expect(() => new FreeplaySpanExporter({ timeoutMillis: -1 })).toThrow(/"timeoutMillis"/);
    expect(() => convertSpans([], { records: 'some' as never })).toThrow(/"records"/);
  });

  it('that are unknown are named, with the one that was meant', () => {
    const create = (name: string) => () => new FreeplaySpanExporter({ [name]: 'x' });
    expect(create('apikey')).toThrow('option "apikey" is unknown; did you mean "apiKey"?');
    expect(create('captureContents')).toThrow('did you mean "captureContent"?');
    expect(create('endpoint')).toThrow(/"endpoint" is unknown$/);
  });
});

describe('options', () => {
  it('have these defaults', () => {
    const { config, warnings } = resolveConfig({}, {});
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      apiKey: undefined,
      projectId: undefined,
      baseUrl: DEFAULT_BASE_URL,
      headers: {},
      records: 'all',
      captureContent: true,
      masks: [],
      media: 'inline',
      concurrency: 64,
      timeoutMillis: 10_000,
      retryDeadlineMillis: 300_000,
      maxQueueRecords: 10_000,
      maxQueueBytes: 67_108_864,
      maxRecordBytes: 4_194_304,
      spoolDir: undefined,
      spoolMode: 'overflow',
      maxSpoolBytes: 1_073_741_824,
      flushTimeoutMillis: 10_000,
      shutdownTimeoutMillis: 5_000,
      flushOnExit: true,
    });
    expect(DEFAULT_BASE_URL).toBe('https://app.freeplay.ai/api');
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('win over the environment, and the environment over the defaults', async () => {
    const environment = {
      FREEPLAY_API_KEY: 'env-key',
      FREEPLAY_PROJECT_ID: 'env-project',
      FREEPLAY_API_BASE: 'https://env.test/api/',
      FREEPLAY_CAPTURE_CONTENT: 'false',
      FREEPLAY_TRACE_URL_TEMPLATE: 'https://env.test/{traceId}',
      FREEPLAY_SPOOL_DIR: '/env/spool',
    };
    const fromEnvironment = resolveConfig({}, environment).config;
    expect(fromEnvironment).toMatchObject({
      projectId: 'env-project',
      baseUrl: 'https://env.test/api',
      captureContent: false,
      traceUrlTemplate: 'https://env.test/{traceId}',
      spoolDir: '/env/spool',
    });
    expect(await fromEnvironment.apiKey?.reveal()).toBe('env-key');
    const fromCode = resolveConfig(
      {
        apiKey: () => Promise.resolve('code-key'),
        projectId: 'code-project',
        baseUrl: 'https://code.test/',
        captureContent: true,
        traceUrlTemplate: 'https://code.test',
        spoolDir: './code',
      },
      environment,
    ).config;
    expect(fromCode).toMatchObject({
      projectId: 'code-project',
      baseUrl: 'https://code.test',
      captureContent: true,
      traceUrlTemplate: 'https://code.test',
      spoolDir: './code',
    });
    expect(await fromCode.apiKey?.reveal()).toBe('code-key');
  });

  it.each([
    ['FREEPLAY_CAPTURE_CONTENT', 'perhaps', 'captureContent', true],
    ['FREEPLAY_API_BASE', 'not a url', 'baseUrl', DEFAULT_BASE_URL],
  ])('in the environment that are wrong warn, and the default is used: %s', (name, value, option, fallback) => {
    const { config, warnings } = resolveConfig({}, { [name]: value });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(name);
    expect(warnings[0]).not.toContain(value);
    expect(config[option as 'baseUrl']).toBe(fallback);
  });

  it.each(['true', 'TRUE', '1', 'yes', 'on'])('read %s as true', (value) => {
    expect(resolveConfig({}, { FREEPLAY_CAPTURE_CONTENT: value }).config.captureContent).toBe(true);
  });

  it.each(['false', '0', 'no', 'off'])('read %s as false', (value) => {
    expect(resolveConfig({}, { FREEPLAY_CAPTURE_CONTENT: value }).config.captureContent).toBe(false);
  });

  it('that are durations fit a timer, however long', () => {
    const { config } = resolveConfig(
      { flushTimeoutMillis: 1e12, flushDelayMillis: Number.MAX_SAFE_INTEGER },
      {},
    );
    for (const millis of [config.flushTimeoutMillis, config.flushDelayMillis]) {
      expect(millis).toBeGreaterThan(86_400_000);
      expect(millis + 10_000).toBeLessThan(2 ** 31);
    }
  });

  it('take a key that ends in a line feed, and none of the environment that no header can carry', () => {
    expect(resolveConfig({ apiKey: 'k\n' }, {}).config.apiKey).toBeDefined();
    const { config, warnings } = resolveConfig({}, { FREEPLAY_API_KEY: `${SECRET} ключ` });
    expect(config.apiKey).toBeUndefined();
    expect(warnings.join()).toContain('FREEPLAY_API_KEY');
    expect(warnings.join()).not.toContain(SECRET);
  });

  it('may be undefined, and empty texts in the environment say nothing', () => {
    const { config, warnings } = resolveConfig(
      { apiKey: undefined, timeoutMillis: undefined },
      { FREEPLAY_API_KEY: ' ', FREEPLAY_API_BASE: '', FREEPLAY_CAPTURE_CONTENT: '' },
    );
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({ apiKey: undefined, timeoutMillis: 10_000 });
  });
});

it.each([
  [{}, false],
  [{ HTTPS_PROXY: ' ' }, false],
  [{ NO_PROXY: '*' }, false],
  [{ HTTPS_PROXY: 'http://proxy:8080' }, true],
  [{ http_proxy: 'http://proxy:8080' }, true],
])('the environment %j names a proxy: %s', (environment, hasProxy) => {
  expect(resolveConfig({}, environment).config.hasProxy).toBe(hasProxy);
});

describe('a secret', () => {
  const secret = new Secret(() => SECRET);

  it.each<[string, () => string]>([
    ['String', () => String(secret)],
    ['a template', () => `${secret}`],
    ['JSON', () => JSON.stringify({ secret })],
    ['inspect', () => inspect({ secret }, { depth: 9, showHidden: true })],
    ['keys', () => Object.keys(secret).join()],
    [
      'the exporter',
      () =>
        inspect(new FreeplaySpanExporter({ apiKey: SECRET, projectId: 'p', flushOnExit: false }), {
          depth: 9,
          showHidden: true,
        }),
    ],
    [
      'the exporter as JSON',
      () => JSON.stringify(new FreeplaySpanExporter({ apiKey: SECRET, projectId: 'p', flushOnExit: false })),
    ],
  ])('never shows in %s', (_, show) => {
    expect(show()).not.toContain(SECRET);
  });

  it('is revealed only when asked', () => {
    expect(secret.reveal()).toBe(SECRET);
    expect(`${secret}`).toBe('[redacted]');
  });
});
