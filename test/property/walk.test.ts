/**
 * The walk over JSON text copies what it need not change. Whatever it copies has to be, byte for byte, what parsing and writing anew
 * gives; where it gives up, the parser reads.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/config.ts';
import { createConverter, wantedRecords } from '../../src/convert.ts';
import { DIALECTS, findDialect } from '../../src/dialects/registry.ts';
import { isWalkable, JsonWalk, quoteWalked } from '../../src/json/canonical.ts';
import { JsonWriter } from '../../src/json/json-writer.ts';
import { createLineage } from '../../src/lineage/lineage.ts';
import { readInstructions, readMessages } from '../../src/messages/messages.ts';
import { walkInstructions, walkMessages } from '../../src/messages/walk-messages.ts';
import { renderMessages, writeMessages } from '../../src/record/render.ts';
import { fromSdkLogRecord, fromSdkSpan } from '../../src/span/from-sdk.ts';
import type { LogData, SpanData } from '../../src/span/span-data.ts';
import { loadScenario, SCENARIO_FILES, type Scenario } from '../contract/support/corpus.ts';
import { toSdkLog, toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { damagedSpan, runs, SAMPLE } from './support.ts';

const POLICY = { capture: true, media: (one: never) => one } as never;

/** Texts that JSON, JavaScript and emitters find hard. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '',
    '"',
    '\\',
    '\\"',
    'a\nb\tc\r\u2028\u2029',
    '\u0000\u001f\u007f',
    '\ud800',
    '\udc00 lone',
    '👍🏽',
    '[{"type":"text","text":"x"}]',
    ' [ {}]',
    '\u00a0[{}]',
    'null',
    'fc_1',
    'call_1',
    '__proto__',
  ),
);

const key = fc.oneof(
  text,
  fc.constantFrom('a', 'b', '1', '01', '10', 'type', 'constructor', '__proto__', 'prototype'),
);

const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.array(fc.tuple(key, tie('any')), { maxLength: 4 }).map((entries) => new Entries(entries)),
  ),
})).any;

/** An object as written: keys may come twice and in any order. */
class Entries {
  readonly entries: readonly (readonly [string, unknown])[];

  constructor(entries: readonly (readonly [string, unknown])[]) {
    this.entries = entries;
  }
}

interface Style {
  readonly space: string;
  readonly ascii: boolean;
  readonly slashes: boolean;
  readonly decimals: boolean;
}

const style: fc.Arbitrary<Style> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ space: '', ascii: false, slashes: false, decimals: false }) },
  fc.record({
    space: fc.constantFrom('', ' ', '\n'),
    ascii: fc.boolean(),
    slashes: fc.boolean(),
    decimals: fc.boolean(),
  }),
);

/** JSON as other languages write it. */
function write(of: unknown, how: Style): string {
  const { space, ascii, slashes, decimals } = how;
  if (typeof of === 'string') {
    let json = JSON.stringify(of);
    if (ascii)
      json = json.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
    return slashes ? json.replaceAll('/', '\\/') : json;
  }
  if (typeof of === 'number') {
    const json = JSON.stringify(of);
    return decimals && /^-?\d+$/.test(json) ? `${json}.0` : json;
  }
  if (Array.isArray(of)) return `[${of.map((item) => write(item, how)).join(`,${space}`)}]`;
  if (of instanceof Entries || (typeof of === 'object' && of !== null)) {
    const entries = of instanceof Entries ? of.entries : Object.entries(of);
    return `{${entries.map(([k, v]) => `${write(k, how)}:${space}${write(v, how)}`).join(`,${space}`)}}`;
  }
  return JSON.stringify(of);
}

const id = fc.oneof(fc.constantFrom('call_1', 'call_2', 'fc_1', 'toolu_1', ''), text);

