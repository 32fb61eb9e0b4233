import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  validateCompletion,
  validateCompletionUpdate,
  validateFeedback,
  validateMetadata,
  validateTrace,
} from '../../src/local/contract.ts';
import { completion, spanId, trace } from './support.ts';

const call = (fields: object): object => ({
  call_info: { start_time: 1.7e9, end_time: 1.7e9 + 1, ...fields },
});
const message = (...last: object[]): object => ({ messages: [{ role: 'user', content: 'x' }, ...last] });
const toolCall = (fields: object): object =>
  message({
    role: 'assistant',
    tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' }, ...fields }],
  });

/** Wrong in both readings: what is replaced, and how the complaint begins. */
const BAD_COMPLETIONS: [field: string, fields: object][] = [
  ['surprise: unknown field', { surprise: 1 }],
  ['messages: is missing', { messages: undefined }],
  ['messages: must hold at least one item', { messages: [] }],
  ['messages: expected array', { messages: 'hello' }],
  ['messages[1]: expected an object', message('x' as unknown as object)],
  ['messages[1].role: is missing', message({ content: 'x' })],
  ['messages[1].role: "bot"', message({ role: 'bot', content: 'x' })],
  ['messages[1].content: is missing', message({ role: 'assistant' })],
  ['messages[1].content: expected a string', message({ role: 'assistant', content: 5 })],
  ['messages[1].content: must hold at least one item', message({ role: 'assistant', content: [] })],
  [
    'messages[1].content[0]: content part of unknown type "video"',
    message({ role: 'user', content: [{ type: 'video' }] }),
  ],
  ['messages[1].content[0].text: is missing', message({ role: 'user', content: [{ type: 'text' }] })],
  [
    'messages[1].content[0].image_url.url: is missing',
    message({ role: 'user', content: [{ type: 'image_url', image_url: {} }] }),
  ],
  ['messages[1].content[0].file: is {}', message({ role: 'user', content: [{ type: 'file', file: {} }] })],
  ['messages[1].id: unknown field', message({ role: 'assistant', content: 'x', id: '1' })],
  ['messages[1].tool_calls: must hold', message({ role: 'assistant', content: 'x', tool_calls: [] })],
  [
    'messages[1].tool_calls: does not belong on a user message',
    message({
      role: 'user',
      content: 'x',
      tool_calls: [{ type: 'function', function: { name: 'f', arguments: '' } }],
    }),
  ],
  ['messages[1].tool_calls[0].type: expected "function"', toolCall({ type: 'tool' })],
  ['messages[1].tool_calls[0].id: is empty', toolCall({ id: '' })],
  [
    'messages[1].tool_calls[0].function.arguments: expected string, received object',
    toolCall({ function: { name: 'f', arguments: {} } }),
  ],
  ['messages[1].tool_calls[0].function.name: is empty', toolCall({ function: { name: '', arguments: '' } })],
  [
    'messages[1].tool_call_id: does not belong',
    message({ role: 'assistant', content: 'x', tool_call_id: 'a' }),
  ],
  [
    'messages[1].reasoning_content: does not belong',
    message({ role: 'user', content: 'x', reasoning_content: 'hm' }),
  ],
  ['messages[1].refusal: is null: leave it out', message({ role: 'assistant', content: 'x', refusal: null })],
  ['inputs: is {}', { inputs: {} }],
  ['inputs: is null: leave it out', { inputs: null }],
  ['media_inputs.photo: "ftp" is not a type of media', { media_inputs: { photo: { type: 'ftp' } } }],
  ['tool_schema: must hold', { tool_schema: [] }],
  ['tool_schema[0].function.name: is missing', { tool_schema: [{ type: 'function', function: {} }] }],
  [
    'tool_schema[0].function.parameters: expected an object',
    { tool_schema: [{ type: 'function', function: { name: 'f', parameters: 'x' } }] },
  ],
  ['output_schema: is {}', { output_schema: {} }],
  ['session_info: is {}', { session_info: {} }],
  ['session_info.custom_metadata: is {}', { session_info: { custom_metadata: {} } }],
  [
    'session_info.custom_metadata.a: is null: leave it out',
    { session_info: { custom_metadata: { a: null } } },
  ],
  [
    'session_info.custom_metadata["a b"]: expected',
    { session_info: { custom_metadata: { 'a b': { nested: 1 } } } },
  ],
  ['trace_info.trace_id: "456" is not a valid uuid4 format.', { trace_info: { trace_id: '456' } }],
  ['parent_id: "00f067aa0ba902b7" is not a valid uuid4', { parent_id: '00f067aa0ba902b7' }],
  [
    'parent_id: "11111111-1111-1111-8111-111111111111" is not',
    { parent_id: '11111111-1111-1111-8111-111111111111' },
  ],
  ['prompt_info.prompt_template_version_id: is missing', { prompt_info: { environment: 'prod' } }],
  ['call_info: is {}', { call_info: {} }],
  ['call_info.model: is null: leave it out', call({ model: null })],
  ['call_info.model: is empty', call({ model: '' })],
  ['call_info.latency: unknown field', call({ latency: 1 })],
  ['call_info.start_time: expected Unix seconds', call({ start_time: 1.7e12 })],
  ['call_info.start_time: expected number, received string', call({ start_time: '2024-01-01T00:00:00Z' })],
  ['call_info.end_time: is before start_time', call({ end_time: 1.6e9 })],
  ['call_info.usage: is {}', call({ usage: {} })],
  ['call_info.usage.prompt_tokens: expected a whole number', call({ usage: { prompt_tokens: 1.5 } })],
  ['call_info.usage.completion_tokens: is negative', call({ usage: { completion_tokens: -1 } })],
  ['call_info.usage.prompt_tokens: is not JSON: NaN', call({ usage: { prompt_tokens: Number.NaN } })],
  ['call_info.usage.total_tokens: unknown field', call({ usage: { total_tokens: 1 } })],
  ['call_info.llm_parameters: is {}', call({ llm_parameters: {} })],
  ['call_info.provider_info: is {}', call({ provider_info: {} })],
  ['call_info.api_style: expected "default" or "batch"', call({ api_style: 'stream' })],
  ['test_run_info.test_case_id: is missing', { test_run_info: { test_run_id: spanId('1') } }],
  ['eval_results.good: expected a number or boolean', { eval_results: { good: 'yes' } }],
  ['response_info: is {}', { response_info: {} }],
  [
    'response_info.function_call_response.arguments: expected string',
    { response_info: { function_call_response: { name: 'f', arguments: {} } } },
  ],
  ['completion_id: "x" is not a valid uuid4 format.', { completion_id: 'x' }],
  ['inputs.a: is not JSON: an object of a class', { inputs: { a: new Map() } }],
];

