import { describe, expect, it } from 'vitest';
import type { Message, Reading, ToolCall } from '../../src/completion/completion.ts';
import { mergeReadings, weigh } from '../../src/lineage/merge.ts';
import { asked, reading, said } from './support.ts';

const SYSTEM: Message = { role: 'system', parts: [{ kind: 'text', text: 'Be brief.' }], toolCalls: [] };

function merge(chosen: Partial<Reading>, ...others: readonly Partial<Reading>[]): Reading {
  return mergeReadings(reading(chosen), others.map(reading));
}

function calling(...toolCalls: readonly Partial<ToolCall>[]): Message {
  return {
    role: 'assistant',
    parts: [],
    toolCalls: toolCalls.map((call) => ({ id: undefined, name: 'weather', arguments: '{}', ...call })),
  };
}

describe('each fact from the report that has it', () => {
  it('content from the outer, usage and response id from the inner', () => {
    const merged = merge(
      { usage: { input: 23, output: 8 }, responseId: 'msg_1', requestModel: 'claude' },
      { input: [SYSTEM, asked('Hi')], choices: [said('Ho')], usage: { input: 1, cacheRead: 4 } },
    );
    expect(merged).toMatchObject({
      responseId: 'msg_1',
      usage: { input: 23, output: 8, cacheRead: 4 },
      choices: [{ parts: [{ text: 'Ho' }] }],
    });
    expect([...(merged.instructions ?? []), ...(merged.input ?? [])]).toEqual([SYSTEM, asked('Hi')]);
  });

  it('the chosen one wins where both do', () => {
    const merged = merge(
      { input: [asked('Hi')], choices: [said('Ho')], provider: 'openai', requestModel: 'a' },
      { input: [asked('Hey')], choices: [said('No')], provider: 'azure_openai', requestModel: 'b' },
    );
    expect(merged).toMatchObject({
      input: [asked('Hi')],
      choices: [{ parts: [{ text: 'Ho' }] }],
      provider: 'openai',
      requestModel: 'a',
    });
  });

  it('whatever it is', () => {
    const facts = (mark: string): Partial<Reading> => ({
      tools: [{ name: mark }],
      outputSchema: { title: mark },
      parameters: { seed: mark.length, [mark]: true },
      usage: { input: mark.length, output: mark.length, cacheRead: 1, cacheWrite: 2, reasoning: 3 },
      provider: mark,
      requestModel: mark,
      responseModel: mark,
      responseId: mark,
      finishReasons: [mark],
      serviceTier: mark,
      serverAddress: mark,
      timeToFirstToken: mark.length,
      error: { type: mark, message: mark, stack: mark },
      evalResults: { [mark]: true },
      agentName: mark,
      extra: { mark, [mark]: true },
      notes: [{ kind: 'missing', text: mark }],
    });
    const [one, other] = [facts('one'), facts('other')];
    expect(merge({}, one)).toMatchObject(one);
    expect(merge(one, {})).toMatchObject(one);
    expect(merge(one, other)).toMatchObject({
      ...one,
      extra: { ...other.extra, ...one.extra },
      parameters: { ...other.parameters, ...one.parameters },
      notes: [...(one.notes ?? []), ...(other.notes ?? [])],
    });
  });

  it('a provider that was guessed gives way to one that was reported', () => {
    const notes = [
      { kind: 'missing', text: 'reply' },
      { kind: 'guessed', text: 'provider from the model name gpt-4o' },
    ] as const;
    expect(merge({ provider: 'openai', notes }, { provider: 'azure_openai' }).provider).toBe('azure_openai');
  });

  it("the requested model, repeated as the response's, gives way to its version", () => {
    const exact = 'gpt-4o-mini-2024-07-18';
    expect(merge({ responseModel: 'gpt-4o-mini' }, { responseModel: exact }).responseModel).toBe(exact);
    expect(merge({ responseModel: exact }, { responseModel: 'gpt-4o-mini' }).responseModel).toBe(exact);
  });

  it('system text once, wherever it stands', () => {
    const apart = merge({ instructions: [SYSTEM], usage: { input: 1 } }, { input: [SYSTEM, asked('Hi')] });
    expect([apart.instructions, apart.input]).toEqual([[SYSTEM], [asked('Hi')]]);
    const inside = merge({ input: [SYSTEM, asked('Hi')] }, { instructions: [SYSTEM], input: [asked('Hi')] });
    expect([inside.instructions, inside.input]).toEqual([undefined, [SYSTEM, asked('Hi')]]);
    const lost = merge({ input: [asked('Hi')] }, { input: [SYSTEM, asked('Hi')] });
    expect([lost.instructions, lost.input]).toEqual([[SYSTEM], [asked('Hi')]]);
    const alone = merge({ input: [SYSTEM] }, { input: [SYSTEM, asked('Hi')] });
    expect([alone.instructions, alone.input]).toEqual([[SYSTEM], [asked('Hi')]]);
    const developer: Message = { ...SYSTEM, role: 'developer' };
    const named = merge(
      { input: [developer, asked('Hi')] },
      { instructions: [SYSTEM], input: [asked('Hi')] },
    );
    expect([named.instructions, named.input]).toEqual([undefined, [developer, asked('Hi')]]);
  });

  it('media that the chosen one could not carry', () => {
    const image = (data?: string): Message => ({
      role: 'user',
      parts: [
        { kind: 'media', media: { modality: 'image', mimeType: 'image/png', data } },
        { kind: 'text', text: 'What is it?' },
      ],
      toolCalls: [],
    });
    expect(merge({ input: [image()] }, { input: [image('aGk=')] }).input).toEqual([image('aGk=')]);
    expect(merge({ input: [image('aGk=')] }, { input: [image()] }).input).toEqual([image('aGk=')]);
    const inTwo: Message = { ...asked('Hi'), parts: [...asked('Hi').parts, ...asked('Ho').parts] };
    expect(merge({ input: [asked('HiHo')] }, { input: [inTwo] }).input).toEqual([asked('HiHo')]);
  });

  it.each<[string, Message, Message]>([
    ['a text', { ...asked(''), parts: [] }, asked('Hi')],
    ['a call', { ...said('Ho'), toolCalls: [] }, { ...calling({}), parts: said('Ho').parts }],
    ['the id of a call', calling({}), calling({ id: 'c1' })],
    [
      'the id of a result',
      { ...asked('7°'), role: 'tool' },
      { ...asked('7°'), role: 'tool', toolCallId: 'c1' },
    ],
  ])('the history that lost %s from the one that has it', (_, poor, rich) => {
    const history = (message: Message): Partial<Reading> => ({ input: [asked('Hi'), message, said('!')] });
    expect(merge(history(poor), history(rich)).input).toEqual(history(rich).input);
    expect(merge(history(rich), history(poor)).input).toEqual(history(rich).input);
  });

  it('the messages before the only one that the chosen one kept, not those that came after', () => {
    const history = [asked('Hi'), said('Ho'), asked('And?')];
    expect(merge({ input: [asked('And?')] }, { input: history }).input).toEqual(history);
    expect(merge({ input: history }, { input: [asked('And?')] }).input).toEqual(history);
    expect(merge({ input: [asked('Hi')] }, { input: history }).input).toEqual([asked('Hi')]);
    expect(merge({ input: [said('And?')] }, { input: history }).input).toEqual([said('And?')]);
  });

  it('descriptions and schemas of tools', () => {
    const whole = { name: 'weather', description: 'Now', parameters: { type: 'object' } };
    expect(merge({ tools: [{ name: 'weather' }] }, { tools: [whole, { name: 'time' }] }).tools).toEqual([
      expect.objectContaining(whole),
    ]);
    const own = { name: 'weather', description: 'Today', parameters: {}, strict: false };
    expect(merge({ tools: [own] }, { tools: [{ ...whole, strict: true }] }).tools).toEqual([own]);
    expect(merge({ tools: [whole] }, { tools: [own] }).tools).toEqual([{ ...whole, strict: false }]);
  });
});

