/**
 * Spans and log events as JSON that is not OTLP: as this library keeps them (`SpanData`), as test captures write them, as SDK spans look
 * when they are stringified, and as the console exporters of the JavaScript and Python SDKs print them.
 */
import { isObject, type JsonObject } from '../json/json-text.ts';
import { fromSdkLogRecord, fromSdkSpan, type SdkSpan } from '../span/from-sdk.ts';
import type { Attributes, HrTime, LogData, SpanData } from '../span/span-data.ts';

/** Whether it may be a span at all: it has ids of one. */
export function looksLikeSpan(value: JsonObject): boolean {
  const { traceId, spanId } = idsOf(value);
  return typeof traceId === 'string' && typeof spanId === 'string' && typeof value.name === 'string';
}

/** `undefined` if it is none, or its ids are malformed. */
export function readCapturedSpan(value: unknown): SpanData | undefined {
  if (!isObject(value)) return undefined;
  const raw = revive(value) as JsonObject;
  const { traceId, spanId, parentSpanId } = idsOf(raw);
  const startTime = timeOf(raw, ['startTime', 'startTimeUnixNano', 'start_time'], 'timestamp');
  const endTime = timeOf(raw, ['endTime', 'endTimeUnixNano', 'end_time']) ?? endOf(startTime, raw.duration);
  const status = isObject(raw.status) ? raw.status : {};
  const span = fromSdkSpan({
    ...raw,
    name: typeof raw.name === 'string' ? raw.name : '',
    spanContext: () => ({ traceId: withoutPrefix(traceId), spanId: withoutPrefix(spanId) }),
    startTime,
    endTime,
    attributes: asAttributes(raw.attributes),
    events: Array.isArray(raw.events) ? raw.events.map(readEvent) : [],
    status: {
      code: statusCodeOf(raw.statusCode ?? status.code ?? status.status_code),
      message: textOf(raw.statusMessage ?? status.message ?? status.description),
    },
    resource: { attributes: asAttributes(resourceOf(raw.resource)) },
    ...(isObject(raw.scope) && { instrumentationScope: raw.scope }),
  } as SdkSpan);
  if (span === undefined) return undefined;
  const parent = withoutPrefix(parentSpanId ?? span.parentSpanId ?? raw.parentId ?? raw.parent_id);
  return {
    ...span,
    parentSpanId: /^[0-9a-f]{16}$/i.test(parent) && parent !== span.spanId ? parent.toLowerCase() : undefined,
    parentIsRemote: raw.parentIsRemote === true || span.parentIsRemote,
    // Whoever wrote it down has decided on it.
    sampled: true,
  };
}

/** Whether it may be a log event of a span. */
export function looksLikeLog(value: JsonObject): boolean {
  if (typeof value.name === 'string') return false;
  return (
    'eventName' in value ||
    'severityNumber' in value ||
    ('body' in value && idsOf(value).traceId !== undefined)
  );
}

/** `undefined` if it belongs to no span. */
export function readCapturedLog(value: unknown): LogData | undefined {
  if (!isObject(value)) return undefined;
  const raw = revive(value) as JsonObject;
  const { traceId, spanId } = idsOf(raw);
  return fromSdkLogRecord({
    spanContext: { traceId: withoutPrefix(traceId), spanId: withoutPrefix(spanId) },
    eventName: textOf(raw.eventName),
    body: raw.body,
    attributes: asAttributes(raw.attributes),
    hrTime: timeOf(raw, ['time', 'hrTime', 'timeUnixNano'], 'timestamp'),
    ...(isObject(raw.scope ?? raw.instrumentationScope) && {
      instrumentationScope: (raw.scope ?? raw.instrumentationScope) as JsonObject,
    }),
  });
}

function idsOf(raw: JsonObject): { traceId: unknown; spanId: unknown; parentSpanId: unknown } {
  const context = [raw._spanContext, raw.spanContext, raw.context].find(isObject) ?? {};
  return {
    traceId: raw.traceId ?? context.traceId ?? context.trace_id,
    spanId: raw.spanId ?? context.spanId ?? context.span_id ?? raw.id,
    parentSpanId: raw.parentSpanId,
  };
}

