/** The shared example R1 in every dialect that has one: built as the dialect writes it, it must give the same completion. */
import { describe, expect, it } from 'vitest';
import { convertSpans, type SdkSpan } from '../../src/index.ts';
import { makeSpan } from '../property/support.ts';

const SCHEMA = { type: 'object', properties: { city: { type: 'string' } } };
const CALL = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } };
const TOOL = {
  type: 'function',
  function: { name: 'weather', description: 'Get weather', parameters: SCHEMA },
};
const SYSTEM = { role: 'system', content: 'Be brief.' };
const USER = { role: 'user', content: 'Weather in Oslo?' };
const json = JSON.stringify;

const partsInput = json([{ role: 'user', parts: [{ type: 'text', content: 'Weather in Oslo?' }] }]);
const partsBoth = json([
  { role: 'system', parts: [{ type: 'text', content: 'Be brief.' }] },
  { role: 'user', parts: [{ type: 'text', content: 'Weather in Oslo?' }] },
]);
const partsOutput = (finish?: string, args: unknown = { city: 'Oslo' }): string =>
  json([
    {
      role: 'assistant',
      parts: [{ type: 'tool_call', id: 'call_1', name: 'weather', arguments: args }],
      ...(finish === undefined ? {} : { finish_reason: finish }),
    },
  ]);
const instructions = json([{ type: 'text', content: 'Be brief.' }]);
const usage = { 'gen_ai.usage.input_tokens': 40, 'gen_ai.usage.output_tokens': 9 };
const request = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.request.model': 'gpt-4o',
  'gen_ai.request.temperature': 0.2,
  'gen_ai.request.max_tokens': 100,
};
const flatTool = (key: string): string =>
  json([{ type: 'function', name: 'weather', description: 'Get weather', [key]: SCHEMA }]);
const body = { model: 'gpt-4o', temperature: 0.2, max_tokens: 100, messages: [SYSTEM, USER], tools: [TOOL] };

interface Example {
  readonly name: string;
  readonly scope?: string;
  readonly version?: string;
  readonly span?: string;
  readonly attributes: object;
  readonly events?: readonly { name: string; attributes: object }[];
  /** What differs from R1. */
  readonly expected?: {
    readonly messages?: readonly object[];
    readonly tools?: 'lost' | object[];
    readonly parameters?: object;
    readonly provider?: string;
    readonly model?: string;
    readonly usage?: object | 'lost';
    readonly session?: string;
    /** The real call id is lost: whatever stands for it. */
    readonly anyCallId?: boolean;
  };
}

const choice = {
  'gen_ai.system.message': { content: 'Be brief.' },
  'gen_ai.user.message': { content: 'Weather in Oslo?' },
  'gen_ai.choice': { index: 0, finish_reason: 'tool_calls', message: json({ tool_calls: [CALL] }) },
};

