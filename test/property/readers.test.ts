/** Readers are total: any value at all, never a throw, never a value of the wrong kind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normaliseFinishReason, normaliseProvider, normaliseRole } from '../../src/completion/normalise.ts';
import { toJsonString, toJsonValue } from '../../src/json/json-text.ts';
import { readJson } from '../../src/json/read-json.ts';
import { repairJson } from '../../src/json/repair.ts';
import { validateCompletion } from '../../src/local/contract.ts';
import { readRequest, readResponse } from '../../src/messages/exchange.ts';
import { splitFusedCalls } from '../../src/messages/fused-calls.ts';
import { readInstructions, readMessages } from '../../src/messages/messages.ts';
import { readTools } from '../../src/messages/tools.ts';
import { readParameterBag, readParameters } from '../../src/readers/parameters.ts';
import { readEvalAttributes, readSurroundings } from '../../src/readers/surroundings.ts';
import { readUsage, readUsageBag, totalUsage } from '../../src/readers/usage.ts';
import { completionIdOf, sessionIdOf, traceIdOf } from '../../src/record/ids.ts';
import { MASKED, maskBody, secretsMask } from '../../src/record/mask.ts';
import type { RecordBody } from '../../src/record/record.ts';
import { renderMessages, renderTools } from '../../src/record/render.ts';
import { cutMiddle, jsonBytes, shrinkBody } from '../../src/record/shrink.ts';
import { fromSdkLogRecord, fromSdkSpan } from '../../src/span/from-sdk.ts';
import { UUID_V4 } from '../contract/support/ids.ts';
import { runs } from './support.ts';

const POLICY = { capture: true, media: (one: never) => one } as never;

/** Values with the words that readers look for, in all the wrong places. */
const words = fc.constantFrom(
  'role',
  'content',
  'parts',
  'type',
  'text',
  'tool_calls',
  'toolCalls',
  'function',
  'name',
  'arguments',
  'id',
  'message',
  'messages',
  'choices',
  'input',
  'output',
  'kwargs',
  'data',
  'system',
  'tools',
  'tool_use',
  'image_url',
  'source',
  'url',
  'usage',
  'input_tokens',
  'prompt_tokens',
  'candidates',
  'contents',
  'response',
  '__proto__',
  'constructor',
  'tool_call_id',
  'tool_result',
  'reasoning',
  'parameters',
  'inputSchema',
  'json',
  'lc',
  'toString',
);
const texts = fc.oneof(
  words,
  fc.string(),
  fc.constantFrom(
    'user',
    'assistant',
    'tool',
    '{"a":1}',
    '[{"role":"user"}]',
    'data:image/png;base64,AAAA',
    '',
  ),
);
const wordy: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    texts,
    fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.constant(undefined), fc.bigInt()),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(words, tie('value'), { maxKeys: 6 }),
    fc.dictionary(words, tie('value'), { maxKeys: 6 }).map((value) => toJsonString(value)),
  ),
})).value;
const any = fc.oneof(fc.anything(), wordy, fc.json());
const bag = fc.dictionary(fc.oneof(fc.string(), words), any).map((one) => one as Record<string, unknown>);

