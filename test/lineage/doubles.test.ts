import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areDoubles, type CallReport, likeness, mostAlike } from '../../src/lineage/call-report.ts';
import { groupDoubles } from '../../src/lineage/doubles.ts';
import { names, report, type Told } from './support.ts';

const BESIDE = (): undefined => undefined;

/** `inner>outer` pairs as the lookup of the nearest inference above. */
function inside(...pairs: readonly string[]): (spanId: string) => string | undefined {
  const outer = new Map(pairs.map((pair) => pair.split('>') as [string, string]));
  return (spanId) => outer.get(spanId);
}

function group(
  told: readonly Told[],
  enclosing: (spanId: string) => string | undefined = BESIDE,
): readonly string[] {
  return names(groupDoubles(told.map(report), enclosing));
}

/** A reply of calls, by name and arguments. */
function calls(...list: readonly (readonly [name: string, args: string])[]): Pick<Told, 'facts'> {
  const toolCalls = list.map(([name, args]) => ({ id: undefined, name, arguments: args }));
  return { facts: { choices: [{ role: 'assistant', parts: [], toolCalls }] } };
}

const SCOPES = ['langchain', 'openai', 'traceloop'];

type Layout = 'nested' | 'siblings' | 'crossing';

/** `calls` equal calls at once, each told by `scopes` instrumentations. */
function parallel(
  calls: number,
  scopes: number,
  layout: Layout,
): { reports: readonly CallReport[]; enclosing: (spanId: string) => string | undefined } {
  const reports: CallReport[] = [];
  const pairs: string[] = [];
  for (let call = 0; call < calls; call++) {
    const length = 200 + call;
    for (let level = 0; level < scopes; level++) {
      // Crossing: an outer report that starts and ends a little late, as LangChain's callbacks make it.
      const [early, late] = layout === 'crossing' ? [-3 * level, -2 * level] : [level, -level];
      const id = `${call}.${level}`;
      const scope = SCOPES[level] ?? '';
      reports.push(
        report({
          id,
          scope,
          from: call * 0.1 + early,
          to: call * 0.1 + length + late,
          question: 'Hi',
          reply: 'Ho',
        }),
      );
      if (layout === 'nested' && level > 0) pairs.push(`${id}>${call}.${level - 1}`);
    }
  }
  return { reports, enclosing: inside(...pairs) };
}

