import { describe, expect, it } from 'vitest';
import {
  guessProvider,
  normaliseFinishReason,
  normaliseProvider,
  normaliseRole,
} from '../../src/completion/normalise.ts';
import { strands } from '../../src/dialects/strands.ts';
import { readParameterBag, readParameters } from '../../src/readers/parameters.ts';
import { mergeUsage, readUsage, readUsageBag, totalUsage, usageRule } from '../../src/readers/usage.ts';
import { NO_SPAN } from '../../src/span/span-data.ts';

describe('roles', () => {
  it.each([
    ['human', 'user'],
    ['HumanMessage', 'user'],
    ['ai', 'assistant'],
    ['model', 'assistant'],
    ['AIMessageChunk', 'assistant'],
    ['developer', 'developer'],
    ['SystemMessage', 'system'],
    ['function', 'tool'],
    ['tool_response', 'tool'],
    ['ToolMessage', 'tool'],
    [' Assistant ', 'assistant'],
    ['weather', undefined],
    ['', undefined],
    [5, undefined],
  ])('%j is %j', (raw, role) => {
    expect(normaliseRole(raw)).toBe(role);
  });
});

describe('finish reasons', () => {
  it.each([
    ['stop', 'stop'],
    ['end_turn', 'stop'],
    ['endTurn', 'stop'],
    ['STOP', 'stop'],
    ['FinishReason.STOP', 'stop'],
    ['COMPLETE', 'stop'],
    ['completed', 'stop'],
    ['length', 'length'],
    ['max_tokens', 'length'],
    ['MAX_TOKENS', 'length'],
    ['incomplete', 'length'],
    ['tool_call', 'tool_calls'],
    ['tool-calls', 'tool_calls'],
    ['tool_use', 'tool_calls'],
    ['toolUse', 'tool_calls'],
    ['function_call', 'tool_calls'],
    ['content-filter', 'content_filter'],
    ['SAFETY', 'content_filter'],
    ['refusal', 'content_filter'],
    ['guardrail_intervened', 'content_filter'],
    ['error', 'error'],
    ['MALFORMED_FUNCTION_CALL', 'error'],
    ['pause_turn', 'pause_turn'],
    ['', undefined],
    [' ', undefined],
    [null, undefined],
  ])('%j is %j', (raw, reason) => {
    expect(normaliseFinishReason(raw)).toBe(reason);
  });
});

describe('providers', () => {
  it.each<[(string | undefined)[], string | undefined, string | undefined]>([
    [['OpenAI'], undefined, 'openai'],
    [['openai.chat'], undefined, 'openai'],
    [['openai.responses'], undefined, 'openai'],
    [['azure.ai.openai'], undefined, 'azure_openai'],
    [['az.ai.openai'], undefined, 'azure_openai'],
    [['aws.bedrock'], undefined, 'bedrock'],
    [['amazon-bedrock'], undefined, 'bedrock'],
    [['AWS'], undefined, 'bedrock'],
    [['gcp.vertex_ai'], undefined, 'vertex'],
    [['google.vertex.chat'], undefined, 'vertex'],
    [['gcp.vertex.agent'], undefined, 'vertex'],
    [['gcp.gemini'], undefined, 'google'],
    [['google.generative-ai'], undefined, 'google'],
    [['mistral_ai'], undefined, 'mistral'],
    [['x_ai'], undefined, 'xai'],
    [['anthropic.messages'], undefined, 'anthropic'],
    [['langchain', 'openai'], undefined, 'openai'],
    [['langchain'], undefined, undefined],
    [[undefined, ''], undefined, undefined],
    [['gateway'], 'anthropic/claude-sonnet-4', 'anthropic'],
    [['gateway'], 'gpt-4o', 'gateway'],
    [['acme.chat'], undefined, 'acme'],
    [['Acme Models'], undefined, 'Acme Models'],
    [['cohere'], undefined, 'cohere'],
  ])('%j (model %j) is %j', (names, model, provider) => {
    expect(normaliseProvider(names, model)).toBe(provider);
  });

  it.each([
    ['gpt-4o', 'openai'],
    ['o4-mini', 'openai'],
    ['claude-sonnet-4', 'anthropic'],
    ['gemini-2.5-pro', 'google'],
    ['us.anthropic.claude-3', 'bedrock'],
    ['llama3', undefined],
    [undefined, undefined],
  ])('are guessed from %j: %j', (model, provider) => {
    expect(guessProvider(model)).toBe(provider);
  });
});

