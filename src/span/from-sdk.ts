/**
 * Ended spans and log records of the OpenTelemetry JS SDK 1.x, 2.x and 3.x → plain data. The only file that knows SDK versions, and
 * structurally: no SDK is imported, and any object of this shape will do.
 */
import {
  type Attributes,
  before,
  type HrTime,
  type LogData,
  type Scope,
  type SpanData,
  type SpanEvent,
} from './span-data.ts';

interface SdkSpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags?: number;
  readonly isRemote?: boolean | undefined;
}

interface SdkScope {
  readonly name?: string;
  readonly version?: string | undefined;
}

/** What is read of an ended SDK span; a `ReadableSpan` of any SDK major fits. */
export interface SdkSpan {
  readonly name: string;
  spanContext(): SdkSpanContext;
  readonly startTime: unknown;
  readonly endTime: unknown;
  readonly attributes: object;
  readonly events?: readonly unknown[];
  readonly status?: { readonly code?: number; readonly message?: string | undefined };
  readonly resource?: { readonly attributes?: object; readonly asyncAttributesPending?: boolean | undefined };
  /** SDK 1.x. */
  readonly parentSpanId?: string | undefined;
  /** SDK 2.x and later. */
  readonly parentSpanContext?: SdkSpanContext | undefined;
  /** SDK 1.x. */
  readonly instrumentationLibrary?: SdkScope;
  /** SDK 1.18 and later. */
  readonly instrumentationScope?: SdkScope;
  readonly droppedAttributesCount?: number;
  readonly droppedEventsCount?: number;
}

/** What is read of an SDK log record. */
export interface SdkLogRecord {
  readonly spanContext?: SdkSpanContext | undefined;
  readonly eventName?: string | undefined;
  readonly body?: unknown;
  readonly attributes?: object;
  readonly hrTime?: unknown;
  readonly instrumentationScope?: SdkScope;
}

const TRACE_ID = /^[0-9a-f]{32}$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);
const SAMPLED = 1;
const NO_EVENTS: readonly SpanEvent[] = [];
const EMPTY: Attributes = Object.freeze({});

export function isTraceId(id: unknown): id is string {
  return typeof id === 'string' && TRACE_ID.test(id) && id !== NO_TRACE;
}

export function isSpanId(id: unknown): id is string {
  return typeof id === 'string' && SPAN_ID.test(id) && id !== NO_SPAN;
}

/** The span as plain data, or `undefined` if it is none or its ids are malformed or all zero. */
export function fromSdkSpan(span: SdkSpan): SpanData | undefined {
  const context = span.spanContext();
  const traceId = lower(context?.traceId);
  const spanId = lower(context?.spanId);
  if (!isTraceId(traceId) || !isSpanId(spanId)) return undefined;
  const parent = span.parentSpanContext;
  const parentSpanId = lower(parent?.spanId ?? span.parentSpanId);
  const startTime = hrTime(span.startTime) ?? [0, 0];
  const endTime = hrTime(span.endTime) ?? startTime;
  return {
    traceId,
    spanId,
    parentSpanId: isSpanId(parentSpanId) && parentSpanId !== spanId ? parentSpanId : undefined,
    parentIsRemote: parent?.isRemote === true,
    sampled: ((context.traceFlags ?? SAMPLED) & SAMPLED) === SAMPLED,
    name: typeof span.name === 'string' ? span.name : '',
    startTime,
    // Clocks step back: a span never ends before it starts.
    endTime: before(endTime, startTime) ? startTime : endTime,
    statusCode: typeof span.status?.code === 'number' ? span.status.code : 0,
    statusMessage:
      typeof span.status?.message === 'string' && span.status.message !== ''
        ? span.status.message
        : undefined,
    attributes: bag(span.attributes),
    events: Array.isArray(span.events) && span.events.length > 0 ? span.events.flatMap(readEvent) : NO_EVENTS,
    scope: readScope(span.instrumentationScope ?? span.instrumentationLibrary),
    // Detectors may still be at work while a span runs: looking now would make the SDK complain.
    resource: span.resource?.asyncAttributesPending ? EMPTY : bag(span.resource?.attributes),
    droppedAttributesCount: span.droppedAttributesCount ?? 0,
    droppedEventsCount: span.droppedEventsCount ?? 0,
  };
}

/** What spans of one trace have in common, whatever is wrong with them. */
export function traceKeyOf(span: SdkSpan): string {
  try {
    return lower(span.spanContext()?.traceId) ?? '';
  } catch {
    return '';
  }
}

/** What a span is recognised by, before anything else of it is looked at. */
export function signsOf(span: SdkSpan): Pick<SpanData, 'name' | 'events' | 'attributes' | 'scope'> {
  return {
    name: typeof span.name === 'string' ? span.name : '',
    events: Array.isArray(span.events) && span.events.length > 0 ? span.events.flatMap(readEvent) : NO_EVENTS,
    attributes: bag(span.attributes),
    scope: readScope(span.instrumentationScope ?? span.instrumentationLibrary),
  };
}

/** The log record as plain data, or `undefined` if it belongs to no span. */
export function fromSdkLogRecord(log: SdkLogRecord): LogData | undefined {
  const traceId = lower(log.spanContext?.traceId);
  const spanId = lower(log.spanContext?.spanId);
  if (!isTraceId(traceId) || !isSpanId(spanId)) return undefined;
  const attributes = bag(log.attributes);
  const named = log.eventName ?? attributes['event.name'];
  return {
    traceId,
    spanId,
    eventName: typeof named === 'string' ? named : '',
    time: hrTime(log.hrTime) ?? [0, 0],
    body: log.body,
    attributes,
    scope: readScope(log.instrumentationScope),
  };
}

function lower(id: unknown): string | undefined {
  return typeof id === 'string' ? id.toLowerCase() : undefined;
}

function bag(value: unknown): Attributes {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Attributes) : EMPTY;
}

function readScope(scope: SdkScope | undefined): Scope {
  return {
    name: typeof scope?.name === 'string' ? scope.name : '',
    version: typeof scope?.version === 'string' && scope.version !== '' ? scope.version : undefined,
  };
}

function readEvent(raw: unknown): SpanEvent[] {
  const event = raw as { name?: unknown; time?: unknown; attributes?: unknown } | null | undefined;
  if (typeof event?.name !== 'string') return [];
  return [{ name: event.name, time: hrTime(event.time) ?? [0, 0], attributes: bag(event.attributes) }];
}

/** `[seconds, nanos]`, milliseconds, or a `Date`: what the API's `TimeInput` allows. */
function hrTime(time: unknown): HrTime | undefined {
  if (Array.isArray(time) && Number.isFinite(time[0]) && Number.isFinite(time[1])) return [time[0], time[1]];
  const millis = time instanceof Date ? time.getTime() : typeof time === 'number' ? time : Number.NaN;
  if (!Number.isFinite(millis)) return undefined;
  const seconds = Math.floor(millis / 1000);
  return [seconds, Math.round((millis - seconds * 1000) * 1e6)];
}
