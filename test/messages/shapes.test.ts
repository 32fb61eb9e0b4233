/** Message and tool shapes of dialects.md 3.2, 3.3 and 3.12, one case each. */

import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/index.ts';
import { jsonValue } from '../../src/json/read-json.ts';
import { readRequest, readResponse } from '../../src/messages/exchange.ts';
import { splitFusedCalls } from '../../src/messages/fused-calls.ts';
import { readInstructions, readMessages } from '../../src/messages/messages.ts';
import { readTools } from '../../src/messages/tools.ts';
import { renderMessages, renderTools } from '../../src/record/render.ts';

const POLICY = { capture: true, media: (one: never) => one } as never;
const render = (messages: readonly Message[] | undefined): unknown =>
  renderMessages(messages ?? [], POLICY, '00f067aa0ba902b7', []);
const call = (id: string, name: string, args: object): object => ({
  id,
  type: 'function',
  function: { name, arguments: JSON.stringify(args) },
});

const INPUTS: [string, unknown, unknown][] = [
  ['a plain text', 'hi', [{ role: 'user', content: 'hi' }]],
  ['parts', [{ role: 'user', parts: [{ type: 'text', content: 'hi' }] }], [{ role: 'user', content: 'hi' }]],
  [
    'parts that hold null',
    [{ role: 'user', parts: [null, { type: 'text', content: 'hi' }] }],
    [{ role: 'user', content: 'hi' }],
  ],
  ['content', [{ role: 'user', content: 'hi' }], [{ role: 'user', content: 'hi' }]],
  [
    'content null with calls',
    [{ role: 'assistant', content: null, tool_calls: [call('c', 'f', {})] }],
    [{ role: 'assistant', content: null, tool_calls: [call('c', 'f', {})] }],
  ],
  [
    'provider parts',
    [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
    ],
    [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
    ],
  ],
  [
    'provider parts as JSON text',
    [{ role: 'user', content: '[{"type":"text","text":"a"}]' }],
    [{ role: 'user', content: 'a' }],
  ],
  ['no role', [{ content: 'hi' }], [{ role: 'user', content: 'hi' }]],
  [
    "LlamaIndex's blocks",
    [
      {
        role: 'user',
        blocks: [
          { block_type: 'text', text: 'what?' },
          { block_type: 'image', image: "b'aGk='", url: null, image_mimetype: 'image/png' },
        ],
      },
      {
        role: 'assistant',
        blocks: [{ block_type: 'tool_call', tool_call_id: 'c', tool_name: 'f', tool_kwargs: '{"a":1}' }],
      },
      {
        role: 'tool',
        additional_kwargs: { tool_call_id: 'c' },
        blocks: [{ block_type: 'text', text: 'hi' }],
      },
    ],
    [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'what?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [call('c', 'f', { a: 1 })] },
      { role: 'tool', content: 'hi', tool_call_id: 'c' },
    ],
  ],
  [
    "Haystack's contents",
    [
      {
        role: 'assistant',
        content: [
          { reasoning: { reasoning_text: 'I need f.', extra: {} } },
          { tool_call: { tool_name: 'f', arguments: { a: 1 }, id: 'c', extra: null } },
        ],
      },
      {
        role: 'tool',
        content: [
          {
            tool_call_result: {
              result: 'hi',
              origin: { tool_name: 'f', arguments: { a: 1 }, id: 'c' },
              error: false,
            },
          },
        ],
      },
    ],
    [
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'I need f.',
        tool_calls: [call('c', 'f', { a: 1 })],
      },
      { role: 'tool', content: 'hi', name: 'f', tool_call_id: 'c' },
    ],
  ],
  ['Gemini roles', [{ role: 'model', parts: [{ text: 'hi' }] }], [{ role: 'assistant', content: 'hi' }]],
  [
    'Responses items',
    [
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }] },
      { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'f', arguments: '{"a":1}' },
      { type: 'function_call_output', call_id: 'call_1', output: 'done' },
    ],
    [
      { role: 'user', content: 'hi' },
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'hm',
        tool_calls: [call('call_1', 'f', { a: 1 })],
      },
      { role: 'tool', content: 'done', tool_call_id: 'call_1' },
    ],
  ],
  [
    'LangChain batches, serialised',
    [
      [
        { lc: 1, id: ['langchain_core', 'messages', 'SystemMessage'], kwargs: { content: 'Be brief.' } },
        { lc: 1, id: ['langchain_core', 'messages', 'HumanMessage'], kwargs: { content: 'hi' } },
        {
          lc: 1,
          id: ['langchain_core', 'messages', 'AIMessage'],
          kwargs: { content: '', tool_calls: [{ id: 'c', name: 'f', args: { a: 1 } }] },
        },
        {
          lc: 1,
          id: ['langchain_core', 'messages', 'ToolMessage'],
          kwargs: { content: 'done', tool_call_id: 'c' },
        },
      ],
    ],
    [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: '', tool_calls: [call('c', 'f', { a: 1 })] },
      { role: 'tool', content: 'done', tool_call_id: 'c' },
    ],
  ],
  [
    "approvals of the AI SDK's tools, which no model sees",
    [
      {
        role: 'assistant',
        content: [
          { type: 'tool-call', toolCallId: 'c', toolName: 'f', input: { a: 1 } },
          { type: 'tool-approval-request', approvalId: 'x', toolCallId: 'c' },
        ],
      },
      { role: 'tool', content: [{ type: 'tool-approval-response', approvalId: 'x', approved: true }] },
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c', response: 'done' }] },
    ],
    [
      { role: 'assistant', content: null, tool_calls: [call('c', 'f', { a: 1 })] },
      { role: 'tool', content: 'done', tool_call_id: 'c' },
    ],
  ],
  [
    'LangChain toDict',
    [
      { type: 'human', data: { content: 'hi' } },
      { type: 'ai', data: { content: 'ho' } },
    ],
    [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'ho' },
    ],
  ],
  [
    'Anthropic: results first, then what the user adds',
    [
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: 'one' }] },
          { type: 'tool_result', tool_use_id: 't2', content: 'two' },
          { type: 'text', text: 'go on' },
        ],
      },
    ],
    [
      { role: 'tool', content: 'one', tool_call_id: 't1' },
      { role: 'tool', content: 'two', tool_call_id: 't2' },
      { role: 'user', content: 'go on' },
    ],
  ],
  [
    'Anthropic thinking and use',
    [
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'text', text: 'ho' },
          { type: 'tool_use', id: 't1', name: 'f', input: { a: 1 } },
        ],
      },
    ],
    [{ role: 'assistant', content: 'ho', reasoning_content: 'hm', tool_calls: [call('t1', 'f', { a: 1 })] }],
  ],
  [
    'Bedrock',
    [
      {
        role: 'assistant',
        content: [
          { reasoningContent: { reasoningText: { text: 'hm' } } },
          { text: 'ho' },
          { toolUse: { toolUseId: 't1', name: 'f', input: { a: 1 } } },
        ],
      },
      { role: 'user', content: [{ toolResult: { toolUseId: 't1', content: [{ json: { ok: true } }] } }] },
    ],
    [
      { role: 'assistant', content: 'ho', reasoning_content: 'hm', tool_calls: [call('t1', 'f', { a: 1 })] },
      { role: 'tool', content: '{"ok":true}', tool_call_id: 't1' },
    ],
  ],
  [
    'an answer with citations',
    [{ role: 'assistant', content: [{ citationsContent: { content: [{ text: 'Yes.' }], citations: [] } }] }],
    [{ role: 'assistant', content: 'Yes.' }],
  ],
  [
    'blocks written as a text',
    [
      {
        role: 'assistant',
        content: JSON.stringify([
          { reasoning: { text: 'hm' } },
          { cachePoint: { cacheType: 'default' } },
          { toolUse: { toolUseId: 't1', name: 'f', input: { a: 1 } } },
        ]),
      },
    ],
    [{ role: 'assistant', content: null, reasoning_content: 'hm', tool_calls: [call('t1', 'f', { a: 1 })] }],
  ],
  [
    'a text that only looks like blocks',
    [{ role: 'user', content: '[{"reasoning":"why"},{"image":"a.png"}]' }],
    [{ role: 'user', content: '[{"reasoning":"why"},{"image":"a.png"}]' }],
  ],
  [
    'Genkit',
    [
      { role: 'model', content: [{ toolRequest: { ref: 'r', name: 'f', input: { a: 1 } } }] },
      { role: 'tool', content: [{ toolResponse: { ref: 'r', name: 'f', output: { ok: 1 } } }] },
    ],
    [
      { role: 'assistant', content: null, tool_calls: [call('r', 'f', { a: 1 })] },
      { role: 'tool', content: '{"ok":1}', name: 'f', tool_call_id: 'r' },
    ],
  ],
  [
    'AI SDK results',
    [
      {
        role: 'tool',
        content: [
          { type: 'tool-result', toolCallId: 'c', toolName: 'f', output: { type: 'json', value: { ok: 1 } } },
        ],
      },
    ],
    [{ role: 'tool', content: '{"ok":1}', name: 'f', tool_call_id: 'c' }],
  ],
  [
    'semconv results',
    [{ role: 'tool', parts: [{ type: 'tool_call_response', id: 'c', response: 'done' }] }],
    [{ role: 'tool', content: 'done', tool_call_id: 'c' }],
  ],
  [
    'Pydantic AI results',
    [{ role: 'user', parts: [{ type: 'tool_call_response', id: 'c', name: 'f', result: 'done' }] }],
    [{ role: 'tool', content: 'done', name: 'f', tool_call_id: 'c' }],
  ],
  [
    'a refusal',
    [{ role: 'assistant', content: null, refusal: 'No.' }],
    [{ role: 'assistant', content: null, refusal: 'No.' }],
  ],
  ['a name', [{ role: 'user', name: 'ann', content: 'hi' }], [{ role: 'user', name: 'ann', content: 'hi' }]],
];

