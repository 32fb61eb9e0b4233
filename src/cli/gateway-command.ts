import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import type { FreeplayOptions } from '../config.ts';
import type { Ledger } from '../exporter/ledger.ts';
import type { Gateway, GatewayOptions, RouteOptions } from '../gateway/gateway.ts';
import { DEFAULT_LIMITS, type GatewayLimits } from '../gateway/limits.ts';
import { plainText } from '../local/terminal-text.ts';
import { parseOptions, readPort } from './arguments.ts';
import { aborted, type Command, type CommandIo, EXIT_FAILED, EXIT_OK, UsageError } from './command.ts';

const HELP = `freeplay-otel gateway: OTLP in, completion records out

Takes traces and logs over OTLP/HTTP (protobuf and JSON; gzip, deflate, zstd) from SDKs of any language and from the
OpenTelemetry Collector. A request is answered 200 when its records are safe: accepted by the API, or in the spool.

Usage: freeplay-otel gateway [OPTIONS]

Where it listens:
  --port PORT       port to listen on, 0 = any free one (default 4318)
  --host HOST       address to listen on (default 127.0.0.1; any other than loopback opens it to the network)
  --token-file FILE file with a bearer token that senders must give (or FREEPLAY_GATEWAY_TOKEN in the environment)

Where records go (the same environment as the library):
  --url URL         API base (default FREEPLAY_API_BASE, else https://app.freeplay.ai/api)
  --key KEY         API key (default FREEPLAY_API_KEY, which the list of processes does not show)
  --project ID      project (default FREEPLAY_PROJECT_ID)
  --projects A,B    more projects of that key that spans may name in freeplay.project.id
  --routes FILE     other projects and keys by attributes: JSON, see docs/gateway.md
  --records WHICH   all, genai (no plain traces, no groups) or completions (default all)
  --mask secrets    take out what looks like a secret
  --spool DIR       folder for what cannot be delivered now (default FREEPLAY_SPOOL_DIR)
  --spool-mode MODE overflow, or always: every record before it is first sent (default overflow)
  --concurrency N   most requests to the API at once (default 64)

Limits:
${limitsHelp()}
  --max-queue-records N    records in hand, of each key (default 10000)
  --max-queue-bytes N      their bytes (default 67108864)
  --max-traces N           traces remembered, of each key, for spans that come later (default 2000)

Times, in milliseconds:
  --answer-millis N        a sender is told to try again after this (default 8000)
  --log-wait-millis N      a call whose messages travel in log events waits for them (default 6000)
  --drain-millis N         for delivery, when it is stopped (default 5000)

Other:
  --quiet           print nothing but the line that says where it listens
  --json            print JSON lines: {"event":"listening"|"stopped", …}
  --help            this text

Beside /v1/traces and /v1/logs there are /healthz, /readyz and /metrics.

Examples:
  freeplay-otel gateway
  freeplay-otel gateway --port 0 --spool ./spool
  freeplay-otel gateway --host 0.0.0.0 --token-file ./token --routes ./routes.json
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python app.py

Stops on Ctrl-C (SIGINT) and SIGTERM: takes nothing more, delivers or spools what is in hand, answers.

Exit codes: 0 stopped by the user and nothing lost, 1 could not start (port in use), or records were lost at the end,
2 wrong arguments or environment`;

export const gatewayCommand: Command = {
  summary: 'takes OTLP from SDKs of any language and from the Collector',
  help: HELP,
  run: runGateway,
};

/** Flags that are limits, and what they are called there. */
type LimitFlag = readonly [flag: string, name: keyof GatewayLimits, what: string];

function limitFlags(): readonly LimitFlag[] {
  return [
    ['max-body-bytes', 'maxBodyBytes', 'bytes of a request'],
    ['max-decompressed-bytes', 'maxDecompressedBytes', 'the same, unpacked'],
    ['max-in-flight-bytes', 'maxInFlightBytes', 'of all requests without an answer'],
    ['max-requests', 'maxRequests', 'requests without an answer'],
    ['max-connections', 'maxConnections', 'connections'],
    ['max-spans', 'maxSpans', 'spans, or log records, in a request'],
    ['max-values', 'maxValues', 'attribute values in a request'],
    ['max-depth', 'maxDepth', 'lists and maps inside each other'],
    ['request-millis', 'requestTimeoutMillis', 'for a request to come in whole'],
  ];
}

function limitsHelp(): string {
  return limitFlags()
    .map(([flag, name, what]) => `  --${`${flag} N`.padEnd(22)} ${what} (default ${DEFAULT_LIMITS[name]})`)
    .join('\n');
}