const EXAMPLES: readonly Example[] = [
  {
    name: '5.1 semantic conventions, 1.37 and later',
    attributes: {
      ...request,
      ...usage,
      'gen_ai.provider.name': 'openai',
      'gen_ai.system_instructions': instructions,
      'gen_ai.input.messages': partsInput,
      'gen_ai.output.messages': partsOutput('tool_call'),
      'gen_ai.tool.definitions': flatTool('parameters'),
    },
  },
  {
    name: '5.1 semantic conventions, 1.28 to 1.36, as span events',
    attributes: { ...request, ...usage, 'gen_ai.system': 'openai' },
    events: Object.entries(choice).map(([name, attributes]) => ({ name, attributes })),
    expected: { tools: 'lost' },
  },
  {
    name: '5.2 Vercel AI SDK 5',
    scope: 'ai',
    span: 'ai.generateText.doGenerate',
    attributes: {
      'operation.name': 'ai.generateText.doGenerate forecast',
      'ai.operationId': 'ai.generateText.doGenerate',
      'ai.model.provider': 'openai.chat',
      'ai.model.id': 'gpt-4o',
      'ai.telemetry.functionId': 'forecast',
      'ai.telemetry.metadata.sessionId': 's-1',
      'ai.prompt.messages': json([
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: 'Weather in Oslo?' }] },
      ]),
      'ai.prompt.tools': [
        json({ type: 'function', name: 'weather', description: 'Get weather', inputSchema: SCHEMA }),
      ],
      'ai.response.toolCalls': json([
        { toolCallId: 'call_1', toolName: 'weather', input: '{"city":"Oslo"}' },
      ]),
      'ai.response.finishReason': 'tool-calls',
      'ai.usage.promptTokens': 40,
      'ai.usage.completionTokens': 9,
      'gen_ai.request.temperature': 0.2,
      'gen_ai.request.max_tokens': 100,
      'gen_ai.response.model': 'gpt-4o-2024-08-06',
    },
    expected: { model: 'gpt-4o-2024-08-06', session: 's-1' },
  },
  {
    name: '5.2 Vercel AI SDK 4, tools as texts with parameters, arguments as args',
    scope: 'ai',
    span: 'ai.generateText.doGenerate',
    attributes: {
      'ai.operationId': 'ai.generateText.doGenerate',
      'ai.model.provider': 'openai.chat',
      'ai.model.id': 'gpt-4o',
      'ai.prompt.messages': json([
        SYSTEM,
        { role: 'user', content: [{ type: 'text', text: 'Weather in Oslo?' }] },
      ]),
      'ai.prompt.tools': [
        json({ type: 'function', name: 'weather', description: 'Get weather', parameters: SCHEMA }),
      ],
      'ai.response.toolCalls': json([
        { toolCallType: 'function', toolCallId: 'call_1', toolName: 'weather', args: '{"city":"Oslo"}' },
      ]),
      'ai.response.finishReason': 'tool-calls',
      'ai.settings.temperature': 0.2,
      'ai.settings.maxTokens': 100,
      ...usage,
    },
  },
  {
    name: '5.3 Vercel AI SDK 7',
    scope: 'gen_ai',
    attributes: {
      ...request,
      ...usage,
      'gen_ai.provider.name': 'openai',
      'gen_ai.system_instructions': instructions,
      'gen_ai.input.messages': partsInput,
      'gen_ai.tool.definitions': flatTool('inputSchema'),
      'gen_ai.output.messages': partsOutput('tool_call'),
      'gen_ai.response.finish_reasons': ['tool-calls'],
    },
  },
  {
    name: '5.5 OpenLLMetry, indexed attributes',
    scope: '@traceloop/instrumentation-openai',
    version: '0.22.0',
    span: 'openai.chat',
    attributes: {
      'gen_ai.system': 'OpenAI',
      'llm.request.type': 'chat',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.request.temperature': 0.2,
      'gen_ai.request.max_tokens': 100,
      'gen_ai.prompt.0.role': 'system',
      'gen_ai.prompt.0.content': 'Be brief.',
      'gen_ai.prompt.1.role': 'user',
      'gen_ai.prompt.1.content': 'Weather in Oslo?',
      'llm.request.functions.0.name': 'weather',
      'llm.request.functions.0.description': 'Get weather',
      'llm.request.functions.0.arguments': json(SCHEMA),
      'gen_ai.completion.0.role': 'assistant',
      'gen_ai.completion.0.finish_reason': 'tool_calls',
      'gen_ai.completion.0.content': '',
      'gen_ai.completion.0.tool_calls.0.name': 'weather',
      'gen_ai.completion.0.tool_calls.0.arguments': '{"city":"Oslo"}',
      'gen_ai.usage.prompt_tokens': 40,
      'gen_ai.usage.completion_tokens': 9,
      'llm.usage.total_tokens': 49,
    },
    expected: { anyCallId: true },
  },
  {
    name: '5.6 OpenInference',
    scope: '@arizeai/openinference-instrumentation-openai',
    attributes: {
      'openinference.span.kind': 'LLM',
      'llm.system': 'openai',
      'llm.provider': 'openai',
      'llm.model_name': 'gpt-4o-2024-08-06',
      'llm.input_messages.0.message.role': 'system',
      'llm.input_messages.0.message.content': 'Be brief.',
      'llm.input_messages.1.message.role': 'user',
      'llm.input_messages.1.message.content': 'Weather in Oslo?',
      'llm.output_messages.0.message.role': 'assistant',
      'llm.output_messages.0.message.tool_calls.0.tool_call.id': 'call_1',
      'llm.output_messages.0.message.tool_calls.0.tool_call.function.name': 'weather',
      'llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments': '{"city":"Oslo"}',
      'llm.tools.0.tool.json_schema': json(TOOL),
      'llm.invocation_parameters': json({
        model: 'gpt-4o',
        temperature: 0.2,
        max_tokens: 100,
        tools: [TOOL],
      }),
      'llm.token_count.prompt': 40,
      'llm.token_count.completion': 9,
      'llm.token_count.total': 49,
      'llm.finish_reason': 'tool_calls',
      'session.id': 's-1',
    },
    expected: { model: 'gpt-4o-2024-08-06', session: 's-1' },
  },
  {
    name: '5.9 Anthropic SDK',
    scope: 'com.anthropic.sdk.typescript',
    span: 'anthropic.messages.create',
    attributes: {
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'claude-sonnet-4-5',
      'gen_ai.request.max_tokens': 100,
      'gen_ai.system_instructions': instructions,
      'gen_ai.input.messages': partsInput,
      'gen_ai.output.messages': partsOutput(),
      'gen_ai.usage.cache_read.input_tokens': 16,
      'anthropic.message.stop_reason': 'tool_use',
      ...usage,
    },
    expected: {
      provider: 'anthropic',
      model: 'claude-sonnet-4-5',
      parameters: { max_tokens: 100 },
      tools: 'lost',
    },
  },
  {
    name: '5.10 Mistral SDK',
    scope: 'mistralai_sdk_tracer',
    attributes: {
      ...request,
      ...usage,
      'gen_ai.provider.name': 'mistral_ai',
      'gen_ai.input.messages': partsBoth,
      'gen_ai.output.messages': partsOutput('tool_call', '{"city":"Oslo"}'),
      'gen_ai.tool.definitions': flatTool('parameters'),
    },
    expected: { provider: 'mistral' },
  },
  {
    name: '5.11 Sentry',
    attributes: {
      'sentry.op': 'gen_ai.chat',
      'sentry.origin': 'auto.ai.openai',
      'gen_ai.system': 'openai',
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.request.temperature': 0.2,
      'gen_ai.system_instructions': instructions,
      'gen_ai.input.messages': json([USER]),
      'gen_ai.request.available_tools': json([TOOL]),
      'gen_ai.response.text': '[""]',
      'gen_ai.response.tool_calls': json([CALL]),
      'gen_ai.response.finish_reasons': '["tool_calls"]',
      ...usage,
    },
    expected: { parameters: { temperature: 0.2 } },
  },
  {
    name: '5.13 LangSmith',
    scope: 'langsmith',
    attributes: {
      'langsmith.span.kind': 'llm',
      'gen_ai.operation.name': 'chat',
      'gen_ai.system': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.prompt': json(body),
      'gen_ai.completion': json({
        id: 'chatcmpl-1',
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: null, tool_calls: [CALL] },
            finish_reason: 'tool_calls',
          },
        ],
        usage: { prompt_tokens: 40, completion_tokens: 9 },
      }),
      'langsmith.metadata.thread_id': 's-1',
      ...usage,
    },
    expected: { session: 's-1' },
  },
  {
    name: '5.14 Langfuse, cached tokens taken out of the input',
    scope: 'langfuse-sdk',
    attributes: {
      'langfuse.observation.type': 'generation',
      'langfuse.observation.model.name': 'gpt-4o',
      'langfuse.observation.model.parameters': json({ temperature: 0.2, max_tokens: 100 }),
      'langfuse.observation.input': json({ messages: [SYSTEM, USER], tools: [TOOL] }),
      'langfuse.observation.output': json({ role: 'assistant', content: null, tool_calls: [CALL] }),
      'langfuse.observation.usage_details': json({
        input: 24,
        input_cached_tokens: 16,
        output: 9,
        total: 49,
      }),
      'session.id': 's-1',
    },
    expected: { session: 's-1' },
  },
  {
    name: '5.15 Mastra',
    scope: '@mastra/otel-exporter',
    attributes: {
      'mastra.span.type': 'model_inference',
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.request.temperature': 0.2,
      'gen_ai.input.messages': partsBoth,
      'mastra.model_inference.output': json({
        toolCalls: [{ toolCallId: 'call_1', toolName: 'weather', args: { city: 'Oslo' } }],
        text: '',
      }),
      'gen_ai.response.finish_reasons': '["tool-calls"]',
      ...usage,
    },
    expected: { tools: 'lost', parameters: { temperature: 0.2 } },
  },
  {
    name: '5.16 Genkit',
    scope: 'genkit-tracer',
    attributes: {
      'genkit:type': 'action',
      'genkit:metadata:subtype': 'model',
      'genkit:name': 'openai/gpt-4o',
      'genkit:state': 'success',
      'genkit:input': json({
        messages: [
          { role: 'system', content: [{ text: 'Be brief.' }] },
          { role: 'user', content: [{ text: 'Weather in Oslo?' }] },
        ],
        config: { temperature: 0.2, maxOutputTokens: 100 },
        tools: [{ name: 'weather', description: 'Get weather', inputSchema: SCHEMA }],
      }),
      'genkit:output': json({
        finishReason: 'stop',
        message: {
          role: 'model',
          content: [{ toolRequest: { ref: 'call_1', name: 'weather', input: { city: 'Oslo' } } }],
        },
        usage: { inputTokens: 40, outputTokens: 9 },
      }),
    },
  },
  {
    name: '5.17 Google ADK',
    scope: 'gcp.vertex.agent',
    span: 'call_llm',
    attributes: {
      'gen_ai.system': 'gcp.vertex.agent',
      'gcp.vertex.agent.llm_request': json({
        model: 'gemini-2.5-flash',
        config: {
          systemInstruction: 'Be brief.',
          temperature: 0.2,
          maxOutputTokens: 100,
          tools: [
            { functionDeclarations: [{ name: 'weather', description: 'Get weather', parameters: SCHEMA }] },
          ],
        },
        contents: [{ role: 'user', parts: [{ text: 'Weather in Oslo?' }] }],
      }),
      'gcp.vertex.agent.llm_response': json({
        content: {
          role: 'model',
          parts: [{ functionCall: { id: 'call_1', name: 'weather', args: { city: 'Oslo' } } }],
        },
        finishReason: 'STOP',
      }),
    },
    expected: { provider: 'vertex', model: 'gemini-2.5-flash', usage: 'lost' },
  },
  {
    name: '5.19 Strands, events of blocks',
    scope: 'strands-agents',
    span: 'chat',
    attributes: { ...request, ...usage, 'gen_ai.system': 'strands-agents', 'gen_ai.provider.name': 'openai' },
    events: [
      { name: 'gen_ai.user.message', attributes: { content: json([{ text: 'Weather in Oslo?' }]) } },
      {
        name: 'gen_ai.choice',
        attributes: {
          finish_reason: 'toolUse',
          message: json([{ type: 'toolUse', name: 'weather', toolUseId: 'call_1', input: { city: 'Oslo' } }]),
        },
      },
    ],
    expected: { tools: 'lost', messages: [USER] },
  },
  {
    name: '5.21 Pydantic AI',
    scope: 'pydantic-ai',
    attributes: {
      ...request,
      ...usage,
      'gen_ai.provider.name': 'openai',
      'gen_ai.input.messages': partsBoth,
      'gen_ai.output.messages': partsOutput('tool_call'),
      model_request_parameters: json({
        function_tools: [{ name: 'weather', description: 'Get weather', parameters_json_schema: SCHEMA }],
        output_mode: 'text',
      }),
    },
  },
  {
    name: '5.26 LiteLLM, calls beside the parts',
    scope: 'litellm',
    attributes: {
      ...request,
      ...usage,
      'gen_ai.system': 'openai',
      'gen_ai.input.messages': partsBoth,
      'gen_ai.output.messages': json([
        { role: 'assistant', parts: [], tool_calls: [CALL], finish_reason: 'tool_calls' },
      ]),
    },
    expected: { tools: 'lost' },
  },
  {
    name: '5.27 OpenLIT, the prompt as lines',
    scope: 'openlit.openai',
    attributes: {
      ...request,
      ...usage,
      'gen_ai.system': 'openai',
      'gen_ai.prompt': 'system: Be brief.\nuser: Weather in Oslo?',
      'gen_ai.output.messages': partsOutput('tool_call'),
    },
    expected: { tools: 'lost' },
  },
  {
    name: '5.29 Braintrust, attributes on a span of one’s own',
    span: 'ask',
    attributes: {
      'braintrust.parent': 'project_name:demo',
      'braintrust.span_attributes': json({ type: 'llm' }),
      'braintrust.input': json([SYSTEM, USER]),
      'braintrust.output': json([
        { message: { role: 'assistant', content: null, tool_calls: [CALL] }, finish_reason: 'tool_calls' },
      ]),
      'braintrust.metadata': json({
        provider: 'openai',
        model: 'gpt-4o',
        temperature: 0.2,
        max_tokens: 100,
        tools: [TOOL],
        service_tier: 'default',
      }),
      'braintrust.metrics': json({ prompt_tokens: 40, completion_tokens: 9, tokens: 49 }),
    },
  },
];

