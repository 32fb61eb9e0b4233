import { context, propagation, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CBaggagePropagator } from '@opentelemetry/core';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SamplingDecision,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  completionIdOf,
  convertSpans,
  type FreeplayOptions,
  type FreeplayRecord,
  FreeplaySpanExporter,
  FreeplaySpanProcessor,
  sessionIdOf,
  traceIdOf,
  withFreeplayContext,
} from '../../src/index.ts';
import { acceptingDispatcher, type Post } from './support.ts';

const PROJECT = '0b8a6c1e-6f6f-4b52-9a55-3d1c7f1f9a10';

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CBaggagePropagator());
});
afterAll(() => {
  context.disable();
  propagation.disable();
});
afterEach(() => vi.useRealTimers());

/** A provider with our processor beside another exporter; posts are answered in process. */
function start(options: FreeplayOptions = {}): {
  processor: FreeplaySpanProcessor;
  others: InMemorySpanExporter;
  tracer: ReturnType<NodeTracerProvider['getTracer']>;
  tracerOf: (scope: string) => ReturnType<NodeTracerProvider['getTracer']>;
  records: FreeplayRecord[];
  posts: Post[];
} {
  const records: FreeplayRecord[] = [];
  const posts: Post[] = [];
  const processor = new FreeplaySpanProcessor({
    apiKey: 'k',
    projectId: PROJECT,
    baseUrl: 'http://127.0.0.1:9/api',
    dispatcher: acceptingDispatcher(posts),
    onRecord: (record) => records.push(record),
    ...options,
  });
  const others = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [processor, new SimpleSpanProcessor(others)] });
  onTestFinished(() => processor.shutdown());
  return {
    processor,
    others,
    tracer: provider.getTracer('app'),
    tracerOf: (scope) => provider.getTracer(scope),
    records,
    posts,
  };
}

const CHAT = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.request.model': 'gpt-4o',
  'gen_ai.provider.name': 'openai',
};

function messages(role: string, content: string): string {
  return JSON.stringify([
    { role, parts: [{ type: 'text', content }], ...(role === 'assistant' ? { finish_reason: 'stop' } : {}) },
  ]);
}

const bodyOf = (records: readonly FreeplayRecord[], id: string): Record<string, unknown> | undefined =>
  records.find((record) => record.id === id)?.body;

