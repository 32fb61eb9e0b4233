/** Spans → records → delivery, with everything that an exporter and a processor have in common: reading, building, counting, warning. */
import type { Operation } from '../completion/completion.ts';
import { type Config, type FreeplayOptions, resolveConfig } from '../config.ts';
import { createConverter, wantedRecords } from '../convert.ts';
import { settledWithin } from '../delivery/sleep.ts';
import { isForeign } from '../dialects/registry.ts';
import { createLineage, type Lineage, type LineageOptions } from '../lineage/lineage.ts';
import type { ReadSpan, RecordPlan } from '../lineage/plan.ts';
import { createLog, type Log } from '../log.ts';
import { toOutgoing } from '../record/outgoing.ts';
import type { OutgoingRecord } from '../record/record.ts';
import { fromSdkSpan, type SdkSpan, signsOf } from '../span/from-sdk.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import { createReceiptSender } from './development.ts';
import { createLedgerBook, type Ledger, tellError } from './ledger.ts';
import { createLogBuffer } from './log-buffer.ts';
import { createLogRecordProcessor, type FreeplayLogRecordProcessor } from './log-record-processor.ts';
import { type MetricsSource, reportMetrics } from './metrics.ts';
import { createRecordOutbox, type RecordOutbox } from './record-outbox.ts';

export interface RecordPipeline {
  readonly config: Config;
  readonly log: Log;
  readonly lineage: Lineage;
  /** Absent without a key or a project: nothing is read, nothing is sent. */
  readonly outbox: RecordOutbox | undefined;
  readonly logRecordProcessor: FreeplayLogRecordProcessor;
  /**
   * The span as its dialect reads it, joined with its log events; `undefined` for a span that is not recorded.
   *
   * @param includeUnsampled read spans that are recorded but not sampled, too
   * @param known what `peek` gave of it after its end: only log events could add to that
   */
  read(span: SdkSpan, includeUnsampled?: boolean, known?: ReadSpan): ReadSpan | undefined;
  /** A span that came as plain data, with its log events. It is sampled: whoever sent it has decided that. */
  readData(data: SpanData, events: readonly LogData[]): ReadSpan | undefined;
  /** True where no dialect can know the span: it can be an ancestor, and nothing more. */
  isForeign(span: SdkSpan): boolean;
  /** The least there is to know of a span: what kind of thing it does, if it is one that a dialect knows. Cheap, for the app waits. */
  recognise(
    span: SdkSpan,
  ): { readonly span: SpanData; readonly operation: Operation | undefined } | undefined;
  /** A span that still runs, as far as it has come; its log events stay where they are. */
  peek(span: SdkSpan): ReadSpan | undefined;
  /** One record that cannot be built costs no other. */
  build(plans: readonly RecordPlan[]): readonly OutgoingRecord[];
  /** Appends the reply of a span that was recorded before it ended; `undefined` if it has none. */
  buildUpdate(read: ReadSpan): OutgoingRecord | undefined;
  countSpans(seen: number, plans: readonly RecordPlan[]): void;
  /**
   * Says where state had to be given up early: records still go out, but some lose an ancestor that would have been known.
   *
   * @param forgottenSpans running spans that were given up, in all
   */
  warnOfOverflow(forgottenSpans?: number): void;
  /** Caught and counted: the host application is never told by an exception. */
  internalFailure(): void;
  ledger(): Ledger;
  /** Waits for delivery; the process stays alive for it, and no longer than the limit. */
  flush(timeoutMillis: number): Promise<void>;
  shutdown(timeoutMillis: number): Promise<void>;
}

