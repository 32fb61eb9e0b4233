/** What of one span becomes what in the body. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convertSpans, type FreeplayOptions, type FreeplayRecord, sessionIdOf } from '../../src/index.ts';
import { toUnixSeconds } from '../../src/record/times.ts';
import type { Json } from '../contract/support/truth.ts';
import { chatAttributes, complaintsOf, makeSpan } from '../property/support.ts';

const SPAN_ID = '00f067aa0ba902b7';
const UUID = '9f1c2b3a-4d5e-4f60-8a7b-0c1d2e3f4a5b';
const UUID_2 = '1f1c2b3a-4d5e-4f60-8a7b-0c1d2e3f4a5b';

function convertOne(
  attributes: object,
  options: FreeplayOptions = {},
  more: object = {},
): FreeplayRecord & { body: Json } {
  const span = {
    ...makeSpan({ spanId: SPAN_ID, name: 'chat', attributes: { ...chatAttributes(), ...attributes } }),
    ...more,
  };
  const records = convertSpans([span], { projectId: 'p1', ...options });
  expect(complaintsOf(records)).toEqual([]);
  expect(records).toHaveLength(1);
  return records[0] as FreeplayRecord & { body: Json };
}

describe('a completion', () => {
  it('is exactly this', () => {
    expect(convertOne({ 'gen_ai.request.temperature': 0.5, 'gen_ai.response.id': 'r-1' }).body).toEqual({
      messages: [
        { role: 'user', content: 'What?' },
        { role: 'assistant', content: 'That.' },
      ],
      trace_info: { trace_id: '4bf92f35-77b3-4da6-a3ce-929d0e0e4736' },
      parent_id: '4bf92f35-77b3-4da6-a3ce-929d0e0e4736',
      call_info: {
        start_time: 1_790_000_000,
        end_time: 1_790_000_000.01,
        model: 'gpt-4o',
        provider: 'openai',
        provider_info: {
          response_id: 'r-1',
          finish_reasons: ['stop'],
          otel: { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', span_id: SPAN_ID },
        },
        llm_parameters: { temperature: 0.5 },
        usage: { prompt_tokens: 10, completion_tokens: 5 },
      },
      completion_id: '00f067aa-0ba9-42b7-a3ce-929d0e0e4736',
    });
  });

  it('has the response model, and the requested one beside it', () => {
    const { call_info } = convertOne({ 'gen_ai.response.model': 'gpt-4o-2024-08-06' }).body;
    expect(call_info).toMatchObject({
      model: 'gpt-4o-2024-08-06',
      provider_info: { request_model: 'gpt-4o' },
    });
  });

  it('keeps the precision of its span', () => {
    const { call_info } = convertOne(
      {},
      {},
      { startTime: [1_790_000_000, 123_456_789], endTime: [1_790_000_001, 1] },
    ).body;
    expect(call_info.start_time).toBe(Number('1790000000.123456789'));
    expect(call_info.end_time).toBe(Number('1790000001.000000001'));
  });

  it('has times that round as their decimals do', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1e9, max: 4e9 }), fc.nat(999_999_999), (seconds, nanos) => {
        expect(toUnixSeconds([seconds, nanos])).toBe(Number(`${seconds}.${String(nanos).padStart(9, '0')}`));
      }),
      { numRuns: 2000 },
    );
  });

  it('never ends before it starts', () => {
    const { call_info } = convertOne(
      {},
      {},
      { startTime: [1_790_000_005, 0], endTime: [1_790_000_000, 0] },
    ).body;
    expect(call_info.end_time).toBe(call_info.start_time);
  });

  it('has the other choices beside the reply', () => {
    const output = ['one', 'two', 'three'].map((content) => ({
      role: 'assistant',
      parts: [{ type: 'text', content }],
      finish_reason: 'stop',
    }));
    const { messages, call_info } = convertOne({ 'gen_ai.output.messages': JSON.stringify(output) }).body;
    expect(messages.at(-1)).toEqual({ role: 'assistant', content: 'one' });
    expect(call_info.provider_info.choices.map((one: Json) => one.content)).toEqual(['two', 'three']);
  });

  it('keeps reasoning and refusal apart from the text', () => {
    const output = [
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', content: 'Hm.' },
          { type: 'refusal', content: 'No.' },
        ],
        finish_reason: 'content_filter',
      },
    ];
    const { messages, call_info } = convertOne({ 'gen_ai.output.messages': JSON.stringify(output) }).body;
    expect(messages.at(-1)).toMatchObject({ role: 'assistant', reasoning_content: 'Hm.', refusal: 'No.' });
    expect(JSON.stringify(messages.at(-1).content)).not.toContain('Hm.');
    expect(call_info.provider_info.finish_reasons).toEqual(['content_filter']);
  });

  it('ends with an empty reply where a success reports none', () => {
    const { messages } = convertOne({ 'gen_ai.output.messages': undefined }).body;
    expect(messages.at(-1)).toEqual({ role: 'assistant', content: null });
    expect(messages).toHaveLength(2);
  });

  it('that failed has its error and no invented reply', () => {
    const { messages, call_info } = convertOne(
      { 'gen_ai.output.messages': undefined, 'error.type': 'RateLimitError' },
      {},
      {
        status: { code: 2, message: 'status text' },
        events: [
          {
            name: 'exception',
            time: [1_790_000_000, 0],
            attributes: {
              'exception.type': 'RateLimitError',
              'exception.message': 'Too many requests',
              'exception.stacktrace': 'RateLimitError: …',
            },
          },
        ],
      },
    ).body;
    expect(messages).toEqual([{ role: 'user', content: 'What?' }]);
    expect(call_info.provider_info.error).toEqual({
      type: 'RateLimitError',
      message: 'Too many requests',
      stack: 'RateLimitError: …',
    });
  });

  it.each([
    ['as the status alone', {}, { status: { code: 2, message: 'boom' } }, 'boom'],
    ['as an attribute alone', { 'error.type': '429' }, {}, undefined],
  ])('that failed %s', (_, attributes, more, message) => {
    const { provider_info } = convertOne(attributes, {}, more).body.call_info;
    expect(provider_info.error.type).toBeTruthy();
    expect(provider_info.error.message).toBe(message);
  });

  it('says that content was not captured, and which setting turns it on', () => {
    const record = convertOne({ 'gen_ai.input.messages': undefined, 'gen_ai.output.messages': undefined });
    expect(record.body.messages).toEqual([{ role: 'assistant', content: null }]);
    expect(record.body.call_info).toMatchObject({
      usage: { prompt_tokens: 10, completion_tokens: 5 },
      provider_info: { content_captured: false },
    });
    expect(record.receipt.missing.join()).toContain('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT');
  });

  it('holds what survives of JSON that a span limit cut', () => {
    const whole = (chatAttributes({ question: 'A long question that goes on' }) as Json)[
      'gen_ai.input.messages'
    ];
    const record = convertOne({ 'gen_ai.input.messages': whole.slice(0, -20) });
    expect(record.body.messages[0].role).toBe('user');
    expect('A long question that goes on').toContain(record.body.messages[0].content);
    expect(record.receipt.cut.join()).toContain('gen_ai.input.messages was cut');
  });

  it('leaves out counts that nobody reported', () => {
    const none = { 'gen_ai.usage.input_tokens': undefined, 'gen_ai.usage.output_tokens': undefined };
    expect(convertOne(none).body.call_info).not.toHaveProperty('usage');
    expect(
      convertOne({ ...none, 'gen_ai.usage.input_tokens': Number.NaN }).body.call_info,
    ).not.toHaveProperty('usage');
    expect(convertOne({ ...none, 'gen_ai.usage.input_tokens': -1 }).body.call_info).not.toHaveProperty(
      'usage',
    );
    expect(convertOne({ ...none, 'gen_ai.usage.input_tokens': '12' }).body.call_info.usage).toEqual({
      prompt_tokens: 12,
    });
    expect(convertOne({ ...none, 'gen_ai.usage.output_tokens': 0 }).body.call_info.usage).toEqual({
      completion_tokens: 0,
    });
  });

  it('puts a response schema into output_schema', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    const { output_schema } = convertOne({
      'gen_ai.request.structured_output_schema': JSON.stringify(schema),
    }).body;
    expect(output_schema).toEqual(schema);
  });

  it.each([
    [
      'events',
      {},
      {
        events: [
          ['quality', { 'gen_ai.evaluation.score.value': 0.75 }],
          ['safe', { 'gen_ai.evaluation.score.label': 'pass' }],
          ['short', { 'gen_ai.evaluation.score.label': 'fail' }],
        ].map(([name, attributes]) => ({
          name: 'gen_ai.evaluation.result',
          time: [1_790_000_000, 0],
          attributes: { 'gen_ai.evaluation.name': name, ...(attributes as object) },
        })),
      },
    ],
    [
      'attributes',
      { 'freeplay.eval.quality': 0.75, 'freeplay.eval.safe': true, 'freeplay.eval.short': 'false' },
      {},
    ],
    [
      'attributes of the AI SDK',
      {
        'ai.telemetry.metadata.freeplay.eval.quality': '0.75',
        'ai.telemetry.metadata.freeplay.eval.safe': 'true',
        'ai.telemetry.metadata.freeplay.eval.short': false,
      },
      {},
    ],
  ])('has evaluation results from %s', (_, attributes, more) => {
    expect(convertOne(attributes, {}, more).body.eval_results).toEqual({
      quality: 0.75,
      safe: true,
      short: false,
    });
  });
});

describe('freeplay.* attributes', () => {
  const PREFIXES = ['', 'ai.telemetry.metadata.', 'ai.settings.context.', 'metadata.'];

  it.each(PREFIXES)('below %j reach their places', (prefix) => {
    const own = (fields: Record<string, unknown>): object =>
      Object.fromEntries(Object.entries(fields).map(([key, value]) => [`${prefix}freeplay.${key}`, value]));
    const record = convertOne(
      own({
        'session.id': 'chat-7',
        input_variables: '{"city":"Oslo","n":2}',
        'prompt_template.version.id': UUID.toUpperCase(),
        environment: 'staging',
        'test_run.id': UUID,
        'test_case.id': UUID_2,
        'parent.id': UUID_2,
        api_style: 'batch',
        'project.id': 'p2',
      }),
      { projects: ['p2'] },
    ) as FreeplayRecord & { body: Json };
    expect(record.sessionId).toBe(sessionIdOf('chat-7'));
    expect(record.path).toBe(`/v2/projects/p2/sessions/${sessionIdOf('chat-7')}/completions`);
    expect(record.body).toMatchObject({
      inputs: { city: 'Oslo', n: 2 },
      prompt_info: { prompt_template_version_id: UUID, environment: 'staging' },
      test_run_info: { test_run_id: UUID, test_case_id: UUID_2 },
      parent_id: UUID_2,
      call_info: { api_style: 'batch' },
      session_info: { custom_metadata: { 'session.id': 'chat-7' } },
    });
    expect(JSON.stringify(record.body)).not.toContain('freeplay.');
  });

  it.each([
    [
      'a project that is not listed',
      { 'freeplay.project.id': 'evil' },
      (r: Json) => expect(r.path).toContain('/projects/p1/'),
    ],
    [
      'an api style of its own',
      { 'freeplay.api_style': 'fast' },
      (r: Json) => expect(r.body.call_info).not.toHaveProperty('api_style'),
    ],
    [
      'a version that is no UUID',
      { 'freeplay.prompt_template.version.id': 'v1' },
      (r: Json) => expect(r.body).not.toHaveProperty('prompt_info'),
    ],
    [
      'half a test run',
      { 'freeplay.test_run.id': UUID },
      (r: Json) => expect(r.body).not.toHaveProperty('test_run_info'),
    ],
    [
      'a parent that is no UUID',
      { 'freeplay.parent.id': 'me' },
      (r: Json) => expect(r.body.parent_id).toBe('4bf92f35-77b3-4da6-a3ce-929d0e0e4736'),
    ],
    [
      'stamps, as input',
      { 'freeplay.completion.id': UUID, 'freeplay.trace.id': UUID, 'freeplay.url': 'https://x' },
      (r: Json) => expect(JSON.stringify(r.body)).not.toContain(UUID),
    ],
  ])('are not obeyed: %s', (_, attributes, check) => {
    check(convertOne(attributes, { projects: ['p2'] }));
  });

  it('escape a project in the path', () => {
    expect(convertOne({}, { projectId: 'a/../b' }).path).toContain('/projects/a%2F..%2Fb/');
  });
});

describe('session and metadata', () => {
  it.each<[string, object, string | undefined]>([
    [
      'freeplay.session.id before all',
      { 'freeplay.session.id': 'a', 'gen_ai.conversation.id': 'b', 'session.id': 'c' },
      'a',
    ],
    ['a conversation before a session', { 'gen_ai.conversation.id': 'b', 'session.id': 'c' }, 'b'],
    ['a thread before a session', { 'langsmith.metadata.thread_id': 't', 'session.id': 'c' }, 't'],
    ['a session', { 'session.id': 'c' }, 'c'],
    ['a number', { 'session.id': 42 }, '42'],
    ['nothing', {}, undefined],
    ['an empty text', { 'session.id': '' }, undefined],
  ])('%s', (_, attributes, session) => {
    const record = convertOne(attributes);
    expect(record.sessionId).toBe(
      session === undefined ? '4bf92f35-77b3-4da6-a3ce-929d0e0e4736' : sessionIdOf(session),
    );
  });

  it('of a UUID is that UUID, and not repeated', () => {
    const record = convertOne({ 'session.id': UUID.toUpperCase() });
    expect(record.sessionId).toBe(UUID);
    expect(record.body).not.toHaveProperty('session_info');
  });

  it('are scalars: nested flattened, lists as JSON, secrets and hostile keys left out', () => {
    const metadata = JSON.stringify({
      plan: 'pro',
      seats: 3,
      trial: false,
      nested: { a: { b: 1 } },
      tags: ['x', 'y'],
      api_key: 'sk-1234567890',
      authorization: 'Bearer x',
      nothing: null,
    }).replace('{', '{"__proto__":{"polluted":true},"constructor":1,');
    const record = convertOne(
      { metadata, 'user.id': 'u-1' },
      { metadata: { team: 'core', plan: 'default' } },
      { resource: { attributes: { 'service.name': 'shop', 'deployment.environment.name': 'prod' } } },
    );
    expect(record.body.session_info.custom_metadata).toEqual({
      team: 'core',
      plan: 'pro',
      seats: 3,
      trial: false,
      'nested.a.b': 1,
      tags: '["x","y"]',
      'user.id': 'u-1',
      'service.name': 'shop',
      'deployment.environment.name': 'prod',
    });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('come from the option that knows better', () => {
    expect(convertOne({ 'session.id': 'c' }, { session: () => 'mine' }).sessionId).toBe(sessionIdOf('mine'));
    expect(convertOne({ 'session.id': 'c' }, { session: () => undefined }).sessionId).toBe(sessionIdOf('c'));
  });

  it('link back', () => {
    const url = 'https://jaeger.example/trace/{traceId}?uiFind={spanId}';
    expect(convertOne({}, { traceUrlTemplate: url }).body.call_info.provider_info.otel.url).toBe(
      `https://jaeger.example/trace/4bf92f3577b34da6a3ce929d0e0e4736?uiFind=${SPAN_ID}`,
    );
  });
});

describe('hostile attributes', () => {
  it('of huge indices hold no more than they say', () => {
    const record = convertOne({
      'gen_ai.input.messages': undefined,
      'gen_ai.output.messages': undefined,
      'gen_ai.prompt.4294967295.role': 'user',
      'gen_ai.prompt.4294967295.content': 'far',
      'gen_ai.prompt.1e9.content': 'no index',
      'gen_ai.prompt.__proto__.content': 'no index',
      'gen_ai.completion.0.content': 'near',
    });
    expect(record.body.messages).toEqual([
      { role: 'user', content: 'far' },
      { role: 'assistant', content: 'near' },
    ]);
    expect(({} as { content?: string }).content).toBeUndefined();
  });
});

describe('a message', () => {
  it('has an empty text, not an empty list, for parts that all say nothing', () => {
    const parts = [
      { type: 'text', content: '' },
      { type: 'text', content: '' },
    ];
    const { messages } = convertOne({
      'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts }]),
    }).body;
    expect(messages[0]).toEqual({ role: 'user', content: '' });
  });
});
