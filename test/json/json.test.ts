import { describe, expect, it } from 'vitest';
import {
  asArray,
  asNumber,
  asObject,
  asText,
  isEmptyText,
  isText,
  JsonText,
  member,
  textMember,
  toJsonString,
  toJsonValue,
} from '../../src/json/json-text.ts';
import { looksLikeJson, readJson } from '../../src/json/read-json.ts';
import { isCutOff, repairJson } from '../../src/json/repair.ts';

const SOURCE = '{"a":"x\\ny","b":[1,{"c":null}],"d":2.5}';

describe('JsonText', () => {
  it('is a slice of what it was found in', () => {
    const slice = new JsonText(SOURCE, 5, 11);
    expect(slice.json).toBe('"x\\ny"');
    expect(slice.isString).toBe(true);
    expect(asText(slice)).toBe('x\ny');
    expect(JSON.stringify({ slice })).toBe('{"slice":"x\\ny"}');
  });

  it.each<[string, unknown, unknown, unknown]>([
    ['asText', asText, new JsonText('"x"'), 'x'],
    ['asText', asText, new JsonText('{}'), undefined],
    ['asText', asText, 5, undefined],
    ['asObject', asObject, new JsonText('{"a":1}'), { a: 1 }],
    ['asObject', asObject, new JsonText('"{}"'), undefined],
    ['asObject', asObject, [1], undefined],
    ['asObject', asObject, new Uint8Array(2), undefined],
    ['asArray', asArray, new JsonText('[1]'), [1]],
    ['asArray', asArray, { length: 1 }, undefined],
    ['asNumber', asNumber, new JsonText('2.5'), 2.5],
    ['asNumber', asNumber, Number.NaN, undefined],
    ['isText', isText, new JsonText('"x"'), true],
    ['isText', isText, new JsonText('1'), false],
    ['isEmptyText', isEmptyText, new JsonText('""'), true],
    ['isEmptyText', isEmptyText, new JsonText('"x"'), false],
  ])('%s takes slices and values alike', (_, read, value, expected) => {
    expect((read as (value: unknown) => unknown)(value)).toEqual(expected);
  });
});

describe('members', () => {
  it('are own ones', () => {
    expect(member({}, 'toString', 'constructor')).toBeUndefined();
    expect(member({ a: null, b: 0 }, 'a', 'b')).toBe(0);
    expect(textMember({ a: '', b: 'x' }, 'a', 'b')).toBe('x');
    expect(member(undefined, 'a')).toBeUndefined();
  });
});

describe('toJsonValue', () => {
  const ring: { self?: unknown } = {};
  ring.self = ring;

  it.each<[string, unknown, unknown]>([
    ['NaN', Number.NaN, null],
    ['infinity', Number.POSITIVE_INFINITY, null],
    ['undefined', undefined, null],
    ['a small bigint', 5n, 5],
    ['a large bigint', 2n ** 70n, '1180591620717411303424'],
    ['a function', () => 1, null],
    ['a symbol', Symbol('x'), null],
    ['binary', new Uint8Array([1, 2, 3]), 'AQID'],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['no date', new Date(Number.NaN), null],
    ['absent members', { a: undefined, b: () => 1, c: 1 }, { c: 1 }],
    ['a slice', { a: new JsonText('{"b":1}') }, { a: { b: 1 } }],
    ['hostile keys', JSON.parse('{"__proto__":{"x":1},"constructor":1,"prototype":2,"a":3}'), { a: 3 }],
  ])('%s', (_, value, expected) => {
    expect(toJsonValue(value)).toEqual(expected);
  });

  it('ends where a value leads back to itself', () => {
    expect(toJsonString(ring)).toContain('[too deep]');
  });

  it('copies slices', () => {
    expect(toJsonString(new JsonText('{ "a" : 1 }'))).toBe('{ "a" : 1 }');
  });
});

describe('readJson', () => {
  it.each<[string, unknown, unknown]>([
    ['JSON', '{"a":1}', { value: { a: 1 }, cut: false }],
    ['encoded twice', JSON.stringify('{"a":1}'), { value: { a: 1 }, cut: false }],
    ['encoded three times', JSON.stringify(JSON.stringify('{"a":1}')), { value: { a: 1 }, cut: false }],
    ['white space around', ' \n{"a":1} ', { value: { a: 1 }, cut: false }],
    ['a value that is parsed', { a: 1 }, { value: { a: 1 }, cut: false }],
    ['text', 'hello', { value: 'hello', cut: false }],
    ['a number as text', '42', { value: '42', cut: false }],
    ['text that looks like JSON', '[sic] he said', { value: '[sic] he said', cut: false }],
    ['cut JSON', '{"a":[1,2,{"b":"lon', { value: { a: [1, 2, { b: 'lon' }] }, cut: true }],
    ['nothing', undefined, undefined],
    ['null', null, undefined],
  ])('%s', (_, raw, expected) => {
    expect(readJson(raw)).toEqual(expected);
  });

  it.each([
    ['{', true],
    [' [', true],
    ['x{', false],
    [5, false],
  ])('%j looks like JSON: %s', (value, looks) => {
    expect(looksLikeJson(value)).toBe(looks);
  });
});

