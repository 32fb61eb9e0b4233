import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completionIdOf } from '../../src/record/ids.ts';
import { NO_SPAN } from '../../src/span/span-data.ts';
import {
  completion,
  GROUP,
  PROJECT,
  SESSION,
  spanId,
  startTestServer,
  type TestServer,
  trace,
} from './support.ts';

const START = Date.UTC(2026, 0, 2, 12);
const [agent, ask, tool, answer] = ['1', '2', '3', '4'].map(spanId) as [string, string, string, string];
const OTHER_SESSION = '11111111-2222-4333-8444-555555555555';

function call(second: number, seconds: number, fields: object = {}): object {
  const start_time = START / 1_000 + second;
  return { start_time, end_time: start_time + seconds, provider: 'openai', ...fields };
}

function at(second: number): string {
  return new Date(START + second * 1_000).toISOString();
}

let server: TestServer;

/** Children before parents, as exporters send them: a tool that the first call asked for, and a second call, below an agent. */
beforeAll(async () => {
  server = await startTestServer();
  const otel = { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', url: 'https://jaeger.example/trace/4bf9' };
  await server.postTrace(
    tool,
    trace({
      kind: 'tool',
      name: 'get_weather',
      parent_id: ask,
      input: { city: 'Paris' },
      output: '21 °C',
      start_time: at(2),
      end_time: at(3),
    }),
  );
  await server.postCompletion(
    completion({
      completion_id: ask,
      parent_id: agent,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Is it warm in Paris?' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'c', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
          ],
        },
      ],
      session_info: { custom_metadata: { 'session.id': 'chat-7', plan: 'pro' } },
      call_info: call(1, 1, {
        model: 'gpt-4o',
        usage: { prompt_tokens: 100, completion_tokens: 10 },
        provider_info: { otel },
      }),
    }),
  );
  await server.postCompletion(
    completion({
      completion_id: answer,
      parent_id: agent,
      messages: [
        { role: 'user', content: 'Is it warm in Paris?' },
        { role: 'tool', content: '21 °C', tool_call_id: 'c' },
        { role: 'assistant', content: 'Pleasantly warm.' },
      ],
      call_info: call(3, 3, {
        model: 'claude-sonnet-4-5',
        provider: 'anthropic',
        usage: { prompt_tokens: 200, completion_tokens: 20 },
      }),
    }),
  );
  await server.postTrace(
    agent,
    trace({ agent_name: 'weather agent', parent_id: GROUP, start_time: at(0), end_time: at(7) }),
  );
  await server.postTrace(GROUP, trace({ name: 'POST /chat', start_time: at(0), end_time: at(8) }));
  // Another session, later: one call that failed, in no trace.
  await server.postCompletion(
    {
      ...completion({
        messages: [{ role: 'user', content: 'hello?' }],
        call_info: call(60, 0.5, {
          model: 'gpt-4o',
          provider_info: { error: { type: 'rate_limit', message: 'slow down' } },
        }),
      }),
      trace_info: undefined,
      completion_id: 'aaaaaaaa-0000-4000-8000-000000000001',
    },
    OTHER_SESSION,
  );
});
afterAll(() => server.close());

