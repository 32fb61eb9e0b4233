/** OTLP over HTTP as its specification has it: paths, encodings, packings, answers. */
import { execFileSync } from 'node:child_process';
import { Agent, request } from 'node:http';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { toOtlpJson, toTraceRequest, traceProtobuf } from '../otlp/encode.ts';
import { ExportLogsServiceResponseSchema } from '../otlp/generated/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts';
import { ExportTraceServiceResponseSchema } from '../otlp/generated/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts';
import { MEDIA_TYPES, makeCall, post, postSpans, startApi, startTestGateway } from './support.ts';
import { asZstdBlocks } from './zstd-frames.ts';

const NONE = { 'content-type': MEDIA_TYPES.protobuf };

describe('a request', () => {
  it('without spans is a success, and so is one without anything', async () => {
    const gateway = await startTestGateway((await startApi()).url);
    for (const body of ['{}', '{"resourceSpans":[]}', '{"resourceSpans":[{"scopeSpans":[{"spans":[]}]}]}'])
      expect(await post(gateway, '/v1/traces', body)).toMatchObject({ status: 200, json: {} });
    expect(await post(gateway, '/v1/traces', Buffer.alloc(0), NONE)).toMatchObject({ status: 200 });
    expect(await post(gateway, '/v1/logs', '{}')).toMatchObject({ status: 200, json: {} });
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['zlib', deflateSync],
    ['zstd', asZstdBlocks],
    ['identity', (body: Buffer) => body],
    ['GZIP', gzipSync],
  ])('packed with %s is unpacked', async (encoding, pack) => {
    const api = await startApi();
    const gateway = await startTestGateway(api.url);
    const body = Buffer.from(toOtlpJson(toTraceRequest([makeCall()])));
    const answer = await post(gateway, '/v1/traces', pack(body), { 'content-encoding': encoding });
    expect(answer).toMatchObject({ status: 200, json: {} });
    expect(api.records.size).toBe(1);
  });

  it.each([
    ['GET', '/v1/traces', 405],
    ['PUT', '/v1/logs', 405],
    ['POST', '/v1/metrics', 404],
    ['POST', '/', 404],
    ['GET', '/', 404],
    ['GET', '/healthz', 200],
    ['HEAD', '/healthz', 200],
    ['GET', '/readyz', 200],
  ])('%s %s is answered %i', async (method, path, status) => {
    const gateway = await startTestGateway((await startApi()).url);
    expect((await fetch(gateway.url + path, { method })).status).toBe(status);
  });

  it.each([
    ['text/plain', {}, 415],
    ['application/grpc', {}, 415],
    ['application/json', { 'content-encoding': 'br' }, 415],
    ['application/json', { 'content-encoding': 'snappy' }, 415],
    ['application/json; charset=utf-8', {}, 200],
    ['APPLICATION/JSON', {}, 200],
  ])('of type %s with %o is answered %i', async (type, headers, status) => {
    const gateway = await startTestGateway((await startApi()).url);
    const answer = await post(gateway, '/v1/traces', '{}', { 'content-type': type, ...headers });
    expect(answer.status).toBe(status);
    if (status !== 200) expect(answer.json.message).toMatch(/content (type|encoding)/);
  });

  it('needs the token, where there is one', async () => {
    const gateway = await startTestGateway((await startApi()).url, { token: 'right' });
    for (const authorization of [undefined, 'Bearer wrong', 'right', 'Basic right'])
      expect(
        await post(gateway, '/v1/traces', '{}', { ...(authorization && { authorization }) }),
      ).toMatchObject({
        status: 401,
        json: { code: 16 },
      });
    for (const authorization of ['Bearer right', 'bearer right', 'BEARER  right'])
      expect((await post(gateway, '/v1/traces', '{}', { authorization })).status).toBe(200);
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);
  });

  it('follows another on the same connection', async () => {
    const gateway = await startTestGateway((await startApi()).url);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (let i = 0; i < 5; i++) {
      await new Promise<void>((resolve, reject) => {
        const one = request(`${gateway.url}/v1/traces`, {
          agent,
          method: 'POST',
          headers: { 'content-type': 'application/json' },
        });
        one.on('error', reject).on('response', (response) => {
          ports.add(one.socket?.localPort);
          response.resume().on('end', resolve);
        });
        one.end(i === 2 ? 'no JSON' : '{}');
      });
    }
    agent.destroy();
    expect(ports.size).toBe(1);
  });
});

