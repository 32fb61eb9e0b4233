import { DiagLogLevel, diag, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import { completionIdOf, type FreeplaySpanExporter, type Ledger, traceIdOf } from '../../src/index.ts';
import { createFakeDispatcher } from '../delivery/support.ts';
import { chatAttributes, llmAttributes, makeSpan, spanIdOf } from '../property/support.ts';
import { accept, createExporter, exportSpans, KEY, startApi } from './support.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const GROUP = traceIdOf(TRACE);
const idOf = (n: number): string => completionIdOf({ traceId: TRACE, spanId: spanIdOf(n) });

const chat = (n: number, parent?: number, more: Partial<Parameters<typeof makeSpan>[0]> = {}) =>
  makeSpan({
    spanId: spanIdOf(n),
    parentSpanId: parent === undefined ? undefined : spanIdOf(parent),
    name: 'chat gpt-4o',
    scope: 'app',
    attributes: chatAttributes({ question: `q${n}`, answer: `a${n}` }),
    start: n,
    ...more,
  });
const plain = (n: number, parent?: number) =>
  makeSpan({
    spanId: spanIdOf(n),
    parentSpanId: parent === undefined ? undefined : spanIdOf(parent),
    name: `step ${n}`,
  });

function expectBalanced({ records }: Ledger): void {
  const lost = Object.values(records.dropped).reduce((sum, n) => sum + n, 0);
  expect(records.delivered + records.rejected + lost + records.spooled + records.pending).toBe(
    records.created,
  );
  for (const count of [records.delivered, records.rejected, records.spooled, records.pending])
    expect(count).toBeGreaterThanOrEqual(0);
}

let emitWarning: MockInstance<typeof process.emitWarning>;

beforeEach(() => {
  emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  diag.disable();
});

function warnings(code?: string): readonly string[] {
  return emitWarning.mock.calls
    .filter(([, options]) => code === undefined || (options as { code?: string }).code === code)
    .map(([message]) => String(message));
}

describe('without a key or a project', () => {
  it.each([
    [{ apiKey: '', projectId: '' }, 'an API key (apiKey or FREEPLAY_API_KEY) and a project'],
    [{ apiKey: KEY, projectId: '' }, 'a project (projectId or FREEPLAY_PROJECT_ID)'],
    [{ apiKey: '', projectId: 'p1' }, 'an API key (apiKey or FREEPLAY_API_KEY)'],
  ])('warns once and reports success (%o)', async (options, missing) => {
    const exporter = createExporter(options);
    expect(await exportSpans(exporter, [chat(1)])).toEqual({ code: 0 });
    expect(await exportSpans(exporter, [chat(2)])).toEqual({ code: 0 });
    exporter.logRecordProcessor.onEmit({});
    await exporter.forceFlush();
    await exporter.shutdown();
    expect(warnings()).toHaveLength(1);
    expect(warnings('FREEPLAY_OTEL_NOT_CONFIGURED')[0]).toContain(missing);
    expect(warnings()[0]).not.toContain(KEY);
    expect(exporter.ledger().records.created).toBe(0);
  });
});

describe('warnings', () => {
  it('go to diag where the app has a logger, and only there', async () => {
    const heard: string[] = [];
    const logger = { error: say, warn: say, info: say, debug: say, verbose: say };
    function say(...parts: unknown[]): void {
      heard.push(parts.join(' '));
    }
    diag.setLogger(logger, DiagLogLevel.ALL);
    createExporter({ apiKey: '', projectId: '' });
    expect(heard.filter((text) => text.includes('FREEPLAY_OTEL_NOT_CONFIGURED'))).toHaveLength(1);
    expect(warnings()).toEqual([]);
  });

  it('say once which setting turns content on, for each instrumentation', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    const bare = (n: number, scope: string) =>
      chat(n, undefined, {
        scope,
        attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o' },
        start: n * 20,
      });
    await exportSpans(exporter, [bare(1, '@opentelemetry/instrumentation-openai')]);
    await exportSpans(exporter, [bare(2, '@opentelemetry/instrumentation-openai'), bare(3, 'other')]);
    const hints = warnings('FREEPLAY_OTEL_NO_CONTENT');
    expect(hints).toHaveLength(2);
    expect(hints[0]).toContain('captureMessageContent');
  });

  it('say once which instrumentations report the same calls in different traces', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    const report = (n: number, scope: string, id: string) => [
      chat(n, undefined, {
        traceId: n.toString(16).padStart(32, '1'),
        scope,
        attributes: { ...chatAttributes({ question: 'q', answer: 'a' }), 'gen_ai.response.id': id },
        start: 20,
      }),
    ];
    await exportSpans(exporter, [...report(1, 'client', 'chatcmpl-1'), ...report(2, 'client', 'chatcmpl-1')]);
    expect(warnings()).toEqual([]);
    await exportSpans(exporter, [
      ...report(3, 'framework', 'chatcmpl-1'),
      ...report(4, 'client', 'chatcmpl-2'),
    ]);
    await exportSpans(exporter, report(5, 'framework', 'chatcmpl-2'));
    expect(warnings()).toEqual([expect.stringContaining('client and framework report the same model calls')]);
    expect(exporter.ledger().records.created).toBe(5);
  });

  it('say nothing where all is well', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    await exportSpans(exporter, [chat(1)]);
    await exporter.shutdown();
    expect(warnings()).toEqual([]);
  });

  it('and results never hold the key', async () => {
    const api = await startApi((_, response) => response.writeHead(401).end(`{"message":"bad key ${KEY}"}`));
    const exporter = createExporter({ baseUrl: api.origin });
    const result = await exportSpans(exporter, [chat(1)]);
    await exporter.shutdown();
    expect(JSON.stringify([warnings(), result, String(result.error), exporter.ledger()])).not.toContain(KEY);
  });
});