const MEDIA: [string, object, object][] = [
  [
    'OpenAI image',
    { type: 'image_url', image_url: { url: 'https://e.test/a.png' } },
    { type: 'image_url', image_url: { url: 'https://e.test/a.png' } },
  ],
  [
    'Responses image',
    { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
  ],
  [
    'semconv blob',
    { type: 'blob', modality: 'image', mime_type: 'image/png', content: 'AAAA' },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
  ],
  [
    'semconv uri',
    { type: 'uri', modality: 'image', uri: 'https://e.test/a.png' },
    { type: 'image_url', image_url: { url: 'https://e.test/a.png' } },
  ],
  [
    'semconv file',
    { type: 'file', modality: 'image', mime_type: 'application/pdf', file_id: 'f_1' },
    { type: 'file', file: { file_id: 'f_1' } },
  ],
  [
    'a PDF that is called an image',
    { type: 'blob', modality: 'image', mime_type: 'application/pdf', content: 'AAAA' },
    { type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA' } },
  ],
  [
    'Anthropic image',
    { type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data: 'AAAA' } },
    { type: 'image_url', image_url: { url: 'data:image/jpeg;base64,AAAA' } },
  ],
  [
    'Gemini inline',
    { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
  ],
  [
    'Bedrock',
    { image: { format: 'png', source: { bytes: 'AAAA' } } },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
  ],
  [
    'Genkit',
    { media: { url: 'data:image/png;base64,AAAA', contentType: 'image/png' } },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
  ],
  [
    'audio',
    { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
    { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
  ],
  [
    'a Buffer written as JSON',
    { type: 'image', image: { type: 'Buffer', data: [137, 80, 78] }, mediaType: 'image/png' },
    {
      type: 'image_url',
      image_url: { url: `data:image/png;base64,${Buffer.from([137, 80, 78]).toString('base64')}` },
    },
  ],
];

const RESPONSES: [string, unknown, unknown][] = [
  [
    'OpenAI chat',
    {
      id: 'r',
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: 'ho' }, finish_reason: 'stop' }],
    },
    [{ role: 'assistant', content: 'ho' }],
  ],
  [
    'legacy completion',
    { choices: [{ text: 'ho', finish_reason: 'stop' }] },
    [{ role: 'assistant', content: 'ho' }],
  ],
  [
    'Responses',
    {
      object: 'response',
      output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'ho' }] }],
    },
    [{ role: 'assistant', content: 'ho' }],
  ],
  [
    'Anthropic',
    { content: [{ type: 'text', text: 'ho' }], stop_reason: 'end_turn' },
    [{ role: 'assistant', content: 'ho' }],
  ],
  [
    'Gemini',
    { candidates: [{ content: { role: 'model', parts: [{ text: 'ho' }] }, finishReason: 'STOP' }] },
    [{ role: 'assistant', content: 'ho' }],
  ],
  [
    'Bedrock Converse',
    { output: { message: { role: 'assistant', content: [{ text: 'ho' }] } }, stopReason: 'end_turn' },
    [{ role: 'assistant', content: 'ho' }],
  ],
  [
    'Genkit',
    { message: { role: 'model', content: [{ text: 'ho' }] }, finishReason: 'stop' },
    [{ role: 'assistant', content: 'ho' }],
  ],
  [
    'LangChain',
    { generations: [[{ text: 'ho', message: { lc: 1, id: ['AIMessage'], kwargs: { content: 'ho' } } }]] },
    [{ role: 'assistant', content: 'ho' }],
  ],
  ['a result summary', { text: 'ho' }, [{ role: 'assistant', content: 'ho' }]],
  ['a plain text', 'ho', [{ role: 'assistant', content: 'ho' }]],
];