const BAD_TRACES: [field: string, fields: object][] = [
  ['input: is missing', { input: undefined }],
  ['output: is missing', { output: undefined }],
  ['messages: unknown field', { messages: [] }],
  ['parent_id: "1" is not a valid uuid4 format.', { parent_id: '1' }],
  ['kind: expected "tool", "agent" or null', { kind: 'chain' }],
  ['name: expected string, received number', { name: 5 }],
  ['custom_metadata: is {}', { custom_metadata: {} }],
  ['custom_metadata.a: expected', { custom_metadata: { a: [1] } }],
  ['eval_results.a: expected', { eval_results: { a: 'x' } }],
  ['test_run_info.test_run_id: is missing', { test_run_info: { test_case_id: spanId('1') } }],
  ['start_time: 1700000000 is not an ISO 8601', { start_time: 1_700_000_000 }],
  ['end_time: "2023-13-45T00:00:00.000Z" is not', { end_time: '2023-13-45T00:00:00.000Z' }],
];

describe('completion bodies', () => {
  it.each(BAD_COMPLETIONS)('%s', (complaint, fields) => {
    for (const profile of ['accepted', 'emitted'] as const) {
      expect(validateCompletion(completion(fields), profile)).toContain(complaint);
    }
  });

  it('takes everything the contract names', () => {
    const id = spanId('1');
    const body = completion({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'developer', content: 'Now.', name: 'dev' },
        {
          role: 'user',
          content: [
            { type: 'text', text: '' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==', detail: 'low' } },
            { type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } },
            { type: 'file', file: { file_data: 'AA==', filename: 'a.pdf' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          reasoning_content: 'hm',
          tool_calls: [{ type: 'function', function: { name: 'f', arguments: '{"broken' } }],
        },
        { role: 'tool', content: 'x', tool_call_id: 'a' },
        {
          role: 'assistant',
          content: [{ type: 'refusal', refusal: 'no' }],
          refusal: 'no',
          function_call: { name: 'f', arguments: '' },
        },
      ],
      inputs: { city: null },
      media_inputs: {
        a: { type: 'url', url: 'http://x' },
        b: { type: 'base64', data: '', content_type: 'image/png' },
      },
      tool_schema: [
        { type: 'function', function: { name: 'f', description: '', parameters: {}, strict: true } },
      ],
      output_schema: { type: 'object' },
      session_info: { custom_metadata: { a: 'x', b: 0, c: false } },
      parent_id: null,
      prompt_info: { prompt_template_version_id: id, environment: null },
      test_run_info: { test_run_id: id, test_case_id: id },
      eval_results: { a: 1, b: true },
      response_info: { function_call_response: { name: 'f', arguments: '' } },
      call_info: {
        start_time: 1.7e9,
        end_time: 1.7e9,
        model: 'm',
        provider: 'p',
        provider_info: { a: null },
        llm_parameters: { stop: [] },
        usage: { prompt_tokens: 0 },
        api_style: 'batch',
      },
    });
    expect(validateCompletion(body)).toBeUndefined();
    expect(validateCompletion(body, 'accepted')).toBeUndefined();
  });

  it.each([
    ['completion_id: is missing', { completion_id: undefined }],
    ['completion_id: null', { completion_id: null }],
    ['completion_id: "AA', { completion_id: 'AAAAAAAA-AAAA-4AAA-AAAA-AAAAAAAAAAAA' }],
    ['trace_info: is missing', { trace_info: undefined }],
    ['call_info: is missing', { call_info: undefined }],
    ['call_info.end_time: is missing', { call_info: { start_time: 1.7e9 } }],
    ['tool_schema[0].function: is missing', { tool_schema: [{ name: 'f', input_schema: {} }] }],
  ])('the server completes what an exporter must send: %s', (complaint, fields) => {
    const body = completion(fields);
    for (const [key, value] of Object.entries(body))
      if (value === undefined) Reflect.deleteProperty(body, key);
    expect(validateCompletion(body, 'accepted')).toBeUndefined();
    expect(validateCompletion(body, 'emitted')).toContain(complaint);
  });

  it('names a __proto__ key like any other', () => {
    expect(validateCompletion({ ...completion(), ['__proto__']: {} })).toContain('__proto__: unknown field');
    const metadata = JSON.parse('{"custom_metadata":{"__proto__":{"a":1}}}');
    expect(validateCompletion(completion({ session_info: metadata }))).toContain(
      'session_info.custom_metadata.__proto__:',
    );
  });

  it('refuses deep nesting without a stack overflow', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = { a: deep };
    expect(validateCompletion(completion({ inputs: deep }))).toMatch(
      /^inputs(\.a){7}…: is nested deeper than 200 levels$/,
    );
    expect(validateTrace(trace({ input: deep }))).toContain('is nested deeper');
  });
});