describe('N equal parallel calls stay N', () => {
  for (const layout of ['nested', 'siblings', 'crossing'] as const) {
    for (const scopes of [1, 2, 3]) {
      for (const calls of [1, 2, 5, 40, 300]) {
        it(`${calls} calls, ${scopes} instrumentations, ${layout}`, () => {
          const { reports, enclosing } = parallel(calls, scopes, layout);
          const groups = groupDoubles(reports, enclosing);
          expect(groups).toHaveLength(scopes === 1 ? 0 : calls);
          for (const one of groups) expect(new Set(one.map((r) => r.scope)).size).toBe(scopes);
        });
      }
    }
  }

  it('with all of one scope started before all of the other', () => {
    const told = Array.from({ length: 500 }, (_, n): Told[] => [
      { id: `a${n}`, scope: 'langchain', from: n / 100, to: 900 + n, question: 'Hi', reply: 'Ho' },
      { id: `b${n}`, scope: 'openai', from: 50 + n / 100, to: 899 + n, question: 'Hi', reply: 'Ho' },
    ]).flat();
    expect(group(told)).toHaveLength(500);
  });

  it('with all of one scope ended before any of the other', () => {
    const told = Array.from({ length: 100 }, (_, n): Told[] => [
      { id: `a${n}`, scope: 'langchain', from: 0, to: 900 + n, question: 'Hi', reply: 'Ho' },
      { id: `b${n}`, scope: 'openai', from: 5, to: 100 + n, question: 'Hi', reply: 'Ho' },
    ]).flat();
    expect(group(told)).toHaveLength(100);
  });

  it('with a few told of twice, the last of many', () => {
    const told = Array.from({ length: 300 }, (_, n): Told => {
      return { id: `b${n}`, scope: 'openai', from: n * 10, to: n * 10 + 8, question: 'Hi', reply: 'Ho' };
    });
    const last = told.slice(-5).map((one): Told => ({ ...one, id: `a${one.id}`, scope: 'langchain' }));
    expect(group([...told, ...last])).toEqual(last.map(({ id }) => `${id}+${id.slice(1)}`));
  });

  it.each<[string, (n: number) => Partial<Told>]>([
    ['ids', (n) => ({ facts: { responseId: `r-${n}` } })],
    ['questions', (n) => ({ question: `Q${n}` })],
    ['replies', (n) => ({ reply: `R${n}` })],
    ['questions and replies together', (n) => ({ question: `Q${n % 20}`, reply: `R${Math.floor(n / 20)}` })],
    ['token counts', (n) => ({ facts: { usage: { input: n + 1, output: 900 - n } } })],
  ])('with %s that tell them apart, ended in another order', (_, said) => {
    const told = Array.from({ length: 400 }, (_, n): Told[] => [
      { id: `a${n}`, scope: 'langchain', from: 0, to: 1000 + n, ...said(n) },
      { id: `b${n}`, scope: 'openai', from: 5, to: 1000 - n, ...said(n) },
    ]).flat();
    expect(group(told)).toEqual(Array.from({ length: 400 }, (_, n) => `a${n}+b${n}`).sort());
  });

  it('pairs by the arguments of the calls in their replies', () => {
    const asks = (city: string): Partial<Told> => ({ question: 'Hi', ...calls(['weather', `"${city}"`]) });
    expect(
      group([
        { id: 'a1', scope: 'langchain', from: 0, to: 110, ...asks('Rome') },
        { id: 'a2', scope: 'langchain', from: 0, to: 150, ...asks('Oslo') },
        { id: 'b1', scope: 'openai', from: 5, to: 109, ...asks('Oslo') },
        { id: 'b2', scope: 'openai', from: 5, to: 108, ...asks('Rome') },
      ]),
    ).toEqual(['a1+b2', 'a2+b1']);
  });

  it('pairs by what was said before it pairs by time', () => {
    const cities = ['Paris', 'Rome', 'Oslo', 'Bern'];
    const told = cities.flatMap((city, n): Told[] => [
      { id: `a${n}`, scope: 'langchain', from: 0, to: 110 + n, question: city, reply: city },
      { id: `b${n}`, scope: 'openai', from: 5, to: 110 - n, question: city, reply: city },
    ]);
    expect(group(told)).toEqual(['a0+b0', 'a1+b1', 'a2+b2', 'a3+b3']);
  });

  it('pairs by time where only the token counts can be compared', () => {
    const usage = { input: 15, output: 8 };
    expect(
      group([
        {
          id: 'a1',
          scope: 'langchain',
          from: 40,
          to: 113,
          question: 'Spain?',
          reply: 'Madrid',
          facts: { usage },
        },
        {
          id: 'a2',
          scope: 'langchain',
          from: 34,
          to: 148,
          question: 'Japan?',
          reply: 'Tokyo',
          facts: { usage },
        },
        { id: 'b1', scope: 'openai', from: 34, to: 110, facts: { usage } },
        { id: 'b2', scope: 'openai', from: 33, to: 147, facts: { usage } },
      ]),
    ).toEqual(['a1+b1', 'a2+b2']);
  });

  it('leaves a partner to the one that has no other', () => {
    const hi = { question: 'Hi', reply: 'Ho' };
    expect(
      group([
        { id: 'a1', scope: 'langchain', from: 0, to: 1000, ...hi },
        { id: 'a2', scope: 'langchain', from: 200, to: 500, ...hi },
        // Nearest to a1, and the only one that fits a2.
        { id: 'b1', scope: 'openai', from: 210, to: 490, ...hi },
        { id: 'b2', scope: 'openai', from: 600, to: 700, ...hi },
      ]),
    ).toEqual(['a1+b2', 'a2+b1']);
  });
});

