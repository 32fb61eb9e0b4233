/**
 * OTLP/protobuf requests → plain spans and log records, the schema of `proto/` read directly into them: `docs/decisions/0010` has the
 * figures. `test/otlp/protobuf.test.ts` holds it against a library's decoder.
 */
import type { Attributes, LogData, Scope, SpanData, SpanEvent } from '../span/span-data.ts';
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
  toLogData,
  toSpanData,
} from './decoded.ts';
import { BYTES, FIXED32, FIXED64, VARINT, WireError, WireReader } from './wire-reader.ts';

/** The bytes are no protobuf message of this schema: nothing of them is used. */
export interface Unreadable {
  readonly unreadable: string;
}

/** @param bytes an `ExportTraceServiceRequest` */
export function decodeTracesProtobuf(
  bytes: Buffer,
  limits: DecodeLimits = NO_LIMITS,
): DecodedTraces | Unreadable {
  const tally = createTally(limits);
  const spans: SpanData[] = [];
  const broken = walk(bytes, tally, (reader, scope, resource) => {
    const span = readSpan(reader, scope, resource, tally);
    if (span) spans.push(span);
  });
  return broken ?? { spans, ...tally.faults() };
}

/** @param bytes an `ExportLogsServiceRequest` */
export function decodeLogsProtobuf(
  bytes: Buffer,
  limits: DecodeLimits = NO_LIMITS,
): DecodedLogs | Unreadable {
  const tally = createTally(limits);
  const logs: LogData[] = [];
  let outsideSpans = 0;
  const broken = walk(bytes, tally, (reader, scope) => {
    const log = readLog(reader, scope, tally);
    if (log === 'outside') outsideSpans++;
    else if (log) logs.push(log);
  });
  return broken ?? { logs, outsideSpans, ...tally.faults() };
}

type ReadItem = (reader: WireReader, scope: Scope, resource: Attributes) => void;

const NO_SCOPE: Scope = { name: '', version: undefined };

/** `ResourceSpans` as `instrumentation_library_spans` before 0.15 of the schema; the same on the wire as scopes. */
const OLD_SCOPES = 1000;

/** Requests of all signals are alike down to their items: resources, in them scopes, in them items. */
function walk(bytes: Buffer, tally: Tally, readItem: ReadItem): Unreadable | undefined {
  const reader = new WireReader(bytes);
  try {
    while (reader.next()) {
      if (reader.field !== 1 || !reader.is(BYTES)) {
        if (reader.field !== 1) reader.skip();
        continue;
      }
      const outer = reader.enter();
      if (!walkResource(reader, tally, readItem)) return undefined;
      reader.leave(outer);
    }
    return undefined;
  } catch (error) {
    if (error instanceof WireError)
      return { unreadable: `not protobuf of the OTLP schema: ${error.message}` };
    throw error;
  }
}

/** False where the limits say stop. */
function walkResource(reader: WireReader, tally: Tally, readItem: ReadItem): boolean {
  // Fields may come in any order, and what is below needs the resource.
  const resource = readAhead(reader, 1, () => readResource(reader, tally)) ?? EMPTY;
  while (reader.next()) {
    const isScopes = reader.field === 2 || reader.field === OLD_SCOPES;
    if (!isScopes) reader.skip();
    else if (reader.is(BYTES)) {
      const outer = reader.enter();
      if (!walkScope(reader, resource, tally, readItem)) return false;
      reader.leave(outer);
    }
  }
  return true;
}

function walkScope(reader: WireReader, resource: Attributes, tally: Tally, readItem: ReadItem): boolean {
  const scope = readAhead(reader, 1, () => readScope(reader)) ?? NO_SCOPE;
  while (reader.next()) {
    if (reader.field !== 2) reader.skip();
    else if (reader.is(BYTES)) {
      if (!tally.countSpan()) return false;
      const outer = reader.enter();
      readItem(reader, scope, resource);
      reader.leave(outer);
    }
  }
  return true;
}

