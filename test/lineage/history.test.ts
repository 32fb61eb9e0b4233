import { expect, it } from 'vitest';
import type { Message, Reading, ToolCall } from '../../src/completion/completion.ts';
import { fillHistories, fillReplies, type Speaker } from '../../src/lineage/history.ts';
import { NO_SPAN } from '../../src/span/span-data.ts';
import { asked, at, reading, said } from './support.ts';

function speaker(start: number, facts: Reading, children: readonly Speaker[] = []): Speaker {
  return {
    span: { ...NO_SPAN, startTime: at(start) },
    parent: undefined,
    children,
    reading: facts,
    rules: [],
  };
}

function ask(id: string): ToolCall {
  return { id, name: 'weather', arguments: `{"city":"${id}"}` };
}

function tool(start: number, id: string, facts: Partial<Reading> = {}): Speaker {
  return speaker(start, {
    operation: 'tool',
    name: 'weather',
    toolCallId: id,
    toolArguments: ask(id).arguments,
    outputValue: `in ${id}`,
    ...facts,
  });
}

/** A call and its result of which the emitter kept the name alone. */
const named: readonly Message[] = [
  {
    ...said('[tool: weather]'),
    toolCalls: [{ ...ask(''), id: undefined }],
    captured: said('[tool: weather]'),
  },
  { ...asked('[result]'), role: 'tool', captured: asked('[result]') },
];

const turn = (start: number, id: string): Speaker =>
  speaker(start, reading({ choices: [{ ...said(''), toolCalls: [ask(id)] }] }));

it('a history of names gets the calls that were made before, in their order, and what their tools gave', () => {
  const last = speaker(9, reading({ input: [...named, ...named] }));
  fillHistories([turn(5, 'Oslo'), turn(1, 'Rome'), turn(10, 'Bern'), tool(2, 'Rome'), tool(6, 'Oslo'), last]);
  expect(last.reading?.input).toMatchObject([
    { toolCalls: [ask('Rome')] },
    { toolCallId: 'Rome', parts: [{ text: 'in Rome' }] },
    { toolCalls: [ask('Oslo')] },
    { toolCallId: 'Oslo', parts: [{ text: 'in Oslo' }] },
  ]);
  expect(last.rules).toEqual(['history completed from earlier calls and their tools']);
});

it('of which nothing is known stays as it was captured', () => {
  const last = speaker(9, reading({ input: named }));
  fillHistories([last]);
  expect(last.reading?.input).toEqual(named.map(({ captured }) => captured));
  expect(last.rules).toEqual([]);
});

it('a reply that was lost is what its tools were asked for, in their order', () => {
  const call = speaker(1, reading({ input: [asked('Hi')] }), [tool(7, 'Oslo'), tool(3, 'Rome')]);
  fillReplies([call]);
  expect(call.reading?.choices).toMatchObject([{ toolCalls: [ask('Rome'), ask('Oslo')] }]);
});

it('a tool without a name, its own or its span’s, is none that a reply asked for', () => {
  const call = speaker(1, reading({ input: [asked('Hi')] }), [tool(3, 'Rome', { name: undefined })]);
  fillReplies([call]);
  expect(call.reading?.choices).toBeUndefined();
});
