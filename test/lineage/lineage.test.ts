/** Parents, sessions and inheritance, whole traces and pieces of them. */
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/config.ts';
import { createConverter } from '../../src/convert.ts';
import {
  completionIdOf,
  convertSpans,
  type FreeplayRecord,
  type SdkSpan,
  sessionIdOf,
  traceIdOf,
} from '../../src/index.ts';
import { createLineage, type LineageOptions } from '../../src/lineage/lineage.ts';
import { fromSdkSpan } from '../../src/span/from-sdk.ts';
import { SCENARIO_FILES, scenarioNamed } from '../contract/support/corpus.ts';
import { toSdkSpan } from '../contract/support/sdk-shapes.ts';
import type { Json } from '../contract/support/truth.ts';
import { chatAttributes, expectWellFormed, makeSpan, spanIdOf } from '../property/support.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const GROUP = traceIdOf(TRACE);
const idOf = (n: number): string => completionIdOf({ traceId: TRACE, spanId: spanIdOf(n) });

type Fields = Partial<Parameters<typeof makeSpan>[0]>;
const span = (n: number, parent: number | undefined, attributes: object, more: Fields = {}): SdkSpan =>
  makeSpan({
    spanId: spanIdOf(n),
    parentSpanId: parent === undefined ? undefined : spanIdOf(parent),
    name: `span ${n}`,
    attributes,
    start: n * 10,
    ...more,
  });
const chat = (n: number, parent?: number, attributes: object = {}, more: Fields = {}): SdkSpan =>
  span(n, parent, { ...chatAttributes({ question: `q${n}`, answer: `a${n}` }), ...attributes }, more);
const agent = (n: number, parent?: number, attributes: object = {}): SdkSpan =>
  span(
    n,
    parent,
    { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'helper', ...attributes },
    { end: 900 },
  );
const http = (n: number, parent?: number, attributes: object = {}, more: Fields = {}): SdkSpan =>
  span(n, parent, { 'http.request.method': 'POST', ...attributes }, { end: 900, ...more });
const tool = (n: number, parent: number | undefined, attributes: object = {}): SdkSpan =>
  span(n, parent, { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'weather', ...attributes });