describe('lists', () => {
  it('sessions, the latest first, with what is in them', async () => {
    expect(await server.view('sessions')).toEqual({
      rows: [
        {
          id: OTHER_SESSION,
          project: PROJECT,
          completions: 1,
          traces: 1,
          errors: 1,
          models: ['gpt-4o'],
          agents: [],
          start: START + 60_000,
          end: START + 60_500,
          input: 'hello?',
          output: 'failed: rate_limit: slow down',
        },
        {
          id: SESSION,
          project: PROJECT,
          name: 'chat-7',
          completions: 2,
          traces: 1,
          errors: 0,
          models: ['gpt-4o', 'claude-sonnet-4-5'],
          agents: ['weather agent'],
          start: START,
          end: START + 8_000,
          promptTokens: 300,
          completionTokens: 30,
          input: 'Is it warm in Paris?',
          output: 'Pleasantly warm.',
        },
      ],
      total: 2,
      totalIsMore: false,
    });
  });

  it('completions, page by page', async () => {
    const first = await server.view('completions?limit=2');
    expect(first).toMatchObject({ total: 3, rows: [{ failed: true }, { id: answer }] });
    const second = await server.view(`completions?limit=2&before=${first.next}`);
    expect(second).toEqual({
      rows: [
        {
          id: ask,
          session: SESSION,
          trace: GROUP,
          model: 'gpt-4o',
          provider: 'openai',
          agent: 'weather agent',
          start: START + 1_000,
          durationMillis: 1_000,
          failed: false,
          promptTokens: 100,
          completionTokens: 10,
          input: 'Is it warm in Paris?',
          output: 'calls get_weather({"city":"Paris"})',
        },
      ],
      total: 3,
      totalIsMore: false,
    });
    const sessions = await server.view('sessions?limit=1');
    expect((await server.view(`sessions?limit=1&before=${sessions.next}`)).rows).toMatchObject([
      { id: SESSION },
    ]);
  });

  it.each([
    ['text=warm', [answer, ask]],
    ['text=WARM+pleas', [answer]],
    ['text=slow', ['aaaaaaaa']],
    ['text=weather+agent', [answer, ask]],
    ['text=sonnet', [answer]],
    ['text=nothing', []],
    ['model=gpt-4o', ['aaaaaaaa', ask]],
    ['provider=anthropic', [answer]],
    ['agent=weather+agent', [answer, ask]],
    ['agent=weather', []],
    ['error=true', ['aaaaaaaa']],
    ['error=false&model=gpt-4o', [ask]],
    ['session=AT-7', [answer, ask]],
    ['session=11111111', ['aaaaaaaa']],
    [`from=${START + 3_000}`, ['aaaaaaaa', answer]],
    [`to=${START + 3_000}`, [ask]],
    ['text=&model=&error=', ['aaaaaaaa', answer, ask]],
    ['text=%21%21', []],
  ])('%s', async (query, ids) => {
    const { rows, total } = await server.view(`completions?${query}`);
    expect(rows.map(({ id }: { id: string }) => ids.find((one) => id.startsWith(one)))).toEqual(ids);
    expect(total).toBe(ids.length);
    const { rows: sessions } = await server.view(`sessions?${query}`);
    expect(sessions.length).toBe(
      ids.some((id) => id.startsWith('aaaaaaaa')) ? (ids.length > 1 ? 2 : 1) : Math.min(1, ids.length),
    );
    const charts = await server.view(`charts?${query}`);
    expect(charts.completions).toBe(ids.length);
    const { models } = await server.view(`facets?${query}`);
    expect(models.reduce((sum: number, { count }: { count: number }) => sum + count, 0)).toBe(ids.length);
  });

  it('facets', async () => {
    expect(await server.view('facets')).toEqual({
      models: [
        { value: 'gpt-4o', count: 2 },
        { value: 'claude-sonnet-4-5', count: 1 },
      ],
      providers: [
        { value: 'openai', count: 2 },
        { value: 'anthropic', count: 1 },
      ],
      agents: [{ value: 'weather agent', count: 2 }],
    });
  });

  it.each([
    ['completions?limit=0', 'limit: '],
    ['completions?limit=201', 'limit: '],
    ['sessions?before=yesterday', 'before: '],
    ['completions?from=today', 'from: '],
    ['completions?to=-1', 'to: '],
    ['charts?error=maybe', 'error: '],
    ['charts?limit=5', 'limit: unknown parameter'],
    ['facets?__proto__=1', '__proto__: unknown parameter'],
    ['sessions/x?y=1', 'y: unknown parameter'],
  ])('%s is refused', async (path, message) => {
    const reply = await server.send('GET', `/api/view/${path}`);
    expect(reply).toMatchObject({ status: 400, json: { message: expect.stringContaining(message) } });
  });
});

it('charts: totals, percentiles and tokens by model over time', async () => {
  const charts = await server.view('charts');
  expect(charts).toMatchObject({
    completions: 3,
    sessions: 2,
    errors: 1,
    promptTokens: 300,
    completionTokens: 30,
    p50Millis: 1_000,
    p95Millis: 3_000,
    bucketMillis: 1_000,
  });
  expect(charts.buckets).toHaveLength(60);
  expect(charts.buckets[0]).toBe(START + 1_000);
  const [gpt, claude] = charts.models;
  expect([gpt.model, claude.model]).toEqual(['gpt-4o', 'claude-sonnet-4-5']);
  const nonZero = (list: (number | null)[]): [number, number][] =>
    list.flatMap((value, index) => (value ? [[index, value] as [number, number]] : []));
  expect([nonZero(gpt.completions), nonZero(gpt.p50Millis), nonZero(gpt.promptTokens)]).toEqual([
    [
      [0, 1],
      [59, 1],
    ],
    [
      [0, 1_000],
      [59, 500],
    ],
    [[0, 100]],
  ]);
  expect([nonZero(claude.completions), nonZero(claude.p95Millis)]).toEqual([[[2, 1]], [[2, 3_000]]]);
  expect(gpt.p50Millis[1]).toBeNull();
  expect(await server.view('charts?text=nothing')).toMatchObject({ completions: 0, buckets: [], models: [] });
});

