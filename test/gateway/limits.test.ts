/** Senders that are slow, greedy or out to do harm: an answer, never a crash, and memory stays bounded. */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { unpackZstd, unpackZstdInJs } from '../../src/gateway/zstd.ts';
import { toOtlpJson, toTraceRequest, traceProtobuf } from '../otlp/encode.ts';
import {
  type GatewayChanges,
  MEDIA_TYPES,
  makeCall,
  post,
  postSpans,
  startApi,
  startTestGateway,
  until,
} from './support.ts';
import { zstdBomb } from './zstd-frames.ts';

const MIB = 1024 * 1024;

async function start(changes: GatewayChanges = {}): Promise<Gateway> {
  return startTestGateway((await startApi()).url, changes);
}

/** Nothing is left behind, and the next request is served. */
async function expectUnharmed(gateway: Gateway): Promise<void> {
  await until(() => gateway.levels.requestsInFlight === 0);
  expect(gateway.levels.bytesInFlight).toBe(0);
  expect((await postSpans(gateway, [makeCall()])).status).toBe(200);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** One span whose only attribute is so many lists inside each other. From the inside out: lengths come before what they are of. */
function deepProtobuf(depth: number): Buffer {
  const core = Buffer.from([0x10, 1]);
  const heads: Buffer[] = [];
  let length = core.length;
  const wrap = (tag: number, ...before: number[]): void => {
    const head = Buffer.from([tag, ...varint(length + before.length), ...before]);
    heads.push(head);
    length += head.length;
  };
  for (let i = 0; i < depth; i++) {
    wrap(0x0a);
    wrap(0x2a);
  }
  wrap(0x12);
  wrap(0x4a, 0x0a, 1, 0x61);
  wrap(0x12, 0x0a, 16, ...Array<number>(16).fill(7), 0x12, 8, ...Array<number>(8).fill(7));
  wrap(0x12);
  wrap(0x0a);
  return Buffer.concat([...heads.reverse(), core]);
}

describe('a body', () => {
  it.each([
    ['too long by its own word', Buffer.alloc(2 * MIB, 0x20)],
  ])('%s is answered 413 at once', async (_, body) => {
    const gateway = await start({ limits: { maxBodyBytes: MIB } });
    expect(await post(gateway, '/v1/traces', body)).toMatchObject({ status: 413, json: { code: 3 } });
    await expectUnharmed(gateway);
  });

  it('too long without a word is answered 413 when it is', async () => {
    const gateway = await start({ limits: { maxBodyBytes: MIB } });
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
      const sending = httpRequest(`${gateway.url}/v1/traces`, { method: 'POST', headers });
      sending.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      // The gateway may close before everything is sent.
      sending.on('error', reject);
      sending.write(Buffer.alloc(MIB, 0x20));
      sending.write(Buffer.alloc(MIB, 0x20));
    });
    expect(status).toBe(413);
    await expectUnharmed(gateway);
  });

  it.each([
    ['gzip', gzipSync(Buffer.alloc(200 * MIB, 0x20))],
    ['zstd', zstdBomb(1_600)],
    ['zstd', zstdBomb(50_000, 17)],
  ])('of a %s bomb is answered 413, and little of it is unpacked', async (encoding, body) => {
    const gateway = await start({ limits: { maxDecompressedBytes: 4 * MIB } });
    const before = process.memoryUsage().rss;
    const answer = await post(gateway, '/v1/traces', body, { 'content-encoding': encoding });
    expect(answer).toMatchObject({ status: 413, json: { message: expect.stringContaining('unpacked') } });
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * MIB);
    await expectUnharmed(gateway);
  });

  it.each(['gzip', 'deflate', 'zstd'])('that is no %s is answered 400', async (encoding) => {
    const gateway = await start();
    for (const body of [
      Buffer.from('no such thing'),
      gzipSync('{}').subarray(0, 15),
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xff]),
    ])
      expect((await post(gateway, '/v1/traces', body, { 'content-encoding': encoding })).status).toBe(400);
    await expectUnharmed(gateway);
  });

  it('in zstd may not ask for a window of gigabytes, nor for its being moved a million times', () => {
    const all = (): boolean => true;
    expect(unpackZstdInJs(zstdBomb(10, 31), all)).toBe('damaged');
    const ones = Buffer.concat([
      zstdBomb(0, 24).subarray(0, 6),
      Buffer.concat(Array<Buffer>(1_000_000).fill(Buffer.from([(1 << 3) | 2, 0, 0, 0x20]))),
      Buffer.from([(1 << 3) | 3, 0, 0, 0x20]),
    ]);
    const start = performance.now();
    expect(unpackZstdInJs(ones, all)).toBe('damaged');
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it('in zstd is unpacked by Node as by the decoder for older ones', async () => {
    const pieces: Uint8Array[] = [];
    expect(await unpackZstd(zstdBomb(3), (piece) => pieces.push(piece) > 0)).toBe('done');
    expect(Buffer.concat(pieces).length).toBe(3 * 128 * 1024 + 1);
  });

  it.each([
    ['deep JSON', `{"resourceSpans":${'['.repeat(100_000)}`, 400],
    ['deep objects', '{"a":'.repeat(100_000), 400],
    ['wide JSON', `{"resourceSpans":[${'[],'.repeat(2_000_000)}0]}`, 413],
    ['quotes without end', `{"a":"${'\\"'.repeat(100_000)}`, 400],
  ])('of %s is answered at once', async (_, body, status) => {
    const gateway = await start({ limits: { maxValues: 100_000 } });
    expect((await post(gateway, '/v1/traces', body)).status).toBe(status);
    await expectUnharmed(gateway);
  });

  it.each([
    65, 1_000, 100_000,
  ])('of protobuf %i lists deep is read down to where the limit is', async (depth) => {
    const gateway = await start();
    const answer = await post(gateway, '/v1/traces', deepProtobuf(depth), {
      'content-type': MEDIA_TYPES.protobuf,
    });
    expect(answer.status).toBe(200);
    expect(answer.bytes.toString()).toContain('inside each other');
    await expectUnharmed(gateway);
  });

  it.each([
    ['spans', { maxSpans: 10 }],
    ['attribute values', { maxValues: 50 }],
  ])('of too many %s is answered 413', async (what, limits) => {
    const gateway = await start({ limits });
    const spans = Array.from({ length: 11 }, () => makeCall());
    const request = toTraceRequest(spans);
    for (const [type, body] of [
      [MEDIA_TYPES.json, toOtlpJson(request)],
      [MEDIA_TYPES.protobuf, traceProtobuf(request)],
    ] as const) {
      const answer = await post(gateway, '/v1/traces', body, { 'content-type': type });
      expect(answer.status).toBe(413);
      expect(answer.bytes.toString()).toContain(what);
    }
  });
});

