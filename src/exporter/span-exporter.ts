import { type Config, type FreeplayOptions, resolveConfig } from '../config.ts';
import { type Converter, createConverter, wantedRecords } from '../convert.ts';
import { createLineage, type Lineage } from '../lineage/lineage.ts';
import type { ReadSpan, RecordPlan } from '../lineage/plan.ts';
import { createLog, type Log } from '../log.ts';
import type { FreeplayRecord } from '../record/record.ts';
import { fromSdkSpan, type SdkSpan } from '../span/from-sdk.ts';
import { createLedgerBook, type Ledger, type LedgerBook } from './ledger.ts';
import { createLogBuffer, type LogBuffer } from './log-buffer.ts';
import { createLogRecordProcessor, type FreeplayLogRecordProcessor } from './log-record-processor.ts';
import { createRecordOutbox, type RecordOutbox } from './record-outbox.ts';

/** `ExportResult` of `@opentelemetry/core`, structurally. */
export interface ExportResult {
  /** 0 success, 1 failed. */
  code: number;
  error?: Error;
}

const SUCCESS = 0;
const FAILED = 1;

/** The batch processor gives an export 30 s; a batch that waits for room is answered before that. */
const ROOM_WAIT_MILLIS = 25_000;
/** A trace unheard of for so long is settled: parents that were named and never came get their placeholders. */
const TRACE_IDLE_MILLIS = 1_800_000;

/**
 * An OpenTelemetry span exporter that sends GenAI spans as completion records. Works behind `BatchSpanProcessor` and
 * `SimpleSpanProcessor` of the SDKs 1.x, 2.x and 3.x.
 *
 * `export` never throws and calls back exactly once. Without a key or a project it warns once and does nothing.
 *
 * @throws FreeplayOptionError (constructor) for a malformed option
 * @example new BatchSpanProcessor(new FreeplaySpanExporter())
 */
export class FreeplaySpanExporter {
  /** For a `LoggerProvider`: joins GenAI log events to their spans. Content that is only in log events arrives through this. */
  readonly logRecordProcessor: FreeplayLogRecordProcessor;

  readonly #config: Config;
  readonly #log: Log;
  readonly #book: LedgerBook;
  readonly #converter: Converter;
  readonly #lineage: Lineage;
  readonly #logs: LogBuffer;
  readonly #outbox: RecordOutbox | undefined;
  #stopped: Promise<void> | undefined;
  #onBeforeExit: (() => void) | undefined;