const part = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('text'), content: text }) },
  {
    weight: 2,
    arbitrary: fc.record(
      { type: fc.constant('tool_call'), id, name: fc.constantFrom('f', 'g', ''), arguments: value },
      { requiredKeys: ['type', 'name'] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reasoning'), content: text }) },
  fc.record({
    type: fc.constantFrom('text', 'blob', 'uri', 'odd', 'tool_call'),
    content: value,
    text: value,
  }),
);

const result = fc.oneof(
  fc.record({ type: fc.constant('tool_call_response'), id, response: value }),
  fc.record({ type: fc.constant('tool_call_response'), id, result: value }),
);

const message = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      {
        role: fc.constantFrom('system', 'user', 'assistant', 'developer'),
        parts: fc.array(part, { maxLength: 3 }),
        finish_reason: fc.constantFrom('stop', 'tool_call', '', 'odd'),
      },
      { requiredKeys: ['role', 'parts'] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({ role: fc.constant('tool'), parts: fc.array(result, { maxLength: 2 }) }),
  },
  fc.record(
    {
      role: fc.constantFrom('user', 'Assistant', 'tool', 'function', 'model', ''),
      parts: fc.oneof(fc.array(fc.oneof(part, result)), value),
      content: value,
      name: text,
    },
    { requiredKeys: [] },
  ),
);

function rendered(messages: ReturnType<typeof readMessages>): string {
  return JSON.stringify(renderMessages(messages, POLICY, '00f067aa0ba902b7', []));
}

function written(messages: ReturnType<typeof readMessages>): string {
  const json = new JsonWriter();
  writeMessages(messages, POLICY, '00f067aa0ba902b7', json);
  return json.end().join('');
}

describe('a walk over JSON text', () => {
  it('calls canonical only what JSON.stringify would write', () => {
    let walked = 0;
    fc.assert(
      fc.property(value, style, (any, how) => {
        const json = write(any, how);
        if (!isWalkable(json)) return;
        const walk = new JsonWalk(json);
        if (walk.value() !== json.length) return;
        walked++;
        expect(JSON.stringify(JSON.parse(json))).toBe(json);
      }),
      runs(20_000),
    );
    expect(walked).toBeGreaterThan(100);
  });

  it('quotes what it has walked as JSON.stringify would', () => {
    fc.assert(
      fc.property(value, (any) => {
        const json = JSON.stringify(any);
        fc.pre(isWalkable(json));
        expect(quoteWalked(json)).toBe(JSON.stringify(json));
      }),
      runs(5_000),
    );
  });

  it('says nothing good of damaged text that is no JSON', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.string({ maxLength: 2 }), (any, at, put) => {
        const whole = write(any, { space: '', ascii: false, slashes: false, decimals: false });
        const cut = at % (whole.length + 1);
        const json = whole.slice(0, cut) + put + whole.slice(cut + put.length);
        if (!isWalkable(json) || new JsonWalk(json).value() !== json.length) return;
        expect(JSON.stringify(JSON.parse(json))).toBe(json);
      }),
      runs(20_000),
    );
  });

  it('gives the messages that the parser gives, and they are written as they would be rendered', () => {
    let walked = 0;
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), style, (messages, how) => {
        const json = write(messages, how);
        const read = readMessages(JSON.parse(json), 'input');
        expect(written(read)).toBe(rendered(read));
        const walk = walkMessages(json);
        if (walk === undefined) return;
        walked++;
        expect(rendered(walk)).toBe(rendered(read));
        expect(written(walk)).toBe(rendered(read));
        expect(walk.map(({ finishReason }) => finishReason)).toEqual(
          read.map(({ finishReason }) => finishReason),
        );
      }),
      runs(10_000),
    );
    expect(walked).toBeGreaterThan(100);
  });

  it('gives the instructions that the parser gives', () => {
    let walked = 0;
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), style, (parts, how) => {
        const json = write(parts, how);
        const walk = walkInstructions(json);
        if (walk === undefined) return;
        walked++;
        expect(rendered(walk)).toBe(rendered(readInstructions(JSON.parse(json))));
      }),
      runs(5_000),
    );
    expect(walked).toBeGreaterThan(50);
  });
});

interface Bodies {
  readonly written: string;
  readonly rendered: string;
}