describe('an answer', () => {
  it.each([
    ['no JSON at all', 'x'.repeat(50)],
    ['half of JSON', '{"resourceSpans":[{'],
    ['a list', '[]'],
    ['a text', '"resourceSpans"'],
    ['a number', '5'],
    ['null', 'null'],
    ['spans that are a text', '{"resourceSpans":"all of them"}'],
    ['a span without ids', '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}'],
  ])('to %s is 400 with the reason', async (_, body) => {
    const gateway = await startTestGateway((await startApi()).url);
    const answer = await post(gateway, '/v1/traces', body);
    expect(answer).toMatchObject({ status: 400, json: { code: 3 } });
    expect(answer.json.message).toMatch(/JSON|nothing of it can be read/);
  });

  it('to protobuf is protobuf', async () => {
    const gateway = await startTestGateway((await startApi()).url);
    const bad = await post(gateway, '/v1/traces', Buffer.from([0x0a, 0xff]), NONE);
    expect(bad.status).toBe(400);
    expect(bad.headers.get('content-type')).toBe('application/x-protobuf');
    // google.rpc.Status: a varint of code 3, then the message.
    expect([...bad.bytes.subarray(0, 3)]).toEqual([0x08, 3, 0x12]);
    expect(bad.bytes.subarray(4).toString()).toMatch(/^not protobuf of the OTLP schema: ends within a /);
  });

  it('says how many spans could not be read, and takes the others', async () => {
    const api = await startApi();
    const gateway = await startTestGateway(api.url);
    const spans = [makeCall(), makeCall({ spanId: '0000000000000000' }), makeCall()];
    expect(await postSpans(gateway, spans)).toMatchObject({
      status: 200,
      json: { partialSuccess: { rejectedSpans: '1', errorMessage: expect.stringContaining('all zero') } },
    });
    expect(api.records.size).toBe(2);
    const { bytes } = await post(gateway, '/v1/traces', traceProtobuf(toTraceRequest(spans)), NONE);
    expect(fromBinary(ExportTraceServiceResponseSchema, bytes).partialSuccess).toMatchObject({
      rejectedSpans: 1n,
      errorMessage: expect.stringContaining('all zero'),
    });
  });

  it('warns of parts that could not be read', async () => {
    const gateway = await startTestGateway((await startApi()).url);
    const body = toOtlpJson(toTraceRequest([makeCall()])).replace(
      '"stringValue":"gpt-4o"',
      '"stringValue":4',
    );
    expect(await post(gateway, '/v1/traces', body)).toMatchObject({
      status: 200,
      json: {
        partialSuccess: { rejectedSpans: '0', errorMessage: expect.stringContaining('attribute value') },
      },
    });
  });

  it('has the words of an API that says no', async () => {
    const api = await startApi(({ kind }, response) => {
      if (kind !== 'completion') return false;
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"message":"model is too old"}');
      return true;
    });
    const gateway = await startTestGateway(api.url);
    const answer = await postSpans(gateway, [makeCall()]);
    expect(answer.json).toEqual({
      partialSuccess: {
        rejectedSpans: '1',
        errorMessage: 'the API rejected a record with status 400: model is too old',
      },
    });
    expect(answer.status).toBe(200);
  });

  it('counts log records that could not be read', async () => {
    const gateway = await startTestGateway((await startApi()).url);
    const records = [{ traceId: 'no hex', spanId: '0123456789abcdef' }, { body: { stringValue: 'no span' } }];
    const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: records }] }] });
    const answer = await post(gateway, '/v1/logs', body);
    expect(answer).toMatchObject({ status: 200, json: { partialSuccess: { rejectedLogRecords: '1' } } });
    expect(fromBinary(ExportLogsServiceResponseSchema, new Uint8Array()).partialSuccess).toBeUndefined();
  });
});

/** The reference encoder, where it is installed. */
function hasZstd(): boolean {
  try {
    execFileSync('zstd', ['--version']);
    return true;
  } catch {
    return false;
  }
}

it.skipIf(!hasZstd())('takes what the zstd program packs, at any level', async () => {
  const api = await startApi();
  const gateway = await startTestGateway(api.url);
  for (const level of ['-1', '-3', '-19', '--fast=5']) {
    const spans = Array.from({ length: 300 }, () => makeCall());
    const packed = execFileSync('zstd', [level, '-c', '-q'], {
      input: toOtlpJson(toTraceRequest(spans)),
      maxBuffer: 2 ** 26,
    });
    const answer = await post(gateway, '/v1/traces', packed, { 'content-encoding': 'zstd' });
    expect(answer).toMatchObject({ status: 200, json: {} });
  }
  expect(api.records.size).toBe(4 * 300);
});