  constructor(options: FreeplayOptions = {}) {
    const { config, warnings } = resolveConfig(options);
    this.#config = config;
    this.#log = createLog();
    for (const warning of warnings) this.#log.warnOnce('FREEPLAY_OTEL_ENVIRONMENT', warning, warning);
    this.#book = createLedgerBook();
    this.#converter = createConverter(config);
    this.#lineage = createLineage({ wants: wantedRecords(config.records) });
    this.#logs = createLogBuffer({ now: () => performance.now() });
    this.logRecordProcessor = createLogRecordProcessor(this.#logs, () => this.#internalFailure());
    this.#outbox = this.#createOutbox();
    if (this.#outbox && config.flushOnExit) this.#flushBeforeExit(this.#outbox);
  }

  /**
   * @param spans ended spans
   * @param resultCallback called once, when every record of the batch is delivered, rejected, or handed to retry: code 1 if one was
   * lost or rejected
   */
  export(spans: readonly SdkSpan[], resultCallback: (result: ExportResult) => void): void {
    if (this.#outbox === undefined) {
      resultCallback({ code: SUCCESS });
      return;
    }
    if (this.#stopped) {
      resultCallback({ code: FAILED, error: new Error('the exporter has been shut down') });
      return;
    }
    this.#convertAndSend(spans, this.#outbox).then(
      (well) =>
        resultCallback(
          well
            ? { code: SUCCESS }
            : {
                code: FAILED,
                error: new Error(
                  `records were lost or rejected: ${this.ledger().lastError ?? 'see ledger()'}`,
                ),
              },
        ),
      () => {
        this.#internalFailure();
        resultCallback({ code: FAILED, error: new Error('internal error') });
      },
    );
  }

  /** Resolves when everything in hand is delivered or settled, within `flushTimeoutMillis`; at once where the API is known to be down. */
  async forceFlush(): Promise<void> {
    if (this.#outbox)
      await whileAlive(this.#outbox.flush(this.#config.flushTimeoutMillis), this.#config.flushTimeoutMillis);
  }

  /** Flushes within `shutdownTimeoutMillis`, drops and counts the rest. Idempotent. */
  shutdown(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** What happened to every span and record so far. */
  ledger(): Ledger {
    return this.#outbox?.ledger() ?? this.#book.read(undefined);
  }

  #createOutbox(): RecordOutbox | undefined {
    const { apiKey, projectId } = this.#config;
    if (apiKey === undefined || projectId === undefined) {
      const missing = [
        apiKey === undefined ? 'an API key (apiKey or FREEPLAY_API_KEY)' : '',
        projectId === undefined ? 'a project (projectId or FREEPLAY_PROJECT_ID)' : '',
      ].filter((text) => text !== '');
      this.#log.warnOnce(
        'FREEPLAY_OTEL_NOT_CONFIGURED',
        `no records are sent to Freeplay: ${missing.join(' and ')} is missing. The app and its other exporters are not affected`,
      );
      return undefined;
    }
    return createRecordOutbox(this.#config, projectId, this.#book, this.#log);
  }

  async #convertAndSend(spans: readonly SdkSpan[], outbox: RecordOutbox): Promise<boolean> {
    const now = performance.now();
    const batch: ReadSpan[] = [];
    for (const span of spans) {
      const read = this.#read(span);
      if (read) batch.push(read);
    }
    const plans = [
      ...this.#lineage.settle(now - TRACE_IDLE_MILLIS),
      ...this.#lineage.resolve(batch, false, now),
    ];
    const records = this.#build(plans);
    this.#book.addSpans(spans.length, new Set(plans.flatMap((plan) => plan.span?.spanId ?? [])).size);
    return records.length === 0 || outbox.send(records, ROOM_WAIT_MILLIS);
  }

  #read(span: SdkSpan): ReadSpan | undefined {
    try {
      const data = fromSdkSpan(span);
      if (!data) {
        this.#book.addCreated();
        this.#log.warn(
          'FREEPLAY_OTEL_LOSS',
          `a span with malformed ids was dropped, ${this.#book.addDropped('invalid_ids')} in all`,
          'invalid_ids',
        );
        return undefined;
      }
      return data.sampled
        ? this.#converter.read(data, this.#logs.take(data.traceId, data.spanId))
        : undefined;
    } catch {
      this.#internalFailure();
      return undefined;
    }
  }

  /** One record that cannot be built costs no other. */
  #build(plans: readonly RecordPlan[]): readonly FreeplayRecord[] {
    const records: FreeplayRecord[] = [];
    for (const plan of plans) {
      try {
        records.push(this.#converter.build(plan));
      } catch {
        this.#book.addCreated();
        this.#book.addDropped('conversion');
        this.#internalFailure();
      }
    }
    return records;
  }

  async #stop(): Promise<void> {
    const limit = this.#config.shutdownTimeoutMillis;
    if (this.#onBeforeExit) process.removeListener('beforeExit', this.#onBeforeExit);
    if (!this.#outbox) return;
    const placeholders = this.#build(this.#lineage.settle());
    // Not awaited: what has no room now is dropped and counted when delivery shuts down.
    if (placeholders.length > 0) void this.#outbox.send(placeholders, limit);
    await whileAlive(this.#outbox.shutdown(limit), limit + 2_000);
    const ledger = this.ledger();
    const { rejected, dropped } = ledger.records;
    const lost = Object.values(dropped).reduce((sum, n) => sum + n, 0);
    if (lost + rejected > 0) {
      this.#log.warnOnce(
        'FREEPLAY_OTEL_LOSS',
        `in all ${lost} records were lost and ${rejected} rejected: ${JSON.stringify(dropped)}`,
        'total',
      );
    }
    this.#log.info(`shut down: ${JSON.stringify(ledger)}`);
  }

  /** Flushes when the process has nothing else to do; at most once for the same records, or it would never end. */
  #flushBeforeExit(outbox: RecordOutbox): void {
    let flushed = -1;
    this.#onBeforeExit = () => {
      const { created, pending } = outbox.ledger().records;
      if (pending === 0 || created === flushed) return;
      flushed = created;
      void this.forceFlush();
    };
    process.on('beforeExit', this.#onBeforeExit);
  }

  #internalFailure(): void {
    this.#log.warn('FREEPLAY_OTEL_INTERNAL', 'an internal error was caught; the app is not affected');
  }
}

/** Someone awaits this: the process stays until it is settled, and no longer than the limit. Delivery's own timers keep nothing alive. */
async function whileAlive<T>(work: Promise<T>, limitMillis: number): Promise<T> {
  const timer = setTimeout(() => {}, limitMillis);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}