describe('usage', () => {
  it.each<[string, string | undefined, string | undefined, object, object]>([
    [
      'otel-genai',
      undefined,
      'anthropic',
      { input: 100, cacheRead: 60, output: 5 },
      { input: 100, output: 5 },
    ],
    [
      'otel-genai',
      undefined,
      'openai',
      { input: 100, cacheRead: 60, output: 20, reasoning: 15 },
      { input: 100, output: 20 },
    ],
    [
      'openllmetry',
      '0.22.0',
      'anthropic',
      { input: 90, cacheRead: 60, cacheWrite: 10, output: 5 },
      { input: 160, output: 5 },
    ],
    ['openllmetry', undefined, 'bedrock', { input: 90, cacheRead: 60, output: 5 }, { input: 150, output: 5 }],
    [
      'openllmetry',
      '0.28.0',
      'anthropic',
      { input: 100, cacheRead: 60, output: 5 },
      { input: 100, output: 5 },
    ],
    ['openllmetry', '0.22.0', 'openai', { input: 100, cacheRead: 60, output: 5 }, { input: 100, output: 5 }],
    ['openllmetry', '0.22.0', 'google', { input: 10, output: 8, reasoning: 4 }, { input: 10, output: 12 }],
    ['vercel-ai', '4.3.1', 'anthropic', { input: 90, cacheRead: 60, output: 5 }, { input: 150, output: 5 }],
    ['vercel-ai', '5.0.1', 'anthropic', { input: 90, cacheRead: 60, output: 5 }, { input: 150, output: 5 }],
    ['vercel-ai', '6.0.1', 'anthropic', { input: 100, cacheRead: 60, output: 5 }, { input: 100, output: 5 }],
    ['vercel-ai', '5.0.1', 'openai', { input: 100, cacheRead: 60, output: 5 }, { input: 100, output: 5 }],
    [
      'claude-code',
      undefined,
      'anthropic',
      { input: 70, cacheRead: 60, cacheWrite: 6, output: 5 },
      { input: 136, output: 5 },
    ],
    ['otel-genai', undefined, 'x', { input: 10, cacheRead: 60, output: 5 }, { input: 70, output: 5 }],
    ['otel-genai', undefined, 'x', { input: 10, output: 5, reasoning: 9 }, { input: 10, output: 14 }],
    [
      'otel-genai',
      undefined,
      'x',
      { input: 10, output: 5, reasoning: 4, total: 19 },
      { input: 10, output: 9 },
    ],
    [
      'openllmetry',
      undefined,
      'google',
      { input: 10, output: 9, reasoning: 4, total: 19 },
      { input: 10, output: 9 },
    ],
    [
      'otel-genai',
      undefined,
      'x',
      { input: 10, cacheRead: 6, output: 5, total: 21 },
      { input: 16, output: 5 },
    ],
    [
      'otel-genai',
      undefined,
      'x',
      { input: 10, cacheRead: 60, output: 5, reasoning: 4, total: 79 },
      { input: 70, output: 9 },
    ],
    ['otel-genai', undefined, 'x', { output: 5, reasoning: 5 }, { input: undefined, output: 5 }],
    ['otel-genai', undefined, 'x', { cacheRead: 6, reasoning: 4 }, { input: undefined, output: undefined }],
    ['openllmetry', undefined, 'google', { output: 5, reasoning: 4, total: 5 }, { output: 9 }],
    ['sentry', '10.5.0', 'anthropic', { input: 10, output: 5, total: 75 }, { input: 70, output: 5 }],
    ['sentry', '10.5.0', 'anthropic', { input: 10, output: 5 }, { input: 10, output: 5 }],
    ['sentry', '10.5.0', 'anthropic', { input: 10, total: 75 }, { input: 10, output: undefined }],
    [
      'sentry',
      '10.45.0',
      'anthropic',
      { input: 70, cacheRead: 60, output: 5, total: 80 },
      { input: 70, output: 5 },
    ],
  ])('%s %s, %s: %j', (dialect, version, provider, raw, total) => {
    expect(totalUsage(raw, usageRule(dialect, version, provider))).toMatchObject(total);
  });

  it.each([
    ['1.40', { input_tokens: 30, cache_read_input_tokens: 1200, total_tokens: 1282 }, 1230],
    ['1.50 over Bedrock', { input_tokens: 30, 'cache_read.input_tokens': 1200, total_tokens: 1282 }, 1230],
    ['1.50 over Anthropic', { input_tokens: 30, 'cache_read.input_tokens': 1200, total_tokens: 82 }, 1230],
    ['1.55', { input_tokens: 1230, 'cache_read.input_tokens': 1200, total_tokens: 1282 }, 1230],
  ])('Strands for Python %s', (_, counts, input) => {
    const usage = Object.entries(counts).map(([key, count]) => [`gen_ai.usage.${key}`, count]);
    const attributes = {
      'gen_ai.system': 'strands-agents',
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'anthropic.claude-sonnet-4-5-20250929-v1:0',
      'gen_ai.usage.output_tokens': 52,
      ...Object.fromEntries(usage),
    };
    expect(strands.read({ ...NO_SPAN, attributes }, [])?.usage).toMatchObject({ input, output: 52 });
  });

  it('that nobody reported is none', () => {
    expect(readUsage({})).toBeUndefined();
    expect(readUsageBag({})).toBeUndefined();
    expect(totalUsage(undefined, usageRule('otel-genai', undefined, undefined))).toBeUndefined();
  });

  it.each<[string, unknown, object, object?]>([
    [
      'OpenAI chat',
      {
        prompt_tokens: 10,
        completion_tokens: 5,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
      { input: 10, output: 5, cacheRead: 4, reasoning: 2 },
      { input: 10, output: 5 },
    ],
    [
      'Responses',
      {
        input_tokens: 10,
        output_tokens: 5,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens_details: { reasoning_tokens: 2 },
      },
      { input: 10, output: 5, cacheRead: 4, reasoning: 2 },
      { input: 10, output: 5 },
    ],
    [
      'a proxy that adds up',
      { prompt_tokens: 10, completion_tokens: 5, cache_read_input_tokens: 4 },
      { input: 10, output: 5, cacheRead: 4 },
      { input: 10, output: 5 },
    ],
    [
      'Anthropic',
      { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 4, cache_creation_input_tokens: 3 },
      { input: 10, output: 5, cacheRead: 4, cacheWrite: 3 },
      { input: 17, output: 5 },
    ],
    [
      'Bedrock',
      { inputTokens: 10, outputTokens: 5, cacheReadInputTokens: 4, cacheWriteInputTokens: 3 },
      { input: 10, output: 5, cacheRead: 4, cacheWrite: 3 },
      { input: 17, output: 5 },
    ],
    [
      'Gemini',
      {
        promptTokenCount: 10,
        candidatesTokenCount: 5,
        thoughtsTokenCount: 2,
        cachedContentTokenCount: 4,
        totalTokenCount: 17,
      },
      { input: 10, output: 5, reasoning: 2, cacheRead: 4, total: 17 },
      { input: 10, output: 7 },
    ],
    [
      'AI SDK 7',
      { inputTokens: { total: 10, noCache: 6 }, outputTokens: { total: 5 } },
      { input: 10, output: 5 },
    ],
    ['JSON text', '{"prompt_tokens":10,"completion_tokens":5}', { input: 10, output: 5 }],
    [
      'texts, longs and bigints',
      { prompt_tokens: '10', completion_tokens: { low: 5, high: 0, unsigned: true } },
      { input: 10 },
    ],
  ])('of %s', (_, bag, expected, total = {}) => {
    expect(readUsageBag(bag)).toMatchObject(expected);
    expect(totalUsage(readUsageBag(bag), usageRule('otel-genai', undefined, undefined))).toMatchObject(total);
  });

  it('of two reports is the first of each count, and counts as the one does that has them', () => {
    const whole = { input: 1, output: 2, cacheRead: 3, cacheWrite: 4, reasoning: 5, total: 6 };
    const other = { input: 7, output: 7, cacheRead: 7, cacheWrite: 7, reasoning: 7, total: 7 };
    expect(mergeUsage(whole, other)).toMatchObject(whole);
    expect(mergeUsage({}, whole)).toMatchObject(whole);
    expect(mergeUsage(undefined, whole)).toBe(whole);
    expect(mergeUsage(whole, undefined)).toBe(whole);
    const rule = { cachedInput: 'excluded' } as const;
    expect(mergeUsage({ total: 6 }, { ...whole, rule })?.rule).toBe(rule);
    for (const counts of [{ input: 1 }, { output: 2 }]) {
      expect(mergeUsage(counts, { ...whole, rule })?.rule).toBeUndefined();
      expect(mergeUsage({ ...counts, rule }, whole)?.rule).toBe(rule);
    }
  });

  it.each([
    [Number.NaN],
    [-1],
    ['-1'],
    ['unknown'],
    [null],
    [{}],
    [[]],
    [true],
    [Number.POSITIVE_INFINITY],
    [1e30],
  ])('never guesses: %j', (value) => {
    expect(readUsage({ 'gen_ai.usage.input_tokens': value })).toBeUndefined();
  });
});

describe('parameters', () => {
  it('have the names of the wire', () => {
    expect(
      readParameters({
        'gen_ai.request.temperature': '0.5',
        'gen_ai.request.top_p': 0.9,
        'gen_ai.request.top_k': 40,
        'gen_ai.request.max_tokens': 100,
        'gen_ai.request.stop_sequences': ['a', 'b'],
        'gen_ai.request.seed': 7,
        'gen_ai.request.frequency_penalty': 0.1,
        'gen_ai.request.presence_penalty': 0,
        'gen_ai.request.choice.count': 3,
        'ai.prompt.toolChoice': '{"type":"auto"}',
        'gen_ai.request.reasoning.level': 'high',
        'gen_ai.request.stream': true,
      }),
    ).toEqual({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      max_tokens: 100,
      stop: ['a', 'b'],
      seed: 7,
      frequency_penalty: 0.1,
      presence_penalty: 0,
      n: 3,
      tool_choice: { type: 'auto' },
      reasoning_effort: 'high',
      stream: true,
    });
  });

  it.each([
    [
      'OpenAI',
      {
        max_completion_tokens: 5,
        stop: 'x',
        reasoning_effort: 'low',
        response_format: { type: 'json_object' },
      },
      { max_tokens: 5, stop: ['x'], reasoning_effort: 'low', response_format: { type: 'json_object' } },
    ],
    [
      'Responses',
      { max_output_tokens: 5, reasoning: { effort: 'low' } },
      { max_tokens: 5, reasoning_effort: 'low' },
    ],
    [
      'Anthropic',
      { max_tokens: 5, stop_sequences: ['x'], thinking: { type: 'enabled', budget_tokens: 9 } },
      { max_tokens: 5, stop: ['x'], thinking: { type: 'enabled', budget_tokens: 9 } },
    ],
    [
      'Gemini',
      { maxOutputTokens: 5, topP: 0.5, topK: 3, stopSequences: ['x'], candidateCount: 2 },
      { max_tokens: 5, top_p: 0.5, top_k: 3, stop: ['x'], n: 2 },
    ],
    ['nothing of ours', { model: 'm', messages: [], tools: [] }, undefined],
    ['JSON text', '{"temperature":0}', { temperature: 0 }],
  ])('from a bag: %s', (_, bag, expected) => {
    expect(readParameterBag(bag)).toEqual(expected);
  });
});
