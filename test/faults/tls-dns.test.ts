/** Names that do not resolve, and connections that cannot be made safe. Whatever fails here, the key has not left. */
import { Agent } from 'undici';
import { describe, expect, it, vi } from 'vitest';
import { startFaultServer } from './fault-server.ts';
import { dripInto } from './faults.ts';
import { finish, holdJitterAt, type Run, settled, startRun } from './run.ts';
import { createSelfSigned } from './self-signed.ts';
import { listenForWarnings, warnings } from './warnings.ts';

listenForWarnings();
holdJitterAt(0.002);

/** Two calls alone, and one with its agent. */
const CALLS = 3;
const RECORDS = 4;

const UNTIL_SHUTDOWN = { dropped: { shutdown: RECORDS } };

/** Fails with one of these, holds everything, tries again, and says so once. */
async function expectOutage(run: Run, baseUrl: string, codes: RegExp): Promise<void> {
  run.work(CALLS);
  const { origin } = new URL(baseUrl);
  await vi.waitFor(() => expect(warnings(`${origin} cannot take records now`)).toHaveLength(1), {
    timeout: 5_000,
  });
  expect(run.ledger().lastError).toMatch(codes);
  // The first may have failed before the last is converted.
  await vi.waitFor(() => expect(run.ledger().records).toMatchObject({ created: RECORDS, pending: RECORDS }));
}

describe.concurrent('a name', () => {
  it('that does not resolve is an outage', async (context) => {
    const server = await startFaultServer(context);
    const nowhere = { ...server, baseUrl: 'http://nothing.invalid/api' };
    const run = startRun(context, nowhere, { shutdownTimeoutMillis: 300 });
    await expectOutage(run, nowhere.baseUrl, /^(ENOTFOUND|EAI_AGAIN)$/);
    expect(server.connections()).toBe(0);
    await finish(run, nowhere, UNTIL_SHUTDOWN);
  });

  it('that resolves again is the end of it', async (context) => {
    const server = await startFaultServer(context);
    let isUp = false;
    const agent = new Agent({
      connect: {
        lookup: (_, { all }, done) => {
          const error = Object.assign(new Error('queryA ESERVFAIL api.test'), { code: 'ESERVFAIL' });
          if (!isUp) done(error, []);
          else if (all) done(null, [{ address: '127.0.0.1', family: 4 }]);
          else done(null, '127.0.0.1', 4);
        },
      },
    });
    context.onTestFinished(() => agent.destroy());
    const named = { ...server, baseUrl: `http://api.test:${server.port}/api` };
    const run = startRun(context, named, { dispatcher: agent });
    await expectOutage(run, named.baseUrl, /^ESERVFAIL$/);
    isUp = true;
    await settled(run);
    await run.shutdown();
    // A dispatcher of the user's is not ours to close.
    expect(agent.destroyed).toBe(false);
    await agent.close();
    await finish(run, named, { delivered: RECORDS });
  });
});

describe.concurrent('TLS', () => {
  it.for<[string, RegExp, Parameters<typeof createSelfSigned>[0]]>([
    ['is of nobody', /DEPTH_ZERO_SELF_SIGNED_CERT/, { host: '127.0.0.1' }],
    ['is of another host', /SELF_SIGNED|ALTNAME/, { host: 'other.example' }],
    ['has expired', /SELF_SIGNED|EXPIRED/, { host: '127.0.0.1', notAfter: new Date('2020-01-01') }],
  ])('with a certificate that %s is an outage, and nothing is sent', async ([, code, options], context) => {
    const server = await startFaultServer(context, { tls: createSelfSigned(options) });
    const run = startRun(context, server, { shutdownTimeoutMillis: 300 });
    await expectOutage(run, server.baseUrl, code);
    expect(server.connections()).toBeGreaterThan(1);
    expect(server.book.posts).toEqual([]);
    await finish(run, server, UNTIL_SHUTDOWN);
  });

  it.for<[string, RegExp, Parameters<typeof createSelfSigned>[0]]>([
    ['is of another host', /ALTNAME/, { host: 'other.example' }],
    ['has expired', /EXPIRED/, { host: '127.0.0.1', notAfter: new Date('2020-01-01') }],
  ])('with a trusted certificate that %s is an outage, and nothing is sent', async ([
    ,
    code,
    options,
  ], context) => {
    const tls = createSelfSigned(options);
    const server = await startFaultServer(context, { tls });
    const agent = new Agent({ connect: { ca: tls.cert } });
    context.onTestFinished(() => agent.destroy());
    const run = startRun(context, server, { shutdownTimeoutMillis: 300, dispatcher: agent });
    await expectOutage(run, server.baseUrl, code);
    expect(server.book.posts).toEqual([]);
    await finish(run, server, UNTIL_SHUTDOWN);
  });

  it('with a certificate that is trusted delivers', async (context) => {
    const tls = createSelfSigned({ host: '127.0.0.1' });
    const server = await startFaultServer(context, { tls });
    const agent = new Agent({ connect: { ca: tls.cert } });
    context.onTestFinished(() => agent.destroy());
    const run = startRun(context, server, { dispatcher: agent });
    run.work(CALLS);
    await settled(run);
    await agent.close();
    await finish(run, server, { delivered: RECORDS });
  });

  it.for<[string, RegExp, (socket: Parameters<typeof dripInto>[0]) => void]>([
    [
      'with a server that speaks plain HTTP',
      /^E(PROTO|CONNRESET)|SSL/,
      (socket) => socket.write('HTTP/1.1 201 Created\r\n\r\n'),
    ],
    [
      'with a server that hangs up',
      /^ECONNRESET$|SOCKET/,
      (socket) => socket.once('data', () => socket.destroy()),
    ],
    ['that is never answered', /no answer in time|TIMEOUT/, () => {}],
    [
      'that is answered one byte at a time',
      /no answer in time|TIMEOUT/,
      (socket) => dripInto(socket, `\x16\x03\x03\x40\x00${'\x02'.repeat(1_000)}`, 10),
    ],
  ])('%s is an outage', async ([, code, act], context) => {
    const server = await startFaultServer(context, {
      onConnection: (socket) => {
        socket.resume();
        act(socket);
        return true;
      },
    });
    const secure = { ...server, baseUrl: server.baseUrl.replace('http:', 'https:') };
    const run = startRun(context, secure, { shutdownTimeoutMillis: 300, timeoutMillis: 250 });
    await expectOutage(run, secure.baseUrl, code);
    await finish(run, secure, UNTIL_SHUTDOWN);
  });

  it('that is spoken where plain HTTP was asked for is an outage', async (context) => {
    const server = await startFaultServer(context, { tls: createSelfSigned({ host: '127.0.0.1' }) });
    const plain = { ...server, baseUrl: server.baseUrl.replace('https:', 'http:') };
    const run = startRun(context, plain, { shutdownTimeoutMillis: 300 });
    await expectOutage(run, plain.baseUrl, /^UND_ERR_SOCKET$|^ECONNRESET$|^HPE_/);
    expect(server.book.posts).toEqual([]);
    await finish(run, plain, UNTIL_SHUTDOWN);
  });
});
