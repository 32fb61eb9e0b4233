/** Every captured scenario against its truth: what must be in the records, and how the records must hang together. */
import { describe, expect, it } from 'vitest';
import { convertSpans, type FreeplayRecord } from '../../src/index.ts';
import { validateCompletion, validateTrace } from '../../src/local/contract.ts';
import { loadScenario, SCENARIO_FILES, type Scenario } from './support/corpus.ts';
import { judgeFacts } from './support/facts.ts';
import { matchCalls } from './support/match.ts';
import { deepFreeze, toSdkLog, toSdkSpan } from './support/sdk-shapes.ts';
import { judgeTree } from './support/structure.ts';
import { servedCalls } from './support/truth.ts';

const OPTIONS = { apiKey: 'key', projectId: 'project-1' };

function convert(scenario: Scenario): readonly FreeplayRecord[] {
  const spans = deepFreeze(scenario.spans.map((span) => toSdkSpan(span)));
  const logs = deepFreeze(scenario.logs.map(toSdkLog));
  return convertSpans(spans, { ...OPTIONS, logs });
}

/** Always the same disorder. */
function shuffled<T>(list: readonly T[], seed: number): T[] {
  const copy = [...list];
  let state = seed;
  for (let i = copy.length - 1; i > 0; i--) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const j = state % (i + 1);
    [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
  }
  return copy;
}

function bodiesById(records: readonly FreeplayRecord[]): readonly string[] {
  return records.map((record) => `${record.kind} ${record.path} ${JSON.stringify(record.body)}`).sort();
}

/** Facts that the telemetry does not hold, whatever the checks make of it. */
const UNDECIDABLE: Readonly<Record<string, string>> = {
  'extra/bedrock-traceloop-and-openinference/converse-tools':
    'one of the two reports holds neither content nor counts nor an id: nothing says that they are one call',
};

describe.each(SCENARIO_FILES)('$name', (file) => {
  it('gives faithful, well-formed records', () => {
    const scenario = loadScenario(file);
    const records = convert(scenario);

    for (const record of records) {
      const body = JSON.parse(JSON.stringify(record.body));
      const complaint = record.kind === 'completion' ? validateCompletion(body) : validateTrace(body);
      expect(complaint, `${record.kind} ${record.id}`).toBeUndefined();
      expect(body).toEqual(record.body);
    }
    expect(judgeTree(scenario, records).join('\n')).toBe('');
    const completions = records.filter((record) => record.kind === 'completion');
    const calls = servedCalls(scenario.truth);
    if (!(file.name in UNDECIDABLE))
      expect(judgeFacts(scenario, calls, matchCalls(calls, completions)).join('\n')).toBe('');

    expect(JSON.stringify(convert(scenario)), 'converted twice').toBe(JSON.stringify(records));
    const disordered = { ...scenario, spans: shuffled(scenario.spans, 7) };
    expect(bodiesById(convert(disordered)), 'in another order').toEqual(bodiesById(records));
  });
});