describe('readers', () => {
  it.each<[string, (value: never) => unknown]>([
    ['readJson', (value) => readJson(value)],
    ['readMessages (input)', (value) => readMessages(value, 'input')],
    ['readMessages (output)', (value) => readMessages(value, 'output')],
    ['readInstructions', (value) => readInstructions(value)],
    ['readRequest', (value) => readRequest(value)],
    ['readResponse', (value) => readResponse(value)],
    ['readTools', (value) => readTools(value)],
    ['readParameterBag', (value) => readParameterBag(value)],
    ['readUsageBag', (value) => readUsageBag(value)],
    ['toJsonValue', (value) => toJsonValue(value)],
    ['toJsonString', (value) => toJsonString(value)],
    ['normaliseRole', (value) => normaliseRole(value)],
    ['normaliseFinishReason', (value) => normaliseFinishReason(value)],
  ])('%s takes anything', (_, read) => {
    fc.assert(
      fc.property(any, (value) => {
        read(value as never);
      }),
      runs(400),
    );
  });

  it.each<[string, (value: Record<string, unknown>) => unknown]>([
    ['readParameters', readParameters],
    ['readUsage', readUsage],
    ['readSurroundings', readSurroundings],
    ['readEvalAttributes', readEvalAttributes],
  ])('%s takes any attributes', (_, read) => {
    fc.assert(
      fc.property(bag, (attributes) => {
        const before = toJsonString(attributes);
        read(attributes);
        expect(toJsonString(attributes)).toBe(before);
      }),
      runs(300),
    );
  });

  it('give messages that the API takes', () => {
    fc.assert(
      fc.property(any, fc.constantFrom('input' as const, 'output' as const), (value, side) => {
        const messages = renderMessages(readMessages(value, side), POLICY, '00f067aa0ba902b7', []);
        if (messages.length === 0) return;
        const body = minimal({ messages });
        expect(validateCompletion(JSON.parse(JSON.stringify(body)))).toBeUndefined();
      }),
      runs(1000),
    );
  });

  it('give tools that the API takes', () => {
    fc.assert(
      fc.property(any, (value) => {
        const tools = readTools(value);
        if (!tools) return;
        const body = minimal({ tool_schema: renderTools(tools, POLICY) });
        expect(validateCompletion(JSON.parse(JSON.stringify(body)))).toBeUndefined();
      }),
      runs(600),
    );
  });

  it('give counts that are whole numbers, or none', () => {
    fc.assert(
      fc.property(any, fc.boolean(), (value, excluded) => {
        const rule = excluded ? 'excluded' : 'included';
        const usage = totalUsage(readUsageBag(value), { cachedInput: rule, reasoning: rule });
        for (const count of Object.values(usage ?? {}))
          if (count !== undefined) expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
      }),
      runs(500),
    );
  });

  it('take fused calls apart into what was fused, or not at all', () => {
    const call = fc.record({
      name: fc.constantFrom('get_weather', 'get', 'weather', 'lookup'),
      arguments: fc
        .dictionary(fc.string(), fc.oneof(fc.string(), fc.integer()))
        .map((one) => JSON.stringify(one)),
    });
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 4 }), (calls) => {
        const fused = {
          id: calls.map((_, i) => `call_${i}x`).join(''),
          name: calls.map((one) => one.name).join(''),
          arguments: calls.map((one) => one.arguments).join(''),
        };
        const apart = splitFusedCalls(fused, ['get_weather', 'get', 'weather', 'lookup']);
        expect([1, calls.length]).toContain(apart.length);
        expect(apart.map((one) => one.arguments).join('')).toBe(fused.arguments);
      }),
      runs(300),
    );
  });

  it('take any span and any log record for what it is', () => {
    const context = fc.record({ traceId: fc.anything(), spanId: fc.anything(), traceFlags: fc.anything() });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.anything()), context, (fields, spanContext) => {
        fromSdkSpan({ ...fields, spanContext: () => spanContext } as never);
        fromSdkLogRecord({ ...fields, spanContext } as never);
      }),
      runs(300),
    );
  });
});

function minimal(fields: object): RecordBody {
  return {
    messages: [{ role: 'user', content: 'x' }],
    trace_info: { trace_id: '4bf92f35-77b3-4da6-a3ce-929d0e0e4736' },
    call_info: { start_time: 1.79e9, end_time: 1.79e9 },
    completion_id: '4bf92f35-77b3-4da6-a3ce-929d0e0e4736',
    ...fields,
  } as RecordBody;
}