export function createRecordPipeline(
  options: FreeplayOptions,
  lineageOptions: LineageOptions = {},
  component?: MetricsSource['component'],
): RecordPipeline {
  const { config, warnings } = resolveConfig(options);
  const log = createLog();
  for (const warning of warnings) log.warnOnce('FREEPLAY_OTEL_ENVIRONMENT', warning, warning);
  const book = createLedgerBook();
  const converter = createConverter(config);
  const lineage = createLineage({ wants: wantedRecords(config.records), ...lineageOptions });
  const logs = createLogBuffer({ now: () => performance.now() });
  const outbox = hasAddress(config, log) ? createRecordOutbox(config, book, log) : undefined;

  const receipts = outbox && createReceiptSender(config, log);

  const internalFailure = (): void =>
    log.warn('FREEPLAY_OTEL_INTERNAL', 'an internal error was caught; the app is not affected');

  const stopMetrics =
    outbox && config.meterProvider
      ? reportMetrics(config.meterProvider, {
          // Only a processor knows spans that still run.
          component: component ?? (lineageOptions.live ? 'FreeplaySpanProcessor' : 'FreeplaySpanExporter'),
          maxQueueRecords: config.maxQueueRecords,
          maxQueueBytes: config.maxQueueBytes,
          ledger: outbox.ledger,
          onFailure: () =>
            log.warn(
              'FREEPLAY_OTEL_INTERNAL',
              'the meterProvider threw; metrics may be missing, records are not affected',
              'metrics',
            ),
        })
      : undefined;

  let overflow = 0;
  let toldFailures = 0;

  /** A dialect that threw, or a hook of the user's (filter, session): the span went on without its word. */
  function warnOfFailures(): void {
    const { dialect, hook } = converter.failures;
    if (dialect + hook === toldFailures) return;
    toldFailures = dialect + hook;
    log.warn(
      'FREEPLAY_OTEL_INTERNAL',
      `a dialect threw ${dialect} times, filter or session ${hook} times, in all; what they would have said is missing`,
      'conversion',
    );
  }

  function dropMalformed(): undefined {
    book.addCreated();
    const total = book.addDropped('invalid_ids');
    log.warn('FREEPLAY_OTEL_LOSS', `a span with malformed ids was dropped, ${total} in all`, 'invalid_ids');
  }

  return {
    config,
    log,
    lineage,
    outbox,
    logRecordProcessor: createLogRecordProcessor(logs, internalFailure),
    read(span, includeUnsampled = false, known) {
      try {
        const data = known?.span ?? fromSdkSpan(span);
        if (!data) return dropMalformed();
        const wanted = data.sampled || includeUnsampled;
        if (!wanted) return undefined;
        const events = logs.take(data);
        const read = known && events.length === 0 ? known : converter.read(data, events);
        warnOfFailures();
        return read;
      } catch {
        internalFailure();
        return undefined;
      }
    },
    readData(data, events) {
      try {
        const read = converter.read(data, events);
        warnOfFailures();
        return read;
      } catch {
        internalFailure();
        return undefined;
      }
    },
    isForeign: (span) => config.dialects.length === 0 && isForeign(signsOf(span)),
    recognise(span) {
      const data = fromSdkSpan(span);
      return data && { span: data, operation: converter.operationOf(data) };
    },
    peek(span) {
      const data = fromSdkSpan(span);
      return data && converter.read(data, []);
    },
    build(plans) {
      const records: OutgoingRecord[] = [];
      for (const plan of plans) {
        try {
          const record = converter.plan(plan);
          receipts?.add(plan, record.record().receipt);
          records.push(record);
        } catch {
          book.addCreated();
          book.addDropped('conversion');
          internalFailure();
        }
      }
      return records;
    },
    buildUpdate(read) {
      const update = converter.buildUpdate(read);
      return update && toOutgoing(update);
    },
    countSpans(seen, plans) {
      let converted = 0;
      let last: unknown;
      for (const { span } of plans) {
        // The two records of a root that was named by its span id follow each other.
        if (span && span !== last) converted++;
        last = span;
      }
      book.addSpans(seen, converted);
    },
    warnOfOverflow(forgottenSpans = 0) {
      const given = lineage.stats().unfinishedTraces + forgottenSpans;
      if (given === overflow) return;
      overflow = given;
      log.warn(
        'FREEPLAY_OTEL_OVERFLOW',
        `more spans or traces than can be remembered: ${forgottenSpans} running spans and ${given - forgottenSpans} traces were given up early, in all. Their records go out with what is known`,
      );
    },
    internalFailure,
    ledger: () => outbox?.ledger() ?? book.read(undefined),
    async flush(timeoutMillis) {
      const told = receipts && settledWithin(receipts.flush(), timeoutMillis);
      await whileAlive(Promise.all([outbox?.flush(timeoutMillis), told]), timeoutMillis + CLOSE_MILLIS);
    },
    async shutdown(timeoutMillis) {
      if (!outbox) return;
      const told = receipts && settledWithin(receipts.flush(), timeoutMillis).then(receipts.close);
      await whileAlive(Promise.all([outbox.shutdown(timeoutMillis), told]), timeoutMillis + CLOSE_MILLIS);
      stopMetrics?.();
      sayGoodbye(outbox.ledger(), log);
    },
  };
}

