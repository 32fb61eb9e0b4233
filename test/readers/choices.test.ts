/** `gen_ai.choice` events, one or several for each choice. */
import { expect, it } from 'vitest';
import { readGenAiContent } from '../../src/readers/content.ts';
import { NO_SPAN } from '../../src/span/span-data.ts';

const event = (attributes: Record<string, unknown>) => ({
  name: 'gen_ai.choice',
  time: [1, 0] as const,
  attributes,
});
const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } };
const calls = { index: 0, message: { tool_calls: [call] }, finish_reason: 'tool_calls' };

it.each<[string, Record<string, unknown>[], unknown[]]>([
  [
    'of two choices, in any order',
    [
      { index: 1, message: { content: 'b' } },
      { index: 0, message: { content: 'a' } },
    ],
    [
      ['a', []],
      ['b', []],
    ],
  ],
  [
    'without an index',
    [{ content: 'a' }, { content: 'b' }],
    [
      ['a', []],
      ['b', []],
    ],
  ],
  [
    'of one choice, piece by piece',
    [{ index: 0, message: { content: 'Let me see.' } }, calls, { index: 1, message: { content: 'b' } }],
    [
      ['Let me see.', ['weather']],
      ['b', []],
    ],
  ],
  ['of one choice, told twice', [calls, calls], [['', ['weather']]]],
])('choice events %s', (_, events, expected) => {
  const { choices } = readGenAiContent({ ...NO_SPAN, events: events.map(event) }, []);
  const said = choices?.map(({ parts, toolCalls }) => [
    parts.map((part) => (part.kind === 'text' ? part.text : part.kind)).join(''),
    toolCalls.map(({ name }) => name),
  ]);
  expect(said).toEqual(expected);
});
