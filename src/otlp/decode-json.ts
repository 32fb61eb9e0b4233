/**
 * OTLP/JSON requests → plain spans and log records: the JSON mapping of proto3 with the exceptions that OTLP makes (ids in hex, enums as
 * numbers). What senders really write is taken too: names of enums, snake_case, int64 as numbers, the older
 * `instrumentationLibrarySpans`. Total: whatever is not what it should be is counted and left out.
 */
import { isObject, type JsonObject } from '../json/json-text.ts';
import type { Attributes, HrTime, LogData, Scope, SpanData, SpanEvent } from '../span/span-data.ts';
import {
  createTally,
  type DecodedLogs,
  type DecodedTraces,
  type DecodeLimits,
  EMPTY,
  emptyValue,
  NO_EVENTS,
  NO_LIMITS,
  put,
  type Tally,
  toInteger,
  toLogData,
  toSpanData,
} from './decoded.ts';

/**
 * @param json a parsed `ExportTraceServiceRequest`, or a list of them, as the Collector's file exporter writes line by line
 * @example decodeTraces(JSON.parse(text)).spans
 */
export function decodeTraces(json: unknown, limits: DecodeLimits = NO_LIMITS): DecodedTraces {
  const tally = createTally(limits);
  const spans: SpanData[] = [];
  for (const request of requestsOf(json, tally)) {
    for (const resourceSpans of children(request, ['resourceSpans', 'resource_spans'], tally)) {
      const resource = readResource(resourceSpans, tally);
      for (const { scope, items } of scopesOf(resourceSpans, TRACES, tally)) {
        for (const item of items) {
          if (!tally.countSpan()) return { spans, ...tally.faults() };
          const span = readSpan(item, scope, resource, tally);
          if (span) spans.push(span);
        }
      }
    }
  }
  return { spans, ...tally.faults() };
}

/** @param json a parsed `ExportLogsServiceRequest`, or a list of them */
export function decodeLogs(json: unknown, limits: DecodeLimits = NO_LIMITS): DecodedLogs {
  const tally = createTally(limits);
  const logs: LogData[] = [];
  let outsideSpans = 0;
  for (const request of requestsOf(json, tally)) {
    for (const resourceLogs of children(request, ['resourceLogs', 'resource_logs'], tally)) {
      for (const { scope, items } of scopesOf(resourceLogs, LOGS, tally)) {
        for (const item of items) {
          if (!tally.countSpan()) return { logs, outsideSpans, ...tally.faults() };
          const log = readLog(item, scope, tally);
          if (log === 'outside') outsideSpans++;
          else if (log) logs.push(log);
        }
      }
    }
  }
  return { logs, outsideSpans, ...tally.faults() };
}

type Names = readonly [camel: string, snake: string];

interface Signal {
  /** The lists of scopes, the present one first. */
  readonly scopes: readonly Names[];
  readonly items: Names;
}

const TRACES: Signal = {
  scopes: [
    ['scopeSpans', 'scope_spans'],
    ['instrumentationLibrarySpans', 'instrumentation_library_spans'],
  ],
  items: ['spans', 'spans'],
};

const LOGS: Signal = {
  scopes: [
    ['scopeLogs', 'scope_logs'],
    ['instrumentationLibraryLogs', 'instrumentation_library_logs'],
  ],
  items: ['logRecords', 'log_records'],
};

function requestsOf(json: unknown, tally: Tally): readonly JsonObject[] {
  const all = Array.isArray(json) ? json : [json];
  return all.filter((one): one is JsonObject => {
    if (isObject(one)) return true;
    tally.malformed('a request that is no object');
    return false;
  });
}

/** The field under either spelling; `null` is as good as absent. */
function field(object: JsonObject, [camel, snake]: Names): unknown {
  return object[camel] ?? object[snake] ?? undefined;
}

function children(object: JsonObject, names: Names, tally: Tally): readonly JsonObject[] {
  return list(object, names, tally).filter((one): one is JsonObject => {
    if (isObject(one)) return true;
    tally.malformed(`an entry of ${names[0]} that is no object`);
    return false;
  });
}

const NONE: readonly unknown[] = [];

function list(object: JsonObject, names: Names, tally: Tally): readonly unknown[] {
  const value = field(object, names);
  if (value === undefined) return NONE;
  if (Array.isArray(value)) return value;
  tally.malformed(`${names[0]} that is no list`);
  return NONE;
}

