import { describe, expect, it } from 'vitest';
import type { Reading, Surroundings } from '../../src/completion/completion.ts';
import { borrow, inheritSurroundings, type Lent, lend } from '../../src/lineage/inherit.ts';
import { asked, reading, said } from './support.ts';

describe('surroundings', () => {
  const all = (mark: string, apiStyle: 'default' | 'batch'): Surroundings => ({
    session: { value: mark, rank: 1 },
    userId: mark,
    metadata: { mark, [mark]: true },
    inputs: { mark },
    promptTemplateVersionId: mark,
    environment: mark,
    testRunId: mark,
    testCaseId: mark,
    apiStyle,
    projectId: mark,
  });
  const [own, above] = [all('own', 'batch'), all('above', 'default')];

  it('are those of the nearest span that has them', () => {
    expect(inheritSurroundings({}, above)).toMatchObject(above);
    expect(inheritSurroundings(own, {})).toMatchObject(own);
    expect(inheritSurroundings(own, above)).toMatchObject({
      ...own,
      metadata: { mark: 'own', own: true, above: true },
    });
  });

  it('but for a parent given by hand, which is that of one span', () => {
    expect(inheritSurroundings({}, { parentId: 'p' })?.parentId).toBeUndefined();
    expect(inheritSurroundings({ parentId: 'p' }, above)?.parentId).toBe('p');
  });

  it.each([
    [0, 1, 'own'],
    [0, 2, 'above'],
    [2, 3, 'above'],
    [2, 2, 'own'],
    [3, 2, 'own'],
  ])('and a session that was named on purpose (rank %i below, %i above)', (below, higher, expected) => {
    const session = inheritSurroundings(
      { session: { value: 'own', rank: below } },
      { session: { value: 'above', rank: higher } },
    )?.session;
    expect(session?.value).toBe(expected);
  });
});

const FACTS: Partial<Reading> = {
  tools: [{ name: 'weather', description: 'Now' }],
  parameters: { temperature: 0.5 },
  outputSchema: { type: 'object' },
  instructions: [{ ...asked('Be brief.'), role: 'system' }],
};
const error = { type: '529', message: 'Overloaded' };
const lent = (operation: Reading['operation'], facts: Partial<Reading>, above?: Lent, calls = 1) =>
  lend('s1', { ...facts, operation }, above, calls);

describe('a wrapper lends', () => {
  const outer = lent('workflow', { ...FACTS, error });

  it('what it knows, and a workflow what it was lent itself', () => {
    expect(lent('agent', FACTS)).toMatchObject(FACTS);
    expect(lent('workflow', {}, outer)).toMatchObject({ ...FACTS, failure: error });
    expect(lent('agent', {}, outer)).not.toMatchObject({ parameters: FACTS.parameters });
    expect(lent('tool', FACTS, outer)).toBeUndefined();
  });

  it('its own facts before those above', () => {
    const own = {
      tools: [{ name: 'time', parameters: {} }],
      parameters: { temperature: 1, seed: 2 },
      outputSchema: { type: 'string' },
      instructions: [asked('Be kind.')],
    };
    expect(lent('workflow', { ...own, error: { type: '500' } }, outer)).toMatchObject({
      ...own,
      failure: { type: '500' },
    });
    expect(lent('workflow', { parameters: { seed: 2 } }, outer)?.parameters).toEqual({
      temperature: 0.5,
      seed: 2,
    });
  });

  it('no tools of which it has the names alone', () => {
    expect(lent('workflow', { tools: [{ name: 'weather' }] }, outer)?.tools).toBe(FACTS.tools);
  });

  it('what was said, and why it failed, to its only call', () => {
    expect(lent('workflow', { error })).toMatchObject({ sole: { error }, failure: error });
    for (const calls of [0, 2]) {
      const several = lent('workflow', { error }, outer, calls);
      expect([several?.sole, several?.failure]).toEqual([undefined, undefined]);
      const through = lent('other', {}, outer, calls);
      expect(through).toMatchObject(FACTS);
      expect([through?.sole, through?.failure]).toEqual([undefined, undefined]);
    }
    expect(lent('other', {}, outer)).toBe(outer);
  });

  it('nothing as a summary of one call around several', () => {
    const summary: Partial<Reading> = { ...FACTS, yields: 'workflow', responseId: 'r-1' };
    expect(lent('workflow', summary, undefined, 2)).toBeUndefined();
    expect(lent('workflow', summary, outer, 2)).toEqual({ ...outer, sole: undefined });
    expect(lent('workflow', summary)).toMatchObject(FACTS);
    expect(lent('workflow', { ...summary, responseId: undefined }, undefined, 2)).toMatchObject(FACTS);
    expect(lent('workflow', { ...summary, yields: undefined }, undefined, 2)).toMatchObject(FACTS);
  });
});

describe('a call borrows', () => {
  const spoken = { input: [asked('Hi')], choices: [said('Ho')] };

  it.each<[string, Partial<Lent>, Partial<Reading>]>([
    ['tools', { tools: FACTS.tools }, { tools: FACTS.tools }],
    ['parameters', { parameters: FACTS.parameters }, { parameters: FACTS.parameters }],
    ['output schema', { outputSchema: FACTS.outputSchema }, { outputSchema: FACTS.outputSchema }],
    ['instructions', { instructions: FACTS.instructions }, { instructions: FACTS.instructions }],
    ['finish reasons', { sole: reading({ finishReasons: ['stop'] }) }, { finishReasons: ['stop'] }],
    ['response id', { sole: reading({ responseId: 'r-1' }) }, { responseId: 'r-1' }],
    ['model', { sole: reading({ requestModel: 'm' }) }, { requestModel: 'm' }],
    ['provider', { sole: reading({ provider: 'openai' }) }, { provider: 'openai' }],
  ])('%s', (name, given, expected) => {
    const { reading: whole, taken } = borrow(reading(spoken), { from: 's1', ...given });
    expect(whole).toMatchObject({ ...spoken, ...expected });
    expect(taken).toEqual([name]);
    const twice = borrow(whole, { from: 's1', ...given });
    expect([twice.reading, twice.taken]).toEqual([whole, []]);
  });

  it('what was said, and why it failed', () => {
    const sole = reading(spoken);
    const empty = borrow(reading(), { from: 's1', sole });
    expect([empty.reading.input, empty.reading.choices]).toEqual([spoken.input, spoken.choices]);
    expect(empty.taken).toEqual(['input', 'reply']);
    const failed = borrow(reading({ error: { type: '529' } }), { from: 's1', sole, failure: error });
    expect(failed.reading).toMatchObject({ error, input: spoken.input });
    expect(failed.reading.choices).toBeUndefined();
    expect(failed.taken).toEqual(['input', 'error']);
  });

  it('nothing that it says itself, and no failure where it did not fail', () => {
    const own = reading({ ...spoken, error: { message: 'own' } });
    expect(borrow(own, { from: 's1', failure: error }).reading.error).toEqual({ message: 'own' });
    expect(borrow(reading(spoken), { from: 's1', failure: error }).reading.error).toBeUndefined();
    const named = reading({ ...spoken, responseModel: 'm-2' });
    expect(borrow(named, { from: 's1', sole: reading({ requestModel: 'm' }) }).taken).toEqual([]);
  });

  it('no instructions where it has a system message, or no content', () => {
    const given: Lent = { from: 's1', instructions: FACTS.instructions };
    const told = reading({ input: [{ ...asked('Be kind.'), role: 'system' }, asked('Hi')] });
    expect(borrow(told, given).taken).toEqual([]);
    expect(borrow(reading(), given).taken).toEqual([]);
  });
});
