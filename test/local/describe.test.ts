import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeRecord, renderTree } from '../../src/local/describe.ts';
import { plainText, textWidth } from '../../src/local/terminal-text.ts';
import type { RecordBody } from '../../src/record/record.ts';
import { completion, GROUP, SESSION, shown, spanId, trace } from './support.ts';

const [agent, ask, tool, answer] = ['1', '2', '3', '4'].map(spanId) as [string, string, string, string];

const asking = completion({
  messages: [
    { role: 'user', content: 'Weather?' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'c', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
      ],
    },
  ],
  parent_id: agent,
});
const answering = completion({
  parent_id: agent,
  call_info: {
    start_time: 1_700_000_002,
    end_time: 1_700_000_002.4,
    model: 'claude-sonnet-4-5',
    usage: { prompt_tokens: 1204, completion_tokens: 18 },
  },
});
const session = [
  shown('completion', answer, answering),
  shown(
    'trace',
    tool,
    trace({
      kind: 'tool',
      name: 'get_weather',
      parent_id: ask,
      output: { temperature: 21, unit: 'C' },
      end_time: '2023-11-14T22:13:20.012Z',
    }),
  ),
  shown('completion', ask, asking),
  shown('trace', agent, trace({ agent_name: 'weather agent', parent_id: GROUP, output: 'It is 21 °C.' })),
  shown('trace', GROUP, trace({ name: 'POST /chat', output: null, end_time: '2023-11-14T22:13:23.100Z' })),
];