function readResource(entry: JsonObject, tally: Tally): Attributes {
  const { resource } = entry;
  if (resource === undefined || resource === null) return EMPTY;
  if (isObject(resource)) return readAttributes(resource, tally);
  tally.malformed('a resource that is no object');
  return EMPTY;
}

function scopesOf(
  entry: JsonObject,
  { scopes, items }: Signal,
  tally: Tally,
): readonly { readonly scope: Scope; readonly items: readonly unknown[] }[] {
  return scopes.flatMap((names) =>
    children(entry, names, tally).map((one) => ({ scope: readScope(one), items: list(one, items, tally) })),
  );
}

function readScope(entry: JsonObject): Scope {
  const scope = entry.scope ?? field(entry, ['instrumentationLibrary', 'instrumentation_library']);
  if (!isObject(scope)) return { name: '', version: undefined };
  const { name, version } = scope;
  return {
    name: typeof name === 'string' ? name : '',
    version: typeof version === 'string' && version !== '' ? version : undefined,
  };
}

function readSpan(item: unknown, scope: Scope, resource: Attributes, tally: Tally): SpanData | undefined {
  if (!isObject(item)) {
    tally.reject('a span that is no object');
    return undefined;
  }
  const status = isObject(item.status) ? item.status : EMPTY;
  return toSpanData(
    {
      traceId: readId(field(item, TRACE_ID)),
      spanId: readId(field(item, SPAN_ID)),
      parentSpanId: readId(field(item, PARENT_SPAN_ID)),
      flags: readUint(item.flags),
      name: typeof item.name === 'string' ? item.name : '',
      startTime: readTime(field(item, START), tally),
      endTime: readTime(field(item, END), tally),
      statusCode: readStatusCode(status.code),
      statusMessage: typeof status.message === 'string' ? status.message : '',
      attributes: readAttributes(item, tally),
      events: readEvents(item, tally),
      scope,
      resource,
      droppedAttributesCount: readUint(field(item, DROPPED_ATTRIBUTES)),
      droppedEventsCount: readUint(field(item, DROPPED_EVENTS)),
    },
    tally,
  );
}

const TRACE_ID: Names = ['traceId', 'trace_id'];
const SPAN_ID: Names = ['spanId', 'span_id'];
const PARENT_SPAN_ID: Names = ['parentSpanId', 'parent_span_id'];
const START: Names = ['startTimeUnixNano', 'start_time_unix_nano'];
const END: Names = ['endTimeUnixNano', 'end_time_unix_nano'];
const TIME: Names = ['timeUnixNano', 'time_unix_nano'];
const OBSERVED: Names = ['observedTimeUnixNano', 'observed_time_unix_nano'];
const DROPPED_ATTRIBUTES: Names = ['droppedAttributesCount', 'dropped_attributes_count'];
const DROPPED_EVENTS: Names = ['droppedEventsCount', 'dropped_events_count'];
const EVENTS: Names = ['events', 'events'];
const ATTRIBUTES: Names = ['attributes', 'attributes'];

function readLog(item: unknown, scope: Scope, tally: Tally): LogData | 'outside' | undefined {
  if (!isObject(item)) {
    tally.reject('a log record that is no object');
    return undefined;
  }
  const eventName = field(item, ['eventName', 'event_name']);
  return toLogData(
    {
      traceId: readId(field(item, TRACE_ID)),
      spanId: readId(field(item, SPAN_ID)),
      eventName: typeof eventName === 'string' ? eventName : '',
      time: readTime(field(item, TIME), tally) ?? readTime(field(item, OBSERVED), tally),
      body: item.body === undefined || item.body === null ? undefined : readAnyValue(item.body, 0, tally),
      attributes: readAttributes(item, tally),
      scope,
    },
    tally,
  );
}

function readEvents(span: JsonObject, tally: Tally): readonly SpanEvent[] {
  const all = list(span, EVENTS, tally);
  if (all.length === 0) return NO_EVENTS;
  return all.flatMap((event) => {
    if (isObject(event) && tally.countValue() && typeof event.name === 'string')
      return [
        {
          name: event.name,
          time: readTime(field(event, TIME), tally) ?? [0, 0],
          attributes: readAttributes(event, tally),
        },
      ];
    tally.malformed('a span event that is no object or has no name');
    return [];
  });
}

function readAttributes(owner: JsonObject, tally: Tally): Attributes {
  const all = list(owner, ATTRIBUTES, tally);
  return all.length === 0 ? EMPTY : readKeyValues(all, 0, tally);
}