describe('response ids', () => {
  const ids = (id: string): Pick<Told, 'facts'> => ({ facts: { responseId: id } });

  it('join reports beside each other, whatever their times', () => {
    expect(
      group([
        { id: 'a', scope: 'x', from: 0, to: 10, ...ids('r-1') },
        { id: 'b', scope: 'y', from: 50, to: 60, ...ids('r-1') },
      ]),
    ).toEqual(['a+b']);
  });

  it('that differ keep equal reports apart', () => {
    expect(
      group([
        { id: 'a', scope: 'x', from: 0, to: 10, question: 'Hi', reply: 'Ho', ...ids('r-1') },
        { id: 'b', scope: 'y', from: 0, to: 10, question: 'Hi', reply: 'Ho', ...ids('r-2') },
      ]),
    ).toEqual([]);
  });

  it.each([
    ['chatcmpl-47b6c9d9-90f1', 'msg_01YKlHUkktEod'],
    ['chatcmpl-47b6', 'chatcmpl-47b6c9d9-90f1-4f0a'],
    ['gen-01YKlHUkktEod', 'msg_01YKlHUkktEod'],
  ])('of different makes prove nothing: a proxy invents its own (%s, %s)', (one, other) => {
    expect(
      group([
        { id: 'a', scope: 'x', from: 0, to: 10, question: 'Hi', reply: 'Ho', ...ids(one) },
        { id: 'b', scope: 'y', from: 0, to: 10, question: 'Hi', reply: 'Ho', ...ids(other) },
      ]),
    ).toEqual(['a+b']);
  });

  it('never join two spans of one scope beside each other', () => {
    expect(
      group([
        { id: 'a', scope: 'x', from: 0, to: 10, ...ids('r-1') },
        { id: 'b', scope: 'x', from: 0, to: 10, ...ids('r-1') },
      ]),
    ).toEqual([]);
  });

  it('join two spans of one scope inside each other', () => {
    expect(
      group(
        [
          { id: 'a', scope: 'x', from: 0, to: 10, question: 'Hi', ...ids('r-1') },
          { id: 'b', scope: 'x', from: 1, to: 9, question: 'system: be brief', ...ids('r-1') },
        ],
        inside('b>a'),
      ),
    ).toEqual(['a+b']);
  });

  it('of a stand-in server, the same on every answer, leave it to the rest', () => {
    const told = [0, 100, 200].flatMap((from): Told[] => [
      { id: `a${from}`, scope: 'x', from, to: from + 20, question: `Q${from}`, reply: 'Ho', ...ids('mock') },
      {
        id: `b${from}`,
        scope: 'y',
        from: from + 1,
        to: from + 19,
        question: `Q${from}`,
        reply: 'Ho',
        ...ids('mock'),
      },
    ]);
    expect(group(told)).toEqual(['a0+b0', 'a100+b100', 'a200+b200']);
    // One that only x told and one that only y told are two calls, however alike their ids.
    expect(group(told.filter(({ id }) => id !== 'b0' && id !== 'a200'))).toEqual(['a100+b100']);
    // They are all there is to compare.
    const bare = told.map(({ id, scope, from, to, facts }) => ({ id, scope, from, to, facts }));
    expect(group(bare as Told[])).toEqual(['a0+b0', 'a100+b100', 'a200+b200']);
  });
});

