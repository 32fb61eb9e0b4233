/** Captured spans and logs as the OTLP requests that an exporter would make of them: JSON as the specification maps it, protobuf by the published schema. */
import { inspect } from 'node:util';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { CapturedLog, CapturedSpan } from '../contract/support/corpus.ts';
import { ExportLogsServiceRequestSchema } from './generated/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts';
import { ExportTraceServiceRequestSchema } from './generated/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts';
import type { AnyValueSchema, KeyValueSchema } from './generated/opentelemetry/proto/common/v1/common_pb.ts';
import type { ResourceLogsSchema } from './generated/opentelemetry/proto/logs/v1/logs_pb.ts';
import type {
  ResourceSpansSchema,
  Span_SpanKind,
  Status_StatusCode,
} from './generated/opentelemetry/proto/trace/v1/trace_pb.ts';

export type TraceRequest = { readonly resourceSpans: MessageInitShape<typeof ResourceSpansSchema>[] };
export type LogRequest = { readonly resourceLogs: MessageInitShape<typeof ResourceLogsSchema>[] };

type Value = MessageInitShape<typeof AnyValueSchema>;
type Pair = MessageInitShape<typeof KeyValueSchema>;

export function toTraceRequest(spans: readonly CapturedSpan[]): TraceRequest {
  return {
    resourceSpans: group(spans).map(({ resource, scopes }) => ({
      resource: { attributes: toPairs(resource) },
      scopeSpans: scopes.map(({ scope, items }) => ({
        scope: { name: scope.name ?? '', version: scope.version ?? '' },
        spans: items.map((span) => ({
          traceId: Buffer.from(span.traceId, 'hex'),
          spanId: Buffer.from(span.spanId, 'hex'),
          parentSpanId: Buffer.from(span.parentSpanId ?? '', 'hex'),
          flags: 0x101 | (span.parentIsRemote ? 0x200 : 0),
          name: span.name,
          kind: ((span.kind ?? 0) + 1) as Span_SpanKind,
          startTimeUnixNano: BigInt(span.startTimeUnixNano),
          endTimeUnixNano: BigInt(span.endTimeUnixNano),
          attributes: toPairs(span.attributes),
          events: span.events.map((event) => ({
            name: event.name,
            timeUnixNano: BigInt(event.timeUnixNano ?? span.endTimeUnixNano),
            attributes: toPairs(event.attributes ?? {}),
          })),
          status: {
            code: (span.status?.code ?? 0) as Status_StatusCode,
            message: span.status?.message ?? '',
          },
        })),
      })),
    })),
  };
}

export function toLogRequest(logs: readonly CapturedLog[]): LogRequest {
  return {
    resourceLogs: group(logs).map(({ resource, scopes }) => ({
      resource: { attributes: toPairs(resource) },
      scopeLogs: scopes.map(({ scope, items }) => ({
        scope: { name: scope.name ?? '', version: scope.version ?? '' },
        logRecords: items.map((log) => ({
          traceId: Buffer.from(log.traceId ?? '', 'hex'),
          spanId: Buffer.from(log.spanId ?? '', 'hex'),
          eventName: log.eventName ?? '',
          timeUnixNano: BigInt(log.timeUnixNano ?? '0'),
          body: toValue(log.body),
          attributes: toPairs(log.attributes ?? {}),
        })),
      })),
    })),
  };
}

export function traceProtobuf(request: TraceRequest): Buffer {
  return Buffer.from(
    toBinary(ExportTraceServiceRequestSchema, create(ExportTraceServiceRequestSchema, request)),
  );
}

export function logProtobuf(request: LogRequest): Buffer {
  return Buffer.from(
    toBinary(ExportLogsServiceRequestSchema, create(ExportLogsServiceRequestSchema, request)),
  );
}

/** As the specification maps the request to JSON: ids in hex, int64 as text, other bytes in base64. */
export function toOtlpJson(request: TraceRequest | LogRequest): string {
  return JSON.stringify(request, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key];
    if (typeof raw === 'bigint') return raw.toString();
    if (/^(trace|span|parentSpan)Id$/.test(key))
      return Buffer.from(raw as Uint8Array).toString('hex') || undefined;
    if (isValue(raw)) return valueJson(raw);
    if (key === 'value' && raw === undefined) return {};
    return value;
  });
}

interface OneOf {
  readonly value: { readonly case: string | undefined; readonly value?: unknown };
}

function isValue(raw: unknown): raw is OneOf {
  const inner = (raw as OneOf | null | undefined)?.value;
  return (
    typeof raw === 'object' && raw !== null && typeof inner === 'object' && inner !== null && 'case' in inner
  );
}

function valueJson({ value }: OneOf): object {
  if (value.case === undefined) return {};
  if (value.case === 'bytesValue')
    return { bytesValue: Buffer.from(value.value as Uint8Array).toString('base64') };
  if (value.case === 'doubleValue' && !Number.isFinite(value.value))
    return { doubleValue: String(value.value) };
  return { [value.case]: value.value };
}

interface Owned {
  readonly scope?: { readonly name?: string; readonly version?: string };
  readonly resource?: { readonly attributes?: Record<string, unknown> };
}

interface Grouped<T> {
  readonly resource: Record<string, unknown>;
  readonly scopes: { readonly scope: NonNullable<Owned['scope']>; readonly items: T[] }[];
}

function group<T extends Owned>(all: readonly T[]): readonly Grouped<T>[] {
  const resources = new Map<string, Grouped<T>>();
  for (const one of all) {
    const resource = one.resource?.attributes ?? {};
    const key = inspect(resource, { depth: null });
    const found = resources.get(key) ?? { resource, scopes: [] };
    resources.set(key, found);
    const scope = one.scope ?? {};
    const same = found.scopes.find(
      (other) => other.scope.name === scope.name && other.scope.version === scope.version,
    );
    if (same) same.items.push(one);
    else found.scopes.push({ scope, items: [one] });
  }
  return [...resources.values()];
}

function toPairs(attributes: Record<string, unknown>): Pair[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: toValue(value) }));
}

export function toValue(value: unknown): Value {
  switch (typeof value) {
    case 'string':
      return { value: { case: 'stringValue', value } };
    case 'boolean':
      return { value: { case: 'boolValue', value } };
    case 'bigint':
      return { value: { case: 'intValue', value } };
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0)
        ? { value: { case: 'intValue', value: BigInt(value) } }
        : { value: { case: 'doubleValue', value } };
    default:
  }
  if (value instanceof Uint8Array) return { value: { case: 'bytesValue', value } };
  if (Array.isArray(value)) return { value: { case: 'arrayValue', value: { values: value.map(toValue) } } };
  if (typeof value === 'object' && value !== null)
    return { value: { case: 'kvlistValue', value: { values: toPairs(value as Record<string, unknown>) } } };
  return { value: { case: undefined } };
}