const mcpCall = (n: number, parent: number, name: string, attributes: object = {}): SdkSpan =>
  span(n, parent, { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': name, ...attributes });
const calls = (id?: string): object => ({
  'gen_ai.output.messages': JSON.stringify([
    {
      role: 'assistant',
      parts: [{ type: 'tool_call', id, name: 'weather', arguments: { city: 'Oslo' } }],
      finish_reason: 'tool_call',
    },
  ]),
});

function whole(...spans: SdkSpan[]): Map<string, FreeplayRecord & { body: Json }> {
  const records = convertSpans(spans, { projectId: 'p1' });
  expectWellFormed(records);
  return new Map(records.map((record) => [record.id, record as FreeplayRecord & { body: Json }]));
}

function inPieces(options: LineageOptions = {}) {
  const converter = createConverter(resolveConfig({}, {}).config);
  const lineage = createLineage(options);
  const build = (plans: ReturnType<typeof lineage.resolve>) =>
    plans.map(converter.build) as (FreeplayRecord & { body: Json })[];
  return {
    lineage,
    add: (...spans: SdkSpan[]) =>
      build(
        lineage.resolve(
          spans.flatMap((one) => {
            const data = fromSdkSpan(one);
            return data ? [converter.read(data, [])] : [];
          }),
          false,
        ),
      ),
    settle: () => build(lineage.settle()),
  };
}

describe('parents in a whole trace', () => {
  it('are the nearest recorded ancestor: what is between is skipped', () => {
    const records = whole(chat(4, 3), http(3, 2), agent(2, 1), http(1));
    expect(records.get(idOf(4))?.body.parent_id).toBe(idOf(2));
    expect(records.get(idOf(2))?.body.parent_id).toBe(GROUP);
    expect(records.get(GROUP)?.body).toMatchObject({ name: 'span 1', input: 'q4', output: 'a4' });
    expect(records.size).toBe(3);
  });

  it('show the first question and the last reply below them, calls where it is no text', () => {
    const texts = whole(chat(5, 1), chat(3, 1), chat(4, 1), http(1)).get(GROUP)?.body;
    expect([texts?.input, texts?.output]).toEqual(['q3', 'a5']);
    expect(whole(chat(2, 1, calls('c1')), http(1)).get(GROUP)?.body.output).toBe('weather({"city":"Oslo"})');
  });

  it('show what an agent was asked and answered, in words, where its calls do not tell', () => {
    const said = (input: string, output: string) => ({ 'input.value': input, 'output.value': output });
    const silent = span(3, 2, { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm' });
    const shown = (...spans: SdkSpan[]) => {
      const { input, output } = whole(...spans, http(1)).get(GROUP)?.body ?? {};
      return [input, output];
    };
    expect(shown(silent, agent(2, 1, said('why?', 'so.')))).toEqual(['why?', 'so.']);
    expect(shown(agent(2, 1, said('why?', 'so.')))).toEqual(['why?', 'so.']);
    expect(shown(chat(3, 2), agent(2, 1, said('why?', 'so.')))).toEqual(['q3', 'a3']);
    expect(shown(silent, agent(2, 1, said('{"n":1}', '[2]')))).toEqual([null, null]);
    const workflow = { ...said('why?', '__end__'), 'gen_ai.operation.name': 'invoke_workflow' };
    expect(shown(silent, span(2, 1, workflow))).toEqual([null, null]);
  });

  it('an operation that nobody has named is a call where a model wrote tokens, unless a call is reported below', () => {
    const unnamed = (n: number, parent?: number, attributes: object = {}): SdkSpan =>
      chat(n, parent, { 'gen_ai.operation.name': 'ask_oracle', ...attributes });
    const kindsOf = (...spans: SdkSpan[]) => [...whole(...spans).values()].map(({ kind }) => kind);
    expect(kindsOf(unnamed(1))).toEqual(['completion']);
    expect(kindsOf(chat(2, 1), unnamed(1))).toEqual(['completion', 'trace']);
    expect(kindsOf(unnamed(1, undefined, { 'gen_ai.usage.output_tokens': undefined }))).toEqual([]);
    expect(kindsOf(unnamed(1, undefined, { 'gen_ai.request.model': undefined }))).toEqual([]);
  });

  it('of a lone root inference are the group, which is not recorded', () => {
    const records = whole(chat(1));
    expect([...records.keys()]).toEqual([idOf(1)]);
    expect(records.get(idOf(1))?.body.parent_id).toBe(GROUP);
  });

  it('are the group where the root is recorded', () => {
    const records = whole(chat(2, 1), agent(1));
    expect(records.get(idOf(2))?.body.parent_id).toBe(GROUP);
    expect(records.get(GROUP)?.body).toMatchObject({ agent_name: 'helper' });
    expect(records.get(GROUP)?.body).not.toHaveProperty('parent_id');
  });

  it('that are to come are named at once, over those in hand that are none', () => {
    const [record] = inPieces().add(chat(3, 2), http(2, 1));
    expect(record?.body.parent_id).toBe(idOf(1));
  });

  it('are what freeplay.parent.id says, but never the span itself', () => {
    const parentOf = (id: string) =>
      whole(http(1), agent(3, 1), chat(2, 1, { 'freeplay.parent.id': id })).get(idOf(2))?.body.parent_id;
    expect(parentOf(idOf(3).toUpperCase())).toBe(idOf(3));
    expect(parentOf(idOf(2))).toBe(GROUP);
    expect(parentOf('the agent')).toBe(GROUP);
  });

  it('that are missing fall back to the group', () => {
    for (const [remote, rule] of [
      [false, 'parent span not in hand: the group'],
      [true, 'parent in another process: the group'],
    ] as const) {
      const record = whole(chat(2, 1, {}, { remote })).get(idOf(2));
      expect([record?.body.parent_id, record?.receipt.rules]).toEqual([GROUP, [rule]]);
    }
  });

  it('are the span that children named before it was known for the root', () => {
    const pieces = inPieces();
    const parents = [chat(3, 1), agent(1), chat(4, 1)].flatMap((one) =>
      pieces.add(one).map(({ id, body }) => [id, body.parent_id]),
    );
    expect(parents).toEqual(
      expect.arrayContaining([
        [idOf(3), idOf(1)],
        [GROUP, undefined],
        [idOf(4), idOf(1)],
      ]),
    );
  });

  it('in another process make a plain record of the local root', () => {
    const records = whole(chat(3, 2), http(2, 1, {}, { remote: true }));
    expect(records.get(idOf(3))?.body.parent_id).toBe(idOf(2));
    expect(records.get(idOf(2))?.body).toMatchObject({ name: 'span 2', parent_id: GROUP });
  });

  it('of two spans without any: one is the group, the other is not lost', () => {
    const records = whole(agent(1), agent(2), chat(3, 2));
    expect(records.size).toBe(3);
    expect(records.has(GROUP)).toBe(true);
    expect(records.get(idOf(3))).toBeDefined();
  });

  it('that form a ring are cut open', () => {
    expect(whole(agent(1, 2), agent(2, 1), chat(3, 2)).size).toBe(3);
  });

  it('of nothing but plain spans are no records', () => {
    expect(whole(http(1), http(2, 1)).size).toBe(0);
  });
});

describe('a tool', () => {
  it('hangs under the completion that asked for it, by call id', () => {
    const records = whole(
      agent(1),
      chat(2, 1, calls('c1')),
      tool(3, 1, { 'gen_ai.tool.call.id': 'c1' }),
      chat(4, 1),
    );
    expect(records.get(idOf(3))?.body).toMatchObject({ kind: 'tool', parent_id: idOf(2), name: 'weather' });
  });

  it('hangs there by name and arguments, in the latest completion before it, where there is no id', () => {
    const args = { 'gen_ai.tool.call.arguments': '{"city":"Oslo"}' };
    const records = whole(
      agent(1),
      chat(2, 1, calls()),
      chat(3, 1, calls()),
      tool(4, 1, args),
      chat(5, 1, calls()),
    );
    expect(records.get(idOf(4))?.body.parent_id).toBe(idOf(3));
  });

  it.each([
    ['beside the outer report of the call', 1],
    ['inside it', 2],
  ])('hangs there by name and arguments %s', (_, parent) => {
    const asks = { ...chatAttributes({ question: 'q', answer: '' }), ...calls() };
    const records = whole(
      agent(1),
      chat(3, 2, asks, { scope: 'the client' }),
      chat(2, 1, asks, { scope: 'the framework', end: 39 }),
      tool(4, parent, { 'gen_ai.tool.call.arguments': '{"city":"Oslo"}' }),
    );
    expect(records.get(idOf(4))?.body.parent_id).toBe(idOf(3));
    expect(records.get(idOf(3))?.receipt.merged).toEqual([`span ${spanIdOf(2)}`]);
  });

  it('hangs there by arguments of any length, and only by these', () => {
    const file = (last: string): object => ({ path: 'notes.md', text: `${'line\n'.repeat(20_000)}${last}` });
    const asksFor = (args: object) => ({
      'gen_ai.output.messages': JSON.stringify([
        { role: 'assistant', parts: [{ type: 'tool_call', name: 'weather', arguments: args }] },
      ]),
    });
    const { path, text } = file('one') as { path: string; text: string };
    const records = whole(
      agent(1),
      chat(2, 1, asksFor(file('one'))),
      chat(3, 1, asksFor(file('two'))),
      tool(4, 1, { 'gen_ai.tool.call.arguments': JSON.stringify({ text, path }) }),
    );
    expect(records.get(idOf(4))?.body.parent_id).toBe(idOf(2));
  });

  it('hangs there by arguments in any order of their keys, however deep', () => {
    const asksFor = (args: string) => ({
      'gen_ai.output.messages': `[{"role":"assistant","parts":[{"type":"tool_call","name":"weather","arguments":${args}}]}]`,
    });
    const parentOf = (asked: string, given: string) =>
      whole(agent(1), chat(2, 1, asksFor(asked)), tool(3, 1, { 'gen_ai.tool.call.arguments': given })).get(
        idOf(3),
      )?.body.parent_id;
    expect(parentOf('{"a":null,"b":[{"c":1,"d":"x"}]}', '{"b":[{"d":"x","c":1}],"a":null}')).toBe(idOf(2));
    expect(parentOf('{"a":null,"b":[{"c":1,"d":"x"}]}', '{"b":[{"d":"x","c":2}],"a":null}')).toBe(GROUP);
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    expect(parentOf(`{"a":${deep}}`, '{"a":[]}')).toBe(GROUP);
  });

  it('hangs under the latest of many completions that asked for the same', () => {
    const askers = Array.from({ length: 40 }, (_, n) => chat(n + 2, 1, calls('c1')));
    const records = whole(agent(1), ...askers, tool(50, 1, { 'gen_ai.tool.call.id': 'c1' }));
    expect(records.get(idOf(50))?.body.parent_id).toBe(idOf(41));
  });

  it('hangs under its enclosing span where nobody asked', () => {
    const records = whole(
      agent(2, 1),
      http(1),
      chat(3, 2, calls('c1')),
      tool(4, 2, { 'gen_ai.tool.call.id': 'other' }),
    );
    expect(records.get(idOf(4))?.body.parent_id).toBe(idOf(2));
  });

  it('in a later batch still finds its completion', () => {
    const pieces = inPieces();
    pieces.add(chat(2, 1, calls('c1')));
    const [record] = pieces.add(tool(3, 1, { 'gen_ai.tool.call.id': 'c1' }));
    expect(record?.body.parent_id).toBe(idOf(2));
  });

  it('whose parents lead to a span of its own batch names it, and no placeholder follows', () => {
    const pieces = inPieces();
    pieces.add(http(4, 3));
    const records = [...pieces.add(tool(5, 4), tool(3, 2)), ...pieces.settle()];
    const ids = records.map((record) => record.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(records.find((record) => record.id === idOf(5))?.body.parent_id).toBe(idOf(3));
    expect(records.find((record) => record.id === idOf(3))?.body.name).toBe('weather');
  });

  it('of an MCP server, reported by client, transport and server, is one', () => {
    const args = { 'gen_ai.tool.call.arguments': '{"city":"Oslo"}' };
    const records = whole(
      agent(1),
      chat(2, 1, calls()),
      mcpCall(3, 1, 'wx_weather', args),
      span(4, 3, { 'mcp.method.name': 'tools/call' }, { name: 'MCP send tools/call wx_weather' }),
      mcpCall(5, 4, 'weather'),
    );
    const kinds = [2, 3, 4, 5].map((n) => records.get(idOf(n))?.body.kind);
    expect(kinds).toEqual([undefined, undefined, undefined, 'tool']);
    expect(records.get(idOf(5))?.body).toMatchObject({
      kind: 'tool',
      name: 'wx_weather',
      input: { city: 'Oslo' },
    });
  });

  it('of an MCP server is no second one where its reports come in batches of their own', () => {
    const pieces = inPieces();
    const records = [
      ...pieces.add(mcpCall(3, 2, 'weather')),
      ...pieces.add(mcpCall(2, 1, 'weather')),
      ...pieces.add(agent(1)),
    ];
    expect(records.flatMap(({ id, body }) => (body.kind === 'tool' ? [id] : []))).toEqual([idOf(3)]);
  });

  it('inside a call is what its reply asked for, where the reply kept a text alone', () => {
    const records = whole(
      chat(2, 1, { 'gen_ai.response.finish_reasons': ['tool_calls'] }, { end: 90 }),
      tool(3, 2, {
        'gen_ai.tool.call.id': 'call_3',
        'gen_ai.input.messages': '[{"role":"tool","content":"{\\"city\\":\\"Oslo\\"}"}]',
        'gen_ai.output.messages': '[{"role":"tool","content":"{\\"sky\\":\\"grey\\"}"}]',
      }),
      agent(1),
    );
    expect(records.get(idOf(2))?.body.messages.at(-1)).toEqual({
      role: 'assistant',
      content: 'a2',
      tool_calls: [
        { id: 'call_3', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
      ],
    });
    expect(records.get(idOf(3))?.body).toMatchObject({
      parent_id: idOf(2),
      input: { city: 'Oslo' },
      output: { sky: 'grey' },
    });
  });

  it('of an MCP server that calls others stays, as they do', () => {
    const records = whole(
      agent(1),
      mcpCall(2, 1, 'plan'),
      mcpCall(3, 2, 'weather'),
      mcpCall(4, 2, 'weather'),
      mcpCall(5, 1, 'weather'),
      mcpCall(6, 5, 'weather'),
      mcpCall(7, 5, 'weather'),
    );
    for (const n of [2, 3, 4, 5, 6, 7]) expect(records.get(idOf(n))?.body.kind).toBe('tool');
  });
});

describe('inheritance', () => {
  it("is of what Keywords AI's SDK says of a span", () => {
    const records = whole(
      chat(2, 1),
      span(1, undefined, {
        'traceloop.span.kind': 'workflow',
        'keywordsai.threads.thread_identifier': 't-1',
        'keywordsai.customer_params.customer_identifier': 'u-1',
        'keywordsai.metadata.plan': 'pro',
      }),
    );
    const record = records.get(idOf(2));
    expect(record?.sessionId).toBe(sessionIdOf('t-1'));
    expect(record?.body.session_info.custom_metadata).toMatchObject({ 'user.id': 'u-1', plan: 'pro' });
  });

  it('takes session, user, metadata and prompt from the nearest ancestor, own facts first', () => {
    const records = whole(
      http(1, undefined, {
        'session.id': 's-1',
        'user.id': 'u-1',
        'metadata.plan': 'free',
        'metadata.team': 'a',
      }),
      agent(2, 1, { 'metadata.plan': 'pro' }),
      chat(3, 2, { 'metadata.step': 3 }),
    );
    for (const record of records.values()) expect(record.sessionId).toBe(sessionIdOf('s-1'));
    const { body } = records.get(idOf(3)) as { body: Json };
    expect(body.session_info.custom_metadata).toMatchObject({
      plan: 'pro',
      team: 'a',
      step: 3,
      'user.id': 'u-1',
      'session.id': 's-1',
    });
    expect(body.call_info.provider_info.metadata).toEqual({ step: 3 });
  });

  it('prefers a freeplay session above to a conversation below', () => {
    const records = whole(
      http(1, undefined, { 'freeplay.session.id': 'mine' }),
      chat(2, 1, { 'gen_ai.conversation.id': 'theirs' }),
    );
    expect(records.get(idOf(2))?.sessionId).toBe(sessionIdOf('mine'));
  });

  it('uses the one session that a trace names for all of its records', () => {
    const records = whole(chat(2, 1), chat(3, 1, { 'session.id': 's-1' }), agent(1));
    expect(new Set([...records.values()].map((record) => record.sessionId))).toEqual(
      new Set([sessionIdOf('s-1')]),
    );
  });

  it('lends a call the tools, parameters and instructions of its agent, never its usage', () => {
    const records = whole(
      agent(1, undefined, {
        'gen_ai.request.temperature': 0.5,
        'gen_ai.system_instructions': '[{"type":"text","content":"Be brief."}]',
        'gen_ai.tool.definitions': '[{"type":"function","name":"weather","description":"d","parameters":{}}]',
        'gen_ai.usage.input_tokens': 99,
        'gen_ai.usage.output_tokens': 99,
      }),
      chat(2, 1, { 'gen_ai.usage.input_tokens': undefined, 'gen_ai.usage.output_tokens': undefined }),
    );
    const record = records.get(idOf(2));
    expect(record?.body).toMatchObject({
      messages: [{ role: 'system', content: 'Be brief.' }, {}, {}],
      tool_schema: [{ function: { name: 'weather' } }],
      call_info: { llm_parameters: { temperature: 0.5 } },
    });
    expect(record?.body.call_info).not.toHaveProperty('usage');
    expect(record?.receipt.rules.join()).toContain('from the enclosing span');
  });

  it('is of a second report, too, by what it encloses beside its call', () => {
    const definitions = '[{"type":"function","name":"weather","description":"d","parameters":{}}]';
    const outer = chatAttributes({ question: 'q3', answer: 'a3' });
    const records = whole(
      span(1, undefined, { ...outer, 'gen_ai.tool.definitions': definitions }, { scope: 'x', end: 900 }),
      chat(2, 1),
      chat(3, 1),
    );
    for (const n of [2, 3]) expect(records.get(idOf(n))?.body.tool_schema).toHaveLength(1);
  });

  it('reaches children that come after their ancestors, across batches', () => {
    const pieces = inPieces();
    pieces.add(agent(2, 1, { 'session.id': 's-1', 'metadata.plan': 'pro' }));
    const [record] = pieces.add(chat(3, 2));
    expect(record?.sessionId).toBe(sessionIdOf('s-1'));
    expect(record?.body.session_info.custom_metadata).toMatchObject({ plan: 'pro' });
    expect(record?.body.parent_id).toBe(idOf(2));
  });
});

describe('what becomes what', () => {
  it.each([
    ['invoke_agent', 'trace', undefined],
    ['invoke_workflow', 'trace', undefined],
    ['execute_tool', 'trace', 'tool'],
    ['embeddings', 'trace', 'tool'],
    ['retrieval', 'trace', 'tool'],
    ['rerank', 'trace', 'tool'],
    ['guardrail', 'trace', 'tool'],
    ['chat', 'completion', undefined],
    ['text_completion', 'completion', undefined],
    ['generate_content', 'completion', undefined],
  ])('%s → %s', (operation, kind, toolKind) => {
    const records = whole(
      span(2, 1, { 'gen_ai.operation.name': operation, 'gen_ai.request.model': 'm' }),
      http(1),
    );
    expect(records.get(idOf(2))?.kind).toBe(kind);
    expect(records.get(idOf(2))?.body.kind).toBe(toolKind);
  });

  it.each(
    SCENARIO_FILES.filter((file) => /embed/.test(file.name) && !/retriev/.test(file.name)).map(
      (file) => file.name,
    ),
  )('sends no vectors, but how many and how long: %s', (name) => {
    const scenario = scenarioNamed(name);
    const records = convertSpans(scenario.spans.map((one) => toSdkSpan(one)));
    const embeddings = records.filter((record) =>
      /embed/i.test(JSON.stringify(record.receipt) + record.body.name),
    );
    expect(embeddings.length).toBeGreaterThan(0);
    for (const { body } of records) expect(JSON.stringify(body)).not.toMatch(/(-?\d\.\d+(e-?\d+)?,){3}/);
  });

  it('is no call for a span that names a model and no operation, around calls', () => {
    const run = (n: number) =>
      span(n, undefined, { 'gen_ai.request.model': 'm', 'gen_ai.usage.input_tokens': 7 }, { end: 900 });
    const around = whole(chat(2, 1), chat(3, 1), run(1));
    expect([1, 2, 3].map((n) => around.get(idOf(n))?.kind)).toEqual(['trace', 'completion', 'completion']);
    expect(whole(run(1)).get(idOf(1))?.kind).toBe('completion');
  });

  describe('is no call for a model span around several calls of another scope', () => {
    const around = (attributes: object, ...inner: SdkSpan[]) =>
      whole(chat(1, undefined, attributes, { scope: 'wrapper', end: 900 }), ...inner).get(idOf(1));
    const [one, other] = [chat(2, 1), chat(3, 1)];

    it('of which it is no report', () => {
      expect(around({}, one, other)?.receipt.rules.join()).toContain('several calls below it');
      expect(around({}, one, other, chat(4, 1))?.kind).toBe('trace');
    });

    it('but where it is a report of one, that one is recorded', () => {
      const said = chatAttributes({ question: 'q3', answer: 'a3' });
      expect(around(said, one, other)?.receipt.rules.join()).toContain('second report of the call');
    });

    it.each<[string, object, readonly SdkSpan[]]>([
      ['one call', {}, [one]],
      [
        'calls of its own scope',
        {},
        [chat(2, 1, {}, { scope: 'wrapper' }), chat(3, 1, {}, { scope: 'wrapper' })],
      ],
      ['calls, with an answer of its own', { 'gen_ai.response.id': 'r-1' }, [one, other]],
    ])('but is one around %s', (_, attributes, inner) => {
      expect(around(attributes, ...inner)?.kind).toBe('completion');
    });
  });

  it('is no second call for reports that come later, each of the call that is most like it', () => {
    const pieces = inPieces();
    const said = (question: string) => chatAttributes({ question, answer: 'Ho' });
    const call = (n: number, scope: string, question: string, end: number) =>
      span(n, 99, said(question), { scope, start: 10, end });
    pieces.add(call(1, 'x', 'Hi', 100), call(2, 'x', 'Hey', 100), call(3, 'x', 'Hi', 140));
    const told = (n: number, question: string, end: number) =>
      pieces.add(call(n, 'y', question, end)).map(({ kind, receipt }) => [kind, receipt.rules.join()]);
    const late = (n: number) =>
      `second report of the call recorded for span ${spanIdOf(n)}, too late to merge`;
    expect(told(4, 'Hi', 139)).toEqual([['trace', late(3)]]);
    expect(told(5, 'Hey', 99)).toEqual([['trace', late(2)]]);
    expect(told(6, 'Hi', 138)).toEqual([['trace', late(1)]]);
    // All three have been told of twice.
    expect(told(7, 'Hi', 99)).toEqual([['completion', '']]);
  });

  it('is no second call for any number of reports around it, nor do they use up those of others', () => {
    const pieces = inPieces();
    const report = (n: number, parent: number, of: number, scope: string) =>
      pieces.add(
        span(n, parent, chatAttributes({ question: `q${of}`, answer: `a${of}` }), { scope, end: 90 }),
      )[0]?.kind;
    pieces.add(chat(9, 99, {}, { end: 90 }), chat(3, 2, {}, { end: 90 }));
    expect([report(2, 1, 3, 'x'), report(1, 0, 3, 'y'), report(8, 98, 9, 'x')]).toEqual([
      'trace',
      'trace',
      'trace',
    ]);
  });

  it('is no record for a span that the filter declines', () => {
    const records = convertSpans([chat(1), chat(2)], {
      filter: (one) => (one.spanId === spanIdOf(1) ? false : undefined),
    });
    expect(records.map((record) => record.id)).toContain(idOf(2));
    expect(records.filter((record) => record.kind === 'completion')).toHaveLength(1);
  });

  it('is what a dialect of the user says, before all others', () => {
    const records = convertSpans([http(1, undefined, { 'acme.llm': 'hello' })], {
      dialects: [
        {
          name: 'acme',
          detect: ({ attributes }) => 'acme.llm' in attributes,
          read: () => ({
            operation: 'inference',
            requestModel: 'acme-1',
            choices: [{ role: 'assistant', parts: [{ kind: 'text', text: 'hello' }], toolCalls: [] }],
          }),
        },
      ],
    });
    expect(records[0]?.receipt.dialect).toBe('acme');
    expect(records[0]?.body.messages).toEqual([{ role: 'assistant', content: 'hello' }]);
  });
});

describe('bounds', () => {
  it('settle the trace that was unheard of for longest, and count it', () => {
    const pieces = inPieces({ maxTraces: 2 });
    const other = (n: number) => chat(2, 1, {}, { traceId: `${n}`.padStart(32, 'a') });
    pieces.add(other(1));
    pieces.add(other(2));
    const records = pieces.add(other(3));
    expect(records.map((record) => record.body.name)).toContain('(span not exported)');
    expect(pieces.lineage.stats()).toMatchObject({ evictedTraces: 1, traces: 2 });
  });

  it('forget the older half of a trace that grows without end', () => {
    const pieces = inPieces({ maxSpansPerTrace: 10 });
    for (let n = 0; n < 50; n++) pieces.add(chat(n, 999));
    expect(pieces.lineage.stats().evictedTraces).toBeGreaterThan(0);
    expect(pieces.settle()).toHaveLength(1);
  });

  it('forget the tool calls that were asked for first', () => {
    const pieces = inPieces({ maxSpansPerTrace: 10 });
    for (let n = 2; n < 30; n++) pieces.add(chat(n, 1, calls(`c${n}`)));
    const parentOf = (n: number, id: string) =>
      pieces.add(tool(n, 1, { 'gen_ai.tool.call.id': id }))[0]?.body.parent_id;
    expect(parentOf(40, 'c29')).toBe(idOf(29));
    expect(parentOf(41, 'c2')).toBe(idOf(1));
  });

  it('count span ids that meet after stamping', () => {
    const twin = (id: string) => chat(0, undefined, {}, { spanId: id });
    const pieces = inPieces();
    pieces.add(twin('00f067aa0ba942b7'), twin('00f067aa0ba952b7'));
    expect(pieces.lineage.stats().collisions).toBe(1);
  });
});

describe('embeddings', () => {
  // An embedding whose vectors are in output.value: design.md section 2 wants their count and dimension only.
  it('sends no vectors, but their count and dimension are no secret', () => {
    const vectors = JSON.stringify([[0.123456, 0.654321]]);
    const records = whole(
      span(1, undefined, {
        'gen_ai.operation.name': 'embeddings',
        'gen_ai.request.model': 'm',
        'output.value': vectors,
        'ai.embeddings': [vectors],
      }),
    );
    expect(JSON.stringify([...records.values()])).not.toContain('0.654321');
  });
});
