/** Answers that are huge, malformed, or of a kind that hardly anybody sends. */
import { describe, expect, it } from 'vitest';
import { type Fault, startFaultServer } from './fault-server.ts';
import { acceptWith, always, bytes, dripInto, firstOfEach, flood, recorded } from './faults.ts';
import { type Fate, finish, holdJitterAt, settled, startRun } from './run.ts';
import { listenForWarnings } from './warnings.ts';

listenForWarnings();
holdJitterAt(0.002);

/** Two calls alone, and one with its agent. */
const CALLS = 3;
const RECORDS = 4;

const OK = 'HTTP/1.1 201 Created\r\n';

describe.concurrent('an answer that is none is a failure of the network: the record is sent again', () => {
  it.for<[string, Fault]>([
    ['another protocol', bytes('220 mail.example SMTP ready\r\n\r\n')],
    ['zeros', bytes('\0'.repeat(1_000))],
    [
      'random bytes',
      bytes(Array.from({ length: 2_000 }, (_, n) => String.fromCharCode((n * 7919) % 256)).join('')),
    ],
    ['a TLS alert', bytes('\x15\x03\x01\x00\x02\x02\x28')],
    ['HTTP/2', bytes('\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64')],
    ['a version that does not exist', bytes('HTTP/7.3 201 Created\r\n\r\n')],
    ['a status that is no number', bytes('HTTP/1.1 2O1 Created\r\n\r\n')],
    ['a status of one digit', bytes('HTTP/1.1 2 Created\r\n\r\n')],
    ['a length that is no number', bytes(`${OK}content-length: many\r\n\r\n`)],
    ['a length below zero', bytes(`${OK}content-length: -1\r\n\r\n`)],
    ['two lengths', bytes(`${OK}content-length: 2\r\ncontent-length: 7\r\n\r\n{}`)],
    // RFC 9110 would have it skipped; the HTTP client that we use does not, where it was not asked for.
    ['100 Continue', bytes(`HTTP/1.1 100 Continue\r\n\r\n${OK}content-length: 0\r\n\r\n`)],
    ['a header without a name', bytes(`${OK}: nothing\r\n\r\n`)],
    ['a header with a zero', bytes(`${OK}x: a\0b\r\n\r\n`)],
    ['a header of a megabyte', bytes(`${OK}x: ${'a'.repeat(1_000_000)}\r\n\r\n`)],
    [
      'ten thousand headers',
      bytes(`${OK}${Array.from({ length: 10_000 }, (_, n) => `x-${n}: y\r\n`).join('')}\r\n`),
    ],
    [
      'another protocol than asked for',
      bytes('HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n'),
    ],
  ])('%s', async ([, fault], context) => {
    const server = await startFaultServer(context, firstOfEach(1, recorded(fault)));
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(2 * RECORDS);
    await finish(run, server, { delivered: RECORDS });
  });

  it.for<[string, Fault]>([
    [
      'headers without end',
      ({ socket }) => {
        socket.write(OK);
        const write = (): void => {
          while (!socket.destroyed && socket.write(`x-${'a'.repeat(500)}: y\r\n`));
        };
        socket.on('drain', write);
        write();
      },
    ],
    [
      '100 Continue without end',
      ({ socket }) => {
        const timer = setInterval(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 2);
        socket.on('close', () => clearInterval(timer));
      },
    ],
    ['a header, one byte at a time', ({ socket }) => dripInto(socket, `${OK}x: ${'a'.repeat(1_000)}`, 10)],
  ])('%s', async ([, fault], context) => {
    const server = await startFaultServer(context, firstOfEach(1, recorded(fault)));
    const run = startRun(context, server, { timeoutMillis: 800 });
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(2 * RECORDS);
    await finish(run, server, { delivered: RECORDS });
  });
});