describe('export', () => {
  it('calls back exactly once, after delivery', async () => {
    const api = await startApi((_, response) => setTimeout(() => accept(response), 30));
    const exporter = createExporter({ baseUrl: api.origin });
    expect(await exportSpans(exporter, [chat(1), chat(2)])).toEqual({ code: 0 });
    expect(api.posts).toHaveLength(2);
    expect(exporter.ledger()).toMatchObject({
      spans: { seen: 2, converted: 2, skipped: 0 },
      records: { created: 2, delivered: 2, pending: 0 },
    });
  });

  it('of nothing, and of spans that are none of ours, succeeds', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    expect(await exportSpans(exporter, [])).toEqual({ code: 0 });
    expect(await exportSpans(exporter, [plain(1), plain(2, 1)])).toEqual({ code: 0 });
    expect(api.posts).toEqual([]);
    expect(exporter.ledger().spans).toEqual({ seen: 2, converted: 0, skipped: 2 });
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'span'],
    ['an object', {}],
    [
      'a context that throws',
      {
        spanContext: () => {
          throw new Error('boom');
        },
      },
    ],
    ['no context', { spanContext: () => undefined }],
    [
      'getters that throw',
      {
        ...plain(1),
        get attributes() {
          throw new Error('boom');
        },
      },
    ],
    [
      'attributes that throw',
      {
        ...chat(1),
        attributes: new Proxy(
          {},
          {
            ownKeys: () => {
              throw new Error('boom');
            },
          },
        ),
      },
    ],
  ])('of garbage (%s) neither throws nor costs the spans beside it', async (_, garbage) => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    const result = await exportSpans(exporter, [garbage as never, chat(5)]);
    expect(result.code).toBe(0);
    expect(api.post(idOf(5))).toBeDefined();
    expectBalanced(exporter.ledger());
  });

  it('of something that is no list at all calls back once', async () => {
    const exporter = createExporter({ baseUrl: (await startApi()).origin });
    for (const spans of [undefined, null, 5, {}]) {
      const result = await exportSpans(exporter, spans as never);
      expect([0, 1]).toContain(result.code);
    }
  });

  it('counts malformed ids as dropped, and leaves unsampled spans alone', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    const unsampled = {
      ...chat(3),
      spanContext: () => ({ traceId: TRACE, spanId: spanIdOf(3), traceFlags: 0 }),
    };
    await exportSpans(exporter, [chat(1, undefined, { traceId: '0'.repeat(32) }), unsampled, chat(2)]);
    expect(api.posts.map((post) => post.id)).toEqual([idOf(2)]);
    expect(exporter.ledger().records.dropped).toEqual({ invalid_ids: 1 });
    expectBalanced(exporter.ledger());
  });

  it('fails where a record was rejected, and tells which and why', async () => {
    const api = await startApi((post, response) =>
      post.id === idOf(1)
        ? response.writeHead(400, { 'content-type': 'application/json' }).end('{"message":"no such model"}')
        : accept(response),
    );
    const dropped: string[] = [];
    const exporter = createExporter({
      baseUrl: api.origin,
      onDrop: (record, reason) => dropped.push(`${record.id} ${reason}`),
    });
    const result = await exportSpans(exporter, [chat(1), chat(2)]);
    expect(result.code).toBe(1);
    // The SDK logs this error, and the words may quote the record.
    expect(result.error?.message).toContain('see ledger().lastError');
    expect(exporter.ledger().lastError).toBe('no such model');
    expect(dropped).toHaveLength(1);
    expect(dropped[0]).toContain(`${idOf(1)} rejected: `);
    expect(exporter.ledger()).toMatchObject({ records: { delivered: 1, rejected: 1, pending: 0 } });
  });

  it.each<[string, () => never]>([
    [
      'throw',
      () => {
        throw new Error('boom');
      },
    ],
    // A rejection that nobody handles would end the process, and fails the run here.
    ['throw late', (() => Promise.reject(new Error('boom'))) as unknown as () => never],
  ])('survives callbacks of the user that %s', async (name, boom) => {
    const api = await startApi();
    const exporter = createExporter({
      baseUrl: api.origin,
      onRecord: boom,
      filter: boom,
      session: boom,
      mask: boom,
      media: boom,
      onDrop: boom,
      // Whoever writes a dialect answers a boolean and a reading, which are used.
      dialects: name === 'throw' ? [{ name: 'broken', detect: boom, read: boom }] : [],
    });
    const attributes = {
      ...chatAttributes(),
      'gen_ai.input.messages': JSON.stringify([
        {
          role: 'user',
          parts: [{ type: 'blob', modality: 'image', mime_type: 'image/png', content: 'aGk=' }],
        },
      ]),
    };
    expect((await exportSpans(exporter, [chat(1, undefined, { attributes })])).code).toBe(0);
    // A dialect that throws has taken the span.
    expect(exporter.ledger().records.delivered).toBe(name === 'throw' ? 0 : 1);
    expectBalanced(exporter.ledger());
  });

  it('waits for room at most 25 s, then answers FAILED and counts queue_full', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
    const { dispatcher } = createFakeDispatcher(() => ({ hang: true }));
    const dropped: string[] = [];
    const exporter = createExporter({
      baseUrl: 'https://api.test',
      dispatcher,
      maxQueueRecords: 1,
      timeoutMillis: 1_000_000,
      onDrop: (_, reason) => dropped.push(reason),
    });
    const answers: (number | undefined)[] = [];
    exporter.export([chat(1)], () => {});
    exporter.export([chat(2)], (result) => answers.push(result.code));
    await vi.advanceTimersByTimeAsync(24_900);
    expect(answers).toEqual([]);
    expectBalanced(exporter.ledger());
    await vi.advanceTimersByTimeAsync(200);
    expect(answers).toEqual([1]);
    expect(dropped).toEqual(['queue_full']);
    expect(exporter.ledger().records).toMatchObject({ dropped: { queue_full: 1 }, pending: 1 });
    expect(warnings('FREEPLAY_OTEL_LOSS')).toHaveLength(1);
    const stopped = exporter.shutdown();
    await vi.advanceTimersByTimeAsync(10_000);
    await stopped;
    expectBalanced(exporter.ledger());
  });
});