/** Python prints ids as numbers in hexadecimal. */
function withoutPrefix(id: unknown): string {
  return typeof id === 'string' ? id.replace(/^0x/, '') : '';
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const STATUS_NAMES = ['UNSET', 'OK', 'ERROR'];

function statusCodeOf(code: unknown): number {
  if (typeof code === 'number') return code;
  return typeof code === 'string'
    ? Math.max(0, STATUS_NAMES.indexOf(code.replace(/^(STATUS_CODE_|StatusCode\.)/, '')))
    : 0;
}

/** Under one of these names in any form; under the last one in microseconds, as the console exporter prints it. */
function timeOf(raw: JsonObject, names: readonly string[], micros?: string): HrTime | undefined {
  for (const name of names) {
    const time = readTime(raw[name]);
    if (time !== undefined) return time;
  }
  const value = micros === undefined ? undefined : raw[micros];
  if (typeof value === 'number' && value > 1e14) return fromNanos(BigInt(Math.round(value)) * 1000n);
  return readTime(value);
}

/** `[seconds, nanos]`, nanoseconds as text or number, milliseconds, or ISO 8601. */
function readTime(value: unknown): HrTime | undefined {
  if (Array.isArray(value))
    return Number.isFinite(value[0]) && Number.isFinite(value[1]) ? [value[0], value[1]] : undefined;
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) return fromNanos(BigInt(value));
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0)
    return value > 1e17 ? fromNanos(BigInt(Math.round(value))) : fromNanos(BigInt(Math.round(value * 1e6)));
  if (typeof value !== 'string') return undefined;
  const millis = Date.parse(value);
  if (!Number.isFinite(millis)) return undefined;
  // A date has milliseconds; the text may have more.
  const fraction = /\.(\d{1,9})\d*(?=Z|[+-]\d|$)/.exec(value)?.[1] ?? '';
  return [Math.floor(millis / 1000), Number(fraction.padEnd(9, '0'))];
}

function fromNanos(nanos: bigint): HrTime {
  return [Number(nanos / 1_000_000_000n), Number(nanos % 1_000_000_000n)];
}

/** A duration in microseconds, as the console exporter prints it. */
function endOf(start: HrTime | undefined, duration: unknown): HrTime | undefined {
  if (start === undefined || typeof duration !== 'number' || !(duration >= 0)) return undefined;
  const nanos = start[1] + Math.round(duration * 1000);
  return [start[0] + Math.floor(nanos / 1e9), nanos % 1e9];
}

function readEvent(event: unknown): unknown {
  if (!isObject(event)) return event;
  return {
    ...event,
    time: timeOf(event, ['time', 'timeUnixNano', 'timestamp']),
    attributes: asAttributes(event.attributes),
  };
}

function asAttributes(value: unknown): Attributes {
  return isObject(value) ? value : {};
}

/** The attributes themselves, or a resource that has them, or an SDK's that keeps them as pairs. */
function resourceOf(resource: unknown): unknown {
  if (!isObject(resource)) return undefined;
  if (isObject(resource.attributes)) return resource.attributes;
  const pairs = resource._rawAttributes;
  if (Array.isArray(pairs))
    return Object.fromEntries(pairs.filter((pair) => Array.isArray(pair) && pair.length === 2));
  return isObject(resource._attributes) ? resource._attributes : resource;
}

/** Values that JSON cannot hold, as captures write them: `{"$bytes": "…"}`, `{"$bigint": "…"}`, `{"$number": "NaN"}`. */
function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (!isObject(value)) return value;
  const keys = Object.keys(value);
  if (keys.length === 1 && keys[0]?.startsWith('$')) {
    const text = String(value[keys[0]]);
    if (keys[0] === '$number') return Number(text);
    if (keys[0] === '$undefined') return undefined;
    if (keys[0] === '$bytes') return new Uint8Array(Buffer.from(text, 'base64'));
    if (keys[0] === '$bigint' && /^-?\d{1,40}$/.test(text)) return BigInt(text);
  }
  // `__proto__` may be a key.
  const copy: { [key: string]: unknown } = Object.create(null);
  for (const key of keys) copy[key] = revive(value[key]);
  return copy;
}