describe('what disagrees is not one call', () => {
  const base: Told = {
    id: 'a',
    scope: 'x',
    from: 0,
    to: 100,
    question: 'Hi',
    reply: 'Ho, said the goat to the sheep and the dog',
  };
  const other = (told: Partial<Told>): Told => ({ ...base, id: 'b', scope: 'y', from: 10, to: 90, ...told });
  const call = (...named: readonly string[]): Partial<Told> =>
    calls(...named.map((name) => [name, '{}'] as const));

  it.each<[string, Partial<Told>, boolean]>([
    ['the same', {}, true],
    ['another question', { question: 'Hey' }, false],
    ['another reply', { reply: 'No' }, false],
    ['a reply that was cut', { reply: 'Ho, said the goat to the sheep' }, true],
    ['a short one that begins the same', { reply: 'Ho, said the goat to the shee' }, false],
    ['no reply', { reply: '' }, true],
    ['white space', { question: ' H i\n' }, true],
    ['another model', { facts: { requestModel: 'claude-sonnet-4-5' } }, false],
    ['a smaller model', { facts: { requestModel: 'gpt-4o-mini' } }, false],
    ['a version of the model', { facts: { responseModel: 'gpt-4o-2024-08-06' } }, true],
    ['the model with its vendor', { facts: { requestModel: 'openai/gpt-4o' } }, true],
    ['the model in capitals', { facts: { requestModel: 'GPT-4o' } }, true],
    ['a model whose name holds that of the other', { facts: { requestModel: 'chatgpt-4o-latest' } }, false],
    ['before', { from: -200, to: -100 }, false],
    ['half beside it', { from: 50, to: 150 }, false],
    ['a little beside it', { from: -5, to: 95 }, true],
    ['the same scope', { scope: 'x' }, false],
  ])('%s', (_, told, expected) => {
    const first = { ...base, facts: { requestModel: 'gpt-4o' } };
    expect(group([first, other(told)])).toEqual(expected ? ['a+b'] : []);
  });

  describe('of long texts, both ends and the length are compared', () => {
    const words = (about: string, count: number): string =>
      Array.from({ length: count }, (_, n) => `${about}${n}`).join(' ');
    const document = words('word', 20_000);

    it.each<[string, string, boolean]>([
      ['the same', document, true],
      ['cut by a span limit', document.slice(0, 50_000), true],
      ['cut to less than is kept whole', document.slice(0, 1_000), true],
      ['another beginning', words('other', 20_000), false],
    ])('%s', (_, question, expected) => {
      expect(group([{ ...base, question: document }, other({ question })])).toEqual(expected ? ['a+b'] : []);
    });

    it('one template over many documents: each is paired with itself', () => {
      const template = words('instruction', 2_000);
      const told = Array.from({ length: 12 }, (_, n): Told[] => {
        const question = `${template} ${words(`document${n}x`, 200)}`;
        return [
          { id: `a${n}`, scope: 'langchain', from: 0, to: 110 + n, question },
          { id: `b${n}`, scope: 'openai', from: 5, to: 110 - n, question },
        ];
      }).flat();
      expect(group(told)).toEqual(Array.from({ length: 12 }, (_, n) => `a${n}+b${n}`).sort());
    });
  });

  it('a lost tool call does not disagree, another one does', () => {
    const told = { ...base, ...call('weather', 'time') };
    expect(group([told, other(call('weather'))])).toEqual(['a+b']);
    expect(group([told, other(call('weathertime'))])).toEqual(['a+b']);
    expect(group([told, other(call('news'))])).toEqual([]);
    expect(group([told, other(call('time', 'time'))])).toEqual([]);
  });

  it('nothing but calls to compare: the same ones', () => {
    const bare = (id: string, scope: string, ...named: readonly string[]): Told => ({
      id,
      scope,
      from: 0,
      to: 10,
      ...call(...named),
    });
    expect(group([bare('a', 'x', 'time'), bare('b', 'y', 'time')])).toEqual(['a+b']);
    expect(group([bare('a', 'x', 'time'), bare('b', 'y')])).toEqual([]);
    expect(group([bare('a', 'x'), bare('b', 'y', 'time')])).toEqual([]);
  });

  it('nothing but failures to compare: one that tells the words of the other', () => {
    const failed = (id: string, scope: string, message: string | undefined): Told => ({
      id,
      scope,
      from: 0,
      to: 10,
      facts: message === undefined ? {} : { error: { message } },
    });
    const told = failed('a', 'x', 'Request failed: Overloaded, try again');
    expect(group([told, failed('b', 'y', 'overloaded')])).toEqual(['a+b']);
    expect(group([failed('b', 'x', 'overloaded'), { ...told, scope: 'y' }])).toEqual(['a+b']);
    expect(group([told, failed('b', 'y', 'timeout')])).toEqual([]);
    expect(group([told, failed('b', 'y', '')])).toEqual([]);
    expect(group([told, failed('b', 'y', undefined)])).toEqual([]);
  });

  it('nothing to compare: equal token counts, and not none', () => {
    const bare = (id: string, scope: string, input?: number, output = 8): Told => ({
      id,
      scope,
      from: 0,
      to: 10,
      facts: input === undefined ? {} : { usage: { input, output } },
    });
    expect(group([bare('a', 'x', 5), bare('b', 'y', 5)])).toEqual(['a+b']);
    expect(group([bare('a', 'x', 5), bare('b', 'y', 6)])).toEqual([]);
    expect(group([bare('a', 'x', 5, 8), bare('b', 'y', 5, 9)])).toEqual([]);
    expect(group([bare('a', 'x', 0, 0), bare('b', 'y', 0, 0)])).toEqual([]);
    expect(group([bare('a', 'x'), bare('b', 'y')])).toEqual([]);
  });
});