describe('all together', () => {
  it('requests beyond the limit are answered 429, and may come again', async () => {
    let open = (): void => {};
    const opened = new Promise<undefined>((resolve) => {
      open = () => resolve(undefined);
    });
    const api = await startApi(() => opened);
    const gateway = await startTestGateway(api.url, { limits: { maxRequests: 3 } });
    const held = Array.from({ length: 3 }, () => postSpans(gateway, [makeCall()]));
    await until(() => api.posts.length === 3);
    const one = await postSpans(gateway, [makeCall()]);
    expect(one).toMatchObject({ status: 429, json: { code: 8 } });
    expect(one.headers.get('retry-after')).toBe('1');
    open();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200, 200]);
    await expectUnharmed(gateway);
  });

  it('bytes beyond the limit are answered 503, however they are packed', async () => {
    let open = (): void => {};
    const opened = new Promise<undefined>((resolve) => {
      open = () => resolve(undefined);
    });
    const api = await startApi(() => opened);
    const gateway = await startTestGateway(api.url, { limits: { maxInFlightBytes: 300_000 } });
    const large = (): ReturnType<typeof makeCall> =>
      makeCall({ attributes: { ...makeCall().attributes, 'app.note': 'x'.repeat(200_000) } });
    const held = postSpans(gateway, [large()]);
    await until(() => api.posts.length === 1);
    const body = toOtlpJson(toTraceRequest([large()]));
    for (const [packed, encoding] of [
      [body, 'identity'],
      [gzipSync(body), 'gzip'],
    ] as const) {
      const answer = await post(gateway, '/v1/traces', packed, { 'content-encoding': encoding });
      expect(answer).toMatchObject({ status: 503, json: { code: 14 } });
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    open();
    expect((await held).status).toBe(200);
    await expectUnharmed(gateway);
  });
});

describe('a slow sender', () => {
  it.each([
    ['of headers', 'POST /v1/traces HTTP/1.1\r\nhost: x\r\n'],
    [
      'of a body',
      'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    ],
  ])('%s is answered 408', async (_, head) => {
    const gateway = await start({ limits: { headersTimeoutMillis: 300, requestTimeoutMillis: 600 } });
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    socket.write(head);
    const drip = setInterval(() => socket.write('x'), 50);
    await new Promise((resolve) => socket.on('close', resolve).on('error', resolve));
    clearInterval(drip);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    await expectUnharmed(gateway);
  });

  it.each([
    ['no HTTP', 400, 'hello\r\n\r\n'],
    ['headers without end', 431, `GET / HTTP/1.1\r\nx: ${'y'.repeat(100_000)}`],
  ])('and one that sends %s is answered %i', async (_, status, bytes) => {
    const gateway = await start();
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    socket.on('error', () => {});
    socket.write(bytes);
    await new Promise((resolve) => socket.on('close', resolve));
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    await expectUnharmed(gateway);
  });
});
