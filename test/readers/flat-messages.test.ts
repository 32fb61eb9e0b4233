import { expect, it } from 'vitest';
import { flatMessages } from '../../src/readers/flat-messages.ts';

it("takes an item without a role for the assistant's reasoning, and part of its next turn", () => {
  const attributes = {
    'm.0.message.role': 'user',
    'm.0.message.content': 'Weather in Oslo?',
    'm.1.message.contents.0.message_content.type': 'text',
    'm.1.message.contents.0.message_content.text': 'I should look it up.',
    'm.2.message.role': 'assistant',
    'm.2.message.tool_calls.0.tool_call.id': 'call_1',
    'm.2.message.tool_calls.0.tool_call.function.name': 'weather',
    'm.2.message.tool_calls.0.tool_call.function.arguments': '{"city":"Oslo"}',
  };
  expect(flatMessages(attributes, 'm.', 'input')).toMatchObject([
    { role: 'user', parts: [{ kind: 'text', text: 'Weather in Oslo?' }] },
    {
      role: 'assistant',
      parts: [{ kind: 'reasoning', text: 'I should look it up.' }],
      toolCalls: [{ id: 'call_1', name: 'weather' }],
    },
  ]);
});