describe('cut JSON', () => {
  const json = fc.json({ depthSize: 'small' });

  it('is repaired to a prefix of what it was, at any cut', () => {
    fc.assert(
      fc.property(json, fc.double({ min: 0, max: 1, noNaN: true }), (text, share) => {
        const cut = text.slice(0, Math.floor(text.length * share));
        const repaired = repairJson(cut);
        if (repaired !== undefined) expect(isPrefix(repaired, JSON.parse(text))).toBe(true);
      }),
      runs(2000),
    );
  });

  it('is repaired at every cut of a list of messages', () => {
    const text = JSON.stringify([
      { role: 'system', content: 'Be "brief" \\ and 😀 kind.\n' },
      { role: 'user', content: [{ type: 'text', text: 'ä\u2028' }, 1.5e3, -0.25, true, null, { a: {} }] },
    ]);
    const whole = JSON.parse(text);
    for (let at = 0; at <= text.length; at++) {
      const repaired = repairJson(text.slice(0, at));
      if (repaired !== undefined) expect(isPrefix(repaired, whole), text.slice(0, at)).toBe(true);
      if (at > 2 && at < text.length) expect(repaired, text.slice(0, at)).toBeDefined();
    }
    expect(readJson(text.slice(0, -1))?.cut).toBe(true);
    expect(readJson(text)).toEqual({ value: whole, cut: false });
  });

  it('leaves alone what is no JSON', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        repairJson(text);
        repairJson(`{${text}`);
        repairJson(`[${text}`);
      }),
      runs(2000),
    );
    for (const text of ['', 'hello', '}', '{"a":1}}', '[1,2}', "{'a': 1"])
      expect(repairJson(text), text).toBeUndefined();
  });
});

/** Lists and objects may be shorter, texts cut; nothing else may differ. */
function isPrefix(part: unknown, whole: unknown): boolean {
  if (typeof part === 'string') return typeof whole === 'string' && whole.startsWith(part);
  if (Array.isArray(part))
    return (
      Array.isArray(whole) && part.length <= whole.length && part.every((item, i) => isPrefix(item, whole[i]))
    );
  if (typeof part === 'object' && part !== null)
    return (
      typeof whole === 'object' &&
      whole !== null &&
      Object.entries(part).every(
        ([key, item]) => Object.hasOwn(whole, key) && isPrefix(item, (whole as Record<string, unknown>)[key]),
      )
    );
  return Object.is(part, whole) || part === whole;
}

