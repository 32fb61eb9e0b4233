/** Captured spans and logs in the shapes of the SDK majors. */
import type { SdkLogRecord, SdkSpan } from '../../../src/index.ts';
import type { CapturedLog, CapturedSpan } from './corpus.ts';

export type Major = 1 | 2 | 3;

export function hrTimeOf(nanos: string): [number, number] {
  const value = BigInt(nanos);
  return [Number(value / 1_000_000_000n), Number(value % 1_000_000_000n)];
}

export function toSdkSpan(raw: CapturedSpan, major: Major = 2): SdkSpan {
  const context = { traceId: raw.traceId, spanId: raw.spanId, traceFlags: 1 };
  const scope = {
    name: raw.scope?.name ?? '',
    ...(raw.scope?.version === undefined ? {} : { version: raw.scope.version }),
  };
  const span = {
    name: raw.name,
    kind: raw.kind ?? 0,
    spanContext: () => context,
    startTime: hrTimeOf(raw.startTimeUnixNano),
    endTime: hrTimeOf(raw.endTimeUnixNano),
    status: { code: raw.status?.code ?? 0, message: raw.status?.message },
    attributes: structuredClone(raw.attributes),
    events: raw.events.map((event) => ({
      name: event.name,
      time: hrTimeOf(event.timeUnixNano ?? raw.endTimeUnixNano),
      attributes: structuredClone(event.attributes ?? {}),
    })),
    links: [],
    resource: { attributes: structuredClone(raw.resource?.attributes ?? {}) },
    ended: true,
    duration: [0, 0],
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
  if (major === 1)
    return {
      ...span,
      instrumentationLibrary: scope,
      ...(raw.parentSpanId === undefined ? {} : { parentSpanId: raw.parentSpanId }),
    };
  return {
    ...span,
    instrumentationScope: scope,
    ...(raw.parentSpanId === undefined
      ? {}
      : {
          parentSpanContext: {
            traceId: raw.traceId,
            spanId: raw.parentSpanId,
            traceFlags: 1,
            ...(raw.parentIsRemote ? { isRemote: true } : {}),
          },
        }),
  };
}

export function toSdkLog(raw: CapturedLog): SdkLogRecord {
  return {
    ...(raw.traceId === undefined || raw.spanId === undefined
      ? {}
      : { spanContext: { traceId: raw.traceId, spanId: raw.spanId, traceFlags: 1 } }),
    ...(raw.eventName === undefined ? {} : { eventName: raw.eventName }),
    body: structuredClone(raw.body),
    attributes: structuredClone(raw.attributes ?? {}),
    hrTime: hrTimeOf(raw.timeUnixNano ?? '0'),
    instrumentationScope: { ...raw.scope },
  };
}

/** Writing to any part of it throws from now on. Binary cannot be frozen. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value))
    return value;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
  return value;
}