const REQUESTS: [string, unknown, unknown][] = [
  [
    'OpenAI chat',
    { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
    [{ role: 'user', content: 'hi' }],
  ],
  ['Responses', { model: 'm', input: 'hi' }, [{ role: 'user', content: 'hi' }]],
  ['Gemini', { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }, [{ role: 'user', content: 'hi' }]],
  ['Vercel wrapper', { prompt: 'hi' }, [{ role: 'user', content: 'hi' }]],
  ['Titan', { inputText: 'hi' }, [{ role: 'user', content: 'hi' }]],
];

const SCHEMA = { type: 'object', properties: { city: { type: 'string' } } };
const TOOL = [{ type: 'function', function: { name: 'f', description: 'd', parameters: SCHEMA } }];
const TOOLS: [string, unknown, unknown][] = [
  ['semconv', [{ type: 'function', name: 'f', description: 'd', parameters: SCHEMA }], TOOL],
  ['OpenAI', TOOL, TOOL],
  [
    'AI SDK',
    [{ type: 'function', name: 'f', description: 'd', inputSchema: { ...SCHEMA, $schema: 'x' } }],
    TOOL,
  ],
  ['texts', [JSON.stringify({ type: 'function', name: 'f', description: 'd', parameters: SCHEMA })], TOOL],
  ['one text', JSON.stringify(TOOL), TOOL],
  [
    'provider tools',
    [{ type: 'provider-defined', id: 'openai.web_search', name: 'web_search', args: {} }],
    [{ type: 'function', function: { name: 'web_search' } }],
  ],
  ['Anthropic', [{ name: 'f', description: 'd', input_schema: SCHEMA }], TOOL],
  [
    'Google',
    [{ functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: SCHEMA }] }],
    TOOL,
  ],
  [
    'Google, snake case',
    [{ function_declarations: [{ name: 'f', description: 'd', parameters: SCHEMA }] }],
    TOOL,
  ],
  [
    'Bedrock',
    { tools: [{ toolSpec: { name: 'f', description: 'd', inputSchema: { json: SCHEMA } } }] },
    TOOL,
  ],
  ['Genkit', [{ name: 'f', description: 'd', inputSchema: SCHEMA, outputSchema: {}, key: '/tool/f' }], TOOL],
  [
    'names',
    ['f', 'g'],
    [
      { type: 'function', function: { name: 'f' } },
      { type: 'function', function: { name: 'g' } },
    ],
  ],
  [
    'a name and a description',
    [{ name: 'f', description: 'd' }],
    [{ type: 'function', function: { name: 'f', description: 'd' } }],
  ],
];