describe('a report that says nothing but the model', () => {
  const full: Told = {
    id: 'a',
    scope: 'x',
    from: 0,
    to: 100,
    question: 'Hi',
    reply: 'Ho',
    facts: { requestModel: 'anthropic.claude-3-5-sonnet-20241022-v2:0' },
  };
  const mute = (id: string, from: number, to: number, model: string): Told => ({
    id,
    scope: 'y',
    from,
    to,
    facts: { requestModel: model },
  });

  it('is a double of the call beside it', () => {
    expect(group([full, mute('b', 2, 98, 'claude-3-5-sonnet-20241022-v2:0')])).toEqual(['a+b']);
  });

  it('of that call alone, and only if the model is the same', () => {
    const model = 'claude-3-5-sonnet-20241022-v2:0';
    expect(group([full, mute('b', 2, 98, model), mute('c', 20, 80, model)])).toEqual(['a+b']);
    expect(group([full, mute('b', 2, 98, 'claude-3-5-haiku')])).toEqual([]);
    expect(group([full, mute('b', 50, 150, model)])).toEqual([]);
    expect(group([mute('b', 0, 9, model), { ...mute('c', 0, 9, model), scope: 'z' }])).toEqual([]);
    expect(group([full, { ...mute('b', 2, 98, model), facts: {} }])).toEqual([]);
    expect(group([{ ...full, facts: {} }, mute('b', 2, 98, model)])).toEqual([]);
  });

  it.each<[string, Partial<Told>]>([
    ['a question', { question: 'Hi' }],
    ['a reply', { reply: 'Ho' }],
    ['a call', calls(['time', '{}'])],
    ['an id', { facts: { responseId: 'r-1' } }],
    ['token counts', { facts: { usage: { input: 3 } } }],
    ['a failure', { facts: { error: { type: '529' } } }],
  ])('is none if it has %s', (_, said) => {
    const requestModel = 'claude-3-5-sonnet';
    const told: Told = { ...mute('b', 2, 98, requestModel), ...said };
    const asked = said.question === undefined ? 'Hi' : '';
    const beside: Told = { ...full, question: asked, reply: asked === '' ? 'Ho' : '' };
    expect(group([beside, { ...told, facts: { requestModel, ...said.facts } }])).toEqual([]);
  });
});

describe('one inside the other', () => {
  const outer: Told = { id: 'o', scope: 'x', from: 0, to: 100, question: 'Hi', reply: 'Ho' };
  const bare = (id: string, from: number, to: number, facts: Told['facts'] = {}): Told => ({
    id,
    scope: 'y',
    from,
    to,
    facts,
  });

  it('a report without content is the only call inside', () => {
    expect(group([outer, bare('i', 10, 90, { usage: { input: 3 } })], inside('i>o'))).toEqual(['i+o']);
  });

  it('not if both count tokens, and differently', () => {
    const counted = { ...outer, facts: { usage: { input: 9 } } };
    expect(group([counted, bare('i', 10, 90, { usage: { input: 3 } })], inside('i>o'))).toEqual([]);
  });

  it('a wrapper around two calls that tell nothing is none of them', () => {
    expect(group([outer, bare('i', 10, 40), bare('j', 50, 90)], inside('i>o', 'j>o'))).toEqual([]);
    const named = { requestModel: 'gpt-4o' };
    expect(
      group(
        [{ ...outer, facts: named }, bare('i', 10, 40, named), bare('j', 50, 90, named)],
        inside('i>o', 'j>o'),
      ),
    ).toEqual([]);
    const beside: Told = { ...outer, id: 'p', from: 200, to: 300, facts: named };
    expect(
      group(
        [{ ...outer, facts: named }, beside, bare('i', 10, 40, named), bare('j', 50, 90, named)],
        inside('i>o', 'j>o'),
      ),
    ).toEqual([]);
  });

  it('of two calls the one it agrees with', () => {
    const i: Told = { ...bare('i', 10, 40), question: 'Hi', reply: 'calling' };
    const j: Told = { ...bare('j', 50, 90), question: 'Hi', reply: 'Ho' };
    expect(group([outer, i, j], inside('i>o', 'j>o'))).toEqual(['j+o']);
  });

  it('of two tries the one that did not fail', () => {
    const failed = bare('i', 10, 40, { error: { type: '529' } });
    expect(group([outer, failed, bare('j', 50, 90)], inside('i>o', 'j>o'))).toEqual(['j+o']);
  });

  it('both failed', () => {
    const failed: Told = {
      ...outer,
      reply: '',
      facts: { error: { type: 'OverloadedError', message: '529' } },
    };
    expect(
      group([failed, bare('i', 10, 90, { error: { type: 'overloaded_error' } })], inside('i>o')),
    ).toEqual(['i+o']);
  });

  it('three levels, and two instrumentations of the client below one of the framework', () => {
    expect(
      group([outer, bare('i', 1, 99), { ...bare('k', 2, 98), scope: 'z' }], inside('i>o', 'k>i')),
    ).toEqual(['i+k+o']);
    const i: Told = { ...outer, id: 'i', scope: 'y', from: 1, to: 99 };
    const k: Told = { ...outer, id: 'k', scope: 'z', from: 2, to: 98 };
    expect(group([outer, i, k], inside('i>o', 'k>o'))).toEqual(['i+k+o']);
  });
});