describe('what is in retry', () => {
  it('holds its place: what finds no room in 25 s is lost and counted', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
    const { dispatcher } = createFakeDispatcher(() => ({ status: 503 }));
    const exporter = createExporter({
      baseUrl: 'https://api.test',
      dispatcher,
      maxQueueRecords: 1,
    });
    const answers: number[] = [];
    exporter.export([chat(1)], (result) => answers.push(result.code));
    await vi.advanceTimersByTimeAsync(100);
    expect(answers).toEqual([0]);
    exporter.export([chat(2)], (result) => answers.push(result.code));
    await vi.advanceTimersByTimeAsync(24_800);
    expect(answers).toEqual([0]);
    await vi.advanceTimersByTimeAsync(400);
    expect(answers).toEqual([0, 1]);
    expect(exporter.ledger().records).toMatchObject({ dropped: { queue_full: 1 }, pending: 1 });
    const stopped = exporter.shutdown();
    await vi.advanceTimersByTimeAsync(10_000);
    await stopped;
    expect(exporter.ledger().records).toMatchObject({ pending: 0 });
    expectBalanced(exporter.ledger());
  });
});

describe('forceFlush and shutdown', () => {
  it('wait until everything is delivered', async () => {
    const api = await startApi((_, response) => setTimeout(() => accept(response), 40));
    const exporter = createExporter({ baseUrl: api.origin });
    exporter.export([chat(1), chat(2)], () => {});
    await exporter.forceFlush();
    expect(exporter.ledger().records).toMatchObject({ delivered: 2, pending: 0 });
    exporter.export([chat(3)], () => {});
    await exporter.shutdown();
    expect(exporter.ledger().records).toMatchObject({ delivered: 3, pending: 0 });
  });

  it('keep to their limits', async () => {
    const api = await startApi(() => {});
    const exporter = createExporter({
      baseUrl: api.origin,
      flushTimeoutMillis: 40,
      shutdownTimeoutMillis: 40,
      timeoutMillis: 60_000,
    });
    const done = vi.fn();
    exporter.export([chat(1)], done);
    const start = performance.now();
    await exporter.forceFlush();
    await exporter.shutdown();
    expect(performance.now() - start).toBeLessThan(2_000);
    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(1));
    expect(exporter.ledger().records).toMatchObject({ created: 1, delivered: 0, pending: 0 });
    expectBalanced(exporter.ledger());
  });

  it('may be called again and again, and an export afterwards fails', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    await Promise.all([exporter.shutdown(), exporter.shutdown()]);
    await exporter.shutdown();
    await exporter.forceFlush();
    const result = await exportSpans(exporter, [chat(1)]);
    expect(result.code).toBe(1);
    expect(result.error?.message).toContain('shut down');
    expect(api.posts).toEqual([]);
  });

  it('leave no listener behind', async () => {
    const before = process.listenerCount('beforeExit');
    const exporter = createExporter({ baseUrl: 'http://127.0.0.1:9', flushOnExit: true });
    expect(process.listenerCount('beforeExit')).toBe(before + 1);
    await exporter.shutdown();
    expect(process.listenerCount('beforeExit')).toBe(before);
  });
});

