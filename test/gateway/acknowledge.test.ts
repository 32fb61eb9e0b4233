/** 200 means that the records are safe; anything else makes the sender try again, and trying again records nothing twice. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeCall, postSpans, startApi, startTestGateway, until } from './support.ts';

/** Answers that wait until they are let go. */
function createDam(): { readonly wait: () => Promise<undefined>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { wait: () => opened.then(() => undefined), open };
}

function makeFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'freeplay-gateway-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'spool');
}

describe('without a spool', () => {
  it('a request is answered when its records are delivered, not before', async () => {
    const dam = createDam();
    const api = await startApi(dam.wait);
    const gateway = await startTestGateway(api.url);
    let isAnswered = false;
    const answer = postSpans(gateway, [makeCall()]).finally(() => {
      isAnswered = true;
    });
    await until(() => api.posts.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isAnswered).toBe(false);
    dam.open();
    expect(await answer).toMatchObject({ status: 200, json: {} });
  });

  it('what takes too long is answered 503, goes on, and is joined when it is sent again', async () => {
    const dam = createDam();
    const api = await startApi(dam.wait);
    const gateway = await startTestGateway(api.url, { answerMillis: 100 });
    const spans = [makeCall(), makeCall()];
    const first = await postSpans(gateway, spans);
    expect(first).toMatchObject({ status: 503, json: { code: 14 } });
    expect(Number(first.headers.get('retry-after'))).toBeGreaterThan(0);
    const second = postSpans(gateway, spans, 'protobuf');
    dam.open();
    expect((await second).status).toBe(200);
    expect(api.posts.length).toBe(2);
    expect(gateway.levels).toMatchObject({ openRequests: 0, requestsInFlight: 0, bytesInFlight: 0 });
  });

  it('one that is sent again while it is under way is not delivered twice', async () => {
    const dam = createDam();
    const api = await startApi(dam.wait);
    const gateway = await startTestGateway(api.url);
    const spans = [makeCall(), makeCall()];
    const both = [postSpans(gateway, spans), postSpans(gateway, spans)];
    await until(() => api.posts.length === 2);
    dam.open();
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200]);
    expect(api.posts.length).toBe(2);
  });

  it('one that was given back for want of room is taken when it comes again, and then alone what is missing', async () => {
    const dam = createDam();
    const api = await startApi(({ text }) => (text.includes('slow') ? dam.wait() : undefined));
    const gateway = await startTestGateway(api.url, {
      answerMillis: 200,
      options: { maxQueueRecords: 2 },
    });
    const slow = makeCall({ name: 'slow', resource: { attributes: { 'service.name': 'slow' } } });
    const spans = [slow, makeCall(), makeCall(), makeCall()];
    expect((await postSpans(gateway, spans)).status).toBe(503);
    // Full: what is new is refused before anything is made of it.
    const others = Array.from({ length: 2 }, () =>
      makeCall({ resource: { attributes: { 'service.name': 'slow' } } }),
    );
    await postSpans(gateway, others);
    expect(await postSpans(gateway, [makeCall()])).toMatchObject({
      status: 503,
      json: { message: expect.stringContaining('queue is full') },
    });
    dam.open();
    await until(() => gateway.ledgers().get('default')?.records.pending === 0);
    expect((await postSpans(gateway, spans)).status).toBe(200);
    expect((await postSpans(gateway, others)).status).toBe(200);
    expect(api.records.size).toBe(6);
    expect(api.posts.length).toBe(6);
    const { records } = gateway.ledgers().get('default') ?? {};
    expect(Object.keys(records?.dropped ?? {})).toEqual(['returned']);
  });

  it('an outage is answered 503 until it is over; then every record is there once', async () => {
    const api = await startApi();
    const port = Number(new URL(api.url).port);
    await api.stop();
    const gateway = await startTestGateway(api.url, { answerMillis: 100 });
    const batches = Array.from({ length: 5 }, () => [makeCall(), makeCall()]);
    for (const batch of batches) expect((await postSpans(gateway, batch)).status).toBe(503);
    const back = await startApi(undefined, port);
    for (const batch of batches) {
      let status = 0;
      for (let i = 0; i < 200 && status !== 200; i++) ({ status } = await postSpans(gateway, batch));
      expect(status).toBe(200);
    }
    expect(back.records.size).toBe(10);
    expect(back.posts.length).toBe(10);
  });

  it('a sender that has gone leaves its records with us', async () => {
    const dam = createDam();
    const api = await startApi(dam.wait);
    const gateway = await startTestGateway(api.url);
    const spans = [makeCall()];
    const { toOtlpJson, toTraceRequest } = await import('../otlp/encode.ts');
    const gone = new AbortController();
    const request = fetch(`${gateway.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: toOtlpJson(toTraceRequest(spans)),
      signal: gone.signal,
    });
    await until(() => api.posts.length === 1);
    gone.abort();
    await expect(request).rejects.toThrow();
    dam.open();
    expect((await postSpans(gateway, spans)).status).toBe(200);
    expect(api.posts.length).toBe(1);
  });
});

describe('with a spool', () => {
  it('an outage is answered 200 as soon as the records are on the disk; the next start sends them', async () => {
    const api = await startApi();
    const port = Number(new URL(api.url).port);
    await api.stop();
    const spoolDir = makeFolder();
    const gateway = await startTestGateway(api.url, { options: { spoolDir } });
    const spans = Array.from({ length: 20 }, () => makeCall());
    const start = performance.now();
    expect(await postSpans(gateway, spans)).toMatchObject({ status: 200, json: {} });
    expect(performance.now() - start, 'no waiting for the end of the time').toBeLessThan(5_000);
    expect(readdirSync(spoolDir).length).toBeGreaterThan(0);
    await gateway.close();
    const back = await startApi(undefined, port);
    await startTestGateway(back.url, { options: { spoolDir } });
    await until(() => back.records.size === 20, 30_000);
  });

  it('always: every record is on the disk before it is answered', async () => {
    const dam = createDam();
    const api = await startApi(dam.wait);
    const gateway = await startTestGateway(api.url, {
      options: { spoolDir: makeFolder(), spoolMode: 'always' },
    });
    expect(await postSpans(gateway, [makeCall()])).toMatchObject({ status: 200, json: {} });
    expect(api.records.size).toBe(0);
    dam.open();
    await until(() => api.records.size === 1);
  });
});

describe('at the end', () => {
  it('what is under way is delivered and answered; nothing new is taken', async () => {
    const dam = createDam();
    const api = await startApi(dam.wait);
    const gateway = await startTestGateway(api.url);
    const answer = postSpans(gateway, [makeCall()]);
    await until(() => api.posts.length === 1);
    const closing = gateway.close();
    await expect(postSpans(gateway, [makeCall()])).rejects.toThrow();
    dam.open();
    expect(await answer).toMatchObject({ status: 200 });
    await closing;
    expect(api.records.size).toBe(1);
  });

  it('what cannot be delivered in time is given back', async () => {
    const api = await startApi(() => new Promise(() => {}));
    const gateway = await startTestGateway(api.url, { drainMillis: 100 });
    const answer = postSpans(gateway, [makeCall()]);
    await until(() => api.posts.length === 1);
    await gateway.close();
    expect(await answer).toMatchObject({ status: 503 });
    expect(gateway.ledgers().get('default')?.records).toMatchObject({ dropped: { returned: 1 }, pending: 0 });
  });

  it('parents that never came are recorded', async () => {
    const api = await startApi();
    const gateway = await startTestGateway(api.url);
    const call = makeCall({ parentSpanId: 'feedfeedfeedfeed' });
    expect((await postSpans(gateway, [call])).status).toBe(200);
    expect(api.records.size).toBe(1);
    await gateway.close();
    const [, placeholder] = [...api.records.values()];
    expect(JSON.parse(placeholder?.text ?? '')).toMatchObject({ name: '(span not exported)' });
  });
});

describe('a trace in several requests', () => {
  it.each([1, 2, 3])('of %i spans each is one tree', async (size) => {
    const { scenarioNamed } = await import('../contract/support/corpus.ts');
    const { groupUuid } = await import('../contract/support/ids.ts');
    const scenario = scenarioNamed('openinference/openai-tools-round-trip');
    const api = await startApi();
    const gateway = await startTestGateway(api.url);
    for (let i = 0; i < scenario.spans.length; i += size)
      expect((await postSpans(gateway, scenario.spans.slice(i, i + size))).status).toBe(200);
    await gateway.close();
    const ids = new Set([...api.records.values()].map(({ id }) => id));
    const group = groupUuid(scenario.spans[0]?.traceId ?? '');
    for (const { id, text } of api.records.values()) {
      const { parent_id: parent } = JSON.parse(text);
      expect(id === group ? parent === undefined : ids.has(parent)).toBe(true);
    }
    expect(api.posts.length).toBe(api.records.size);
  });
});
