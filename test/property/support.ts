/** Arbitrary spans: captured ones, damaged at random, and trees that no library would make. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { FreeplayRecord, SdkSpan } from '../../src/index.ts';
import { validateCompletion, validateTrace } from '../../src/local/contract.ts';
import { type CapturedSpan, loadScenario, SCENARIO_FILES } from '../contract/support/corpus.ts';
import { UUID_V4 } from '../contract/support/ids.ts';
import { rings } from '../contract/support/structure.ts';

/** `PROPERTY_RUNS=20 PROPERTY_SEED=$RANDOM npx vitest run test/property` looks longer and elsewhere. */
const TIMES = Number(process.env.PROPERTY_RUNS ?? 1);
fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 20_260_822) });

export function runs(count: number): { numRuns: number } {
  return { numRuns: Math.ceil(count * TIMES) };
}

/** Every fourth scenario: all dialects, and quick to load. */
export const SAMPLE: readonly ReturnType<typeof loadScenario>[] = SCENARIO_FILES.filter(
  (_, i) => i % 4 === 0,
).map(loadScenario);

export function complaintsOf(records: readonly FreeplayRecord[]): readonly string[] {
  return records.flatMap((record) => {
    const text = JSON.stringify(record.body);
    const body = JSON.parse(text);
    const complaint = record.kind === 'completion' ? validateCompletion(body) : validateTrace(body);
    if (complaint !== undefined) return [`${record.kind}: ${complaint}`];
    return JSON.stringify(body) === text ? [] : ['the body does not survive JSON'];
  });
}

/** What holds for any input: valid bodies, ids once, whole trees. */
export function expectWellFormed(records: readonly FreeplayRecord[]): void {
  expect(complaintsOf(records)).toEqual([]);
  const ids = new Set(records.map((record) => record.id));
  expect(ids.size).toBe(records.length);
  for (const record of records) {
    expect(record.id).toMatch(UUID_V4);
    expect(record.sessionId).toMatch(UUID_V4);
    const parent = record.body.parent_id as string | undefined;
    if (parent === undefined) continue;
    const groups = records.map((one) => (one.body.trace_info as { trace_id?: string } | undefined)?.trace_id);
    expect(ids.has(parent) || groups.includes(parent) || isGroupOf(record, parent)).toBe(true);
  }
  expect(rings(records)).toEqual([]);
}

function isGroupOf(record: FreeplayRecord, id: string): boolean {
  const hex = record.receipt.traceId;
  return id.replaceAll('-', '').slice(0, 12) === hex.slice(0, 12);
}

const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constantFrom(null, undefined, '', '{}', '[]', '[[[', '{"role":', 'null', Number.NaN, -1, 10n ** 30n),
  fc.array(fc.string(), { maxLength: 4 }),
  fc.json(),
  fc.anything({ maxDepth: 3 }),
);

/** What may happen to one attribute: its key and its value are given back changed, or nothing at all. */
const damage: fc.Arbitrary<(key: string, value: unknown) => [string, unknown][]> = fc.oneof(
  fc.constant(() => []),
  junk.map((value) => (key: string): [string, unknown][] => [[key, value]]),
  fc
    .double({ min: 0, max: 1, noNaN: true })
    .map((share) => (key: string, value: unknown): [string, unknown][] => [
      [key, typeof value === 'string' ? value.slice(0, Math.floor(value.length * share)) : value],
    ]),
  fc.constant((key: string, value: unknown): [string, unknown][] => [
    [key, typeof value === 'string' ? JSON.stringify(value) : String(typeof value)],
  ]),
  fc.constant((key: string, value: unknown): [string, unknown][] => [
    [key, { value: [value, { inner: value }] }],
  ]),
  fc.constant((key: string, value: unknown): [string, unknown][] => [[key, [value, value]]]),
  fc
    .constantFrom('.0', '.4294967295.role', '.__proto__.x', '.constructor', '_', '.content')
    .map((suffix) => (key: string, value: unknown): [string, unknown][] => [[key + suffix, value]]),
  fc
    .constantFrom(
      'gen_ai.input.messages',
      'gen_ai.output.messages',
      'input.value',
      'ai.prompt.messages',
      'llm.tools',
    )
    .map((other) => (key: string, value: unknown): [string, unknown][] => [
      [key, value],
      [other, value],
    ]),
  fc.constant((key: string, value: unknown): [string, unknown][] => [[key.toUpperCase(), value]]),
);

