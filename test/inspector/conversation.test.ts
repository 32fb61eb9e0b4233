import { describe, expect, it } from 'vitest';
import { toConversation } from '../../src/inspector/model/conversation.ts';

const call = (id: string | undefined, name: string, given: string = '{}') => ({
  ...(id !== undefined && { id }),
  type: 'function',
  function: { name, arguments: given },
});

function callsOf(messages: readonly unknown[]): readonly (string | number | undefined)[][] {
  return toConversation({ messages } as never).turns.flatMap(({ calls }) =>
    calls.map(({ name, result }) => [name, result?.index]),
  );
}

describe('calls and results', () => {
  it('are paired by id, in whatever order the results came', () => {
    const conversation = toConversation({
      messages: [
        { role: 'user', content: 'go' },
        { role: 'assistant', content: null, tool_calls: [call('a', 'one'), call('b', 'two')] },
        { role: 'tool', tool_call_id: 'b', content: 'second' },
        { role: 'tool', tool_call_id: 'a', content: 'first' },
        { role: 'assistant', content: 'done' },
      ],
    });
    expect(conversation.turns.map(({ role, index }) => [role, index])).toEqual([
      ['user', 0],
      ['assistant', 1],
      ['assistant', 4],
    ]);
    expect(conversation.turns[1]?.calls.map(({ result }) => result?.parts)).toEqual([
      [{ kind: 'text', text: 'first' }],
      [{ kind: 'text', text: 'second' }],
    ]);
    expect(conversation.messageCount).toBe(5);
  });

  it('are paired round by round where ids begin anew', () => {
    const round = (text: string) => [
      { role: 'assistant', tool_calls: [call('call_0', 'look')] },
      { role: 'tool', tool_call_id: 'call_0', content: text },
    ];
    expect(callsOf([...round('x'), ...round('y')])).toEqual([
      ['look', 1],
      ['look', 3],
    ]);
  });

  it('without ids are paired by name, then by order', () => {
    expect(
      callsOf([
        { role: 'assistant', function_call: { name: 'one', arguments: '{}' } },
        { role: 'function', name: 'one', content: '1' },
        { role: 'assistant', tool_calls: [call(undefined, 'p'), call(undefined, 'q')] },
        { role: 'tool', content: 'for p' },
        { role: 'tool', content: 'for q' },
      ]),
    ).toEqual([
      ['one', 1],
      ['p', 3],
      ['q', 4],
    ]);
  });

  it('that belong to nothing stay where they are', () => {
    const { turns } = toConversation({
      messages: [
        { role: 'tool', tool_call_id: 'gone', content: 'x' },
        { role: 'assistant', tool_calls: [call('a', 'one')] },
        { role: 'tool', tool_call_id: 'a', content: '1' },
        { role: 'tool', tool_call_id: 'a', content: 'twice' },
      ],
    });
    expect(turns.map(({ role, index }) => [role, index])).toEqual([
      ['tool', 0],
      ['assistant', 1],
      ['tool', 3],
    ]);
    expect(turns[1]?.calls[0]?.result?.index).toBe(2);
  });
});

describe('turns', () => {
  it('tell the reply, and further choices', () => {
    const { turns, choices } = toConversation({
      messages: [
        { role: 'assistant', content: 'hello' },
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'how', reasoning_content: 'hm', refusal: 'no' },
      ],
      call_info: { provider_info: { choices: [{ role: 'assistant', content: 'other' }] } },
    });
    expect(turns.map(({ isReply }) => isReply)).toEqual([false, false, true]);
    expect(turns[2]).toMatchObject({
      reasoning: 'hm',
      parts: [
        { kind: 'text', text: 'how' },
        { kind: 'refusal', text: 'no' },
      ],
    });
    expect(choices.map(({ parts }) => parts)).toEqual([[{ kind: 'text', text: 'other' }]]);
  });

  it('of a failed call have no reply', () => {
    expect(
      toConversation({ messages: [{ role: 'user', content: 'x' }] }).turns.some(({ isReply }) => isReply),
    ).toBe(false);
  });

  it('have parts of every kind, and keep what they do not know', () => {
    const content = [
      { type: 'text', text: 'look' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
      { type: 'image_url', image_url: 'https://host/x.png' },
      { type: 'input_audio', input_audio: { data: 'AA', format: 'mp3' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA' } },
      { type: 'refusal', refusal: 'no' },
      { type: 'hologram', data: 1 },
      null,
    ];
    expect(toConversation({ messages: [{ role: 'user', content }] }).turns[0]?.parts).toEqual([
      { kind: 'text', text: 'look' },
      { kind: 'image', url: 'data:image/png;base64,AA' },
      { kind: 'image', url: 'https://host/x.png' },
      { kind: 'audio', url: 'data:audio/mpeg;base64,AA', format: 'mp3' },
      { kind: 'file', name: 'a.pdf', url: 'data:application/pdf;base64,AA' },
      { kind: 'refusal', text: 'no' },
      { kind: 'other', value: { type: 'hologram', data: 1 } },
      { kind: 'other', value: null },
    ]);
  });

  it.each([
    [{}],
    [{ messages: null }],
    [{ messages: 'x' }],
    [{ messages: [null, 1, [], { role: 7, tool_calls: {} }] }],
  ])('of %j are no error', (body) => {
    expect(() => toConversation(body as never)).not.toThrow();
  });
});
