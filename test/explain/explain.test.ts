import { describe, expect, it } from 'vitest';
import { type Explanation, explainSpans } from '../../src/explain/explain.ts';
import { fieldOf, leavesOf } from '../../src/explain/leaves.ts';
import { convertSpans } from '../../src/index.ts';
import { fromSdkLogRecord, fromSdkSpan } from '../../src/span/from-sdk.ts';
import type { LogData, SpanData } from '../../src/span/span-data.ts';
import { loadScenario, SCENARIO_FILES, type Scenario, scenarioNamed } from '../contract/support/corpus.ts';
import { deepFreeze, toSdkLog, toSdkSpan } from '../contract/support/sdk-shapes.ts';

function dataOf(scenario: Scenario): { spans: readonly SpanData[]; logs: readonly LogData[] } {
  return deepFreeze({
    spans: scenario.spans.flatMap((span) => fromSdkSpan(toSdkSpan(span)) ?? []),
    logs: scenario.logs.flatMap((log) => fromSdkLogRecord(toSdkLog(log)) ?? []),
  });
}

function explain(scenario: Scenario): readonly Explanation[] {
  const { spans, logs } = dataOf(scenario);
  return explainSpans(spans, { projectId: 'project-1', logs });
}

function completionOf(name: string, index = 0): Explanation {
  const found = explain(scenarioNamed(name)).filter(({ record }) => record.kind === 'completion')[index];
  if (found === undefined) throw new Error(`no completion ${index} in ${name}`);
  return found;
}

/** Every third scenario: what holds for these holds for the others, at a third of the time. */
const SHARE = 3;

describe('the corpus', () => {
  const files = SCENARIO_FILES.filter((_, index) => index % SHARE === 0);

  it('has a source for each field of nearly every completion', { timeout: 240_000 }, () => {
    let fields = 0;
    const unexplained: string[] = [];
    for (const file of files) {
      const scenario = loadScenario(file);
      const explained = explain(scenario);
      const options = { projectId: 'project-1', logs: scenario.logs.map(toSdkLog) };
      // The records themselves are those that the library makes.
      expect(
        explained.map(({ record }) => record),
        file.name,
      ).toEqual(
        convertSpans(
          scenario.spans.map((span) => toSdkSpan(span)),
          options,
        ),
      );
      const sourceNames = namesIn(scenario);
      for (const { record, sources, capped } of explained) {
        expect(capped, file.name).toBe(false);
        for (const source of Object.values(sources).flat())
          if (!source.startsWith('<'))
            expect(sourceNames.has(source.replace(/^[0-9a-f]{16}:/, '')), source).toBe(true);
        const wanted = new Set(leavesOf(record.body).map(({ path }) => fieldOf(path)));
        for (const field of wanted) {
          fields++;
          if (!(field in sources)) unexplained.push(`${file.name} ${record.kind} ${field}`);
        }
        for (const field of Object.keys(sources))
          expect(wanted.has(field), `${file.name} ${field}`).toBe(true);
      }
    }
    expect(fields).toBeGreaterThan(4_000);
    expect(unexplained.length / fields, unexplained.join('\n')).toBeLessThan(0.001);
  });

  it('is explained the same way twice', () => {
    const scenario = scenarioNamed('vercel-ai-6/app-trace');
    expect(JSON.stringify(explain(scenario))).toBe(JSON.stringify(explain(scenario)));
  });
});

/** All that a source may be called. */
function namesIn({ spans, logs }: Scenario): ReadonlySet<string> {
  return new Set([
    'span.name',
    'span.status',
    ...spans.flatMap((span) => [
      ...Object.keys(span.attributes),
      ...span.events.map(({ name }) => `event:${name}`),
      ...Object.keys(span.resource?.attributes ?? {}).map((key) => `resource:${key}`),
    ]),
    ...logs.map((log) => `log:${log.eventName ?? log.attributes?.['event.name']}`),
  ]);
}

describe('sources', () => {
  it('are the attributes that say it, both where two say the same', () => {
    const { sources } = completionOf('vercel-ai-6/generate-text');
    expect(sources['call_info.model']?.toSorted()).toEqual(['ai.response.model', 'gen_ai.response.model']);
    expect(sources['messages.1']?.[0]).toBe('ai.prompt.messages');
    expect(sources['call_info.usage.prompt_tokens']?.toSorted()).toEqual([
      'ai.usage.inputTokens',
      'gen_ai.usage.input_tokens',
    ]);
    expect(sources['call_info.llm_parameters.temperature']).toContain('gen_ai.request.temperature');
    expect(sources.completion_id).toEqual(['<span id>']);
  });

  it('are log events where messages travel in these', () => {
    const { sources } = completionOf('otel-openai/chat');
    expect(sources['messages.0']).toEqual(['log:gen_ai.system.message']);
    expect(sources['messages.1']).toEqual(['log:gen_ai.user.message']);
    expect(sources['messages.2']).toEqual(['log:gen_ai.choice']);
  });

  it('name the span where it is another one', () => {
    const all = explain(scenarioNamed('vercel-ai-6/app-trace'));
    const group = all.find(({ role }) => role === 'group');
    expect(group?.sources.output?.[0]).toMatch(/^[0-9a-f]{16}:ai\.response\.text$/);
    expect(group?.sources.name).toEqual(['span.name']);
  });

  it('say that nothing was captured', () => {
    const { sources } = completionOf('otel-openai/chat-no-content');
    expect(sources['messages.0']).toEqual(['<no content in the span>']);
    expect(sources['call_info.provider_info.content_captured']).toEqual(['<no content in the span>']);
  });

  it('do not blame a message that is left out for those that move up', () => {
    const { sources } = completionOf('openinference/openai-chat-multi-turn');
    for (const source of sources['messages.3'] ?? []) expect(source).not.toMatch(/input_messages\.0\./);
  });
});

describe('what makes a record one', () => {
  const span: SpanData = {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    parentSpanId: undefined,
    parentIsRemote: false,
    sampled: true,
    name: 'chat',
    startTime: [1, 0],
    endTime: [2, 0],
    statusCode: 0,
    statusMessage: undefined,
    attributes: {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.request.model': 'gpt-4o',
      ['__proto__']: { odd: 1 },
    },
    events: [],
    scope: { name: 'x', version: undefined },
    resource: {},
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
  };

  it('is told apart from what it holds', () => {
    const [one] = explainSpans([span], {});
    expect(one?.recognisedBy).toContain('gen_ai.operation.name');
    expect(one?.sources.kind).toEqual(one?.recognisedBy);
  });

  it('is nothing, of nothing', () => {
    expect(explainSpans([], {})).toEqual([]);
    expect(explainSpans([{ ...span, attributes: {} }], {})).toEqual([]);
  });
});

it('does no more work than it may, and says so', () => {
  const { spans, logs } = dataOf(scenarioNamed('vercel-ai-6/app-trace'));
  const all = explainSpans(spans, { logs, maxWork: 60 });
  expect(all.length).toBe(5);
  expect(all.every(({ capped }) => capped)).toBe(true);
});

it('obeys the options of the conversion', () => {
  const { spans, logs } = dataOf(scenarioNamed('vercel-ai-6/app-trace'));
  const hidden = explainSpans(spans, { logs, captureContent: false, records: 'completions' });
  expect(hidden.map(({ record }) => record.kind)).toEqual(['completion', 'completion']);
  expect(JSON.stringify(hidden)).not.toContain('capital of France');
});
