/** The corpus through the gateway, in either encoding, is what `convertSpans` makes of the same traces: byte for byte. */
import { describe, expect, it } from 'vitest';
import { convertSpans, type FreeplayRecord } from '../../src/index.ts';
import { loadScenario, SCENARIO_FILES, type Scenario } from '../contract/support/corpus.ts';
import { groupUuid } from '../contract/support/ids.ts';
import { toSdkLog, toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { logProtobuf, toLogRequest, toOtlpJson } from '../otlp/encode.ts';
import {
  type Encoding,
  MEDIA_TYPES,
  PROJECT,
  post,
  postSpans,
  startApi,
  startTestGateway,
  until,
} from './support.ts';

function converted(scenario: Scenario): ReadonlyMap<string, string> {
  const records: FreeplayRecord[] = convertSpans(
    scenario.spans.map((span) => toSdkSpan(span)),
    { projectId: PROJECT, logs: scenario.logs.map(toSdkLog) },
  );
  return new Map(records.map(({ kind, id, body }) => [`${kind} ${id}`, JSON.stringify(body)]));
}

interface Recorded {
  /** When the request was answered. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** When the gateway had stopped. */
  readonly all: ReadonlyMap<string, string>;
}

async function throughGateway(scenario: Scenario, encoding: Encoding): Promise<Recorded> {
  const api = await startApi();
  const gateway = await startTestGateway(api.url, { logWaitMillis: 300 });
  const logs = toLogRequest(scenario.logs);
  const logsAnswer = post(gateway, '/v1/logs', encoding === 'json' ? toOtlpJson(logs) : logProtobuf(logs), {
    'content-type': MEDIA_TYPES[encoding],
  });
  let isAnswered = false;
  void logsAnswer.then(() => {
    isAnswered = true;
  });
  // They are not acknowledged before their spans have come, where there are any that they belong to.
  await until(() => isAnswered || gateway.levels.joins.awaited > 0);
  const answers = [await postSpans(gateway, scenario.spans, encoding), await logsAnswer];
  expect(answers.map(({ status, bytes }) => [status, bytes.toString()])).toEqual(
    Array(2).fill([200, encoding === 'json' ? '{}' : '']),
  );
  const acknowledged = new Map([...api.records].map(([key, { text }]) => [key, text]));
  await gateway.close();
  expect(api.posts.length, 'each record once').toBe(api.records.size);
  return { acknowledged, all: new Map([...api.records].map(([key, { text }]) => [key, text])) };
}

/** Every parent that a span names is there. */
function isWhole({ spans }: Scenario): boolean {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  return spans.every(({ parentSpanId }) => parentSpanId === undefined || ids.has(parentSpanId));
}

describe.each(SCENARIO_FILES)('$name', (file) => {
  it.each<Encoding>(['json', 'protobuf'])('as %s', async (encoding) => {
    const scenario = loadScenario(file);
    const wanted = converted(scenario);
    const { acknowledged, all } = await throughGateway(scenario, encoding);
    expect([...acknowledged.keys()].sort()).toEqual([...wanted.keys()].sort());
    if (isWhole(scenario)) {
      expect(all).toEqual(acknowledged);
      for (const [key, text] of wanted) expect(acknowledged.get(key), key).toBe(text);
      return;
    }
    // A parent that is not in the request may come in the next one, so it is named, and recorded at the end.
    for (const [key, text] of wanted)
      expect(withoutParent(acknowledged.get(key)), key).toBe(withoutParent(text));
    expect(all.size).toBeGreaterThan(wanted.size);
    const groups = new Set(scenario.spans.map(({ traceId }) => groupUuid(traceId)));
    for (const text of all.values()) {
      const { parent_id: parent } = JSON.parse(text);
      expect(
        parent === undefined ||
          groups.has(parent) ||
          all.has(`trace ${parent}`) ||
          all.has(`completion ${parent}`),
      ).toBe(true);
    }
  });
});

function withoutParent(text: string | undefined): string {
  const { parent_id: _, ...rest } = JSON.parse(text ?? '{}');
  return JSON.stringify(rest);
}
