/** Plain spans in, plans and records out: the pure half over data instead of SDK spans, so that it can be run many times over. */
import { type Config, type FreeplayOptions, resolveConfig } from '../config.ts';
import { createConverter, wantedRecords } from '../convert.ts';
import { createLineage, type Lineage } from '../lineage/lineage.ts';
import type { ReadSpan, RecordPlan } from '../lineage/plan.ts';
import { createTwins } from '../lineage/twins.ts';
import type { FreeplayRecord } from '../record/record.ts';
import { createLogIndex } from '../span/log-keys.ts';
import type { LogData, SpanData } from '../span/span-data.ts';

/** A span, and the log events that were emitted in its context. */
export interface SpanWithLogs {
  readonly span: SpanData;
  readonly logs: readonly LogData[];
}

export interface DataConverter {
  read(item: SpanWithLogs): ReadSpan;
  /** Plans for whole traces. */
  plan(reads: readonly ReadSpan[]): readonly RecordPlan[];
  build(plan: RecordPlan): FreeplayRecord;
  /** One that is told of traces in pieces, and remembers them within its bounds. */
  openLineage(): Lineage;
}

export function createDataConverter(options: FreeplayOptions): DataConverter {
  const config: Config = resolveConfig(options, {}).config;
  const converter = createConverter(config);
  const wants = wantedRecords(config.records);
  const findTwin = createTwins();
  return {
    read: ({ span, logs }) => converter.read(span, logs),
    plan: (reads) =>
      createLineage({
        wants,
        findTwin,
        maxTraces: Number.POSITIVE_INFINITY,
        maxSpansPerTrace: Number.POSITIVE_INFINITY,
      }).resolve(reads, true),
    build: converter.build,
    openLineage: () => createLineage({ wants, findTwin }),
  };
}

/** Each span with its log events, in the order of the spans. Logs whose span is not among them are left out. */
export function joinLogs(spans: readonly SpanData[], logs: readonly LogData[]): readonly SpanWithLogs[] {
  const eventsOf = createLogIndex(logs);
  return spans.map((span) => ({ span, logs: eventsOf(span) }));
}
