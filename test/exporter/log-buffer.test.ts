import { describe, expect, it } from 'vitest';
import { createLogBuffer } from '../../src/exporter/log-buffer.ts';
import { type LogData, NO_SPAN, type SpanData } from '../../src/span/span-data.ts';

const event = (spanId: string, body: unknown = 'x'): LogData => ({
  traceId: 't',
  spanId,
  eventName: 'gen_ai.choice',
  time: [0, 0],
  body,
  attributes: {},
  scope: { name: '', version: undefined },
});

const span = (spanId: string): SpanData => ({ ...NO_SPAN, traceId: 't', spanId });

describe('log buffer', () => {
  it('keeps events in order and gives them away once', () => {
    const buffer = createLogBuffer({ now: () => 0 });
    for (const body of ['a', 'b', 'c']) buffer.add(event('1', body));
    buffer.add(event('2'));
    expect(buffer.take(span('1')).map((log) => log.body)).toEqual(['a', 'b', 'c']);
    expect(buffer.take(span('1'))).toEqual([]);
    expect(buffer.take({ ...span('2'), traceId: 'other' })).toEqual([]);
    expect(buffer.size).toBe(1);
    expect(buffer.dropped).toBe(0);
  });

  it("keeps Claude Code's events for the call they name and for the interaction around it; counts them once", () => {
    const scope = { name: 'com.anthropic.claude_code.events', version: undefined };
    const named = (attributes: LogData['attributes']): LogData => ({
      ...event('interaction'),
      attributes,
      scope,
    });
    const buffer = createLogBuffer({ now: () => 0, maxSpans: 4 });
    buffer.add(named({ request_id: 'req_1' }));
    buffer.add({ ...named({ request_id: 'req_1', tool_use_id: 'toolu_1' }), eventName: 'tool_result' });
    const call = { ...span('call'), scope, attributes: { request_id: 'req_1' } };
    expect(buffer.take(call)).toHaveLength(2);
    expect(buffer.take(call)).toEqual([]);
    expect(buffer.take({ ...span('interaction'), scope })).toHaveLength(2);
    for (const id of ['a', 'b', 'c', 'd']) buffer.add(event(id));
    expect(buffer.dropped).toBe(1); // the tool has not come
  });

  it('forgets what no span came for in time', () => {
    let now = 0;
    const buffer = createLogBuffer({ now: () => now, maxAgeMillis: 100 });
    buffer.add(event('old'));
    now = 50;
    buffer.add(event('young'));
    now = 101;
    buffer.add(event('new'));
    expect(buffer.take(span('old'))).toEqual([]);
    expect(buffer.take(span('young'))).toHaveLength(1);
    expect(buffer.dropped).toBe(1);
  });

  it.each<[string, Parameters<typeof createLogBuffer>[0], number]>([
    ['spans', { now: () => 0, maxSpans: 10 }, 10],
    ['size', { now: () => 0, maxSize: 2_000 }, 20],
  ])('is bounded by %s: the oldest go', (_, options, atMost) => {
    const buffer = createLogBuffer(options);
    for (let n = 0; n < 1_000; n++) buffer.add(event(String(n), 'x'.repeat(100)));
    expect(buffer.size).toBeLessThanOrEqual(atMost);
    expect(buffer.take(span('999'))).toHaveLength(1);
    expect(buffer.dropped).toBe(1_000 - buffer.size - 1);
  });

  it('is bounded by the events of one span: the newest go', () => {
    const buffer = createLogBuffer({ now: () => 0, maxPerSpan: 3 });
    for (let n = 0; n < 10; n++) buffer.add(event('1', n));
    expect(buffer.take(span('1')).map((log) => log.body)).toEqual([0, 1, 2]);
    expect(buffer.dropped).toBe(7);
  });

  it('measures bodies that lead back to themselves', () => {
    const body: { self?: unknown } = {};
    body.self = body;
    const buffer = createLogBuffer({ now: () => 0 });
    buffer.add(event('1', body));
    expect(buffer.size).toBe(1);
  });
});