describe('a report that comes late', () => {
  const base: Told = { id: 'a', scope: 'x', from: 0, to: 100, question: 'Hi', reply: 'Ho' };
  const other = (told: Partial<Told>): CallReport => report({ ...base, id: 'b', scope: 'y', ...told });

  it('of the same scope is of the call only inside it or around it, with its id or as a summary', () => {
    const own = report({ ...base, facts: { responseId: 'r-1' } });
    const told = (facts: NonNullable<Told['facts']>): CallReport => other({ scope: 'x', facts });
    for (const facts of [{ responseId: 'r-1' }, { yields: 'workflow' as const }]) {
      expect([areDoubles(own, told(facts), true), areDoubles(told(facts), own, true)]).toEqual([true, true]);
      expect(areDoubles(own, told(facts), false)).toBe(false);
    }
    expect(areDoubles(own, told({}), true)).toBe(false);
  });

  it('is compared with what is kept of a call whose messages were let go', () => {
    const [kept, late] = [report(base), other({})];
    const before = likeness(kept, late, { nested: false });
    kept.letGo?.();
    expect([before, likeness(kept, late, { nested: false })]).toEqual([16, 16]);
    const unread = report(base);
    unread.letGo?.();
    expect(likeness(unread, late, { nested: false })).toBe(16);
  });

  it('is of no call where nothing says so', () => {
    const bare = { question: '', reply: '' };
    expect(areDoubles(report({ ...base, ...bare }), other(bare), true)).toBe(false);
  });

  it('is of the call that is most like it, of equal ones the nearest', () => {
    const [equal, nearer, less] = [
      other({ id: 'equal', to: 90 }),
      other({ id: 'nearer', to: 99 }),
      other({ id: 'less', reply: '' }),
    ];
    const found = (...others: readonly CallReport[]) => mostAlike(report(base), others, undefined)?.spanId;
    for (const others of [
      [equal, less],
      [less, equal],
    ])
      expect(found(...others)).toBe('equal');
    for (const others of [
      [equal, nearer, less],
      [less, nearer, equal],
    ])
      expect(found(...others)).toBe('nearer');
    expect(found(other({ question: 'Hey' }))).toBeUndefined();
  });

  it('of the same scope is of the call it hangs under', () => {
    const facts = { responseId: 'r-1' };
    const [above, beside] = [
      other({ id: 'above', scope: 'x', facts }),
      other({ id: 'beside', scope: 'x', facts }),
    ];
    expect(mostAlike(report({ ...base, facts }), [beside, above, beside], 'above')).toBe(above);
    expect(mostAlike(report({ ...base, facts }), [beside], 'above')).toBeUndefined();
  });
});

