/**
 * Plays a recorded run through the processor, as if its libraries were at work now: fresh ids, times of today, each span started and
 * ended in its turn, log events in between.
 */
import { randomBytes } from 'node:crypto';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import { readCapturedLog, readCapturedSpan } from '../../explain/captured.ts';
import type { FreeplaySpanProcessor } from '../../processor/span-processor.ts';
import type { SdkLogRecord, SdkSpan } from '../../span/from-sdk.ts';
import type { HrTime, LogData, SpanData } from '../../span/span-data.ts';
import recorded from './recorded-run.json' with { type: 'json' };

export interface RecordedRun {
  readonly spans: readonly unknown[];
  readonly logs: readonly unknown[];
}

/** `npm run demo`, written down: `node examples/demo/main.mjs --record FILE`. */
export const RECORDED_RUN: RecordedRun = recorded;

export interface PlayOptions {
  readonly run: RecordedRun;
  readonly processor: FreeplaySpanProcessor;
  readonly sessionId: string;
  /** 1: as fast as it was; 10: ten times as fast. The records' own times are as they were. */
  readonly speed: number;
  readonly signal: AbortSignal;
}

interface Step {
  /** Milliseconds from the beginning. */
  readonly at: number;
  /** Of what is at the same time: starts, then logs, then ends, children before parents. */
  readonly rank: number;
  readonly run: () => void;
}

/** Resolves once the last span has ended, or when it is told to stop. */
export async function playRun({ run, processor, sessionId, speed, signal }: PlayOptions): Promise<void> {
  const spans = run.spans.flatMap((span) => readCapturedSpan(span) ?? []);
  const logs = run.logs.flatMap((log) => readCapturedLog(log) ?? []);
  const first = Math.min(...spans.map(({ startTime }) => millisOf(startTime)));
  const shiftMillis = Date.now() - first;
  const renew = createRenewal(sessionId, shiftMillis);
  const steps: Step[] = [];
  spans.forEach((data, i) => {
    const span = toSdkSpan(renew.span(data));
    steps.push({
      at: millisOf(data.startTime) - first,
      rank: -spans.length + i,
      run: () => processor.onStart(span, ROOT_CONTEXT),
    });
    steps.push({ at: millisOf(data.endTime) - first, rank: 1 + i, run: () => processor.onEnd(span) });
  });
  for (const log of logs) {
    const record = toSdkLog(renew.log(log));
    const at = millisOf(log.time) - first;
    steps.push({ at, rank: 0, run: () => processor.logRecordProcessor.onEmit(record) });
  }
  steps.sort((a, b) => a.at - b.at || a.rank - b.rank);
  const started = performance.now();
  for (const { at, run: step } of steps) {
    const wait = at / speed - (performance.now() - started);
    if (wait > 0) await sleep(wait, signal);
    if (signal.aborted) return;
    step();
  }
}

function millisOf([seconds, nanos]: HrTime): number {
  return seconds * 1e3 + nanos / 1e6;
}

interface Renewal {
  span(data: SpanData): SpanData;
  log(data: LogData): LogData;
}

/** The same old id gives the same new one, so that everything hangs together as it did. */
function createRenewal(sessionId: string, shiftMillis: number): Renewal {
  const ids = new Map<string, string>();
  const renewed = (id: string): string => {
    const known = ids.get(id) ?? randomBytes(id.length / 2).toString('hex');
    ids.set(id, known);
    return known;
  };
  const later = (time: HrTime): HrTime => {
    const seconds = Math.floor(shiftMillis / 1e3);
    const nanos = time[1] + Math.round((shiftMillis - seconds * 1e3) * 1e6);
    return [time[0] + seconds + Math.floor(nanos / 1e9), nanos % 1e9];
  };
  return {
    span: (data) => ({
      ...data,
      traceId: renewed(data.traceId),
      spanId: renewed(data.spanId),
      parentSpanId: data.parentSpanId === undefined ? undefined : renewed(data.parentSpanId),
      startTime: later(data.startTime),
      endTime: later(data.endTime),
      attributes:
        'session.id' in data.attributes ? { ...data.attributes, 'session.id': sessionId } : data.attributes,
      events: data.events.map((event) => ({ ...event, time: later(event.time) })),
    }),
    log: (data) => ({
      ...data,
      traceId: renewed(data.traceId),
      spanId: renewed(data.spanId),
      time: later(data.time),
    }),
  };
}

/** As a tracer of the SDK would hand it over. */
function toSdkSpan(data: SpanData): SdkSpan & { setAttribute(key: string, value: unknown): void } {
  const attributes: Record<string, unknown> = { ...data.attributes };
  const { traceId, spanId, parentSpanId, name, startTime, endTime, events, scope, resource } = data;
  return {
    name,
    spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
    parentSpanId,
    startTime,
    endTime,
    attributes,
    events,
    status: { code: data.statusCode, message: data.statusMessage },
    instrumentationScope: scope,
    resource: { attributes: resource },
    setAttribute: (key, value) => {
      attributes[key] = value;
    },
  };
}

function toSdkLog({ traceId, spanId, eventName, body, attributes, time, scope }: LogData): SdkLogRecord {
  return {
    spanContext: { traceId, spanId, traceFlags: 1 },
    eventName,
    body,
    attributes,
    hrTime: time,
    instrumentationScope: scope,
  };
}

function sleep(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, millis);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    }
    signal.addEventListener('abort', end, { once: true });
  });
}