describe('trace bodies', () => {
  it.each(BAD_TRACES)('%s', (complaint, fields) => {
    for (const profile of ['accepted', 'emitted'] as const) {
      expect(validateTrace(trace(fields), profile)).toContain(complaint);
    }
  });

  it('takes everything the contract names', () => {
    const id = spanId('1');
    const body = trace({
      input: null,
      output: [1],
      parent_id: id,
      kind: 'agent',
      name: null,
      agent_name: 'a',
      custom_metadata: { a: 1 },
      eval_results: { a: 1 },
      test_run_info: { test_run_id: id, test_case_id: id },
    });
    expect(validateTrace(body)).toBeUndefined();
  });

  it('wants milliseconds of the exporter only', () => {
    const body = trace({ start_time: '2024-01-01T00:00:00+02:00' });
    expect(validateTrace(body, 'accepted')).toBeUndefined();
    expect(validateTrace(body)).toContain(
      'start_time: "2024-01-01T00:00:00+02:00" is not an ISO 8601 date-time with milliseconds',
    );
  });
});

it.each([
  [validateCompletionUpdate, {}, 'the body: is {}'],
  [validateCompletionUpdate, { new_messages: [] }, 'new_messages: must hold'],
  [validateCompletionUpdate, { new_messages: [{ role: 'x', content: '' }] }, 'new_messages[0].role: "x"'],
  [validateCompletionUpdate, { messages: [] }, 'messages: unknown field'],
  [validateMetadata, { a: null }, 'a: is null: leave it out'],
  [validateMetadata, [], 'the body: expected an object, received array'],
  [validateFeedback, { a: { b: 1 } }, 'a: expected'],
] as const)('%o refuses %j', (validate, body, complaint) => {
  expect(validate(body)).toContain(complaint);
});

it('is total: any value gives an answer', () => {
  fc.assert(
    fc.property(fc.anything(), fc.jsonValue(), (anything, json) => {
      for (const value of [
        anything,
        json,
        completion({ messages: json }),
        completion({ call_info: anything }),
      ]) {
        validateCompletion(value);
        validateTrace(value);
        validateCompletionUpdate(value);
        validateMetadata(value);
      }
    }),
  );
});