describe('the ledger', () => {
  it('balances at every moment', async () => {
    let exporter: FreeplaySpanExporter | undefined;
    const look = (): void => {
      if (exporter) expectBalanced(exporter.ledger());
    };
    let count = 0;
    const api = await startApi((_, response) => {
      look();
      count += 1;
      if (count % 7 === 3) response.writeHead(400).end('{"message":"no"}');
      else if (count % 11 === 5) response.writeHead(409).end('{}');
      else accept(response);
      look();
    });
    exporter = createExporter({ baseUrl: api.origin, onRecord: look, onDrop: look });
    const all = Array.from({ length: 12 }, (_, batch) =>
      exportSpans(
        exporter as FreeplaySpanExporter,
        Array.from({ length: 10 }, (_, n) => chat(batch * 10 + n, 9_999)),
      ).finally(look),
    );
    look();
    await Promise.all(all);
    await exporter.shutdown();
    look();
    const { records } = exporter.ledger();
    expect(records.created).toBe(121); // and the parent that never came
    expect(records.rejected).toBeGreaterThan(0);
    expect(records.pending).toBe(0);
  });
});

describe('the tree', () => {
  it('gets a placeholder at shutdown for a parent that never came', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    await exportSpans(exporter, [chat(1, 2)]);
    expect(api.post(idOf(1))?.body.parent_id).toBe(idOf(2));
    expect(api.posts).toHaveLength(1);
    await exporter.shutdown();
    expect(api.post(idOf(2))?.body).toMatchObject({
      name: '(span not exported)',
      input: null,
      output: null,
      parent_id: GROUP,
    });
    expect(api.posts).toHaveLength(2);
  });

  it('gets a plain record for a parent that comes later and is no GenAI, rolled up from below', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    await exportSpans(exporter, [chat(1, 2)]);
    await exportSpans(exporter, [plain(2, 3)]);
    await exporter.shutdown();
    expect(api.post(idOf(2))?.body).toMatchObject({
      name: 'step 2',
      input: 'q1',
      output: 'a1',
      parent_id: idOf(3),
    });
    expect(api.post(idOf(3))?.body).toMatchObject({ name: '(span not exported)', parent_id: GROUP });
  });

  it('gets both records of a root that its children had named', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    await exportSpans(exporter, [chat(1, 2)]);
    await exportSpans(exporter, [plain(2)]);
    await exporter.shutdown();
    expect(api.post(idOf(1))?.body.parent_id).toBe(idOf(2));
    expect(api.post(idOf(2))?.body).toMatchObject({ name: 'step 2', parent_id: GROUP });
    expect(api.post(GROUP)?.body).toMatchObject({ name: 'step 2', input: 'q1', output: 'a1' });
    expect(api.post(GROUP)?.body).not.toHaveProperty('parent_id');
    expect(api.posts).toHaveLength(3);
  });

  it('names the group where the parent is in another process', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    await exportSpans(exporter, [chat(1, 2, { remote: true })]);
    await exporter.shutdown();
    expect(api.post(idOf(1))?.body.parent_id).toBe(GROUP);
    expect(api.post(idOf(1))?.body.call_info.provider_info.otel.parent_span_id).toBe(spanIdOf(2));
    expect(api.posts).toHaveLength(1);
  });

  it('has a second report that comes too late as a plain trace, its knowledge in the receipt', async () => {
    const api = await startApi();
    const rules: string[] = [];
    const exporter = createExporter({
      baseUrl: api.origin,
      onRecord: (record) => rules.push(...record.receipt.rules),
    });
    await exportSpans(exporter, [chat(1, 2, { start: 10 })]);
    const outer = makeSpan({
      spanId: spanIdOf(2),
      parentSpanId: spanIdOf(3),
      scope: 'wrapper',
      attributes: llmAttributes({ question: 'q1', answer: 'a1' }),
      start: 1,
      end: 100,
    });
    await exportSpans(exporter, [outer]);
    expect(api.posts.map((post) => [post.id, post.kind])).toEqual([
      [idOf(1), 'completion'],
      [idOf(2), 'trace'],
    ]);
    expect(rules.join()).toContain('too late to merge');
  });

  it('records a span that is handed in twice once', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    await exportSpans(exporter, [chat(1), chat(1)]);
    await exportSpans(exporter, [chat(1)]);
    expect(api.posts).toHaveLength(1);
  });
});