describe('the live trace', () => {
  it('gives the records of the whole-trace conversion, and every other processor still gets every span', async () => {
    const { processor, others, tracer, records } = start();
    tracer.startActiveSpan('POST /chat', (root) => {
      tracer.startActiveSpan(
        'invoke_agent helper',
        { attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'helper' } },
        (agent) => {
          tracer.startActiveSpan('middleware', (plain) => {
            tracer.startActiveSpan('chat gpt-4o', { attributes: CHAT }, (call) => {
              call.setAttribute('gen_ai.input.messages', messages('user', 'Hello?'));
              call.setAttribute('gen_ai.output.messages', messages('assistant', 'Hi.'));
              call.end();
            });
            plain.end();
          });
          agent.end();
        },
      );
      root.end();
    });
    await processor.forceFlush();
    const ended = others.getFinishedSpans();
    expect(ended.map((span) => span.name)).toEqual([
      'chat gpt-4o',
      'middleware',
      'invoke_agent helper',
      'POST /chat',
    ]);
    const whole = convertSpans(ended, { projectId: PROJECT });
    expect(records.map(({ body, path }) => ({ body, path }))).toEqual(
      whole.map(({ body, path }) => ({ body, path })),
    );
  });

  it('knows a running ancestor when its child is converted first', async () => {
    const { processor, tracer, records } = start();
    const root = tracer.startSpan('job');
    const agent = tracer.startSpan(
      'agent',
      { attributes: { 'gen_ai.operation.name': 'invoke_agent', 'session.id': 'chat-9' } },
      trace.setSpan(ROOT_CONTEXT, root),
    );
    const plain = tracer.startSpan('http', {}, trace.setSpan(ROOT_CONTEXT, agent));
    const call = tracer.startSpan('chat', { attributes: CHAT }, trace.setSpan(ROOT_CONTEXT, plain));
    call.end();
    await processor.forceFlush();
    expect(records).toHaveLength(1);
    expect(records[0]?.body.parent_id).toBe(completionIdOf(agent.spanContext()));
    expect(records[0]?.sessionId).toBe(sessionIdOf('chat-9'));
    for (const span of [plain, agent, root]) span.end();
    await processor.forceFlush();
    const ids = new Set(records.map((record) => record.id));
    expect(ids).toEqual(
      new Set([
        completionIdOf(call.spanContext()),
        completionIdOf(agent.spanContext()),
        traceIdOf(root.spanContext().traceId),
      ]),
    );
    expect(records.every((record) => record.sessionId === sessionIdOf('chat-9'))).toBe(true);
    expect(processor.ledger().records).toMatchObject({ created: 3, delivered: 3, pending: 0 });
  });

  it('holds the place of an ancestor that never ends', async () => {
    const { processor, tracer, records } = start();
    const root = tracer.startSpan('job');
    const agent = tracer.startSpan(
      'agent',
      { attributes: { 'gen_ai.operation.name': 'invoke_agent' } },
      trace.setSpan(ROOT_CONTEXT, root),
    );
    tracer.startSpan('chat', { attributes: CHAT }, trace.setSpan(ROOT_CONTEXT, agent)).end();
    await processor.shutdown();
    expect(bodyOf(records, completionIdOf(agent.spanContext()))).toMatchObject({
      name: '(span not exported)',
    });
  });

  it('leaves HTTP spans without model calls alone', async () => {
    const { processor, tracer, records } = start();
    tracer.startActiveSpan('GET /', (root) => {
      tracer.startSpan('db').end();
      root.end();
    });
    await processor.forceFlush();
    expect(records).toEqual([]);
    expect(processor.ledger().spans).toMatchObject({ seen: 2, skipped: 2 });
  });

  it('merges a second report that ends within mergeWaitMillis, and not one that comes later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
    const { processor, tracerOf, records } = start({ flushDelayMillis: 100, mergeWaitMillis: 500 });
    const report = (first: number): [string, string] => {
      const outer = tracerOf('framework').startSpan('outer', { attributes: CHAT });
      const inner = tracerOf('client').startSpan(
        'inner',
        { attributes: CHAT },
        trace.setSpan(ROOT_CONTEXT, outer),
      );
      outer.setAttribute('gen_ai.input.messages', messages('user', 'Hello?'));
      inner.setAttribute('gen_ai.response.id', `r${first}`);
      outer.setAttribute('gen_ai.response.id', `r${first}`);
      inner.end();
      vi.advanceTimersByTime(first);
      outer.end();
      return [completionIdOf(inner.spanContext()), completionIdOf(outer.spanContext())];
    };
    const [soon] = report(300);
    vi.advanceTimersByTime(2_000);
    const [late, lateOuter] = report(1_500);
    vi.advanceTimersByTime(2_000);
    vi.useRealTimers();
    await processor.forceFlush();
    const completions = records.filter((record) => record.kind === 'completion');
    expect(completions.map((record) => record.id)).toEqual([soon, late]);
    expect(JSON.stringify(completions[0]?.body)).toContain('Hello?');
    expect(JSON.stringify(completions[1]?.body)).not.toContain('Hello?');
    const second = records.find(
      (record) => record.kind === 'trace' && record.receipt.rules.some((rule) => rule.includes('too late')),
    );
    expect(second?.receipt.spanIds[0]).toBe(
      records.find((r) => r.id === lateOuter || r === second)?.receipt.spanIds[0],
    );
  });
});

