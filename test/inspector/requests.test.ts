import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { shellQuote, toCurl } from '../../src/inspector/model/curl.ts';
import { toOpenAiRequest } from '../../src/inspector/model/openai-request.ts';

describe('cURL', () => {
  it.each([
    [`it's`],
    [`'`],
    [`''"\\"$HOME \`id\` $(id) !x; & | > \\n`],
    ['line\nline\r\n\ttab'],
    ['ünïcödé \u202e \u{1f600}'],
    [''],
  ])('%j means to a shell what it is', (text) => {
    expect(execFileSync('/bin/sh', ['-c', `printf %s ${shellQuote(text)}`], { encoding: 'utf8' })).toBe(text);
  });

  it('posts the JSON letter by letter, with the key of the environment', () => {
    const json = JSON.stringify({ messages: [{ role: 'user', content: `it's $5\n"quoted" \\` }] });
    // A function of that name tells what the real one would be given.
    const script = `curl() { printf '%s\\0' "$@"; }\n${toCurl('http://127.0.0.1:1/api/x?y=1&z=2', json)}`;
    const given = execFileSync('/bin/sh', ['-c', script], {
      encoding: 'utf8',
      env: { FREEPLAY_API_KEY: 'the key' },
    });
    expect(given.split('\0').slice(0, -1)).toEqual([
      '-X',
      'POST',
      'http://127.0.0.1:1/api/x?y=1&z=2',
      '-H',
      'Authorization: Bearer the key',
      '-H',
      'Content-Type: application/json',
      '--data-raw',
      json,
    ]);
  });
});

describe('the OpenAI request', () => {
  const record = {
    messages: [
      { role: 'system', content: 's' },
      { role: 'user', content: [{ type: 'text', text: 'u' }] },
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'hm',
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c', content: 'r' },
      { role: 'assistant', content: 'the reply' },
    ],
    call_info: {
      model: 'gpt-4o-2024-08-06',
      provider_info: { request_model: 'gpt-4o' },
      llm_parameters: { temperature: 0, top_k: 40, max_tokens: 10, stop: ['x'] },
    },
  };

  it('has everything but the reply, the model that was asked for, and the parameters', () => {
    expect(toOpenAiRequest(record)).toEqual({
      body: {
        model: 'gpt-4o',
        messages: [
          { role: 'system', content: 's' },
          { role: 'user', content: [{ type: 'text', text: 'u' }] },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', content: 'r', tool_call_id: 'c' },
        ],
        temperature: 0,
        max_tokens: 10,
        stop: ['x'],
      },
      leftOut: ['top_k'],
    });
  });

  it('of a failed call has all messages', () => {
    const messages = [{ role: 'user', content: 'u' }];
    expect(toOpenAiRequest({ messages, call_info: { model: 'm' } }).body.messages).toEqual(messages);
  });

  it('has tools in its own shape, whatever shape they were recorded in', () => {
    const schema = { type: 'object', properties: {} };
    const wanted = (name: string, rest: object = {}) => ({
      type: 'function',
      function: { name, ...rest, parameters: schema },
    });
    const { body } = toOpenAiRequest({
      messages: [],
      tool_schema: [
        { type: 'function', function: { name: 'chat', parameters: schema } },
        { type: 'function', name: 'responses', parameters: schema },
        { name: 'anthropic', description: 'd', input_schema: schema },
        { functionDeclarations: [{ name: 'vertex', parameters: schema }] },
      ],
    });
    expect(body.tools).toEqual([
      wanted('chat'),
      wanted('responses'),
      wanted('anthropic', { description: 'd' }),
      wanted('vertex'),
    ]);
  });

  it('asks for the output schema, unless the format is among the parameters', () => {
    const output_schema = { type: 'object' };
    expect(toOpenAiRequest({ messages: [], output_schema }).body.response_format).toEqual({
      type: 'json_schema',
      json_schema: { name: 'output', schema: output_schema },
    });
    const call_info = { llm_parameters: { response_format: { type: 'json_object' } } };
    expect(toOpenAiRequest({ messages: [], output_schema, call_info }).body.response_format).toEqual({
      type: 'json_object',
    });
  });

  it.each([
    [{}],
    [{ messages: 7, tool_schema: [null, 1, 'x'], call_info: [] }],
  ])('of %j is no error', (body) => {
    expect(() => toOpenAiRequest(body as never)).not.toThrow();
  });
});