it.each<[string, Partial<Reading>, Partial<Reading>]>([
  ['a question', {}, { input: [asked('Hi')] }],
  ['a reply', {}, { choices: [said('Ho')] }],
  ['instructions', {}, { instructions: [SYSTEM] }],
  ['a call', { choices: [calling()] }, { choices: [calling({})] }],
  ['the id of a call', { choices: [calling({})] }, { choices: [calling({ id: 'c1' })] }],
  ['tools', {}, { tools: [{ name: 'weather' }] }],
  ['parameters', {}, { parameters: { seed: 1 } }],
  ['counts', {}, { usage: { input: 1 } }],
  ['an id', {}, { responseId: 'r-1' }],
])('a report weighs more with %s', (_, less, more) => {
  expect(weigh(reading(more))).toBeGreaterThan(weigh(reading(less)));
});

describe('the reply', () => {
  it("gets the ids that tool results name, where it has those of the Responses API's items", () => {
    const [items, named] = [calling({ id: 'fc_1' }), calling({ id: 'call_1' })];
    for (const [chosen, other] of [
      [items, named],
      [named, items],
    ] as const)
      expect(merge({ choices: [chosen] }, { choices: [other] }).choices?.[0]?.toolCalls).toEqual(
        named.toolCalls,
      );
    expect(merge({ choices: [items] }, { choices: [calling({})] }).choices?.[0]?.toolCalls).toEqual(
      items.toolCalls,
    );
  });

  it('gets tool calls, ids and arguments that were lost', () => {
    const whole = calling({ id: 'c1', arguments: '{"city":"Oslo"}' });
    expect(merge({ choices: [said('Looking')] }, { choices: [whole] }).choices?.[0]?.toolCalls).toEqual(
      whole.toolCalls,
    );
    expect(merge({ choices: [calling({})] }, { choices: [whole] }).choices?.[0]?.toolCalls).toEqual(
      whole.toolCalls,
    );
    const both = calling({ id: 'c1' }, { id: 'c2' });
    expect(merge({ choices: [calling({ id: 'c1' })] }, { choices: [both] }).choices?.[0]?.toolCalls).toEqual(
      both.toolCalls,
    );
  });

  it('keeps its calls where the other names others', () => {
    const [own, other] = [calling({ id: 'c1' }), calling({ id: 'c2', name: 'time' })];
    expect(merge({ choices: [own] }, { choices: [other] }).choices?.[0]?.toolCalls).toEqual(own.toolCalls);
  });

  it('gets choices that only the other has', () => {
    expect(merge({ choices: [said('a')] }, { choices: [said('a'), said('b')] }).choices).toHaveLength(2);
    expect(merge({ choices: [said('a'), said('b')] }, { choices: [said('a')] }).choices).toHaveLength(2);
  });

  it('is no empty one where the other has more', () => {
    const empty = calling();
    expect(merge({ choices: [empty] }, { choices: [said('Ho')] }).choices).toEqual([said('Ho')]);
    expect(merge({ choices: [said('Ho')] }, { choices: [empty] }).choices?.[0]?.parts).toEqual(
      said('Ho').parts,
    );
    expect(merge({ choices: [empty] }, {}).choices).toEqual([empty]);
    expect(merge({}, { choices: [empty] }).choices).toEqual([empty]);
  });
});

describe('a failure', () => {
  const error = { type: '529', message: 'Overloaded' };

  it('of all reports stays, completed', () => {
    expect(
      merge({ error: { type: '529' } }, { error: { message: 'Overloaded' }, input: [asked('Hi')] }).error,
    ).toEqual({ ...error, stack: undefined });
    expect(
      merge({ error: { message: 'Overloaded' } }, { error: { type: '529', stack: 'at' } }).error,
    ).toEqual({
      ...error,
      stack: 'at',
    });
  });

  it("of a wrapper is not the call's, whose reply is there", () => {
    expect(merge({ choices: [said('Ho')] }, { error }).error).toBeUndefined();
    expect(merge({ error }, { choices: [said('Ho')] }).error).toBeUndefined();
  });

  it('stays with the part of a reply that came before it', () => {
    expect(merge({}, { error, choices: [said('H')] }).error).toEqual(error);
    expect(merge({ error, choices: [said('H')] }, { choices: [said('H')] }).error).toEqual(error);
  });
});