describe('message shapes', () => {
  it.each(INPUTS)('%s', (_, value, expected) => {
    expect(render(readMessages(value, 'input'))).toEqual(expected);
  });

  it.each(MEDIA)('media: %s', (_, part, expected) => {
    const [message] = render(readMessages([{ role: 'user', content: [part] }], 'input')) as {
      content: unknown;
    }[];
    expect(message?.content).toEqual([expected]);
  });

  it.each(RESPONSES)('response: %s', (_, value, expected) => {
    expect(render(readResponse(value).choices)).toEqual(expected);
  });

  it.each(REQUESTS)('request: %s', (_, value, expected) => {
    expect(render(readRequest(value).messages)).toEqual(expected);
  });

  it.each<[string, unknown, unknown]>([
    ['a text', 'Be brief.', [{ role: 'system', content: 'Be brief.' }]],
    ['parts', [{ type: 'text', content: 'Be brief.' }], [{ role: 'system', content: 'Be brief.' }]],
    ['JSON text', '[{"type":"text","content":"Be brief."}]', [{ role: 'system', content: 'Be brief.' }]],
    [
      'messages',
      [{ role: 'developer', content: 'Be brief.' }],
      [{ role: 'developer', content: 'Be brief.' }],
    ],
    ['nothing', '', []],
  ])('instructions: %s', (_, value, expected) => {
    const got = render(readInstructions(value)) as { content: unknown }[];
    expect(got.filter((one) => one.content !== '')).toEqual(expected);
  });
});