describe('repair', () => {
  it.each<[string, unknown]>([
    ['{"a":1,"b":"tw', { a: 1, b: 'tw' }],
    ['{"a":1,"b":', { a: 1 }],
    ['{"a":1,"b"', { a: 1 }],
    ['{"a":1,"b', { a: 1 }],
    ['{"a":1,', { a: 1 }],
    ['[1,2', [1]],
    ['[1,-0.', [1]],
    ['[tru', []],
    ['["a\\', ['a']],
    ['["a\\u00', ['a']],
    ['["😀', ['😀']],
    ['["\\ud83d', []],
    ['[[[', []],
    ['{"a":{"b":{"c":1', {}],
    ['"half a text', 'half a text'],
    ['hello', undefined],
    ['[1}', undefined],
    ['', undefined],
    ['['.repeat(5_000), undefined],
  ])('%j', (text, expected) => {
    expect(repairJson(text)).toEqual(expected);
  });

  const user = { role: 'user', content: 'Hi' };
  const call = { type: 'tool_call', id: 'call_1', name: 'weather' };
  it.each<[string, string, unknown]>([
    ['half a role', ',{"role":"assis', [user]],
    ['a role', ',{"role":"assistant"', [user]],
    ['a role, and a text that has not begun', ',{"role":"assistant","content":"', [user]],
    ['a role, and no content', ',{"role":"assistant","content":null,"tool_calls":[{"id":"call_1"', [user]],
    ['half a type', ',{"role":"user","parts":[{"type":"te', [user]],
    ['a type', ',{"role":"user","parts":[{"type":"text"', [user]],
    [
      'the text of a part',
      ',{"role":"user","parts":[{"type":"text","content":"A"},{"type":"text","content":"B',
      [
        user,
        {
          role: 'user',
          parts: [
            { type: 'text', content: 'A' },
            { type: 'text', content: 'B' },
          ],
        },
      ],
    ],
    [
      "half a tool's name",
      ',{"role":"assistant","parts":[{"type":"tool_call","id":"call_1","name":"wea',
      [user],
    ],
    [
      "a tool's name",
      ',{"role":"assistant","parts":[{"type":"tool_call","id":"call_1","name":"weather"',
      [user, { role: 'assistant', parts: [call] }],
    ],
    [
      'arguments that come first',
      ',{"role":"assistant","parts":[{"arguments":{"city":"Oslo"},"type":"tool',
      [user],
    ],
    [
      'the input of a call, before its name',
      ',{"role":"model","content":[{"toolRequest":{"input":{"city":"Oslo"},"na',
      [user],
    ],
    [
      'half an argument',
      ',{"role":"assistant","parts":[{"type":"tool_call","id":"call_1","name":"weather","arguments":{"city":"Os',
      [user, { role: 'assistant', parts: [{ ...call, arguments: { city: 'Os' } }] }],
    ],
    ['a class name', ',{"lc":1,"type":"constructor","id":["langchain","schema","mes', [user]],
    [
      'half an image',
      ',{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO',
      [user, { role: 'user', content: [{ type: 'image_url', image_url: {} }] }],
    ],
    [
      'half a blob',
      ',{"role":"user","parts":[{"type":"blob","modality":"image","mime_type":"image/png","content":"iVBO',
      [user, { role: 'user', parts: [{ type: 'blob', modality: 'image', mime_type: 'image/png' }] }],
    ],
  ])('of messages that are cut after %s', (_, rest, expected) => {
    expect(repairJson(JSON.stringify([user]).slice(0, -1) + rest)).toEqual(expected);
  });

  it.each([
    '',
    '...[truncated]',
    '… [truncated]',
    '...[TRUNCATED: original length 12345]',
  ])('with a mark behind the cut: %j', (mark) => {
    const { value, cut } = readJson(`[{"role":"user","parts":[{"text":"What is the${mark}`) ?? {};
    expect(cut).toBe(true);
    expect(value).toEqual([{ role: 'user', parts: [{ text: 'What is the' }] }]);
  });

  it('tells what was open at the cut', () => {
    const [whole, cut] = repairJson('[{"content":[{"text":"a"}]},{"content":[{"text":"b') as [Held, Held];
    expect([whole, ...whole.content].map(isCutOff)).toEqual([false, false]);
    expect([cut, ...cut.content].map(isCutOff)).toEqual([true, true]);
  });
});

interface Held {
  readonly content: readonly object[];
}