/** No half of a surrogate pair. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text, 'utf8').toString('utf8') === text;
}

describe('size', () => {
  const unicode = fc.string({ unit: 'binary', maxLength: 600 });

  it('is cut on code points', () => {
    fc.assert(
      fc.property(unicode, fc.nat(400), (text, keep) => {
        const cut = cutMiddle(text, keep);
        if (Buffer.byteLength(text) <= keep) expect(cut).toBe(text);
        else if (isWellFormed(text)) expect(isWellFormed(cut)).toBe(true);
      }),
      runs(1000),
    );
  });

  const message = fc.record({
    role: fc.constantFrom('system', 'user', 'assistant'),
    content: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 3000 }),
      fc.constant('x'.repeat(5000)),
      fc.constant([{ type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(4000)}` } }]),
      fc.constant(null),
    ),
  });
  const large = fc.record({
    messages: fc.array(message, { minLength: 1, maxLength: 12 }),
    call_info: fc.record({
      start_time: fc.constant(1.79e9),
      end_time: fc.constant(1.79e9),
      model: fc.constant('gpt-4o'),
      provider_info: fc.record({
        response_id: fc.constant('r'),
        metadata: fc.dictionary(fc.string(), fc.string({ maxLength: 200 }), { maxKeys: 40 }),
        choices: fc.array(fc.record({ content: fc.string({ maxLength: 500 }) }), { maxLength: 10 }),
      }),
      llm_parameters: fc.record({ stop: fc.array(fc.string({ maxLength: 100 }), { maxLength: 40 }) }),
    }),
    inputs: fc.record({ a: fc.string({ maxLength: 3000 }) }),
    tool_schema: fc.array(
      fc.record({
        type: fc.constant('function'),
        function: fc.record({ name: fc.constant('f'), description: fc.string({ maxLength: 250 }) }),
      }),
      { minLength: 1, maxLength: 30 },
    ),
    session_info: fc.record({
      custom_metadata: fc.dictionary(fc.string(), fc.string({ maxLength: 100 }), { minKeys: 1, maxKeys: 30 }),
    }),
  });

  it('stays within the limit, and valid', () => {
    fc.assert(
      fc.property(large, fc.integer({ min: 1024, max: 20_000 }), (fields, limit) => {
        const body = minimal(fields);
        const before = JSON.stringify(body);
        const shrunk = shrinkBody(body, limit);
        expect(JSON.stringify(body)).toBe(before);
        expect(jsonBytes(shrunk.body)).toBeLessThanOrEqual(limit);
        expect(validateCompletion(JSON.parse(JSON.stringify(shrunk.body)))).toBeUndefined();
        if (jsonBytes(body) <= limit) expect(shrunk.cut).toEqual([]);
        else expect(shrunk.cut.length).toBeGreaterThan(0);
      }),
      runs(300),
    );
  });

  it.each(['\u0001', '"', '\ud800', '✓', 'a'])('is cut as soon as it is too large, full of %j', (unit) => {
    const body: RecordBody = { messages: [{ role: 'user', content: unit.repeat(1_000) }] };
    const bytes = jsonBytes(body);
    expect(shrinkBody(body, bytes).cut).toEqual([]);
    expect(shrinkBody(body, bytes - 1).cut).not.toEqual([]);
  });

  it.each([
    ['quotes', '"'.repeat(20_000)],
    ['JSON', JSON.stringify(Array.from({ length: 1_000 }, (_, id) => ({ id, name: `"${id}"` })))],
    ['characters of three bytes', '漢'.repeat(10_000)],
  ])('loses no more of a text of %s than has to go', (_, content) => {
    const body: RecordBody = { messages: [{ role: 'user', content }] };
    const bytes = jsonBytes(shrinkBody(body, 16_384).body);
    expect(bytes).toBeLessThanOrEqual(16_384);
    expect(bytes).toBeGreaterThan(8_192);
  });
});

describe('masks', () => {
  const body = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<RecordBody>;
  const SECRET = 'the-very-secret-word';

  it('see every text, and what throws or forgets to answer never lets the original through', () => {
    const bad = fc.constantFrom<never>(
      ...([
        () => {
          throw new Error(SECRET);
        },
        () => undefined,
        () => 5,
        () => Promise.resolve(SECRET),
      ] as never[]),
    );
    fc.assert(
      fc.property(body, bad, fc.string(), (given, mask, key) => {
        const withSecret = { ...given, messages: [{ role: 'user', content: SECRET }], [`k${key}`]: [SECRET] };
        const masked = maskBody(withSecret as RecordBody, [mask]);
        expect(JSON.stringify(masked.body)).not.toContain(SECRET);
        expect(JSON.stringify(masked.body)).toContain(MASKED);
        expect(JSON.stringify(withSecret)).toContain(SECRET);
      }),
      runs(300),
    );
  });

  it('replace a word wherever it stands', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const given = { output: [value, { deep: [`a ${SECRET} b`] }], input: SECRET };
        const masked = maskBody(given as unknown as RecordBody, [(text) => text.replaceAll(SECRET, '***')]);
        expect(JSON.stringify(masked.body)).not.toContain(SECRET);
        expect(masked.paths).toContain('input');
      }),
      runs(200),
    );
  });

  it('of the preset are total and keep what is no secret', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2000 }), (text) => {
        expect(typeof secretsMask(text, '')).toBe('string');
      }),
      runs(500),
    );
  });
});

describe('ids', () => {
  const hex = (length: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF'), minLength: length, maxLength: length });

  it('are v4, and the same whatever the case', () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.string(), (traceId, spanId, text) => {
        expect(sessionIdOf(text)).toMatch(UUID_V4);
        expect(traceIdOf(traceId)).toMatch(UUID_V4);
        expect(completionIdOf({ traceId, spanId })).toMatch(UUID_V4);
        expect(completionIdOf({ traceId: traceId.toLowerCase(), spanId: spanId.toLowerCase() })).toBe(
          completionIdOf({ traceId, spanId }),
        );
      }),
      runs(500),
    );
  });

  it('keep a v4 session id, lower-cased', () => {
    fc.assert(
      fc.property(fc.uuid({ version: 4 }), (id) => {
        expect(sessionIdOf(id.toUpperCase())).toBe(id);
      }),
    );
  });

  it('of providers are total', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.string(), { nil: undefined })), fc.string(), (names, model) => {
        const found = normaliseProvider(names, model);
        if (found !== undefined) expect(found.trim()).not.toBe('');
      }),
      runs(500),
    );
  });
});
