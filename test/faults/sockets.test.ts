/** Connections that break, hang, or end when it suits the other side. */
import { describe, expect, it, vi } from 'vitest';
import { type Fault, refusedPort, startFaultServer } from './fault-server.ts';
import {
  acceptAndClose,
  acceptWith,
  always,
  bytes,
  close,
  drip,
  type dripInto,
  firstOfEach,
  hang,
  recorded,
  reset,
} from './faults.ts';
import { finish, holdJitterAt, settled, startRun, WAYS } from './run.ts';
import { listenForWarnings } from './warnings.ts';

listenForWarnings();
holdJitterAt(0.002);

/** Two calls alone, and one with its agent. */
const CALLS = 3;
const RECORDS = 4;

const HALF_AN_ANSWER = 'HTTP/1.1 201 Created\r\ncontent-type: appl';

describe.for(WAYS)('through the %s: what the first attempt of each record meets', {
  concurrent: true,
}, (way) => {
  it.for<[string, Fault]>([
    ['a reset before the answer', reset],
    ['a reset before the answer, after it was recorded', recorded(reset)],
    ['the end of the connection before the answer', close],
    ['the end of the connection before the answer, after it was recorded', recorded(close)],
    ['a reset within the status line', bytes('HTTP/1.1 20', 'lost')],
    ['a reset within the headers', bytes(HALF_AN_ANSWER, 'lost')],
    ['a reset within the headers, after it was recorded', recorded(bytes(HALF_AN_ANSWER, 'lost'))],
    ['the end within the headers, after it was recorded', recorded(bytes(HALF_AN_ANSWER))],
    ['a 503 that breaks off', bytes('HTTP/1.1 503 X\r\ncontent-length: 50\r\n\r\n{"mess')],
  ])('%s', async ([, fault], context) => {
    const server = await startFaultServer(context, firstOfEach(1, fault));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(2 * RECORDS);
    await finish(run, server, { delivered: RECORDS });
  });

  it.for<[string, Fault]>([
    ['no answer, ever', hang],
    ['no answer, ever, after it was recorded', recorded(hang)],
    ['half an answer, and then nothing', bytes(HALF_AN_ANSWER, 'open')],
    ['half an answer, and then nothing, after it was recorded', recorded(bytes(HALF_AN_ANSWER, 'open'))],
    ['an answer of one byte a second', drip(1_000)],
    ['an answer of one byte in 50 ms', drip(50)],
  ])('%s: given up in its time', async ([, fault], context) => {
    const server = await startFaultServer(context, firstOfEach(1, fault));
    const run = startRun(context, server, { way, timeoutMillis: 800 });
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(2 * RECORDS);
    expect(run.ledger().lastError).toBe('no answer in time');
    await finish(run, server, { delivered: RECORDS });
  });

  it.for<[string, Fault]>([
    ['breaks off', acceptWith((code) => `HTTP/1.1 ${code} X\r\ncontent-length: 50\r\n\r\n{"comp`)],
    [
      'breaks off in a chunk',
      acceptWith((code) => `HTTP/1.1 ${code} X\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{"co`),
    ],
    ['never ends', acceptWith((code) => `HTTP/1.1 ${code} X\r\ncontent-length: 50\r\n\r\n{"comp`, 'open')],
    ['has no length and never ends', acceptWith((code) => `HTTP/1.1 ${code} X\r\n\r\n`, 'open')],
  ])('a success whose body %s is a success: it is not sent again', async ([, fault], context) => {
    const server = await startFaultServer(context, always(fault));
    const run = startRun(context, server, { way, timeoutMillis: 800 });
    run.work(CALLS);
    await settled(run);
    expect(server.book.posts).toHaveLength(RECORDS);
    await finish(run, server, { delivered: RECORDS });
  });

  it('a rejection whose body breaks off is a rejection', async (context) => {
    const fault = bytes('HTTP/1.1 422 X\r\ncontent-length: 50\r\n\r\n{"mess');
    const server = await startFaultServer(context, always(fault));
    const run = startRun(context, server, { way });
    run.work(CALLS);
    await settled(run);
    expect([...run.losses.values()].flat()).toEqual(Array(RECORDS).fill('rejected: HTTP 422'));
    await finish(run, server, { rejected: RECORDS });
  });
});

