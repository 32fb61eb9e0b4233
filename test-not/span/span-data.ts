/** `[seconds, nanoseconds]` since the Unix epoch, as OpenTelemetry JS keeps times. */
export type HrTime = readonly [number, number];

export function before(a: HrTime, b: HrTime): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}

/** Attribute bag of a span, event, log or resource. Values are whatever the emitter set: nothing about them is trusted. */
export type Attributes = { readonly [key: string]: unknown };

export interface SpanEvent {
  readonly name: string;
  readonly time: HrTime;
  readonly attributes: Attributes;
}

export interface Scope {
  readonly name: string;
  readonly version: string | undefined;
}

/** An ended span, independent of the SDK or wire format it came from. Read-only: nothing here is ever written to. */
export interface SpanData {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  /** 16 lower-case hex digits; absent on a root. */
  readonly parentSpanId: string | undefined;
  /** The parent lives in another process. */
  readonly parentIsRemote: boolean;
  readonly sampled: boolean;
  readonly name: string;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  /** OTel status code: 0 unset, 1 ok, 2 error. */
  readonly statusCode: number;
  readonly statusMessage: string | undefined;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  readonly scope: Scope;
  readonly resource: Attributes;
  readonly droppedAttributesCount: number;
  readonly droppedEventsCount: number;
}

/** A span that says nothing. */
export const NO_SPAN: SpanData = {
  traceId: '',
  spanId: '',
  parentSpanId: undefined,
  parentIsRemote: false,
  sampled: true,
  name: '',
  startTime: [0, 0],
  endTime: [0, 0],
  statusCode: 0,
  statusMessage: undefined,
  attributes: {},
  events: [],
  scope: { name: '', version: undefined },
  resource: {},
  droppedAttributesCount: 0,
  droppedEventsCount: 0,
};

/** A log record (OTel "event") that was emitted in the context of a span. */
export interface LogData {
  readonly traceId: string;
  readonly spanId: string;
  /** `eventName` of the record, else its `event.name` attribute. */
  readonly eventName: string;
  readonly time: HrTime;
  readonly body: unknown;
  readonly attributes: Attributes;
  readonly scope: Scope;
}