describe('log events', () => {
  const log = (n: number, eventName: string, body: object) => ({
    spanContext: { traceId: TRACE, spanId: spanIdOf(n), traceFlags: 1 },
    eventName,
    body,
    attributes: {},
    instrumentationScope: { name: '@opentelemetry/instrumentation-openai' },
  });

  it('reach their span, whatever else is logged', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    const { logRecordProcessor } = exporter;
    logRecordProcessor.onEmit(log(1, 'gen_ai.user.message', { content: 'What is it?' }));
    logRecordProcessor.onEmit(log(1, 'app.log', { content: 'noise' }));
    logRecordProcessor.onEmit(log(2, 'gen_ai.user.message', { content: 'for another span' }));
    logRecordProcessor.onEmit(
      log(1, 'gen_ai.choice', { index: 0, finish_reason: 'stop', message: { content: 'This.' } }),
    );
    const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o' };
    await exportSpans(exporter, [
      chat(1, undefined, { scope: '@opentelemetry/instrumentation-openai', attributes }),
    ]);
    expect(api.post(idOf(1))?.body.messages).toEqual([
      { role: 'user', content: 'What is it?' },
      { role: 'assistant', content: 'This.' },
    ]);
    await logRecordProcessor.forceFlush();
    await logRecordProcessor.shutdown();
  });

  it.each([
    [{ instrumentationScope: { name: '@opentelemetry/instrumentation-openai' } }, true],
    [{ instrumentationScope: { name: 'opentelemetry.instrumentation.openai_v2' } }, true],
    [{ instrumentationScope: { name: 'pino' } }, false],
    [{ instrumentationScope: { name: 'pino' }, eventName: 'gen_ai.choice' }, true],
    [{ instrumentationScope: { name: 'pino' }, eventName: 'http.request' }, false],
    [{}, false],
  ])('are asked for only where they can be (%o)', (options, wanted) => {
    expect(createExporter({}).logRecordProcessor.enabled(options)).toBe(wanted);
  });

  it('that are garbage never throw', () => {
    const { logRecordProcessor } = createExporter({});
    for (const record of [
      undefined,
      null,
      5,
      {},
      { spanContext: 5 },
      {
        get body() {
          throw new Error('boom');
        },
      },
    ])
      expect(() => logRecordProcessor.onEmit(record as never)).not.toThrow();
  });
});