it('charts: nine models are eight and the others; a span of years has no more buckets', async () => {
  const many = await startTestServer();
  for (let model = 0; model < 10; model++) {
    for (let i = 0; i <= 10 - model; i++) {
      const start_time = 1e9 + i * 8e7;
      const end_time = start_time + (i + 1) / 10;
      await many.postCompletion(completion({ call_info: { start_time, end_time, model: `m${model}` } }));
    }
  }
  const charts = await many.view('charts');
  expect(charts.models.map(({ model }: { model: string }) => model)).toEqual([
    ...Array.from({ length: 8 }, (_, model) => `m${model}`),
    'other',
  ]);
  expect(charts.buckets.length).toBeLessThanOrEqual(60);
  for (const { completions } of charts.models) expect(completions).toHaveLength(charts.buckets.length);
  const sum = charts.models.flatMap(({ completions }: { completions: number[] }) => completions);
  expect(sum.reduce((all: number, one: number) => all + one)).toBe(charts.completions);
  await many.close();
});

describe('one by one', () => {
  it('a session with its traces', async () => {
    expect(await server.view(`sessions/${SESSION.toUpperCase()}`)).toMatchObject({
      id: SESSION,
      name: 'chat-7',
      traceList: [
        {
          id: GROUP,
          otelTraceId: '4bf92f3577b34da6a3ce929d0e0e4736',
          name: 'POST /chat',
          completions: 2,
          errors: 0,
          start: START,
          end: START + 8_000,
          promptTokens: 300,
        },
      ],
    });
  });

  it.each([
    GROUP,
    '4bf92f3577b34da6a3ce929d0e0e4736',
    '4BF92F3577B34DA6A3CE929D0E0E4736',
    tool,
  ])('the trace by %s', async (id) => {
    const view = await server.view(`traces/${id}`);
    expect(view).toMatchObject({ id: GROUP, session: SESSION, url: 'https://jaeger.example/trace/4bf9' });
    expect(view.nodes.map(({ depth, kind, name }: Record<string, unknown>) => [depth, kind, name])).toEqual([
      [0, 'group', 'POST /chat'],
      [1, 'agent', 'weather agent'],
      [2, 'completion', 'gpt-4o'],
      [3, 'tool', 'get_weather'],
      [2, 'completion', 'claude-sonnet-4-5'],
    ]);
    expect(view.nodes[3]).toMatchObject({
      id: tool,
      start: START + 2_000,
      durationMillis: 1_000,
      input: '{"city":"Paris"}',
      output: '21 °C',
    });
  });

  it('a completion, with who is above it', async () => {
    const view = await server.view(`completions/${answer}`);
    expect(view).toMatchObject({
      kind: 'completion',
      id: answer,
      session: SESSION,
      trace: GROUP,
      path: `/v2/projects/${PROJECT}/sessions/${SESSION}/completions`,
      parents: [
        { id: GROUP, kind: 'group', name: 'POST /chat' },
        { id: agent, kind: 'agent', name: 'weather agent' },
      ],
      feedback: {},
    });
    expect(view.body).toEqual(JSON.parse(view.posted));
    expect(view.receivedAt).toBeGreaterThan(Date.now() - 60_000);
    expect((await server.view(`records/${tool}`)).parents).toMatchObject([
      {},
      { kind: 'agent' },
      { id: ask, kind: 'completion' },
    ]);
  });

  it('a trace that nobody recorded, and a call in none', async () => {
    const session = randomUUID();
    const group = randomUUID();
    const body = completion({ trace_info: { trace_id: group }, parent_id: randomUUID() });
    await server.postCompletion(body, session);
    expect((await server.view(`traces/${group}`)).nodes).toMatchObject([
      { id: group, kind: 'missing', depth: 0 },
      { id: body.completion_id, kind: 'completion', depth: 1 },
    ]);
    expect((await server.view(`completions/${body.completion_id}`)).parents).toMatchObject([
      { id: group, kind: 'missing' },
    ]);
    const alone = await server.view('completions/aaaaaaaa-0000-4000-8000-000000000001');
    expect(alone.parents).toEqual([]);
    expect(alone.trace).toBeUndefined();
  });

  it('updates, patches and feedback show at once', async () => {
    const body = completion();
    const session = randomUUID();
    const base = `/api/v2/projects/${PROJECT}`;
    await server.postCompletion(body, session);
    const update = {
      new_messages: [{ role: 'assistant', content: 'belated rhubarb' }],
      eval_results: { good: true },
    };
    await server.send('POST', `${base}/completions/${body.completion_id}`, update);
    await server.send('PATCH', `${base}/sessions/id/${session}/metadata`, { plan: 'free' });
    await server.send('POST', `${base}/completion-feedback/id/${body.completion_id}`, { thumbs: true });
    const view = await server.view(`completions/${body.completion_id}`);
    expect(view.posted).toBe(JSON.stringify(body));
    expect(view.body).toMatchObject({
      messages: [{}, {}, { content: 'belated rhubarb' }],
      eval_results: { good: true },
    });
    expect(view.feedback).toEqual({ thumbs: true });
    expect((await server.view(`sessions/${session}`)).metadata).toEqual({ plan: 'free' });
    expect((await server.view('completions?text=rhubarb')).rows).toMatchObject([
      { output: 'belated rhubarb' },
    ]);
  });

  it.each(['sessions', 'completions', 'records', 'traces'])('%s: 404 for what there is not', async (list) => {
    for (const id of [randomUUID(), 'x', '%zz', '__proto__', '..%2f..'])
      expect(await server.send('GET', `/api/view/${list}/${id}`)).toMatchObject({
        status: 404,
        json: { message: expect.stringContaining('is not recorded') },
      });
  });
});