const NUMBERS = [
  'max-queue-records',
  'max-queue-bytes',
  'max-traces',
  'concurrency',
  'answer-millis',
  'log-wait-millis',
  'drain-millis',
];
const TEXTS = [
  'port',
  'host',
  'token-file',
  'url',
  'key',
  'project',
  'projects',
  'routes',
  'records',
  'mask',
  'spool',
  'spool-mode',
];

interface GatewayArguments
  extends Omit<GatewayOptions, 'meterProvider' | 'serveMetrics' | 'onRequest' | 'onClientError'> {
  readonly quiet: boolean;
  readonly json: boolean;
}

async function runGateway(args: readonly string[], io: CommandIo): Promise<number> {
  const given = await readArguments(args);
  const [{ startGateway, GatewayError }, { createMetricsPage }] = await Promise.all([
    import('../gateway/gateway.ts'),
    import('../gateway/metrics-page.ts'),
  ]);
  diag.setLogger(warningsTo(io), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const metrics = createMetricsPage();
  let gateway: Gateway;
  try {
    gateway = await startGateway({
      ...given,
      meterProvider: metrics.meterProvider,
      serveMetrics: metrics.serve,
      onRequest: metrics.count,
      onClientError: metrics.countClientError,
    });
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    io.err(`freeplay-otel gateway: ${plainText(error.message)}`);
    return EXIT_FAILED;
  }
  metrics.watch(() => gateway.levels);
  announce(gateway.url, given, io);
  await aborted(io.signal);
  await gateway.close();
  await metrics.close();
  return sayGoodbye(gateway.ledgers(), given, io);
}

async function readArguments(args: readonly string[]): Promise<GatewayArguments> {
  const values = parse(args);
  const text = (name: string): string | undefined => {
    const value = values[name];
    if (typeof value !== 'string') return undefined;
    if (value.trim() === '') throw new UsageError(`--${name} must not be empty`);
    return value;
  };
  const number = (name: string): number | undefined => {
    const value = text(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,15}$/.test(value) || (Number(value) === 0 && !name.endsWith('-millis')))
      throw new UsageError(`--${name} ${JSON.stringify(value.slice(0, 40))} is not a whole number above 0`);
    return Number(value);
  };
  const limits = Object.fromEntries(
    limitFlags().map(([flag, name]) => [name, number(flag) ?? DEFAULT_LIMITS[name]]),
  ) as unknown as GatewayLimits;
  return {
    port: readPort(text('port') ?? '4318'),
    host: text('host') ?? '127.0.0.1',
    token: await readToken(text('token-file')),
    limits: { ...DEFAULT_LIMITS, ...limits },
    routes: await readRoutes(text, number),
    answerMillis: number('answer-millis') ?? 8_000,
    logWaitMillis: number('log-wait-millis') ?? 6_000,
    drainMillis: number('drain-millis') ?? 5_000,
    maxTraces: number('max-traces') ?? 2_000,
    quiet: values.quiet === true,
    json: values.json === true,
  };
}