describe('calls that do not end', () => {
  it('are recorded as incomplete at shutdown, once', async () => {
    const { processor, tracer, records } = start();
    const call = tracer.startSpan('chat', {
      attributes: { ...CHAT, 'gen_ai.input.messages': messages('user', 'Still there?') },
    });
    await processor.shutdown();
    expect(records.map((record) => record.id)).toEqual([completionIdOf(call.spanContext())]);
    expect(records[0]?.body).toMatchObject({ call_info: { provider_info: { incomplete: true } } });
  });

  it('are recorded after unendedAfterMillis; a late end appends its reply and makes no second record', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
    const { processor, tracer, records, posts } = start({ unendedAfterMillis: 5_000 });
    const call = tracer.startSpan('chat', { attributes: CHAT });
    vi.advanceTimersByTime(10_000);
    tracer.startSpan('chat', { attributes: CHAT }).end(); // something that wakes the processor
    vi.advanceTimersByTime(2_000);
    call.setAttribute('gen_ai.output.messages', messages('assistant', 'Here I am.'));
    call.end();
    vi.advanceTimersByTime(2_000);
    vi.useRealTimers();
    await processor.forceFlush();
    const id = completionIdOf(call.spanContext());
    expect(records.filter((record) => record.id === id && record.path.endsWith('/completions'))).toHaveLength(
      1,
    );
    const update = posts.find((post) => post.path.endsWith(`/completions/${id}`));
    expect(update?.body).toEqual({ new_messages: [{ role: 'assistant', content: 'Here I am.' }] });
  });
});

describe('stamps', () => {
  it('name the records, on every exporter of the provider', async () => {
    const { processor, others, tracer, records } = start({
      completionUrlTemplate: 'https://app.example/c/{id}',
    });
    const root = tracer.startSpan('invoke_agent', {
      attributes: { 'gen_ai.operation.name': 'invoke_agent' },
    });
    tracer.startSpan('chat', { attributes: CHAT }, trace.setSpan(ROOT_CONTEXT, root)).end();
    const late = tracer.startSpan('late', {}, trace.setSpan(ROOT_CONTEXT, root));
    late.setAttributes(CHAT);
    late.end();
    tracer.startSpan('db', {}, trace.setSpan(ROOT_CONTEXT, root)).end();
    root.end();
    await processor.forceFlush();
    const stamps = others
      .getFinishedSpans()
      .map(({ name, attributes }) => [
        name,
        attributes['freeplay.completion.id'] ?? attributes['freeplay.trace.id'],
        attributes['freeplay.url'],
      ]);
    const ids = new Set(records.map((record) => record.id));
    expect(stamps).toHaveLength(4);
    for (const [name, id, url] of stamps) {
      if (name === 'db') expect([id, url]).toEqual([undefined, undefined]);
      else {
        expect(ids.has(String(id))).toBe(true);
        expect(url).toBe(`https://app.example/c/${id}`);
      }
    }
  });

  it('cost the app no reading of what the span says', async () => {
    const read = vi.fn(() => ({ operation: 'inference' as const }));
    const acme = {
      name: 'acme',
      detect: ({ scope }: { scope: { name: string } }) => scope.name === 'app',
      operationOf: () => 'inference' as const,
      read,
    };
    const { processor, others, tracer } = start({ dialects: [acme] });
    tracer.startSpan('call').end();
    expect(others.getFinishedSpans()[0]?.attributes).toHaveProperty(['freeplay.completion.id']);
    expect(read).not.toHaveBeenCalled();
    await processor.forceFlush();
    expect(read).toHaveBeenCalledOnce();
  });

  it('can be turned off', async () => {
    const { processor, others, tracer } = start({ stampSpans: false });
    tracer.startSpan('chat', { attributes: CHAT }).end();
    await processor.forceFlush();
    expect(
      Object.keys(others.getFinishedSpans()[0]?.attributes ?? {}).filter((key) =>
        key.startsWith('freeplay.'),
      ),
    ).toEqual([]);
  });
});