describe('renderTree', () => {
  it('prints trace, agent, completion and tool in order of time, aligned', () => {
    expect(`\n${renderTree(session)}\n`).toMatchInlineSnapshot(`
      "
      session 3c90c3cc-0d44-4b50-8888-8dd25736052a
      1 trace · 2 completions · 1 tool call · 1,716 → 52 tokens · 3.10 s
      └─ trace POST /chat 4bf92f35                        3.10 s
         └─ agent weather agent                           2.50 s  It is 21 °C.
            ├─ completion gpt-4o-mini          512 → 34   1.24 s  calls get_weather({"city":"Paris"})
            │  └─ tool get_weather                         12 ms  {"temperature":21,"unit":"C"}
            └─ completion claude-sonnet-4-5  1,204 → 18   400 ms  It is 21 °C in Paris.
      "
    `);
  });

  it('keeps within 100 columns and colours only when asked', () => {
    const long = shown(
      'completion',
      spanId('5'),
      completion({
        messages: [{ role: 'assistant', content: '非常に長い👩‍👩‍👧 '.repeat(99) }],
        call_info: { start_time: 1.7e9, end_time: 1.7e9, model: 'm'.repeat(300) },
      }),
    );
    const lines = renderTree([...session, long]).split('\n');
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(100);
    expect(lines.join('')).not.toContain('\u001b');
    const coloured = renderTree(session, { colour: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is asked for
    expect(coloured.replace(/\u001b\[\d+m/g, '')).toBe(renderTree(session));
    expect(coloured).toContain('\u001b[');
  });

  it('hangs what has no recorded parent under its group, recorded or not', () => {
    const orphan = shown('completion', ask, completion({ parent_id: spanId('9') }));
    const stray = shown('trace', tool, trace({ parent_id: spanId('9'), kind: 'tool', name: 'stray' }));
    const withGroup = renderTree([orphan, stray, ...session.slice(-1)]).split('\n');
    expect(withGroup.map((line) => line.slice(0, 24).trimEnd())).toEqual([
      expect.any(String),
      expect.any(String),
      '└─ trace POST /chat 4bf9',
      '   ├─ tool stray',
      '   └─ completion gpt-4o-',
    ]);
    expect(renderTree([orphan, stray])).toContain('└─ trace (group not recorded) 4bf92f35');
  });

  it('takes records of the converter, several sessions, failures and hidden content', () => {
    const failed = completion({
      call_info: {
        start_time: 1.7e9,
        end_time: 1.7e9,
        model: 'm',
        provider_info: { error: { type: 'RateLimitError', message: 'slow\ndown' } },
      },
    });
    const hidden = completion({
      messages: [{ role: 'assistant', content: null }],
      call_info: { start_time: 1.7e9, end_time: 1.7e9, provider_info: { content_captured: false } },
    });
    const text = renderTree([
      { kind: 'completion', id: ask, sessionId: 'one', body: failed },
      { kind: 'completion', id: answer, sessionId: 'two', body: hidden },
    ]);
    expect(text).toContain('session one\n1 trace · 1 completion · 1 failed · 0 → 0 tokens');
    expect(text).toContain('failed: RateLimitError: slow down');
    expect(text).toContain('(content not captured)');
    expect(text.split('\n\n')).toHaveLength(2);
  });

  it('is total: loops, doubles, any body; every record once', () => {
    const id = fc.constantFrom(GROUP, agent, ask, tool, answer);
    const body = fc.record(
      {
        parent_id: fc.oneof(id, fc.constant(null)),
        trace_info: fc.oneof(fc.record({ trace_id: id }), fc.jsonValue()),
        messages: fc.jsonValue(),
        call_info: fc.jsonValue(),
        name: fc.jsonValue(),
        output: fc.jsonValue(),
        start_time: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const record = fc.record({ kind: fc.constantFrom('completion' as const, 'trace' as const), id, body });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 8 }), (records) => {
        const lines = renderTree(
          records.map(({ kind, id, body }) => shown(kind, id, body as RecordBody)),
        ).split('\n');
        const made = lines.filter((line) => line.includes('(group not recorded)')).length;
        const distinct = new Set(records.map(({ id }) => id)).size;
        expect(lines.length).toBe(distinct === 0 ? 1 : 2 + distinct + made);
      }),
      { numRuns: 300 },
    );
  });

  it('prints a chain of 5,000 and 5,000 siblings', () => {
    const ids = Array.from(
      { length: 5_000 },
      (_, i) => `${String(i).padStart(8, '0')}-0000-4000-a3ce-929d0e0e4736`,
    );
    const chain = ids.map((id, i) => shown('trace', id, trace({ parent_id: ids[i - 1] ?? null })));
    expect(renderTree(chain).split('\n')).toHaveLength(5_002);
    const siblings = ids.slice(1).map((id) => shown('trace', id, trace({ parent_id: ids[0] })));
    expect(renderTree(siblings).split('\n')).toHaveLength(5_002);
  });
});

describe('describeRecord', () => {
  it.each([
    [
      shown('completion', ask, asking),
      'completion 22222222 gpt-4o-mini              512 → 34  1.24 s ↑ 11111111  calls get_weather({"city"…',
    ],
    [
      session[1]!,
      'tool       33333333 get_weather                         12 ms ↑ 22222222  {"temperature":21,"unit":…',
    ],
    [session[3]!, 'agent      11111111 weather agent                      2.50 s ↑ 4bf92f35  It is 21 °C.'],
    [
      shown('completion', ask, { messages: [] }),
      'completion 22222222 unknown model                                         (no reply)',
    ],
  ])('%#', (record, line) => {
    expect(describeRecord(record)).toBe(line);
  });

  it('shows hostile content as text on one line', () => {
    const hostile =
      '\u001b]0;owned\u0007\u001b[2J\r\nok\u202egnp.exe\u0085\u2028\u200b\ud800 \u009b31m' +
      '\u0301'.repeat(500);
    const line = describeRecord(
      shown(
        'completion',
        ask,
        completion({ messages: [{ role: 'assistant', content: hostile }], call_info: { model: hostile } }),
      ),
    );
    expect(line).not.toMatch(/[\p{Cc}\u202e\u2028\u200b\p{Cs}]/u);
    expect(line).toContain('␛]0;owned␇␛[2J ok�gnp.exe');
    expect(textWidth(line)).toBeLessThanOrEqual(100);
    expect(line.length).toBeLessThan(300);
  });

  it('is quick on huge content', () => {
    const huge = 'x'.repeat(20_000_000);
    const started = performance.now();
    describeRecord(
      shown('completion', ask, completion({ messages: [{ role: 'assistant', content: huge }] })),
    );
    describeRecord(shown('trace', ask, trace({ output: { huge, list: new Array(100_000).fill({ huge }) } })));
    expect(performance.now() - started).toBeLessThan(500);
  });
});

it('plainText never lets a control or format character through', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(plainText(text)).not.toMatch(/(?!\u200d)[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
    }),
  );
  expect(plainText('👩‍👩‍👧 日本 é')).toBe('👩‍👩‍👧 日本 é');
  expect(SESSION).toHaveLength(36);
});
