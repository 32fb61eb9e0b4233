/** Spans that run for too long, in an app where nothing else happens. */
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  completionIdOf,
  type FreeplayOptions,
  type FreeplayRecord,
  FreeplaySpanProcessor,
} from '../../src/index.ts';
import { chatAttributes } from '../property/support.ts';
import { acceptingDispatcher } from './support.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
});
afterEach(() => vi.useRealTimers());

const QUESTION = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.request.model': 'gpt-4o',
  'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'What?' }] }]),
};

function start(options: FreeplayOptions) {
  const records: FreeplayRecord[] = [];
  const processor = new FreeplaySpanProcessor({
    apiKey: 'k',
    projectId: '0b8a6c1e-6f6f-4b52-9a55-3d1c7f1f9a10',
    baseUrl: 'http://127.0.0.1:9/api',
    dispatcher: acceptingDispatcher([]),
    onRecord: (record) => records.push(record),
    flushOnExit: false,
    ...options,
  });
  const provider = new NodeTracerProvider({ spanProcessors: [processor] });
  return { processor, records, tracerOf: (scope: string) => provider.getTracer(scope) };
}

it('a call that hangs is recorded although nothing else ends', () => {
  const { records, tracerOf } = start({ unendedAfterMillis: 5_000 });
  const call = tracerOf('client').startSpan('chat', { attributes: QUESTION });
  vi.advanceTimersByTime(10_000);
  expect(records.map(({ id }) => id)).toEqual([completionIdOf(call.spanContext())]);
});

it('the late end of a second report appends nothing: it has no completion', () => {
  const { records, tracerOf } = start({
    unendedAfterMillis: 5_000,
    flushDelayMillis: 100,
    mergeWaitMillis: 100,
  });
  const outer = tracerOf('framework').startSpan('outer', { attributes: QUESTION });
  const inner = tracerOf('client').startSpan(
    'inner',
    { attributes: QUESTION },
    trace.setSpan(ROOT_CONTEXT, outer),
  );
  inner.setAttributes({ ...chatAttributes() } as never);
  inner.end();
  vi.advanceTimersByTime(10_000);
  outer.setAttributes({ ...chatAttributes() } as never);
  outer.end();
  vi.advanceTimersByTime(2_000);
  const calls = records.filter(({ kind }) => kind === 'completion');
  expect(calls.map(({ id }) => id)).toEqual([completionIdOf(inner.spanContext())]);
});

it('a long call that has ended and waits for conversion is not incomplete', () => {
  const { records, tracerOf } = start({ unendedAfterMillis: 1_000, flushDelayMillis: 5_000 });
  const call = tracerOf('client').startSpan('chat', { attributes: QUESTION });
  vi.advanceTimersByTime(900);
  call.end();
  vi.advanceTimersByTime(20_000);
  expect(records).toHaveLength(1);
  expect(JSON.stringify(records[0]?.body)).not.toContain('incomplete');
});

it('a span whose record is not wanted has no stamp', () => {
  const { tracerOf } = start({ records: 'completions' });
  const agent = tracerOf('app').startSpan('agent', {
    attributes: { 'gen_ai.operation.name': 'invoke_agent' },
  });
  const call = tracerOf('app').startSpan(
    'chat',
    { attributes: QUESTION },
    trace.setSpan(ROOT_CONTEXT, agent),
  );
  const keys = [agent, call].map((span) =>
    Object.keys((span as unknown as { attributes: object }).attributes).filter((key) =>
      key.startsWith('freeplay.'),
    ),
  );
  expect(keys).toEqual([[], ['freeplay.completion.id']]);
});