describe('withFreeplayContext', () => {
  it('applies to every call inside, across await, nests, and never reaches another request', async () => {
    const { processor, tracer, records } = start();
    const call = (name: string): void => tracer.startSpan(name, { attributes: CHAT }).end();
    const request = (session: string): Promise<void> =>
      withFreeplayContext({ sessionId: session, metadata: { plan: 'pro' } }, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        call(`${session} outer`);
        await withFreeplayContext({ userId: 'u1', metadata: { step: 2 } }, async () => {
          await null;
          call(`${session} inner`);
        });
      });
    await Promise.all([request('a'), request('b')]);
    call('outside');
    await processor.forceFlush();
    const found = records.map((record) => {
      const info = record.body as { session_info?: { custom_metadata?: Record<string, unknown> } };
      return [
        record.sessionId,
        info.session_info?.custom_metadata?.plan,
        info.session_info?.custom_metadata?.step,
        info.session_info?.custom_metadata?.['user.id'],
      ];
    });
    expect(found.sort()).toEqual(
      [
        [sessionIdOf('a'), 'pro', undefined, undefined],
        [sessionIdOf('a'), 'pro', 2, 'u1'],
        [sessionIdOf('b'), 'pro', undefined, undefined],
        [sessionIdOf('b'), 'pro', 2, 'u1'],
        [records.at(-1)?.sessionId, undefined, undefined, undefined],
      ].sort(),
    );
  });

  it.each<[given: object, session: string | undefined, metadata: object | undefined]>([
    [{ sessionId: 5, userId: 7n }, '5', { 'session.id': '5', 'user.id': '7' }],
    [{ sessionId: null, userId: '', environment: {} }, undefined, undefined],
    [{ sessionId: '' }, undefined, undefined],
    [{ sessionId: { id: 'x' } }, undefined, undefined],
    [
      { metadata: { plan: { name: 'pro' }, tags: ['a'], at: new Date(0), no: null, nan: Number.NaN, n: 1 } },
      undefined,
      { 'plan.name': 'pro', tags: '["a"]', at: '1970-01-01T00:00:00.000Z', n: 1 },
    ],
    [{ metadata: { ok: true, list: [5n] } }, undefined, { ok: true, list: '[5]' }],
  ])('of untyped code, %o, costs no record', async (given, session, metadata) => {
    const { processor, tracer, records } = start();
    withFreeplayContext(given, () => tracer.startSpan('chat', { attributes: CHAT }).end());
    await processor.forceFlush();
    const [record] = records.filter(({ kind }) => kind === 'completion');
    const { session_info } = record!.body as { session_info?: { custom_metadata?: object } };
    expect(session_info?.custom_metadata).toEqual(metadata);
    expect(record!.sessionId).toBe(
      session === undefined ? traceIdOf(record!.receipt.traceId!) : sessionIdOf(session),
    );
  });

  it('takes inputs of untyped code as JSON has them', async () => {
    const { processor, tracer, records } = start();
    const inputs = { big: 5n, at: new Date(0), deep: { list: [7n, undefined] }, no: undefined };
    withFreeplayContext({ inputs } as object, () => tracer.startSpan('chat', { attributes: CHAT }).end());
    await processor.forceFlush();
    expect(records[0]?.body).toMatchObject({
      inputs: { big: 5, at: '1970-01-01T00:00:00.000Z', deep: { list: [7, null] } },
    });
  });

  it('lists the calls that ended inside at once, for feedback', async () => {
    const { tracer } = start();
    const listed = await withFreeplayContext({ sessionId: 's' }, async (handle) => {
      const span = tracer.startSpan('chat', { attributes: CHAT });
      expect(handle.completions()).toEqual([]);
      span.end();
      return [handle.completions(), completionIdOf(span.spanContext())] as const;
    });
    expect(listed[0]).toEqual([{ completionId: listed[1], model: 'gpt-4o' }]);
  });

  it('crosses processes as baggage when asked, and is read only by those who trust it', async () => {
    const carrier: Record<string, string> = {};
    withFreeplayContext({ sessionId: 'far', propagate: true }, () =>
      propagation.inject(context.active(), carrier),
    );
    expect(carrier.baggage).toContain('far');
    const incoming = propagation.extract(ROOT_CONTEXT, carrier);
    for (const [readBaggage, session] of [
      [true, sessionIdOf('far')],
      [false, undefined],
    ] as const) {
      const { processor, tracer, records } = start({ readBaggage });
      const span = tracer.startSpan('chat', { attributes: CHAT }, incoming);
      span.end();
      await processor.forceFlush();
      expect(records[0]?.sessionId).toBe(session ?? traceIdOf(span.spanContext().traceId));
    }
  });
});

describe('sampling', () => {
  it.each([
    [false, 0],
    [true, 1],
  ])('of spans that are recorded but not sampled: includeUnsampled %s gives %i records', async (includeUnsampled, count) => {
    const posts: Post[] = [];
    const processor = new FreeplaySpanProcessor({
      apiKey: 'k',
      projectId: PROJECT,
      dispatcher: acceptingDispatcher(posts),
      includeUnsampled,
    });
    onTestFinished(() => processor.shutdown());
    const sampler = {
      shouldSample: () => ({ decision: SamplingDecision.RECORD }),
      toString: () => 'record only',
    };
    const tracer = new NodeTracerProvider({ sampler, spanProcessors: [processor] }).getTracer('app');
    tracer.startSpan('chat', { attributes: CHAT }).end();
    await processor.forceFlush();
    expect(posts).toHaveLength(count);
  });
});

