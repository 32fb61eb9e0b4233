import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readPythonLiteral } from '../../src/json/python-literal.ts';

it.each<[string, unknown]>([
  ["{'a': 1, 'b': [True, False, None]}", { a: 1, b: [true, false, null] }],
  ["[{'role': 'user', 'content': 'It\\'s \"fine\"'}]", [{ role: 'user', content: 'It\'s "fine"' }]],
  [`["It's"]`, ["It's"]],
  ["('a', -1.5e3,)", ['a', -1500]],
  ["['\\n\\n', '\\x41', '\\u00e9', '\\U0001f600']", ['\n\n', 'A', 'é', '😀']],
  ['{}', {}],
  ['[]', []],
  ["{'__proto__': 1}", JSON.parse('{"__proto__": 1}')],
])('%s', (text, value) => {
  expect(readPythonLiteral(text)).toEqual(value);
});

it.each([
  '',
  'text',
  "'text'",
  '12',
  "{'a': 1",
  "{'a'}",
  '[<object at 0x1>]',
  "[Message(content='a')]",
  '[1] 2',
  "['a",
])('leaves %s alone', (text) => {
  expect(readPythonLiteral(text)).toBeUndefined();
});

it('reads what Python prints of any JSON value', () => {
  const print = (value: unknown): string => {
    if (value === null) return 'None';
    if (typeof value === 'boolean') return value ? 'True' : 'False';
    if (typeof value === 'string')
      return `'${value.replace(/[\\']/g, (c) => `\\${c}`).replaceAll('\n', '\\n')}'`;
    if (Array.isArray(value)) return `[${value.map(print).join(', ')}]`;
    if (typeof value === 'object')
      return `{${Object.entries(value)
        .map(([key, item]) => `${print(key)}: ${print(item)}`)
        .join(', ')}}`;
    return String(value);
  };
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 4 })), (value) => {
      const plain: unknown = JSON.parse(JSON.stringify(value));
      expect(readPythonLiteral(print(plain))).toEqual(plain);
    }),
  );
});

it('never throws, however deep or broken', () => {
  expect(readPythonLiteral('['.repeat(100_000))).toBeUndefined();
  fc.assert(
    fc.property(fc.string(), (text) => {
      readPythonLiteral(`[${text}`);
    }),
  );
});