function damagedBag(bag: Record<string, unknown>, rate: number): fc.Arbitrary<Record<string, unknown>> {
  const keys = Object.keys(bag);
  return fc
    .array(fc.tuple(fc.nat(Math.max(0, keys.length - 1)), damage), {
      maxLength: Math.max(1, Math.ceil(keys.length * rate)),
    })
    .map((changes) => {
      const next = new Map(Object.entries(bag));
      for (const [at, change] of changes) {
        const key = keys[at];
        if (key === undefined || !next.has(key)) continue;
        const value = next.get(key);
        next.delete(key);
        for (const [name, item] of change(key, value)) next.set(name, item);
      }
      return Object.fromEntries(next);
    });
}

export function damagedSpan(span: CapturedSpan): fc.Arbitrary<CapturedSpan> {
  return fc
    .record({
      attributes: damagedBag(span.attributes, 0.4),
      events: fc
        .array(fc.boolean(), { minLength: span.events.length, maxLength: span.events.length })
        .map((keep) => span.events.filter((_, i) => keep[i])),
      scope: fc.option(fc.constant({ ...span.scope }), { nil: {}, freq: 9 }),
      resource: fc.option(fc.constant({ ...span.resource }), { nil: {}, freq: 9 }),
      name: fc.option(fc.constant(span.name), { nil: '', freq: 9 }),
    })
    .map((changes) => ({ ...span, ...changes }));
}

export { damagedBag, junk };

/** A span made by hand. */
export function makeSpan(fields: {
  traceId?: string;
  spanId: string;
  parentSpanId?: string | undefined;
  remote?: boolean;
  name?: string;
  scope?: string;
  attributes?: object;
  start?: number;
  end?: number;
  status?: number;
}): SdkSpan {
  const traceId = fields.traceId ?? '4bf92f3577b34da6a3ce929d0e0e4736';
  const start = fields.start ?? 0;
  return {
    name: fields.name ?? 'span',
    spanContext: () => ({ traceId, spanId: fields.spanId, traceFlags: 1 }),
    parentSpanContext:
      fields.parentSpanId === undefined
        ? undefined
        : { traceId, spanId: fields.parentSpanId, traceFlags: 1, isRemote: fields.remote === true },
    startTime: [1_790_000_000, start * 1_000_000],
    endTime: [1_790_000_000, (fields.end ?? start + 10) * 1_000_000],
    status: { code: fields.status ?? 0 },
    attributes: fields.attributes ?? {},
    events: [],
    resource: { attributes: {} },
    instrumentationScope: { name: fields.scope ?? '' },
  };
}

export function spanIdOf(n: number): string {
  return (n + 1).toString(16).padStart(16, '0');
}

/** A call as the OpenTelemetry conventions have it. */
export function chatAttributes(fields: { question?: string; answer?: string; id?: string } = {}): object {
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 5,
    'gen_ai.input.messages': JSON.stringify([
      { role: 'user', parts: [{ type: 'text', content: fields.question ?? 'What?' }] },
    ]),
    'gen_ai.output.messages': JSON.stringify([
      {
        role: 'assistant',
        parts: [{ type: 'text', content: fields.answer ?? 'That.' }],
        finish_reason: 'stop',
      },
    ]),
    ...(fields.id === undefined ? {} : { 'gen_ai.response.id': fields.id }),
  };
}

/** The same call as OpenInference has it. */
export function llmAttributes(fields: { question?: string; answer?: string } = {}): object {
  return {
    'openinference.span.kind': 'LLM',
    'llm.model_name': 'gpt-4o',
    'llm.token_count.prompt': 10,
    'llm.token_count.completion': 5,
    'llm.input_messages.0.message.role': 'user',
    'llm.input_messages.0.message.content': fields.question ?? 'What?',
    'llm.output_messages.0.message.role': 'assistant',
    'llm.output_messages.0.message.content': fields.answer ?? 'That.',
  };
}