describe('a remote parent', () => {
  it('is the record that baggage names, for those who trust it', async () => {
    const near = start();
    const carrier: Record<string, string> = {};
    const agent = near.tracer.startSpan(
      'agent',
      { attributes: { 'gen_ai.operation.name': 'invoke_agent' } },
      trace.setSpan(ROOT_CONTEXT, near.tracer.startSpan('root')),
    );
    context.with(trace.setSpan(ROOT_CONTEXT, agent), () =>
      withFreeplayContext({ sessionId: 'far', propagate: true }, () =>
        propagation.inject(context.active(), carrier),
      ),
    );
    const remote = { ...agent.spanContext(), isRemote: true };
    const incoming = trace.setSpanContext(propagation.extract(ROOT_CONTEXT, carrier), remote);
    const far = start({ readBaggage: true });
    const entry = far.tracer.startSpan('POST /', {}, incoming);
    const call = far.tracer.startSpan('chat', { attributes: CHAT }, trace.setSpan(incoming, entry));
    call.end();
    entry.end();
    await far.processor.forceFlush();
    expect(bodyOf(far.records, completionIdOf(entry.spanContext()))?.parent_id).toBe(
      completionIdOf(agent.spanContext()),
    );
    expect(bodyOf(far.records, completionIdOf(call.spanContext()))?.parent_id).toBe(
      completionIdOf(entry.spanContext()),
    );
  });
});

describe('the guest in the app', () => {
  it('never throws, whatever it is given', async () => {
    const { processor } = start();
    const garbage = [
      {},
      null,
      undefined,
      7,
      { spanContext: () => ({}) },
      {
        spanContext: () => {
          throw new Error('no');
        },
      },
    ];
    for (const thing of garbage) {
      expect(() => processor.onStart(thing as never)).not.toThrow();
      expect(() => processor.onEnding(thing as never)).not.toThrow();
      expect(() => processor.onEnd(thing as never)).not.toThrow();
    }
    await processor.forceFlush();
  });

  it('does nothing after shutdown, and nothing without a key', async () => {
    const { processor, tracer, records } = start();
    await processor.shutdown();
    tracer.startSpan('chat', { attributes: CHAT }).end();
    expect(records).toEqual([]);
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warn.mockRestore());
    const idle = new FreeplaySpanProcessor({ apiKey: '', projectId: PROJECT });
    await idle.forceFlush();
    await idle.shutdown();
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('warns, once, where an exporter of ours is on the same provider', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warn.mockRestore());
    const { processor, others, tracer } = start();
    const exporter = new FreeplaySpanExporter({
      apiKey: 'k',
      projectId: PROJECT,
      dispatcher: acceptingDispatcher([]),
    });
    onTestFinished(() => exporter.shutdown());
    for (const _ of [1, 2]) tracer.startSpan('chat', { attributes: CHAT }).end();
    await processor.forceFlush();
    for (const span of others.getFinishedSpans()) {
      await new Promise((resolve) => exporter.export([span], resolve));
    }
    const twice = warn.mock.calls.filter(
      ([, options]) => (options as { code?: string }).code === 'FREEPLAY_OTEL_TWICE',
    );
    expect(twice).toHaveLength(1);
  });

  it('records failed calls with their error and no invented reply', async () => {
    const { processor, tracer, records } = start();
    const span = tracer.startSpan('chat', {
      attributes: { ...CHAT, 'gen_ai.input.messages': messages('user', 'Hello?') },
    });
    span.recordException(new TypeError('boom'));
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'boom' });
    span.end();
    await processor.forceFlush();
    expect(records[0]?.body).toMatchObject({
      messages: [{ role: 'user', content: 'Hello?' }],
      call_info: { provider_info: { error: { type: 'TypeError', message: 'boom' } } },
    });
  });
});