/** The last field of that number in the message, which is then read from its beginning. */
function readAhead<T>(reader: WireReader, field: number, read: () => T): T | undefined {
  const start = reader.position;
  let found: T | undefined;
  while (reader.next()) {
    if (reader.field === field && reader.type === BYTES) {
      const outer = reader.enter();
      found = read();
      reader.leave(outer);
      // Where senders put it: first, and once.
      if (found !== undefined) break;
    } else reader.skip();
  }
  reader.position = start;
  return found;
}

function readResource(reader: WireReader, tally: Tally): Attributes {
  let attributes: Record<string, unknown> | undefined;
  while (reader.next()) {
    if (reader.field !== 1) reader.skip();
    else if (reader.is(BYTES)) {
      attributes ??= {};
      readKeyValue(reader, attributes, 0, tally);
    }
  }
  return attributes ?? EMPTY;
}

function readScope(reader: WireReader): Scope {
  let name = '';
  let version = '';
  while (reader.next()) {
    if (reader.field === 1) name = reader.is(BYTES) ? reader.key() : name;
    else if (reader.field === 2) version = reader.is(BYTES) ? reader.key() : version;
    else reader.skip();
  }
  return { name, version: version === '' ? undefined : version };
}

function readSpan(
  reader: WireReader,
  scope: Scope,
  resource: Attributes,
  tally: Tally,
): SpanData | undefined {
  let traceId = '';
  let spanId = '';
  let parentSpanId = '';
  let flags = 0;
  let name = '';
  let startTime: SpanData['startTime'] | undefined;
  let endTime: SpanData['startTime'] | undefined;
  let attributes: Record<string, unknown> | undefined;
  let droppedAttributesCount = 0;
  let events: SpanEvent[] | undefined;
  let droppedEventsCount = 0;
  let statusMessage = '';
  let statusCode = 0;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        if (reader.is(BYTES)) traceId = reader.hex();
        break;
      case 2:
        if (reader.is(BYTES)) spanId = reader.hex();
        break;
      case 4:
        if (reader.is(BYTES)) parentSpanId = reader.hex();
        break;
      case 5:
        if (reader.is(BYTES)) name = reader.key();
        break;
      case 7:
        if (reader.is(FIXED64)) startTime = reader.nanos();
        break;
      case 8:
        if (reader.is(FIXED64)) endTime = reader.nanos();
        break;
      case 9:
        if (reader.is(BYTES)) {
          attributes ??= {};
          readKeyValue(reader, attributes, 0, tally);
        }
        break;
      case 10:
        if (reader.is(VARINT)) droppedAttributesCount = reader.uint32();
        break;
      case 11:
        if (reader.is(BYTES)) {
          events ??= [];
          readEvent(reader, events, tally);
        }
        break;
      case 12:
        if (reader.is(VARINT)) droppedEventsCount = reader.uint32();
        break;
      case 15:
        if (reader.is(BYTES)) ({ code: statusCode, message: statusMessage } = readStatus(reader));
        break;
      case 16:
        if (reader.is(FIXED32)) flags = reader.fixed32();
        break;
      default:
        reader.skip();
    }
  }
  return toSpanData(
    {
      traceId,
      spanId,
      parentSpanId,
      flags,
      name,
      startTime,
      endTime,
      statusCode,
      statusMessage,
      attributes: attributes ?? EMPTY,
      events: events ?? NO_EVENTS,
      scope,
      resource,
      droppedAttributesCount,
      droppedEventsCount,
    },
    tally,
  );
}

function readStatus(reader: WireReader): { readonly code: number; readonly message: string } {
  const outer = reader.enter();
  let message = '';
  let code = 0;
  while (reader.next()) {
    if (reader.field === 2) message = reader.is(BYTES) ? reader.string() : message;
    else if (reader.field === 3) code = reader.is(VARINT) ? reader.uint32() : code;
    else reader.skip();
  }
  reader.leave(outer);
  return { code, message };
}

