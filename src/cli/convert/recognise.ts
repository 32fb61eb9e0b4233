/** JSON values of a file → the spans and log events in them, whichever form they have. */
import { looksLikeLog, looksLikeSpan, readCapturedLog, readCapturedSpan } from '../../explain/captured.ts';
import { isObject, type JsonObject } from '../../json/json-text.ts';
import { decodeLogs, decodeTraces } from '../../otlp/decode-json.ts';
import type { LogData, SpanData } from '../../span/span-data.ts';

export interface Recognised {
  readonly spans: readonly SpanData[];
  readonly logs: readonly LogData[];
  /** Spans and log events that could not be read. */
  readonly unread: number;
  /** Attributes, events or times that could not be read, of spans that could. */
  readonly malformed: number;
  /** Why something could not be read, for the first time it happened. */
  readonly reason?: string | undefined;
}

const NOTHING: Recognised = { spans: [], logs: [], unread: 0, malformed: 0 };

export const EXPECTED =
  'OTLP/JSON ({"resourceSpans":[…]}), captured spans ({"spans":[…],"logs":[…]}), or spans one by one';

/** What there is in a value; one that is none of all this is a reason and one thing unread. */
export function recognise(value: unknown): Recognised {
  if (Array.isArray(value)) return value.map(recognise).reduce(join, NOTHING);
  if (!isObject(value)) return unread('a value that is no object');
  if (hasOtlp(value)) return join(readTraces(value), readLogs(value));
  if (Array.isArray(value.spans))
    return join(
      readEach(value.spans, 'a span', readCapturedSpan, (spans) => ({ ...NOTHING, spans })),
      readEach(Array.isArray(value.logs) ? value.logs : [], 'a log event', readCapturedLog, (logs) => ({
        ...NOTHING,
        logs,
      })),
    );
  if (looksLikeSpan(value))
    return readEach([value], 'a span', readCapturedSpan, (spans) => ({ ...NOTHING, spans }));
  if (looksLikeLog(value)) {
    const log = readCapturedLog(value);
    // One that belongs to no span is nothing of ours.
    return log === undefined ? NOTHING : { ...NOTHING, logs: [log] };
  }
  return isNothingOfOurs(value) ? NOTHING : unread(strangerOf(value));
}

function hasOtlp(value: JsonObject): boolean {
  return ['resourceSpans', 'resource_spans', 'resourceLogs', 'resource_logs'].some((name) => name in value);
}

function readTraces(value: JsonObject): Recognised {
  const { spans, rejected, malformed, reason } = decodeTraces(value);
  return { spans, logs: [], unread: rejected, malformed, reason };
}

function readLogs(value: JsonObject): Recognised {
  const { logs, rejected, malformed, reason } = decodeLogs(value);
  return { spans: [], logs, unread: rejected, malformed, reason };
}

function readEach<T>(
  values: readonly unknown[],
  what: string,
  read: (value: unknown) => T | undefined,
  wrap: (found: readonly T[]) => Recognised,
): Recognised {
  const found = values.flatMap((value) => read(value) ?? []);
  const lost = what === 'a span' ? values.length - found.length : 0;
  return lost === 0
    ? wrap(found)
    : {
        ...wrap(found),
        unread: lost,
        reason: `${what} whose trace id or span id is missing, malformed or all zero`,
      };
}

/** What a Collector writes into the same file. */
function isNothingOfOurs(value: JsonObject): boolean {
  return ['resourceMetrics', 'resource_metrics', 'resourceProfiles'].some((name) => name in value);
}

/** Known strangers by name: it saves their owner a guess. */
function strangerOf(value: JsonObject): string {
  if (typeof value.path === 'string' && 'body' in value)
    return 'a record, which is what this command makes of spans';
  if (Array.isArray(value.records)) return 'records, which are what this command makes of spans';
  if (
    'traceID' in value ||
    (Array.isArray(value.data) && value.data.some((one) => isObject(one) && 'traceID' in one))
  )
    return "Jaeger's own JSON: ask Jaeger for OTLP (/api/v3/traces)";
  if ('traceId' in value && 'id' in value && 'localEndpoint' in value)
    return "Zipkin's JSON: export OTLP instead";
  if (Array.isArray(value.batches)) return "Tempo's JSON: ask Tempo for OTLP";
  const keys = Object.keys(value)
    .slice(0, 3)
    .map((key) => JSON.stringify(key.slice(0, 30)));
  return keys.length === 0 ? 'an empty object' : `an object with ${keys.join(', ')}`;
}

function unread(reason: string): Recognised {
  return { ...NOTHING, unread: 1, reason };
}

function join(a: Recognised, b: Recognised): Recognised {
  if (a === NOTHING) return b;
  if (b === NOTHING) return a;
  return {
    spans: [...a.spans, ...b.spans],
    logs: [...a.logs, ...b.logs],
    unread: a.unread + b.unread,
    malformed: a.malformed + b.malformed,
    reason: a.reason ?? b.reason,
  };
}
