import { expect, it } from 'vitest';
import { changedLeaves, fieldOf } from '../../src/explain/leaves.ts';
import type { RecordBody } from '../../src/record/record.ts';

function changed(before: RecordBody, after: RecordBody): readonly string[] {
  return [...changedLeaves(before, after)].map((key) => key.replaceAll('\u0000', '.')).sort();
}

it.each<[name: string, before: RecordBody, after: RecordBody, expected: readonly string[]]>([
  ['nothing', { a: 1 }, { a: 1 }, []],
  ['a value', { a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, ['a.c']],
  ['a key that is gone', { a: { b: 1, c: 2 } }, { a: { b: 1 } }, ['a.c']],
  ['an object that is gone', { a: { b: 1, c: [2] } }, {}, ['a.b', 'a.c.0']],
  ['a key that is new', {}, { a: 1 }, []],
  ['another kind', { a: [1] }, { a: { 0: 1 } }, ['a.0']],
  [
    'the first of a list gone',
    { m: [{ t: 'a' }, { t: 'b' }, { t: 'c' }] },
    { m: [{ t: 'b' }, { t: 'c' }] },
    ['m.0.t'],
  ],
  ['the last gone', { m: ['a', 'b', 'c'] }, { m: ['a', 'b'] }, ['m.2']],
  ['one inside gone', { m: ['a', 'b', 'c'] }, { m: ['a', 'c'] }, ['m.1']],
  [
    'one inside another',
    { m: [{ t: 'a' }, { t: 'b', u: 1 }] },
    { m: [{ t: 'a' }, { t: 'x', u: 1 }] },
    ['m.1.t'],
  ],
  ['one gone and one another', { m: ['a', 'b', 'c', 'd'] }, { m: ['b', 'x', 'd'] }, ['m.0', 'm.2']],
  ['all gone', { m: ['a', 'b'] }, { m: [] }, ['m.0', 'm.1']],
])('sees %s', (_, before, after, expected) => {
  expect(changed(before, after)).toEqual(expected);
});

it.each([
  [['messages', '3', 'tool_calls', '0', 'id'], 'messages.3'],
  [['call_info', 'model'], 'call_info.model'],
  [['call_info', 'usage', 'prompt_tokens'], 'call_info.usage.prompt_tokens'],
  [['call_info', 'provider_info', 'choices', '0', 'role'], 'call_info.provider_info.choices'],
  [['tool_schema', '0', 'function', 'name'], 'tool_schema'],
  [['session_info', 'custom_metadata', 'service.name'], 'session_info.custom_metadata.service.name'],
  [['completion_id'], 'completion_id'],
])('calls %j %s', (path, field) => {
  expect(fieldOf(path)).toBe(field);
});