function parse(args: readonly string[]): { readonly [name: string]: string | boolean | undefined } {
  const strings = [...TEXTS, ...NUMBERS, ...limitFlags().map(([flag]) => flag)];
  const { values } = parseOptions({
    args: [...args],
    options: {
      ...Object.fromEntries(strings.map((name) => [name, { type: 'string' as const }])),
      quiet: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  });
  return values as { readonly [name: string]: string | boolean | undefined };
}

async function readToken(file: string | undefined): Promise<string | undefined> {
  const { environmentText } = await import('../config.ts');
  if (file === undefined) return environmentText('FREEPLAY_GATEWAY_TOKEN');
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UsageError(
      `--token-file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
    );
  }
  if (token === '') throw new UsageError('--token-file is empty');
  return token;
}

type ReadText = (name: string) => string | undefined;
type ReadNumber = (name: string) => number | undefined;

/** The routes of the file, and the one that takes the rest. */
async function readRoutes(text: ReadText, number: ReadNumber): Promise<readonly RouteOptions[]> {
  const { readRoutesFile, RoutesError } = await import('../gateway/routes-file.ts');
  const file = text('routes');
  try {
    const routes = file === undefined ? [] : readRoutesFile(file);
    const base = readOptions(text, number);
    const { spoolDir } = await checkOptions(base);
    // Each sends again what is in its spool, with its own key.
    const spoolOf = (name: string): string | undefined =>
      spoolDir === undefined || routes.length === 0 ? spoolDir : join(spoolDir, name);
    return [
      ...routes.map(({ name, when, projectId, apiKey, baseUrl }) => ({
        name,
        when,
        options: {
          ...base,
          projectId,
          projects: [],
          ...(apiKey !== undefined && { apiKey }),
          ...(baseUrl !== undefined && { baseUrl }),
          spoolDir: spoolOf(name),
        },
      })),
      { name: 'default', when: [], options: { ...base, spoolDir: spoolOf('default') } },
    ];
  } catch (error) {
    if (error instanceof RoutesError) throw new UsageError(error.message);
    throw error;
  }
}

function readOptions(text: ReadText, number: ReadNumber): FreeplayOptions {
  return {
    apiKey: text('key'),
    projectId: text('project'),
    baseUrl: text('url'),
    projects: text('projects')
      ?.split(',')
      .map((one) => one.trim())
      .filter((one) => one !== ''),
    records: text('records') as FreeplayOptions['records'],
    mask: text('mask') as FreeplayOptions['mask'],
    spoolDir: text('spool'),
    spoolMode: text('spool-mode') as FreeplayOptions['spoolMode'],
    concurrency: number('concurrency'),
    maxQueueRecords: number('max-queue-records'),
    maxQueueBytes: number('max-queue-bytes'),
  };
}

/** Options that a flag has another name for. */
const FLAGS: Readonly<Record<string, string>> = {
  apiKey: 'key',
  projectId: 'project',
  baseUrl: 'url',
  spoolDir: 'spool',
  spoolMode: 'spool-mode',
  maxQueueRecords: 'max-queue-records',
  maxQueueBytes: 'max-queue-bytes',
};

/** A wrong value in the environment is a warning to an app; a service must not start with it. */
async function checkOptions(options: FreeplayOptions): Promise<{ readonly spoolDir: string | undefined }> {
  const [{ resolveConfig }, { FreeplayOptionError }] = await Promise.all([
    import('../config.ts'),
    import('../errors.ts'),
  ]);
  try {
    const { config, warnings } = resolveConfig(options);
    const [warning] = warnings;
    if (warning !== undefined) throw new UsageError(warning.replace(/: the default is used$/, ''));
    if (config.apiKey === undefined)
      throw new UsageError('no API key given: --key, or FREEPLAY_API_KEY in the environment');
    if (config.projectId === undefined)
      throw new UsageError('no project given: --project, or FREEPLAY_PROJECT_ID in the environment');
    return config;
  } catch (error) {
    if (!(error instanceof FreeplayOptionError)) throw error;
    const flag = FLAGS[error.option] ?? error.option.replace(/\[.*/, '');
    throw new UsageError(`--${flag}: ${error.message.replace(/^option "[^"]*" /, '')}`);
  }
}

function announce(url: string, given: GatewayArguments, io: CommandIo): void {
  const listening = `listening on ${url}`;
  // The text is in the JSON too, so that whoever waits for the line finds it either way.
  io.out(given.json ? JSON.stringify({ event: 'listening', url, message: listening }) : listening);
  if (!/^http:\/\/(localhost|127(\.\d+){3}|\[::1\]):\d+$/.test(url)) {
    const open = given.token === undefined ? ' by anybody, without a token (--token-file)' : '';
    io.err(`freeplay-otel gateway: reachable from the network${open}`);
  }
  if (given.quiet || given.json) return;
  io.out('point an SDK or a Collector at it:');
  io.out(`  export OTEL_EXPORTER_OTLP_ENDPOINT=${url} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`);
}

function sayGoodbye(ledgers: ReadonlyMap<string, Ledger>, given: GatewayArguments, io: CommandIo): number {
  let lost = 0;
  for (const [route, { spans, records, retries }] of ledgers) {
    // What was given back is with its sender.
    const { returned = 0, ...dropped } = records.dropped;
    const count = Object.values(dropped).reduce((sum, n) => sum + n, 0);
    lost += count;
    if (given.json) {
      io.out(
        JSON.stringify({
          event: 'stopped',
          route,
          spans,
          records: { ...records, dropped, returned },
          retries,
        }),
      );
      continue;
    }
    const name = ledgers.size > 1 ? `${route}: ` : '';
    const line = `${name}${spans.seen} spans taken, ${records.delivered} records delivered, ${records.rejected} rejected, ${records.spooled} in the spool, ${returned} given back, ${count} lost`;
    if (!given.quiet) io.out(line);
    else if (count > 0) io.err(`freeplay-otel gateway: ${line}`);
  }
  return lost > 0 ? EXIT_FAILED : EXIT_OK;
}

/** Warnings of the library, one line each; what they hold is fit to be logged. */
function warningsTo(io: CommandIo): Parameters<typeof diag.setLogger>[0] {
  const say = (...words: unknown[]): void =>
    io.err(`freeplay-otel gateway: ${plainText(words.slice(1).map(String).join(' '))}`);
  return { error: say, warn: say, info: () => {}, debug: () => {}, verbose: () => {} };
}