describe('receipts of an exporter in development mode', () => {
  const receipt = {
    dialect: 'otel-genai',
    scope: { name: 'openai' },
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanIds: ['00f067aa0ba902b7'],
    rules: [],
    guessed: [],
    merged: [],
    cut: [],
    masked: [],
    missing: [],
  };
  const post = (receipts: unknown): ReturnType<TestServer['send']> =>
    server.send('POST', '/api/local/receipts', { receipts });

  it('are joined to their records, whichever comes first', async () => {
    const early = completion();
    const item = { kind: 'completion', id: early.completion_id, receipt, spans: [] };
    expect((await post([item])).status).toBe(202);
    await server.postCompletion(early);
    expect((await server.view(`completions/${early.completion_id}`)).receipt).toEqual(receipt);
    const odd = JSON.parse('{"__proto__":{"a":1},"name":"chat"}');
    const upper = { kind: 'trace', id: tool.toUpperCase(), receipt, spans: [odd] };
    expect((await post([upper])).status).toBe(202);
    const view = await server.view(`records/${tool}`);
    expect(view.spans).toEqual([odd]);
    expect(view.sources).toBeUndefined();
  });

  it('say where each field came from, where the span came along', async () => {
    const span = {
      ...NO_SPAN,
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      spanId: '00f067aa0ba902b7',
      parentSpanId: 'a11d24e8a521aa1a',
      name: 'chat gpt-4o',
      startTime: [1_700_000_000, 0],
      endTime: [1_700_000_001, 0],
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': 'gpt-4o',
        'gen_ai.usage.input_tokens': 12,
        'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
      },
    };
    const id = completionIdOf(span);
    await server.postCompletion(completion({ completion_id: id }));
    expect((await post([{ kind: 'completion', id, receipt, spans: [span] }])).status).toBe(202);
    expect((await server.view(`completions/${id}`)).sources).toMatchObject({
      'messages.0': ['gen_ai.input.messages'],
      'call_info.usage.prompt_tokens': ['gen_ai.usage.input_tokens'],
    });
  });

  it.each([
    [{}, 'receipts: '],
    [[{ kind: 'span', id: tool, receipt, spans: [] }], 'receipts.0.kind: '],
    [[{ kind: 'trace', id: '1', receipt, spans: [] }], 'receipts.0.id: '],
    [[{ kind: 'trace', id: tool, receipt: {}, spans: [] }], 'receipts.0.receipt.dialect: '],
    [[{ kind: 'trace', id: tool, receipt, spans: ['x'] }], 'receipts.0.spans.0: '],
    [JSON.parse(`${'['.repeat(300)}${']'.repeat(300)}`), 'nested deeper'],
  ])('%# is refused', async (receipts, message) => {
    expect(await post(receipts)).toMatchObject({
      status: 400,
      json: { message: expect.stringContaining(message) },
    });
  });
});

it('exports a session: its records, and what was said of them', async () => {
  const response = await fetch(`${server.url}/api/view/sessions/${SESSION}/export`);
  expect(response.headers.get('content-disposition')).toBe('attachment; filename="session-3c90c3cc.json"');
  const file = (await response.json()) as { session: object; records: object[]; annotations: object[] };
  expect(file.session).toMatchObject({ id: SESSION, name: 'chat-7' });
  expect(file.records).toEqual(await server.records(`?session=${SESSION}`));
  expect((await fetch(`${server.url}/api/view/sessions/${randomUUID()}/export`)).status).toBe(404);
});

it('deletes everything', async () => {
  const local = { 'x-freeplay-local': '1' };
  expect((await server.send('DELETE', '/api/view/records', undefined, local)).status).toBe(204);
  expect(await server.view('sessions')).toEqual({ rows: [], total: 0, totalIsMore: false });
  expect(await server.view('status')).toMatchObject({
    records: 0,
    location: 'memory',
    keyNeeded: false,
    dropped: 0,
  });
  expect((await server.postCompletion(completion({ completion_id: ask }))).status).toBe(201);
});