/** Bodies as they are posted, and as `convertSpans` gives them. */
function bodiesOf(spans: readonly SpanData[], logs: readonly LogData[]): readonly Bodies[] {
  const { config } = resolveConfig({ projectId: 'p' }, {});
  const converter = createConverter(config);
  const lineage = createLineage({ wants: wantedRecords('all') });
  const batch = spans.map((span) =>
    converter.read(
      span,
      logs.filter((log) => log.spanId === span.spanId),
    ),
  );
  return lineage.resolve(batch, true).map((plan) => ({
    written: converter.plan(plan).text(),
    rendered: JSON.stringify(converter.build(plan).body),
  }));
}

const MESSAGES = /^gen_ai\.(system_instructions|input\.messages|output\.messages|tool\.definitions)$/;

/** The same spans, their messages written so that no walk is possible: it takes no space. */
function unwalkable(span: SpanData): SpanData {
  const attributes = Object.entries(span.attributes).map(([key, value]) => [
    key,
    typeof value === 'string' && MESSAGES.test(key) && /^[[{]/.test(value) ? ` ${value}` : value,
  ]);
  return { ...span, attributes: Object.fromEntries(attributes) as SpanData['attributes'] };
}

function spansOf(scenario: Scenario): readonly SpanData[] {
  return scenario.spans.flatMap((span) => fromSdkSpan(toSdkSpan(span)) ?? []);
}

function logsOf(scenario: Scenario): readonly LogData[] {
  return scenario.logs.flatMap((log) => fromSdkLogRecord(toSdkLog(log)) ?? []);
}

const SCENARIOS = SCENARIO_FILES.map(loadScenario);

describe('bodies', () => {
  it('are the same walked and parsed, written and rendered, on every captured scenario', () => {
    for (const scenario of SCENARIOS) {
      const walked = bodiesOf(spansOf(scenario), logsOf(scenario));
      const parsed = bodiesOf(spansOf(scenario).map(unwalkable), logsOf(scenario));
      for (const { written, rendered } of walked) expect(written, scenario.name).toBe(rendered);
      expect(
        walked.map(({ written }) => written),
        scenario.name,
      ).toEqual(parsed.map(({ written }) => written));
    }
  });

  it('are the same of damaged spans', () => {
    const damaged = fc
      .nat(SAMPLE.length - 1)
      .chain((at) => fc.tuple(...(SAMPLE[at] as Scenario).spans.map(damagedSpan)));
    fc.assert(
      fc.property(damaged, (spans) => {
        const data = spans.flatMap((span) => fromSdkSpan(toSdkSpan(span)) ?? []);
        for (const { written, rendered } of bodiesOf(data, [])) expect(written).toBe(rendered);
      }),
      runs(300),
    );
  });

  it('are walked where emitters keep to the conventions', () => {
    const texts = SCENARIOS.flatMap(spansOf).flatMap(
      ({ attributes }) => attributes['gen_ai.input.messages'] ?? [],
    );
    const walked = texts.filter((one) => walkMessages(one) !== undefined);
    expect(walked.length / texts.length).toBeGreaterThan(0.2);
  });
});

describe('the dialect of a span', () => {
  const ask = (span: SpanData) => DIALECTS.find((dialect) => dialect.detect(span))?.name;

  it('is the one that the dialects say when asked one by one', () => {
    for (const span of SCENARIOS.flatMap(spansOf)) expect(findDialect(span)?.name).toBe(ask(span));
  });

  it('stays so with any other keys and values', () => {
    const keys = [
      ...new Set(SCENARIOS.flatMap(spansOf).flatMap(({ attributes }) => Object.keys(attributes))),
    ];
    const spans = SCENARIOS.flatMap(spansOf);
    fc.assert(
      fc.property(
        fc.constantFrom(...spans),
        fc.dictionary(
          fc.constantFrom(...keys),
          fc.oneof(fc.constantFrom('', 'ai.x', 'chat', 'strands-agents', null, undefined), value),
          { maxKeys: 3 },
        ),
        fc.array(fc.constantFrom(...keys), { maxLength: 3 }),
        (span, more, fewer) => {
          const attributes: Record<string, unknown> = { ...span.attributes, ...more };
          for (const key of fewer) delete attributes[key];
          const other = { ...span, attributes };
          expect(findDialect(other)?.name).toBe(ask(other));
        },
      ),
      runs(5_000),
    );
  });
});