describe('groups', () => {
  const told = fc.record({
    scope: fc.constantFrom('x', 'y', 'z'),
    from: fc.constantFrom(0, 0, 0, 10, 20, 50),
    length: fc.constantFrom(20, 20, 20, 10, 40, 0),
    question: fc.constantFrom('', 'Hi', 'Hey'),
    reply: fc.constantFrom(
      '',
      'Ho',
      'No',
      'Ho, said the goat to the sheep',
      'Ho, said the goat to the sheep and the dog',
    ),
    responseId: fc.constantFrom(undefined, undefined, undefined, 'r-1', 'r-2'),
    input: fc.constantFrom(undefined, 3, 4),
    outer: fc.option(fc.nat(20)),
  });
  const traces = fc.array(told, { maxLength: 24 }).map((list) => {
    const reports = list.map((one, n) =>
      report({
        id: `s${n}`,
        scope: one.scope,
        from: one.from,
        to: one.from + one.length,
        question: one.question,
        reply: one.reply,
        facts: {
          responseId: one.responseId,
          usage: one.input === undefined ? undefined : { input: one.input },
        },
      }),
    );
    // A parent comes before its child, so there are no rings.
    const above = new Map(
      list.flatMap((one, n) => (one.outer !== null && one.outer < n ? [[`s${n}`, `s${one.outer}`]] : [])) as [
        string,
        string,
      ][],
    );
    return { reports, enclosing: (id: string) => above.get(id), above };
  });

  it('are disjoint, of at most one report of each scope unless nested, and independent of the order', () => {
    fc.assert(
      fc.property(traces, fc.integer(), ({ reports, enclosing, above }, seed) => {
        const groups = groupDoubles(reports, enclosing);
        const all = groups.flat();
        expect(new Set(all).size).toBe(all.length);
        for (const one of groups) {
          expect(one.length).toBeGreaterThan(1);
          for (const a of one)
            for (const b of one)
              if (a !== b && a.scope === b.scope)
                expect(isAbove(above, a, b) || isAbove(above, b, a)).toBe(true);
        }
        expect(names(groupDoubles(shuffle(reports, seed), enclosing))).toEqual(names(groups));
      }),
      { numRuns: 2000 },
    );
  });

  it('a pair is judged the same from either side', () => {
    fc.assert(
      fc.property(traces, ({ reports }) => {
        const [a, b] = reports;
        if (!a || !b) return;
        for (const nested of [true, false])
          expect(likeness(a, b, { nested })).toBe(likeness(b, a, { nested }));
      }),
    );
  });
});

function isAbove(above: ReadonlyMap<string, string>, a: CallReport, b: CallReport): boolean {
  for (let at = above.get(b.spanId); at; at = above.get(at)) if (at === a.spanId) return true;
  return false;
}

function shuffle<T>(list: readonly T[], seed: number): readonly T[] {
  const shuffled = [...list];
  let state = seed | 1;
  for (let i = shuffled.length - 1; i > 0; i--) {
    state = Math.imul(state, 1_103_515_245) + 12_345;
    const j = (state >>> 8) % (i + 1);
    [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
  }
  return shuffled;
}

describe('work', () => {
  const comparisons = (calls: number, layout: Layout): number => {
    const { reports, enclosing } = parallel(calls, 3, layout);
    const work = { comparisons: 0 };
    groupDoubles(reports, enclosing, work);
    return work.comparisons;
  };

  it.each(['nested', 'siblings', 'crossing'] as const)('grows with the number of spans, %s', (layout) => {
    const [few, many] = [comparisons(200, layout), comparisons(2000, layout)];
    expect(many / few).toBeLessThan(11);
    expect(many).toBeLessThan(2000 * 3 * 100);
  });

  it('does not grow with the square of the scopes', () => {
    const reports = Array.from({ length: 5000 }, (_, n) =>
      report({ id: `s${n}`, scope: `scope ${n}`, from: 0, to: 10, question: 'Hi', reply: 'Ho' }),
    );
    const work = { comparisons: 0 };
    groupDoubles(reports, BESIDE, work);
    expect(work.comparisons).toBeLessThan(1000);
  });

  it('many calls inside one wrapper are looked at once', () => {
    const outer = report({ id: 'o', scope: 'x', from: 0, to: 9000, question: 'Hi', reply: 'Ho' });
    const inner = Array.from({ length: 3000 }, (_, n) =>
      report({ id: `i${n}`, scope: 'y', from: n, to: n + 1, question: 'Hi', reply: `Ho ${n}` }),
    );
    const work = { comparisons: 0 };
    groupDoubles([outer, ...inner], (id) => (id === 'o' ? undefined : 'o'), work);
    expect(work.comparisons).toBeLessThan(3000 * 2);
  });
});