function readEvent(reader: WireReader, events: SpanEvent[], tally: Tally): void {
  const outer = reader.enter();
  let time: SpanEvent['time'] | undefined;
  let name = '';
  let attributes: Record<string, unknown> | undefined;
  const isCounted = tally.countValue();
  while (isCounted && reader.next()) {
    if (reader.field === 1) time = reader.is(FIXED64) ? reader.nanos() : time;
    else if (reader.field === 2) name = reader.is(BYTES) ? reader.key() : name;
    else if (reader.field === 3) {
      if (reader.is(BYTES)) {
        attributes ??= {};
        readKeyValue(reader, attributes, 0, tally);
      }
    } else reader.skip();
  }
  reader.leave(outer);
  if (isCounted) events.push({ name, time: time ?? [0, 0], attributes: attributes ?? EMPTY });
}

function readLog(reader: WireReader, scope: Scope, tally: Tally): LogData | 'outside' | undefined {
  let traceId = '';
  let spanId = '';
  let eventName = '';
  let time: LogData['time'] | undefined;
  let observed: LogData['time'] | undefined;
  let body: unknown;
  let attributes: Record<string, unknown> | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        if (reader.is(FIXED64)) time = reader.nanos();
        break;
      case 5:
        if (reader.is(BYTES)) body = readAnyValue(reader, 0, tally);
        break;
      case 6:
        if (reader.is(BYTES)) {
          attributes ??= {};
          readKeyValue(reader, attributes, 0, tally);
        }
        break;
      case 9:
        if (reader.is(BYTES)) traceId = reader.hex();
        break;
      case 10:
        if (reader.is(BYTES)) spanId = reader.hex();
        break;
      case 11:
        if (reader.is(FIXED64)) observed = reader.nanos();
        break;
      case 12:
        if (reader.is(BYTES)) eventName = reader.key();
        break;
      default:
        reader.skip();
    }
  }
  return toLogData(
    { traceId, spanId, eventName, time: time ?? observed, body, attributes: attributes ?? EMPTY, scope },
    tally,
  );
}

function readKeyValue(
  reader: WireReader,
  attributes: Record<string, unknown>,
  depth: number,
  tally: Tally,
): void {
  const outer = reader.enter();
  let key = '';
  let value: unknown = emptyValue(depth);
  while (reader.next()) {
    if (reader.field === 1) key = reader.is(BYTES) ? reader.key() : key;
    else if (reader.field === 2) value = reader.is(BYTES) ? readAnyValue(reader, depth, tally) : value;
    else reader.skip();
  }
  reader.leave(outer);
  put(attributes, key, value);
}

function readAnyValue(reader: WireReader, depth: number, tally: Tally): unknown {
  const outer = reader.enter();
  let value: unknown = emptyValue(depth);
  const isCounted = tally.countValue();
  while (isCounted && reader.next()) {
    switch (reader.field) {
      case 1:
        if (reader.is(BYTES)) value = reader.string();
        break;
      case 2:
        if (reader.is(VARINT)) value = reader.bool();
        break;
      case 3:
        if (reader.is(VARINT)) value = reader.int64();
        break;
      case 4:
        if (reader.is(FIXED64)) value = reader.double();
        break;
      case 5:
      case 6:
        if (!reader.is(BYTES)) break;
        if (depth >= tally.limits.maxDepth) {
          tally.malformed('an attribute value with too many lists or maps inside each other');
          reader.skip();
        } else if (reader.field === 5) value = readArray(reader, depth + 1, tally);
        else value = readMap(reader, depth + 1, tally);
        break;
      case 7:
        if (reader.is(BYTES)) value = reader.binary();
        break;
      default:
        reader.skip();
    }
  }
  reader.leave(outer);
  return value;
}

function readArray(reader: WireReader, depth: number, tally: Tally): unknown[] {
  const outer = reader.enter();
  const values: unknown[] = [];
  while (reader.next()) {
    if (reader.field !== 1) reader.skip();
    else if (reader.is(BYTES)) values.push(readAnyValue(reader, depth, tally));
  }
  reader.leave(outer);
  return values;
}

function readMap(reader: WireReader, depth: number, tally: Tally): Attributes {
  const outer = reader.enter();
  const map: Record<string, unknown> = {};
  while (reader.next()) {
    if (reader.field !== 1) reader.skip();
    else if (reader.is(BYTES)) readKeyValue(reader, map, depth, tally);
  }
  reader.leave(outer);
  return map;
}