function spanOf(example: Example): SdkSpan {
  return {
    ...makeSpan({
      spanId: '00f067aa0ba902b7',
      name: example.span ?? 'chat gpt-4o',
      scope: example.scope ?? '',
      attributes: example.attributes,
    }),
    instrumentationScope: {
      name: example.scope ?? '',
      ...(example.version === undefined ? {} : { version: example.version }),
    },
    events: (example.events ?? []).map((event) => ({ ...event, time: [1_790_000_000, 0] })),
  };
}

describe('R1', () => {
  it.each(EXAMPLES)('$name', (example) => {
    const { expected = {} } = example;
    const records = convertSpans([spanOf(example)], { projectId: 'p1' });
    const completion = records.find((record) => record.kind === 'completion');
    expect(records).toHaveLength(1);
    expect(completion?.body).toMatchObject({
      messages: [
        ...(expected.messages ?? [SYSTEM, USER]),
        {
          role: 'assistant',
          tool_calls: [expected.anyCallId ? { ...CALL, id: expect.any(String) } : CALL],
        },
      ],
      call_info: {
        provider: expected.provider ?? 'openai',
        model: expected.model ?? 'gpt-4o',
        llm_parameters: expected.parameters ?? { temperature: 0.2, max_tokens: 100 },
        provider_info: { finish_reasons: ['tool_calls'] },
      },
      response_info: { function_call_response: CALL.function },
    });
    const body = completion?.body as {
      messages: object[];
      call_info: { usage?: object; llm_parameters: object };
    };
    expect(body.messages).toHaveLength((expected.messages ?? [SYSTEM, USER]).length + 1);
    expect([null, '']).toContain((body.messages.at(-1) as { content: unknown }).content);
    expect(completion?.body.tool_schema).toEqual(expected.tools === 'lost' ? undefined : [TOOL]);
    expect(body.call_info.usage).toEqual(
      expected.usage === 'lost' ? undefined : { prompt_tokens: 40, completion_tokens: 9 },
    );
    if (expected.session === undefined) expect(completion?.body.session_info).toBeUndefined();
    else
      expect(completion?.body.session_info).toMatchObject({
        custom_metadata: { 'session.id': expected.session },
      });
  });
});