function readKeyValues(all: readonly unknown[], depth: number, tally: Tally): Attributes {
  const attributes: Record<string, unknown> = {};
  for (const one of all) {
    if (!isObject(one) || typeof one.key !== 'string') tally.malformed('an attribute without a key');
    else if (one.value === undefined || one.value === null) put(attributes, one.key, emptyValue(depth));
    else put(attributes, one.key, readAnyValue(one.value, depth, tally));
  }
  return attributes;
}

function readAnyValue(value: unknown, depth: number, tally: Tally): unknown {
  if (!tally.countValue()) return undefined;
  if (!isObject(value)) return wrongValue(tally);
  for (const name in value) {
    const held = value[name];
    if (held === null || held === undefined) continue;
    const read = KINDS[name];
    // What a later version of the schema adds is no fault of the sender.
    if (read !== undefined) return read(held, depth, tally);
  }
  return emptyValue(depth);
}

type ReadValue = (held: unknown, depth: number, tally: Tally) => unknown;

const readText: ReadValue = (held, _, tally) => (typeof held === 'string' ? held : wrongValue(tally));
const readBoolean: ReadValue = (held, _, tally) => (typeof held === 'boolean' ? held : wrongValue(tally));
const readInt: ReadValue = (held, _, tally) => {
  if (typeof held === 'number') return Number.isInteger(held) ? held : wrongValue(tally);
  if (typeof held !== 'string' || !/^[+-]?\d{1,20}$/.test(held)) return wrongValue(tally);
  return toInteger(BigInt(held.startsWith('+') ? held.slice(1) : held));
};
const readDouble: ReadValue = (held, _, tally) => {
  if (typeof held === 'number') return held;
  if (typeof held !== 'string') return wrongValue(tally);
  if (held === 'NaN' || held === 'Infinity' || held === '-Infinity') return Number(held);
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(held) ? Number(held) : wrongValue(tally);
};
const readBytes: ReadValue = (held, _, tally) =>
  typeof held === 'string' && /^[A-Za-z0-9+/_-]*={0,2}$/.test(held)
    ? new Uint8Array(Buffer.from(held, 'base64'))
    : wrongValue(tally);
const readArray: ReadValue = (held, depth, tally) => {
  const values = isObject(held) ? (held.values ?? NONE) : undefined;
  if (!Array.isArray(values)) return wrongValue(tally);
  if (depth >= tally.limits.maxDepth) return tooDeep(tally);
  return values.map((one) =>
    one === null || one === undefined ? null : readAnyValue(one, depth + 1, tally),
  );
};
const readMap: ReadValue = (held, depth, tally) => {
  const values = isObject(held) ? (held.values ?? NONE) : undefined;
  if (!Array.isArray(values)) return wrongValue(tally);
  return depth >= tally.limits.maxDepth ? tooDeep(tally) : readKeyValues(values, depth + 1, tally);
};

const KINDS: { readonly [name: string]: ReadValue | undefined } = Object.assign(Object.create(null), {
  stringValue: readText,
  string_value: readText,
  boolValue: readBoolean,
  bool_value: readBoolean,
  intValue: readInt,
  int_value: readInt,
  doubleValue: readDouble,
  double_value: readDouble,
  bytesValue: readBytes,
  bytes_value: readBytes,
  arrayValue: readArray,
  array_value: readArray,
  kvlistValue: readMap,
  kvlist_value: readMap,
});

function wrongValue(tally: Tally): undefined {
  tally.malformed('an attribute value that is not what its kind says');
  return undefined;
}

function tooDeep(tally: Tally): undefined {
  tally.malformed('an attribute value with too many lists or maps inside each other');
  return undefined;
}

function readId(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : '';
}

function readUint(value: unknown): number {
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 ? number : 0;
}

const STATUS_CODES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'];

function readStatusCode(value: unknown): number {
  return typeof value === 'string' && value.startsWith('STATUS')
    ? Math.max(0, STATUS_CODES.indexOf(value))
    : readUint(value);
}

/** Nanoseconds since 1970, exact where they are text. Zero means unknown. */
function readTime(value: unknown, tally: Tally): HrTime | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'number' && Number.isInteger(value) ? numberText(value) : value;
  if (typeof text !== 'string' || !/^\d{1,20}$/.test(text)) {
    tally.malformed('a time that is no whole number of nanoseconds');
    return undefined;
  }
  const seconds = Number(text.slice(0, -9));
  const nanos = Number(text.slice(-9));
  return seconds === 0 && nanos === 0 ? undefined : [seconds, nanos];
}

/** All digits, also of numbers that would be written with an exponent. */
function numberText(value: number): string {
  return Math.abs(value) < 1e20 ? value.toString() : '';
}
