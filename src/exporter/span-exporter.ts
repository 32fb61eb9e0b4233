import type { FreeplayOptions } from '../config.ts';
import type { SdkSpan } from '../span/from-sdk.ts';
import { type Ledger, tellError } from './ledger.ts';
import type { FreeplayLogRecordProcessor } from './log-record-processor.ts';
import type { RecordOutbox } from './record-outbox.ts';
import { createRecordPipeline, flushBeforeExit, type RecordPipeline } from './record-pipeline.ts';
import { isTaken } from './spans-in-hand.ts';

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

  readonly #pipeline: RecordPipeline;
  #stopped: Promise<void> | undefined;
  #stopListening: (() => void) | undefined;

  constructor(options: FreeplayOptions = {}) {
    this.#pipeline = createRecordPipeline(options);
    this.logRecordProcessor = this.#pipeline.logRecordProcessor;
    const { config, outbox } = this.#pipeline;
    if (outbox && config.flushOnExit) {
      this.#stopListening = flushBeforeExit(
        this.#pipeline,
        () => 0,
        () => this.forceFlush(),
      );
    }
  }

  /**
   * @param spans ended spans
   * @param resultCallback called once, when every record of the batch is delivered, rejected, or handed to retry: code 1 if one was
   * lost or rejected
   */
  export(spans: readonly SdkSpan[], resultCallback: (result: ExportResult) => void): void {
    const answer = (result: ExportResult): void => {
      try {
        resultCallback(result);
      } catch {
        this.#pipeline.internalFailure(); // whoever gave the callback has a bug: not one that may end the process
      }
    };
    const { outbox } = this.#pipeline;
    if (outbox === undefined) answer({ code: SUCCESS });
    else if (this.#stopped) answer({ code: FAILED, error: new Error('the exporter has been shut down') });
    else {
      this.#convertAndSend(spans, outbox).then(
        (well) => answer(well ? { code: SUCCESS } : this.#failure()),
        () => {
          this.#pipeline.internalFailure();
          answer({ code: FAILED, error: new Error('internal error') });
        },
      );
    }
  }

  /** Resolves when everything in hand is delivered or settled, within `flushTimeoutMillis`; at once where the API is known to be down. */
  forceFlush(): Promise<void> {
    return this.#pipeline.flush(this.#pipeline.config.flushTimeoutMillis);
  }

  /** Flushes within `shutdownTimeoutMillis`, spools or drops the rest, and counts it. Idempotent. */
  shutdown(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** What happened to every span and record so far. */
  ledger(): Ledger {
    return this.#pipeline.ledger();
  }

  #failure(): ExportResult {
    return {
      code: FAILED,
      error: new Error(`records were lost or rejected: ${tellError(this.ledger())}`),
    };
  }

  async #convertAndSend(spans: readonly SdkSpan[], outbox: RecordOutbox): Promise<boolean> {
    const { lineage } = this.#pipeline;
    const now = performance.now();
    if (spans.some((span) => typeof span === 'object' && span !== null && isTaken(span))) {
      this.#pipeline.log.warnOnce(
        'FREEPLAY_OTEL_TWICE',
        'a FreeplaySpanProcessor and a FreeplaySpanExporter are on one provider: every record is sent twice. Keep the processor',
      );
    }
    const batch = spans.flatMap((span) => this.#pipeline.read(span) ?? []);
    const plans = [...lineage.settle(now - TRACE_IDLE_MILLIS), ...lineage.resolve(batch, false, now)];
    this.#pipeline.countSpans(spans.length, plans);
    this.#pipeline.warnOfOverflow();
    const records = this.#pipeline.build(plans);
    return records.length === 0 || outbox.send(records, ROOM_WAIT_MILLIS);
  }

  async #stop(): Promise<void> {
    const { config, lineage, outbox } = this.#pipeline;
    this.#stopListening?.();
    const placeholders = this.#pipeline.build(lineage.settle());
    // Not awaited: what has no room now is dropped and counted when delivery shuts down.
    if (placeholders.length > 0) void outbox?.send(placeholders, config.shutdownTimeoutMillis);
    await this.#pipeline.shutdown(config.shutdownTimeoutMillis);
  }
}
