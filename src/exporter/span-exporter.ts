import type { FreeplayOptions } from '../config.ts';
import { settledWithin } from '../delivery/sleep.ts';
import type { ReadSpan, RecordPlan } from '../lineage/plan.ts';
import { type SdkSpan, traceKeyOf } from '../span/from-sdk.ts';
import { type Ledger, tellError } from './ledger.ts';
import type { FreeplayLogRecordProcessor } from './log-record-processor.ts';
import type { RecordOutbox } from './record-outbox.ts';
import { createRecordPipeline, flushBeforeExit, type RecordPipeline } from './record-pipeline.ts';
import { isTaken } from './spans-in-hand.ts';
import { createTimeSlices } from './time-slices.ts';

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
/** Conversion gives the event loop back after so long … */
const SLICE_MILLIS = 1;
/** … unless so many spans wait for it: then they come faster than it gets on, and the app has to wait. */
const MAX_WAITING_SPANS = 10_000;

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
  /** The last batch in line. One after the other: what is known of a trace after one must be known when the next one comes. */
  #line: Promise<unknown> = Promise.resolve();
  #waitingSpans = 0;
  #stopped: Promise<void> | undefined;
  #stopListening: (() => void) | undefined;

  constructor(options: FreeplayOptions = {}) {
    this.#pipeline = createRecordPipeline(options);
    this.logRecordProcessor = this.#pipeline.logRecordProcessor;
    const { config, outbox } = this.#pipeline;
    if (outbox && config.flushOnExit) {
      this.#stopListening = flushBeforeExit(
        this.#pipeline,
        () => this.#waitingSpans,
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
      this.#convertInTurn(spans, outbox).then(
        (well) => answer(well ? { code: SUCCESS } : this.#failure()),
        () => {
          this.#pipeline.internalFailure();
          answer({ code: FAILED, error: new Error('internal error') });
        },
      );
    }
  }

  /** Resolves when everything in hand is delivered or settled, within `flushTimeoutMillis`; at once where the API is known to be down. */
  async forceFlush(): Promise<void> {
    const end = performance.now() + this.#pipeline.config.flushTimeoutMillis;
    if (this.#waitingSpans > 0) await settledWithin(this.#line, end - performance.now());
    await this.#pipeline.flush(Math.max(0, end - performance.now()));
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

  async #convertInTurn(spans: readonly SdkSpan[], outbox: RecordOutbox): Promise<boolean> {
    const isNext = this.#waitingSpans === 0;
    this.#waitingSpans += spans.length;
    const converted = isNext
      ? this.#convertAndSend(spans, outbox)
      : this.#line.then(() => this.#convertAndSend(spans, outbox));
    const turn = converted.finally(() => {
      this.#waitingSpans -= spans.length;
    });
    this.#line = turn.catch(() => {});
    const sent = await turn;
    return (await Promise.all(sent)).every((well) => well);
  }

  /** Trace by trace, so that the first are under way while the last are being read. */
  async #convertAndSend(spans: readonly SdkSpan[], outbox: RecordOutbox): Promise<Promise<boolean>[]> {
    const { lineage } = this.#pipeline;
    const slices = createTimeSlices(SLICE_MILLIS);
    const mayPause = (): boolean => this.#stopped === undefined && this.#waitingSpans < MAX_WAITING_SPANS;
    const sent: Promise<boolean>[] = [];
    const now = performance.now();
    const send = (plans: readonly RecordPlan[]): void => {
      const records = this.#pipeline.build(plans);
      const waitMillis = Math.max(0, now + ROOM_WAIT_MILLIS - performance.now());
      if (records.length > 0) sent.push(outbox.send(records, waitMillis));
    };
    if (spans.some((span) => typeof span === 'object' && span !== null && isTaken(span))) {
      this.#pipeline.log.warnOnce(
        'FREEPLAY_OTEL_TWICE',
        'a FreeplaySpanProcessor and a FreeplaySpanExporter are on one provider: every record is sent twice. Keep the processor',
      );
    }
    send(lineage.settle(now - TRACE_IDLE_MILLIS));
    for (const trace of byTrace(spans)) {
      const batch: ReadSpan[] = [];
      for (const span of trace) {
        const read = this.#pipeline.read(span);
        if (read) batch.push(read);
        const pause = mayPause() ? slices.pause() : undefined;
        if (pause) await pause;
      }
      const plans = lineage.resolve(batch, false, now);
      this.#pipeline.countSpans(trace.length, plans);
      send(plans);
    }
    this.#pipeline.warnOfOverflow();
    return sent;
  }

  async #stop(): Promise<void> {
    const { config, lineage, outbox } = this.#pipeline;
    const end = performance.now() + config.shutdownTimeoutMillis;
    this.#stopListening?.();
    if (this.#waitingSpans > 0) await this.#line;
    const placeholders = this.#pipeline.build(lineage.settle());
    // Not awaited: what has no room now is dropped and counted when delivery shuts down.
    if (placeholders.length > 0) void outbox?.send(placeholders, config.shutdownTimeoutMillis);
    await this.#pipeline.shutdown(Math.max(0, end - performance.now()));
  }
}

/** In the order in which the traces come first. */
function byTrace(spans: readonly SdkSpan[]): Iterable<readonly SdkSpan[]> {
  const traces = new Map<string, SdkSpan[]>();
  for (const span of spans) {
    const key = traceKeyOf(span);
    const trace = traces.get(key);
    if (trace) trace.push(span);
    else traces.set(key, [span]);
  }
  return traces.values();
}