describe('calls without a name', () => {
  const partsOf = (part: object) => readMessages([{ role: 'assistant', parts: [part] }], 'output')[0]?.parts;

  it('are shown for what they say, and say nothing with an id alone', () => {
    expect(partsOf({ type: 'tool_call', id: 'call_1' }) ?? []).toEqual([]);
    expect(partsOf({ type: 'tool_call', id: 'call_1', note: 'x' })).toMatchObject([{ kind: 'other' }]);
  });
});

describe('parts whose type stood behind the cut of a span limit', () => {
  it.each([
    ['its type', '{"id":"toolu_1","input":{"city":"Oslo"},"name":"weather","ty', [['toolu_1', 'weather']]],
    ['its name', '{"id":"toolu_1","input":{"city":"Os', []],
  ])('before %s', (_, rest, calls) => {
    const list = jsonValue(`[{"role":"assistant","content":[{"type":"text","text":"Hm."},${rest}`);
    const [message] = readMessages(list, 'output');
    expect(message?.parts).toEqual([{ kind: 'text', text: 'Hm.' }]);
    expect(message?.toolCalls.map(({ id, name }) => [id, name])).toEqual(calls);
  });
});

describe('tool shapes', () => {
  it.each(TOOLS)('%s', (_, value, expected) => {
    expect(renderTools(readTools(value) ?? [], POLICY)).toEqual(expected);
  });
});

describe('fused calls', () => {
  const fused = {
    id: 'call_1call_2',
    name: 'get_weatherget_weather',
    arguments: '{"city":"Paris"}{"city":"Tokyo"}',
  };

  it('come apart where it is certain', () => {
    expect(splitFusedCalls(fused, ['get_weather'])).toEqual([
      { id: 'call_1', name: 'get_weather', arguments: '{"city":"Paris"}' },
      { id: 'call_2', name: 'get_weather', arguments: '{"city":"Tokyo"}' },
    ]);
  });

  it.each([
    ['one call', { id: 'c', name: 'f', arguments: '{"a":1}' }, ['f']],
    ['names that fit two ways', { id: 'c', name: 'aaa', arguments: '{}{}' }, ['a', 'aa']],
    ['arguments that are no JSON', { id: 'c', name: 'ff', arguments: '{"a":1}{"b"' }, ['f']],
  ])('stay as captured: %s', (_, one, offered) => {
    expect(splitFusedCalls(one, offered)).toEqual([one]);
  });
});