/** Connections close after the limit, and what ends at it must still be told; the process stays for that. */
const CLOSE_MILLIS = 2_000;

function hasAddress(config: Config, log: Log): config is Config & { readonly projectId: string } {
  const missing = [
    config.apiKey === undefined ? 'an API key (apiKey or FREEPLAY_API_KEY)' : '',
    config.projectId === undefined ? 'a project (projectId or FREEPLAY_PROJECT_ID)' : '',
  ].filter((text) => text !== '');
  if (missing.length === 0) return true;
  log.warnOnce(
    'FREEPLAY_OTEL_NOT_CONFIGURED',
    `no records are sent to Freeplay: ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing. The app and its other exporters are not affected`,
  );
  return false;
}

/** The last word: the totals that rate-limited warnings could not give. */
function sayGoodbye(ledger: Ledger, log: Log): void {
  const { rejected } = ledger.records;
  // What was given back is with its sender, who sends it again.
  const { returned: _returned, ...dropped } = ledger.records.dropped;
  const lost = Object.values(dropped).reduce((sum, n) => sum + n, 0);
  if (lost + rejected > 0) {
    log.warnOnce(
      'FREEPLAY_OTEL_LOSS',
      `in all ${lost} records were lost and ${rejected} rejected: ${JSON.stringify(dropped)}`,
      'total',
    );
  }
  const { lastError: _, ...numbers } = ledger;
  log.info(`shut down: ${JSON.stringify(numbers)}`);
}

/** Someone awaits this: the process stays until it is settled, and no longer than the limit. Delivery's own timers keep nothing alive. */
async function whileAlive(work: Promise<unknown>, limitMillis: number): Promise<void> {
  const timer = setTimeout(() => {}, limitMillis);
  try {
    await work;
  } finally {
    clearTimeout(timer);
  }
}

/** The process ends now: what is still in hand, and not in the spool, is lost with it. */
function warnOfRest(pipeline: RecordPipeline): void {
  const { unsafe } = pipeline.outbox?.atStake() ?? { unsafe: 0 };
  if (unsafe === 0) return;
  pipeline.log.warnOnce(
    'FREEPLAY_OTEL_LOSS',
    `${unsafe} records were not delivered before the process ended (${tellError(pipeline.ledger())})`,
    'exit',
  );
}

/**
 * Flushes when the process has nothing else to do; at most once for the same records, or it would never end.
 *
 * @returns takes the listener off again
 */
export function flushBeforeExit(
  pipeline: RecordPipeline,
  pendingSpans: () => number,
  flush: () => Promise<void>,
): () => void {
  let flushed = 0;
  const onBeforeExit = (): void => {
    const inHand = (pipeline.outbox?.atStake().records ?? 0) + pendingSpans();
    const mark = pipeline.ledger().records.created + pendingSpans();
    // With a spool, what is delivered may still have to be noted there.
    const isDone = inHand === 0 && !pipeline.outbox?.hasSpool;
    if (isDone || mark === flushed) return;
    flushed = mark;
    void flush().then(() => warnOfRest(pipeline));
  };
  process.on('beforeExit', onBeforeExit);
  return () => process.removeListener('beforeExit', onBeforeExit);
}
