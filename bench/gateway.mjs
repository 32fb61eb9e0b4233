/**
 * `freeplay-otel gateway` beside a Collector that passes the same requests on by its OTLP exporter: CPU that the process takes for a
 * span. Prints one line of JSON.
 *
 *     node gateway.mjs JOB
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get, request } from 'node:http';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { createTraffic, isModelCall, PROJECT_ID } from './traffic.mjs';

/**
 * @typedef {object} Job
 * @property {'gateway' | 'collector'} target
 * @property {'protobuf' | 'json'} encoding
 * @property {boolean} gzip of the requests in
 * @property {'S' | 'M' | 'L'} size
 * @property {number} requests
 * @property {string} [collector] a Collector to use rather than the tests' own
 * @property {string} url of the sink
 * @property {string} package
 */

/** Ten of a trace; 512 is what SDKs send at most in one request. */
const SPANS_PER_REQUEST = 510;
/** Requests under way at once: the consumers of a Collector's queue. */
const SENDERS = 10;
const WARM_UP = 0.25;
/** Clock ticks of /proc in a second, on every Linux that there is. */
const TICKS = 100;

/** @type {Job} */
const job = JSON.parse(process.argv[2] ?? '');
const agent = new Agent({ keepAlive: true, maxSockets: SENDERS });
const folder = mkdtempSync(join(tmpdir(), 'freeplay-bench-'));
try {
  console.log(JSON.stringify(await measure()));
} finally {
  agent.destroy();
  rmSync(folder, { recursive: true, force: true });
}

async function measure() {
  const collector = job.target === 'collector' ? findCollector() : undefined;
  if (job.target === 'collector' && collector === undefined)
    return {
      absent: 'no Collector: `npm run test:collector` makes one, FREEPLAY_OTEL_COLLECTOR names another',
    };
  const traffic = createTraffic(job.size);
  const warm = Math.ceil(job.requests * WARM_UP);
  const bodies = Array.from({ length: warm + job.requests }, () => pack(traffic.spans(SPANS_PER_REQUEST)));
  const { url, child } = collector === undefined ? await startGateway() : await startCollector(collector);
  try {
    await sendAll(url, bodies.slice(0, warm));
    const before = { cpu: cpuSeconds(child.pid ?? 0), sink: await readSink(), time: performance.now() };
    await sendAll(url, bodies.slice(warm));
    const wallSeconds = (performance.now() - before.time) / 1_000;
    const cpu = cpuSeconds(child.pid ?? 0) - before.cpu;
    const sink = await readSink();
    const spans = job.requests * SPANS_PER_REQUEST;
    return {
      spans,
      cpuMicrosPerSpan: (cpu / spans) * 1e6,
      spansPerCore: spans / cpu,
      spansPerSecond: spans / wallSeconds,
      memoryMb: peakMb(child.pid ?? 0),
      sentMb: (sink.bodyBytes - before.sink.bodyBytes) / 2 ** 20,
      requests: sink.requests - before.sink.requests,
      // Each of these spans is a record.
      ...(job.target === 'gateway' && { delivered: (sink.posts - before.sink.posts) / spans }),
      problems: [],
    };
  } finally {
    child.kill('SIGKILL');
  }
}

/** @param {import('./traffic.mjs').Span[]} spans */
function pack(spans) {
  if (!spans.some(isModelCall)) throw new Error('no model calls in the traffic');
  const serializer = job.encoding === 'json' ? JsonTraceSerializer : ProtobufTraceSerializer;
  const bytes = Buffer.from(serializer.serializeRequest(spans) ?? []);
  return job.gzip ? gzipSync(bytes) : bytes;
}

async function startGateway() {
  const main = fileURLToPath(new URL('cli/main.mjs', job.package));
  const child = spawn(
    process.execPath,
    ['--no-warnings', main, 'gateway', '--port', '0', '--quiet', '--url', `${job.url}/api`],
    {
      env: { ...process.env, FREEPLAY_API_KEY: 'key', FREEPLAY_PROJECT_ID: PROJECT_ID },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const url = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the gateway ended with code ${code}`)));
    createInterface({ input: child.stdout }).once('line', (line) =>
      resolve(line.replace('listening on ', '')),
    );
  });
  return { url, child };
}

/** @param {string} program */
async function startCollector(program) {
  const port = await freePort();
  const config = join(folder, 'collector.yaml');
  // No queue of its own, so that its answer, too, comes after delivery. The exporter packs with gzip, as it does without being told.
  writeFileSync(
    config,
    `
receivers: { otlp: { protocols: { http: { endpoint: '127.0.0.1:${port}' } } } }
exporters: { otlphttp: { endpoint: '${job.url}', sending_queue: { enabled: false } } }
service:
  pipelines: { traces: { receivers: [otlp], exporters: [otlphttp] } }
  telemetry: { metrics: { level: none }, logs: { level: error } }
`,
  );
  const child = spawn(program, ['--config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      await send(url, Buffer.alloc(0));
      return { url, child };
    } catch (error) {
      if (Date.now() > deadline || child.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** The one that is named, or that the tests have made. */
function findCollector() {
  if (job.collector) return job.collector;
  const cache = join(
    process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
    'opentelemetry-exporter-freeplay',
  );
  if (!existsSync(cache)) return undefined;
  return readdirSync(cache)
    .filter((name) => name.startsWith('collector-'))
    .map((name) => join(cache, name, 'otelcol'))
    .find((path) => existsSync(path));
}

/** @param {string} url @param {Buffer[]} bodies */
async function sendAll(url, bodies) {
  let next = 0;
  const sender = async () => {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) await send(url, body);
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
}

/** @param {string} url @param {Buffer} body @returns {Promise<void>} */
function send(url, body) {
  return new Promise((resolve, reject) => {
    const sending = request(
      `${url}/v1/traces`,
      {
        agent,
        method: 'POST',
        headers: {
          'content-type':
            job.encoding === 'json' && body.length > 0 ? 'application/json' : 'application/x-protobuf',
          'content-length': body.length,
          ...(job.gzip && body.length > 0 && { 'content-encoding': 'gzip' }),
        },
      },
      (response) => {
        response.resume().on('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`answered ${response.statusCode}`));
        });
      },
    );
    sending.on('error', reject).end(body);
  });
}

/** @returns {Promise<{ posts: number, requests: number, bodyBytes: number }>} */
function readSink() {
  return new Promise((resolve, reject) => {
    get(`${job.url}/stats`, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(JSON.parse(text)));
    }).on('error', reject);
  });
}

/** User and system time of the process and its threads. @param {number} pid */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** @param {number} pid */
function peakMb(pid) {
  const [, kb] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kb) / 1024;
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
