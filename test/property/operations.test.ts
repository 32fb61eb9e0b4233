/** What a span does is told without reading it, and told the same as by reading it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DIALECTS, findDialect } from '../../src/dialects/registry.ts';
import { fromSdkSpan } from '../../src/span/from-sdk.ts';
import type { SpanData } from '../../src/span/span-data.ts';
import { loadScenario, SCENARIO_FILES } from '../contract/support/corpus.ts';
import { toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { damagedSpan, runs, SAMPLE } from './support.ts';

const SHARES = [0, 0.25, 0.5, 0.75, 1];

function expectSameOperation(span: SpanData): string | undefined {
  const dialect = findDialect(span);
  const told = dialect?.operationOf?.(span);
  const read = dialect?.read(span, [])?.operation;
  if (told !== undefined) expect(told, `${dialect?.name}: ${span.name}`).toBe(read);
  return told && dialect?.name;
}

describe('operationOf', () => {
  it('agrees with read for captured spans, also while they have only begun', () => {
    const told = new Set<string>();
    for (const file of SCENARIO_FILES) {
      for (const raw of loadScenario(file).spans) {
        const span = fromSdkSpan(toSdkSpan(raw));
        if (!span) continue;
        const entries = Object.entries(span.attributes);
        for (const share of SHARES) {
          const attributes = Object.fromEntries(entries.slice(0, entries.length * share));
          const name = expectSameOperation({ ...span, attributes });
          if (name) told.add(name);
        }
      }
    }
    // Spans of these have to be read.
    const silent = DIALECTS.map(({ name }) => name).filter((name) => !told.has(name));
    expect(silent).toEqual(['voltagent', 'logfire', 'litellm']);
  });

  it('agrees with read for damaged spans', () => {
    const spans = SAMPLE.flatMap((scenario) => scenario.spans);
    const damaged = fc.constantFrom(...spans).chain(damagedSpan);
    fc.assert(
      fc.property(damaged, (raw) => {
        const span = fromSdkSpan(toSdkSpan(raw));
        if (span) expectSameOperation(span);
      }),
      runs(2_000),
    );
  });
});