describe('Braintrust', () => {
  const bodiesOf = (...spans: SdkSpan[]) => convertSpans(spans, { projectId: 'p1' }).map(({ body }) => body);

  it('makes no span its own by the parent it adds to all', () => {
    const attributes = { 'braintrust.parent': 'project_name:demo', 'http.request.method': 'GET' };
    expect(bodiesOf(makeSpan({ spanId: '00f067aa0ba902b7', name: 'GET', attributes }))).toEqual([]);
  });

  it('has steps: tasks, functions, and what only says what went in and came out', () => {
    const step = (type: object, name: string): SdkSpan =>
      makeSpan({
        spanId: '00f067aa0ba902b7',
        name,
        attributes: {
          ...type,
          'braintrust.input_json': '{"city":"Oslo"}',
          'braintrust.output_json': '"sun"',
        },
      });
    const [task] = bodiesOf(step({}, 'answer'));
    expect(task).not.toHaveProperty('kind');
    expect(task).toMatchObject({ name: 'answer', input: { city: 'Oslo' }, output: 'sun' });
    const [tool] = bodiesOf(step({ 'braintrust.span_attributes': '{"type":"function"}' }, 'weather'));
    expect(tool).toMatchObject({ kind: 'tool', name: 'weather', input: { city: 'Oslo' }, output: 'sun' });
  });
});
