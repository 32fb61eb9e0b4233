import { type FreeplayOptions, resolveConfig } from './config.ts';
import { createConverter, wantedRecords } from './convert.ts';
import { isForeign } from './dialects/registry.ts';
import { createLineage } from './lineage/lineage.ts';
import type { FreeplayRecord } from './record/record.ts';
import {
  fromSdkLogRecord,
  fromSdkSpan,
  type SdkLogRecord,
  type SdkSpan,
  signsOf,
  traceKeyOf,
} from './span/from-sdk.ts';
import { createLogIndex } from './span/log-keys.ts';

export interface ConvertOptions extends FreeplayOptions {
  /** GenAI log records (events) that were emitted in the spans' context, in order. */
  logs?: readonly SdkLogRecord[] | undefined;
}

/**
 * Ended spans → the records the exporter would send. Pure: no I/O, no clock, no environment; the spans are not written to. The spans
 * given are taken for whole traces.
 *
 * @param spans ended spans of any OpenTelemetry JS SDK major, in any order
 * @returns records in the order of their spans; `body` is exactly the JSON that is posted to `path`
 * @throws FreeplayOptionError for a malformed option
 * @example const records = convertSpans(memoryExporter.getFinishedSpans(), { projectId });
 */
export function convertSpans(spans: readonly SdkSpan[], options: ConvertOptions = {}): FreeplayRecord[] {
  const { logs = [], ...rest } = options;
  const { config } = resolveConfig(rest, {});
  const converter = createConverter(config);
  const eventsOf = createLogIndex(logs.flatMap((log) => fromSdkLogRecord(log) ?? []));
  const told = config.dialects.length > 0 ? undefined : tracesWithCalls(spans);
  if (told?.size === 0) return [];
  const batch = spans.flatMap((span) => {
    if (told && !told.has(traceKeyOf(span))) return [];
    const data = fromSdkSpan(span);
    return data?.sampled ? [converter.read(data, eventsOf(data))] : [];
  });
  const lineage = createLineage({
    wants: wantedRecords(config.records),
    // This batch is all there is: nothing has to be remembered for later ones.
    isOpen: () => false,
    maxTraces: Number.POSITIVE_INFINITY,
    maxSpansPerTrace: Number.POSITIVE_INFINITY,
  });
  return lineage.resolve(batch, true).map(converter.build);
}

/** Traces in which any span may be GenAI: of all others there is nothing to record. */
function tracesWithCalls(spans: readonly SdkSpan[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const span of spans) {
    const key = traceKeyOf(span);
    if (!found.has(key) && !isCertainlyForeign(span)) found.add(key);
  }
  return found;
}

function isCertainlyForeign(span: SdkSpan): boolean {
  try {
    return isForeign(signsOf(span));
  } catch {
    return false; // attributes that throw: what that means is for the converter to say
  }
}