describe.concurrent('connections', () => {
  it.for<[string, (socket: Parameters<typeof dripInto>[0]) => void]>([
    ['reset as soon as they stand', (socket) => socket.resetAndDestroy()],
    ['closed as soon as they stand', (socket) => socket.destroy()],
    ['closed after the first bytes', (socket) => socket.once('data', () => socket.destroy())],
    ['reset after the first bytes', (socket) => socket.once('data', () => socket.resetAndDestroy())],
    // The peer says that it is done, and listens on: half of the connection is gone.
    ['half-closed, and read to the end', (socket) => void socket.resume().end()],
  ])('that are %s: the next ones are tried', async ([, act], context) => {
    const server = await startFaultServer(context, {
      onConnection: (socket, count) => {
        if (count <= 6) act(socket);
        return count <= 6;
      },
    });
    const run = startRun(context, server);
    run.work(CALLS);
    await settled(run);
    await finish(run, server, { delivered: RECORDS });
  });

  it('to a peer that is gone without a word are given up in their time, and so are those that it never reads', async (context) => {
    const server = await startFaultServer(context, {
      onConnection: (socket, count) => {
        if (count > 4) return false;
        // It looks at last, and finds that nobody waits any more.
        setTimeout(() => socket.resume(), 1_500);
        return true;
      },
    });
    const run = startRun(context, server, { timeoutMillis: 800, maxRecordBytes: 16_000_000 });
    // More than the kernel takes for a peer that does not read.
    run.work(1, 'x'.repeat(8_000_000));
    run.work(3);
    await settled(run);
    await finish(run, server, { delivered: 5 });
  });

  it('that stood idle and are dead by now cost a delay, no record', async (context) => {
    const dead = new WeakSet<object>();
    const server = await startFaultServer(context, ({ number }) => (exchange) => {
      const { socket } = exchange;
      if (dead.has(socket)) return;
      exchange.accept();
      if (number <= RECORDS) dead.add(socket);
    });
    const run = startRun(context, server, { timeoutMillis: 800 });
    run.work(CALLS);
    await settled(run);
    run.work(CALLS);
    await settled(run);
    expect(run.ledger().retries).toBeGreaterThan(0);
    await finish(run, server, { delivered: 2 * RECORDS });
  });

  it.for<[string, Fault, number]>([
    ['right behind the answer', acceptAndClose, 5],
    [
      'some time after the answer',
      (exchange) => {
        exchange.accept();
        setTimeout(() => exchange.socket.destroy(), 25);
      },
      25,
    ],
    [
      'behind an answer that promises to keep them for ages',
      (exchange) => {
        exchange.accept({ 'keep-alive': 'timeout=99999999999, max=-1' });
        setTimeout(() => exchange.socket.end(), 10);
      },
      10,
    ],
    ['behind an answer that says so', (exchange) => exchange.accept({ connection: 'close' }), 1],
  ])('that the server closes while they are idle, %s, are opened anew', async ([, fault, pause], context) => {
    const server = await startFaultServer(context, always(fault));
    const run = startRun(context, server);
    for (let wave = 0; wave < 10; wave++) {
      run.work(CALLS);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    await settled(run);
    await finish(run, server, { delivered: 10 * RECORDS });
  });

  it('that are refused are tried until somebody listens', async (context) => {
    const port = await refusedPort(context);
    const nobody = { book: (await startFaultServer(context)).book, baseUrl: `http://127.0.0.1:${port}/api` };
    const run = startRun(context, nobody);
    run.work(CALLS);
    await vi.waitFor(() => expect(run.ledger().lastError).toBe('ECONNREFUSED'));
    expect(run.ledger().records).toMatchObject({ created: RECORDS, pending: RECORDS });
    const server = await startFaultServer(context, { port, book: nobody.book });
    await settled(run);
    await finish(run, server, { delivered: RECORDS });
  });

  it('that are refused until the end lose what is held, within the limit', async (context) => {
    const port = await refusedPort(context);
    const nobody = { ...(await startFaultServer(context)), baseUrl: `http://127.0.0.1:${port}/api` };
    const run = startRun(context, nobody, { shutdownTimeoutMillis: 300 });
    run.work(30);
    await finish(run, nobody, { dropped: { shutdown: 40 } });
  });
});

describe.concurrent('a large body', () => {
  const LARGE = 'x'.repeat(3_000_000);

  it('that is refused before it is read is made smaller', async (context) => {
    const server = await startFaultServer(context, {
      // As proxies do it: they answer, and read no further.
      onHeaders: (request, response) => {
        if (Number(request.headers['content-length']) < 2_000_000) return false;
        response.writeHead(413, { connection: 'close' }).end('{"message":"too large"}');
        return true;
      },
    });
    const run = startRun(context, server);
    run.work(1, LARGE);
    run.work(2);
    await settled(run);
    await finish(run, server, { delivered: 3 });
  });

  it('that is cut off while it is sent is sent again', async (context) => {
    let cuts = 0;
    const server = await startFaultServer(context, {
      onHeaders: (request) => {
        if (Number(request.headers['content-length']) < 2_000_000 || cuts === 3) return false;
        cuts += 1;
        request.once('data', () => request.socket.resetAndDestroy());
        return true;
      },
    });
    const run = startRun(context, server);
    run.work(1, LARGE);
    run.work(2);
    await settled(run);
    expect(cuts).toBe(3);
    await finish(run, server, { delivered: 3 });
  });

  it('that is read slowly is sent to its end', async (context) => {
    const server = await startFaultServer(context, {
      onHeaders: (request) => {
        request.on('data', () => {
          request.pause();
          setTimeout(() => request.resume(), 5);
        });
        return false;
      },
    });
    const run = startRun(context, server);
    run.work(1, LARGE);
    run.work(2);
    await settled(run);
    await finish(run, server, { delivered: 3 });
  });
});
