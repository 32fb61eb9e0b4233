/** What decoding an OTLP request gives, whichever encoding it came in; and the rules that both encodings share. */
import { isSpanId, isTraceId } from '../span/from-sdk.ts';
import {
  type Attributes,
  before,
  type HrTime,
  type LogData,
  type SpanData,
  type SpanEvent,
} from '../span/span-data.ts';

/** What of a request could not be read. Nothing of it is thrown. */
export interface Faults {
  /** Spans, or log records, that are none: not an object, or with ids that are malformed or all zero. */
  readonly rejected: number;
  /** Parts of others (attributes, events, times) that are not what the schema says; the rest of their span is kept. */
  readonly malformed: number;
  /** The first fault, in words; never content. */
  readonly reason: string | undefined;
  /** Decoding stopped here: there is more in the request than the limits allow. */
  readonly exceeded: 'spans' | 'values' | undefined;
}

export interface DecodedTraces extends Faults {
  readonly spans: readonly SpanData[];
}

export interface DecodedLogs extends Faults {
  readonly logs: readonly LogData[];
  /** Log records that belong to no span: nothing of ours. */
  readonly outsideSpans: number;
}

export interface DecodeLimits {
  /** Spans, or log records, in one request. */
  readonly maxSpans: number;
  /** Attribute values in one request, those inside lists and maps too. */
  readonly maxValues: number;
  /** Lists and maps inside each other in one attribute value. */
  readonly maxDepth: number;
}

/** For input that somebody has chosen to read: a file. */
export const NO_LIMITS: DecodeLimits = {
  maxSpans: Number.POSITIVE_INFINITY,
  maxValues: Number.POSITIVE_INFINITY,
  maxDepth: 64,
};

/** Counts faults, and what the limits are set for. */
export interface Tally {
  readonly limits: DecodeLimits;
  reject(reason: string): void;
  malformed(reason: string): void;
  /** False from the first span on that is too many. */
  countSpan(): boolean;
  /** False from the first value on that is too many. */
  countValue(): boolean;
  faults(): Faults;
}

export function createTally(limits: DecodeLimits): Tally {
  let rejected = 0;
  let malformed = 0;
  let reason: string | undefined;
  let exceeded: Faults['exceeded'];
  let spans = 0;
  let values = 0;
  return {
    limits,
    reject(why) {
      rejected++;
      reason ??= why;
    },
    malformed(why) {
      malformed++;
      reason ??= why;
    },
    countSpan() {
      if (exceeded !== undefined) return false;
      if (++spans > limits.maxSpans) exceeded = 'spans';
      return exceeded === undefined;
    },
    countValue() {
      if (exceeded !== undefined) return false;
      if (++values > limits.maxValues) exceeded = 'values';
      return exceeded === undefined;
    },
    faults: () => ({ rejected, malformed, reason, exceeded }),
  };
}

/** `parentIsRemote` is said only where the sender fills in bits 8 and 9. */
const HAS_IS_REMOTE = 0x100;
const IS_REMOTE = 0x200;

/** A span as the wire had it, before the rules that hold for every span. Ids in hex of any case, `''` where there is none. */
export interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly flags: number;
  readonly name: string;
  readonly startTime: HrTime | undefined;
  readonly endTime: HrTime | undefined;
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  readonly scope: SpanData['scope'];
  readonly resource: Attributes;
  readonly droppedAttributesCount: number;
  readonly droppedEventsCount: number;
}

/** `undefined`, and a rejection in the tally, if it is no span. */
export function toSpanData(wire: WireSpan, tally: Tally): SpanData | undefined {
  const { traceId, spanId, parentSpanId, flags } = wire;
  if (!isTraceId(traceId) || !isSpanId(spanId)) {
    tally.reject('a span whose trace id or span id is missing, malformed or all zero');
    return undefined;
  }
  const startTime = wire.startTime ?? NO_TIME;
  const endTime = wire.endTime ?? startTime;
  return {
    traceId,
    spanId,
    parentSpanId: isSpanId(parentSpanId) && parentSpanId !== spanId ? parentSpanId : undefined,
    parentIsRemote: (flags & HAS_IS_REMOTE) !== 0 && (flags & IS_REMOTE) !== 0,
    // The flag says nothing here: SDKs (Python's) leave it out, and whoever exports a span has decided on it.
    sampled: true,
    name: wire.name,
    startTime,
    // Clocks step back: a span never ends before it starts.
    endTime: before(endTime, startTime) ? startTime : endTime,
    statusCode: wire.statusCode,
    statusMessage: wire.statusMessage === '' ? undefined : wire.statusMessage,
    attributes: wire.attributes,
    events: wire.events,
    scope: wire.scope,
    resource: wire.resource,
    droppedAttributesCount: wire.droppedAttributesCount,
    droppedEventsCount: wire.droppedEventsCount,
  };
}

export type WireLog = Omit<LogData, 'time'> & { readonly time: HrTime | undefined };

/** `'outside'` if it belongs to no span, which is no fault. */
export function toLogData(wire: WireLog, tally: Tally): LogData | 'outside' | undefined {
  const { traceId, spanId, eventName, attributes } = wire;
  if (!isTraceId(traceId) || !isSpanId(spanId)) {
    if (isNoId(traceId) || isNoId(spanId)) return 'outside';
    tally.reject('a log record whose trace id or span id is malformed');
    return undefined;
  }
  const named = eventName === '' ? attributes['event.name'] : eventName;
  return { ...wire, eventName: typeof named === 'string' ? named : '', time: wire.time ?? NO_TIME };
}

function isNoId(id: string): boolean {
  return /^0*$/.test(id);
}

const NO_TIME: HrTime = [0, 0];

export const EMPTY: Attributes = Object.freeze({});
export const NO_EVENTS: readonly SpanEvent[] = Object.freeze([]);

/** Sets an attribute; also one that is called `__proto__`, which an assignment would take for the prototype. */
export function put(attributes: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(attributes, key, { value, enumerable: true, configurable: true, writable: true });
  else attributes[key] = value;
}

/** An `AnyValue` of no kind: what an SDK had as `null` inside of a value, and what is no attribute at all. */
export function emptyValue(depth: number): null | undefined {
  return depth === 0 ? undefined : null;
}

/** An int64 as a number where a number can hold it. */
export function toInteger(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
