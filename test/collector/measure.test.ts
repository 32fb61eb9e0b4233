/**
 * What a completion costs at each stage: the figures of docs/scale.md. `npm run measure:scale`; otherwise nothing runs here. Linux alone:
 * the CPU time of processes is read from /proc.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { resolveConfig } from '../../src/config.ts';
import { createConverter, wantedRecords } from '../../src/convert.ts';
import { createLineage } from '../../src/lineage/lineage.ts';
import { decodeTraces } from '../../src/otlp/decode-json.ts';
import { decodeTracesProtobuf } from '../../src/otlp/decode-protobuf.ts';
import type { SpanData } from '../../src/span/span-data.ts';
import { startCollector } from './support/collector.ts';
import { type CountingApi, startCountingApi } from './support/counting-api.ts';
import { PROJECT, startGateway } from './support/gateway.ts';
import { startBroker } from './support/kafka.ts';
import { makeFolder, type Program, until } from './support/process.ts';
import { prepareIfPossible } from './support/tools.ts';
import { callIdsOf, createApp } from './support/traffic.ts';

const context = { onTestFinished };

/** Words of a question, so that the messages of a call are about 1, 6 and 60 KB. */
const SIZES = { S: 180, M: 1_150, L: 11_800 } as const;
type Size = keyof typeof SIZES;
/** Traces in one request, as a batch of the Collector has them. */
const TRACES_PER_REQUEST: Readonly<Record<Size, number>> = { S: 40, M: 20, L: 2 };
const CALLS_PER_TRACE = 2;
const REQUESTS_UNDER_WAY = 8;
const WARM_UP_CALLS = 4_000;
const CALLS: Readonly<Record<Size, number>> = { S: 20_000, M: 12_000, L: 2_000 };
const TICK_MICROS = 10_000;

const rows: string[] = [];
const SCALE = process.env.SCALE !== undefined;

/** CPU time of a process with its threads, in microseconds. */
function cpuMicros({ child }: Pick<Program, 'child'>): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}

/** The most memory it has had, in MB. */
function peakMegabytes({ child }: Pick<Program, 'child'>): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1_024);
}

interface Batch {
  readonly calls: number;
  readonly body: Buffer;
  readonly spans: readonly ReadableSpan[];
}

function makeBatch(size: Size, encode: (spans: ReadableSpan[]) => Buffer): Batch {
  const app = createApp(SIZES[size]);
  const spans = Array.from({ length: TRACES_PER_REQUEST[size] }, app.makeTrace).flat();
  return { calls: callIdsOf(spans).length, body: encode(spans), spans };
}

const toProtobuf = (spans: ReadableSpan[]): Buffer =>
  Buffer.from(ProtobufTraceSerializer.serializeRequest(spans) ?? []);
const toJson = (spans: ReadableSpan[]): Buffer =>
  Buffer.from(JsonTraceSerializer.serializeRequest(spans) ?? []);

/** Microseconds of CPU for each call, the median of many rounds after warming up. */
function measure(size: Size, work: () => unknown): number {
  const calls = TRACES_PER_REQUEST[size] * CALLS_PER_TRACE;
  const end = performance.now() + 3_000;
  while (performance.now() < end) work();
  const costs = Array.from({ length: 30 }, () => {
    const start = process.cpuUsage();
    for (let n = 0; n < 5; n++) work();
    const { user, system } = process.cpuUsage(start);
    return (user + system) / (5 * calls);
  });
  return costs.sort((a, b) => a - b)[costs.length / 2] ?? 0;
}

function inProcess(size: Size): void {
  const { body, spans } = makeBatch(size, toProtobuf);
  const json = toJson([...spans]);
  const packed = gzipSync(body);
  const { config } = resolveConfig({ projectId: PROJECT }, {});
  const converter = createConverter(config);
  const decoded = decodeTracesProtobuf(body);
  if (!('spans' in decoded)) throw new Error('the request cannot be read');
  const convert = (data: readonly SpanData[]): number => {
    const lineage = createLineage({ wants: wantedRecords('all') });
    const plans = lineage.resolve(
      data.map((span) => converter.read(span, [])),
      true,
    );
    return plans.reduce((sum, plan) => sum + JSON.stringify(converter.build(plan).body).length, 0);
  };
  const bytes = body.length / (TRACES_PER_REQUEST[size] * CALLS_PER_TRACE);
  const cells = [
    Math.round(bytes).toLocaleString('en'),
    measure(size, () => gunzipSync(packed)).toFixed(1),
    measure(size, () => decodeTracesProtobuf(body)).toFixed(1),
    measure(size, () => decodeTraces(JSON.parse(json.toString('utf8')))).toFixed(1),
    measure(size, () => convert(decoded.spans)).toFixed(1),
  ];
  rows.push(`stages ${size}: bytes, gunzip, protobuf, json, convert+stringify: ${cells.join(' | ')}`);
}

interface Load {
  readonly name: string;
  readonly size: Size;
  readonly url: string;
  readonly api: CountingApi;
  readonly programs: Readonly<Record<string, Program>>;
  readonly encode?: (spans: ReadableSpan[]) => Buffer;
  readonly headers?: Record<string, string>;
}