describe.concurrent('a success is one, however odd the rest: the record is not sent again', () => {
  const head = (code: number): string => `HTTP/1.1 ${code} Recorded\r\n`;

  it.for<[string, (code: number) => string]>([
    ['without a reason', (code) => `HTTP/1.1 ${code}\r\ncontent-length: 0\r\n\r\n`],
    ['of HTTP/1.0', (code) => `HTTP/1.0 ${code} OK\r\n\r\n{}`],
    [
      'in chunks',
      (code) =>
        `${head(code)}transfer-encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nx-trailer: 1\r\n\r\n`,
    ],
    ['in a chunk of no size', (code) => `${head(code)}transfer-encoding: chunked\r\n\r\nZZ\r\n`],
    [
      'in a chunk larger than the world',
      (code) => `${head(code)}transfer-encoding: chunked\r\n\r\nfffffffffffff\r\n{}`,
    ],
    ['in chunks that do not end', (code) => `${head(code)}transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n`],
    ['with more body than announced', (code) => `${head(code)}content-length: 2\r\n\r\n{}{}{}{}`],
    ['with less body than announced', (code) => `${head(code)}content-length: 2000\r\n\r\n{}`],
    ['with a body that is no JSON', (code) => `${head(code)}content-length: 5\r\n\r\n<html`],
    [
      'with a body that is no gzip',
      (code) => `${head(code)}content-encoding: gzip\r\ncontent-length: 5\r\n\r\n<html`,
    ],
    [
      'after hints',
      (code) =>
        `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${head(code)}content-length: 0\r\n\r\n`,
    ],
    ['with a body after 204', () => 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello'],
  ])('%s', async ([, textOf], context) => {
    const server = await startFaultServer(context, always(acceptWith(textOf)));
    const run = startRun(context, server, { timeoutMillis: 1_000 });
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(RECORDS);
    await finish(run, server, { delivered: RECORDS });
  });

  it("with a second answer behind it, which is nobody else's", async (context) => {
    // The connection is kept: would the second answer count for the next record, that one would never be recorded.
    const twice = acceptWith((code) => `${head(code)}content-length: 2\r\n\r\n{}`.repeat(2), 'open');
    const server = await startFaultServer(context, always(twice));
    const run = startRun(context, server, { concurrency: 1, timeoutMillis: 1_000 });
    for (let time = 0; time < 5; time++) run.work(CALLS);
    await settled(run);
    expect(server.book.recorded.size).toBe(5 * RECORDS);
    await finish(run, server, { delivered: 5 * RECORDS });
  });
});

describe.concurrent('an answer without end', () => {
  it.for<[string, number, Fate]>([
    ['of a success is a success', 201, { delivered: RECORDS }],
    ['of a rejection is a rejection', 400, { rejected: RECORDS }],
    ['of an outage is one', 503, { delivered: RECORDS }],
  ])('%s, and is not read', async ([, code, fate], context) => {
    const server = await startFaultServer(context, firstOfEach(1, flood(code)));
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(code === 503 ? 2 * RECORDS : RECORDS);
    await finish(run, server, fate);
    // What the buffers of two sockets hold until the connection is given up.
    expect(server.written() / RECORDS).toBeLessThan(16_000_000);
  });
});

describe.concurrent('words of a rejection', () => {
  it.for<[string, string, string]>([
    ['that are nested too deeply', '['.repeat(60_000), 'HTTP 422'],
    ['that are a number', '{"message":1e999}', 'HTTP 422'],
    ['that want to be a prototype', '{"__proto__":{"message":"polluted"}}', 'HTTP 422'],
    ['with terminal codes', '{"message":"\\u001b[2J\\u0007gone\\r\\nX"}', '[2J gone X'],
    ['with half a character', '{"message":"a\\ud83d"}', 'a'],
  ])('%s are bounded and plain', async ([, body, words], context) => {
    const server = await startFaultServer(
      context,
      always(({ answer }) => answer(422, body)),
    );
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    expect([...run.losses.values()].flat()).toEqual(Array(RECORDS).fill(`rejected: ${words}`));
    expect('message' in {}).toBe(false);
    await finish(run, server, { rejected: RECORDS });
  });

  it('without end are cut', async (context) => {
    const message = 'no '.repeat(20_000);
    const server = await startFaultServer(
      context,
      always(({ answer }) => answer(422, JSON.stringify({ message }))),
    );
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    for (const reason of [...run.losses.values()].flat()) {
      expect(reason).toContain('rejected: no no ');
      expect(reason.length).toBeLessThan(600);
    }
    await finish(run, server, { rejected: RECORDS });
  });
});