describe.each([
  ['BatchSpanProcessor', (exporter: FreeplaySpanExporter) => new BatchSpanProcessor(exporter as never)],
  ['SimpleSpanProcessor', (exporter: FreeplaySpanExporter) => new SimpleSpanProcessor(exporter as never)],
])('behind %s', (_, wrap) => {
  it('sends real spans, and another exporter receives everything', async () => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    const other = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(other), wrap(exporter)],
    });
    const tracer = provider.getTracer('app', '1.0.0');
    const root = tracer.startSpan('request');
    const { setSpan } = trace;
    const { ROOT_CONTEXT } = await import('@opentelemetry/api');
    const child = tracer.startSpan(
      'chat gpt-4o',
      { attributes: chatAttributes() as never },
      setSpan(ROOT_CONTEXT, root),
    );
    const frozen = JSON.stringify((child as unknown as { attributes: object }).attributes);
    child.end();
    root.end();
    await provider.forceFlush();
    await exporter.forceFlush();
    expect(other.getFinishedSpans().map((span) => span.name)).toEqual(['chat gpt-4o', 'request']);
    expect(JSON.stringify(other.getFinishedSpans()[0]?.attributes)).toBe(frozen);
    const completion = api.post(completionIdOf(child.spanContext()));
    expect(completion?.body.messages.at(-1)).toEqual({ role: 'assistant', content: 'That.' });
    await provider.shutdown();
    expect(api.post(traceIdOf(root.spanContext().traceId))?.body).toMatchObject({
      name: 'request',
      output: 'That.',
    });
    expect(exporter.ledger().records).toMatchObject({ pending: 0, rejected: 0, dropped: {} });
    expect((await exportSpans(exporter, [chat(1)])).code).toBe(1);
  });

  it('does nothing to the app where the API is unreachable', async () => {
    const exporter = createExporter({ baseUrl: 'http://127.0.0.1:9', shutdownTimeoutMillis: 50 });
    const other = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({
      spanProcessors: [wrap(exporter), new SimpleSpanProcessor(other)],
    });
    provider
      .getTracer('app')
      .startSpan('chat', { attributes: chatAttributes() as never })
      .end();
    expect(other.getFinishedSpans()).toHaveLength(1);
    await provider.shutdown();
    expect(exporter.ledger().records.created).toBe(1);
    expectBalanced(exporter.ledger());
  });
});

describe('overflow', () => {
  const inManyTraces = async (parent: number | undefined): Promise<FreeplaySpanExporter> => {
    const api = await startApi();
    const exporter = createExporter({ baseUrl: api.origin });
    const many = Array.from({ length: 2_100 }, (_, i) => {
      const traceId = (i + 1).toString(16).padStart(32, '0');
      return {
        ...chat(1, parent),
        spanContext: () => ({ traceId, spanId: '00f067aa0ba902b7', traceFlags: 1 }),
      };
    });
    for (let i = 0; i < many.length; i += 300) {
      await new Promise((resolve) => exporter.export(many.slice(i, i + 300), resolve));
    }
    return exporter;
  };

  it('of remembered traces is said where more of them is to come, and costs no record', async () => {
    const exporter = await inManyTraces(2);
    expect(warnings('FREEPLAY_OTEL_OVERFLOW').length).toBeGreaterThan(0);
    // A hundred parents have their places held.
    expect(exporter.ledger().records).toMatchObject({ created: 2_200, delivered: 2_200 });
  });

  it('of traces that are whole is everyday life', async () => {
    const exporter = await inManyTraces(undefined);
    expect(warnings('FREEPLAY_OTEL_OVERFLOW')).toEqual([]);
    expect(exporter.ledger().records).toMatchObject({ created: 2_100, delivered: 2_100 });
  });
});

describe('a dialect that throws', () => {
  it('is told of, and costs the app nothing', async () => {
    const api = await startApi();
    const broken = {
      name: 'broken',
      detect: () => true,
      read: () => {
        throw new Error('bug');
      },
    };
    const exporter = createExporter({ baseUrl: api.origin, dialects: [broken] });
    const code = await new Promise((resolve) => exporter.export([chat(1)], (result) => resolve(result.code)));
    expect(code).toBe(0);
    expect(String(warnings('FREEPLAY_OTEL_INTERNAL')[0])).toContain('a dialect threw 1 times');
  });
});

describe('a diag logger that throws', () => {
  it('reaches nobody and costs no record', async () => {
    const fail = (): never => {
      throw new Error('logger');
    };
    const api = await startApi();
    // The API itself says at `debug` that a logger was set.
    diag.setLogger({ error: fail, warn: fail, info: fail, debug: () => {}, verbose: fail }, DiagLogLevel.ALL);
    const exporter = createExporter({ baseUrl: api.origin, retryDeadlineMillis: 0 });
    await exportSpans(exporter, [makeSpan({ spanId: '0', name: 'malformed' }), chat(1)]);
    await exporter.shutdown();
    expect(api.post(idOf(1))).toBeDefined();
    expectBalanced(exporter.ledger());
  });
});