/** Sends as much as is taken, with so many requests under way, and says what each program spent on a call. */
async function run({
  name,
  size,
  url,
  api,
  programs,
  encode = toProtobuf,
  headers = {},
}: Load): Promise<void> {
  const fresh = Array.from({ length: CALLS[size] / CALLS_PER_TRACE / TRACES_PER_REQUEST[size] }, () =>
    makeBatch(size, encode),
  );
  const post = async (batches: Batch[]): Promise<void> => {
    for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
      const type = encode === toJson ? 'application/json' : 'application/x-protobuf';
      const response = await fetch(`${url}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': type, ...headers },
        body: batch.body as never,
      });
      await response.arrayBuffer();
      if (!response.ok) {
        batches.push(batch);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  const drive = async (batches: Batch[]): Promise<number> => {
    const calls = batches.reduce((sum, batch) => sum + batch.calls, 0);
    const wanted = api.completions.size + calls;
    await Promise.all(Array.from({ length: REQUESTS_UNDER_WAY }, () => post(batches)));
    await until(() => api.completions.size >= wanted, 120_000);
    return calls;
  };
  const warm: Batch[] = [];
  while (warm.length * TRACES_PER_REQUEST[size] * CALLS_PER_TRACE < Math.min(WARM_UP_CALLS, CALLS[size]))
    warm.push(makeBatch(size, encode));
  await drive(warm);
  const before = Object.values(programs).map(cpuMicros);
  const sent = { ...api.counts };
  const start = performance.now();
  const calls = await drive(fresh);
  const seconds = (performance.now() - start) / 1_000;
  const cells = Object.entries(programs).map(([part, program], place) => {
    const micros = (cpuMicros(program) - (before[place] ?? 0)) / calls;
    const perCore = (1_000_000 / micros).toFixed(0);
    return `${part} ${micros.toFixed(0)} µs (${perCore}/s a core, ${peakMegabytes(program)} MB)`;
  });
  const requests = ((api.counts.requests - sent.requests) / calls).toFixed(2);
  const bytes = Math.round((api.counts.bytes - sent.bytes) / calls).toLocaleString('en');
  const rate = Math.round(calls / seconds);
  rows.push(
    `${name} ${size}: ${rate} calls/s here, ${requests} posts and ${bytes} bytes each call; ${cells.join(', ')}`,
  );
}

describe.runIf(SCALE)('what a completion costs', () => {
  afterAll(() => console.log(rows.join('\n')));

  it.each(['S', 'M', 'L'] as const)('in process, %s', (size) => inProcess(size), 60_000);

  it.each(['S', 'M', 'L'] as const)('gateway alone, %s', async (size) => {
    const api = await startCountingApi(context, { failureShare: 0 });
    const gateway = await startGateway(context, { api });
    await run({ name: 'gateway', size, url: gateway.url, api, programs: { gateway } });
    expect(api.changed).toEqual([]);
  }, 300_000);

  it.each([
    ['json', toJson, {}],
    ['gzip', (spans: ReadableSpan[]) => gzipSync(toProtobuf(spans)), { 'content-encoding': 'gzip' }],
  ] as const)(
    'gateway, %s',
    async (name, encode, headers) => {
      const api = await startCountingApi(context, { failureShare: 0 });
      const gateway = await startGateway(context, { api });
      const load = { size: 'M', url: gateway.url, api, programs: { gateway }, encode, headers } as const;
      await run({ name: `gateway, ${name}`, ...load });
    },
    300_000,
  );

  it('gateway, completions alone', async () => {
    const api = await startCountingApi(context, { failureShare: 0 });
    const gateway = await startGateway(context, { api, args: ['--records', 'completions'] });
    await run({ name: 'gateway, completions', size: 'M', url: gateway.url, api, programs: { gateway } });
  }, 300_000);

  it('gateway, spool of everything', async () => {
    const api = await startCountingApi(context, { failureShare: 0 });
    const env = { FREEPLAY_SPOOL_DIR: makeFolder(context) };
    const gateway = await startGateway(context, { api, env, args: ['--spool-mode', 'always'] });
    await run({ name: 'gateway, spool always', size: 'M', url: gateway.url, api, programs: { gateway } });
  }, 300_000);

  it.each(['agent-to-gateway', 'file-storage', 'group-by-trace'])('%s', async (recipe) => {
    const api = await startCountingApi(context, { failureShare: 0 });
    const gateway = await startGateway(context, { api });
    const env = {
      FREEPLAY_GATEWAY: gateway.url,
      QUEUE_DIRECTORY: makeFolder(context),
      WAIT_DURATION: '1s',
    };
    const collector = await startCollector(context, { recipe: `${recipe}.yaml`, env });
    const programs = { Collector: collector, gateway };
    await run({ name: recipe, size: 'M', url: collector.httpUrl, api, programs });
  }, 300_000);

  it('load-balancing', async () => {
    const api = await startCountingApi(context, { failureShare: 0 });
    const gateway = await startGateway(context, { api });
    const behind = await startCollector(context, {
      recipe: 'group-by-trace.yaml',
      env: { FREEPLAY_GATEWAY: gateway.url, WAIT_DURATION: '1s' },
    });
    const balancer = await startCollector(context, {
      recipe: 'load-balancing.yaml',
      env: { FREEPLAY_BACKENDS: `[${behind.grpc}]` },
    });
    const programs = { balancer, behind, gateway };
    await run({ name: 'load-balancing', size: 'M', url: balancer.httpUrl, api, programs });
  }, 300_000);

  it('kafka', async () => {
    const broker = await startBroker(context, prepareIfPossible('kafka') ?? '', 16);
    const api = await startCountingApi(context, { failureShare: 0 });
    const gateway = await startGateway(context, { api });
    const env = { KAFKA_BROKERS: `[${broker.address}]`, FREEPLAY_GATEWAY: gateway.url };
    const first = await startCollector(context, { recipe: 'kafka-in.yaml', env });
    const second = await startCollector(context, { recipe: 'kafka-out.yaml', env });
    const programs = { in: first, broker, out: second, gateway };
    await run({ name: 'kafka', size: 'M', url: first.httpUrl, api, programs });
  }, 300_000);
});
