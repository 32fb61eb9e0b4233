import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/completion/completion.ts';
import { openItems } from '../../src/messages/item-texts.ts';

function reply(...texts: readonly object[]): Message {
  return {
    role: 'assistant',
    parts: texts.map((text) => ({ kind: 'text' as const, text: JSON.stringify(text) })),
    toolCalls: [],
  };
}

describe('items that stand as JSON in texts', () => {
  it('are read', () => {
    const opened = openItems(
      reply(
        { id: 'rs_1', type: 'reasoning', summary: [{ type: 'summary_text', text: 'Look it up.' }] },
        {
          id: 'fc_1',
          type: 'function_call',
          call_id: 'call_1',
          name: 'weather',
          arguments: '{"city":"Oslo"}',
        },
      ),
    );
    expect(opened.parts).toEqual([{ kind: 'reasoning', text: 'Look it up.' }]);
    expect(opened.toolCalls).toEqual([{ id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' }]);
  });

  it('leave calls alone that stand beside them as such', () => {
    const call = { id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' };
    const item = { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{}' };
    expect(openItems({ ...reply(item), toolCalls: [call] })).toEqual({
      role: 'assistant',
      parts: [],
      toolCalls: [call],
    });
  });

  it.each([
    ['a message', { type: 'message', content: 'Hello' }],
    ['a chat', { role: 'user', content: 'Hello' }],
    ['a record with an id', { id: '17', type: 'reasoning', text: 'Because.' }],
    ['a call', { type: 'tool_use', id: 'x', name: 'weather', input: {} }],
  ])('are no answers in JSON: %s', (_, answer) => {
    expect(openItems(reply(answer))).toEqual(reply(answer));
  });

  it.each([
    [
      'its type',
      '{"id": "toolu_1", "input": {"city": "Oslo"}, "name": "weather", "ty',
      [['toolu_1', 'weather']],
    ],
    [
      'its type, sorted',
      '{"arguments": "{}", "call_id": "call_1", "name": "weather"',
      [['call_1', 'weather']],
    ],
    ['its name', '{"id": "toolu_1", "input": {"city": "Os', []],
    ['its id', '{"id": "rs_vsTC', []],
  ])('cut before %s: a call with its name, or nothing, but no JSON', (_, text, calls) => {
    const opened = openItems({ role: 'assistant', parts: [{ kind: 'text', text }], toolCalls: [] });
    expect(opened.parts).toEqual([]);
    expect(opened.toolCalls.map(({ id, name }) => [id, name])).toEqual(calls);
  });

  it('are not opened in what others said', () => {
    const message = { ...reply({ id: 'msg_1', type: 'message', content: 'Hello' }), role: 'user' as const };
    expect(openItems(message)).toBe(message);
  });
});
