import type { Context } from '@opentelemetry/api';
import type { Surroundings } from '../completion/completion.ts';
import type { Config, FreeplayOptions } from '../config.ts';
import {
  baggageSurroundings,
  contextFactsOf,
  forgetCompletion,
  noteCompletion,
} from '../context/freeplay-context.ts';
import { wantedRecords } from '../convert.ts';
import type { Ledger } from '../exporter/ledger.ts';
import type { FreeplayLogRecordProcessor } from '../exporter/log-record-processor.ts';
import { createRecordPipeline, flushBeforeExit, type RecordPipeline } from '../exporter/record-pipeline.ts';
import { markTaken } from '../exporter/spans-in-hand.ts';
import { type CallReport, reportOf } from '../lineage/call-report.ts';
import { inheritSurroundings } from '../lineage/inherit.ts';
import { type ReadSpan, type RecordPlan, surroundingsOf } from '../lineage/plan.ts';
import { completionIdOf } from '../record/ids.ts';
import type { OutgoingRecord } from '../record/record.ts';
import type { SdkSpan } from '../span/from-sdk.ts';
import type { Attributes } from '../span/span-data.ts';
import { type Conversion, createConversion } from './conversion.ts';
import { createLiveSpans, type LiveSpan, type LiveSpans } from './live-spans.ts';
import {
  createPendingTraces,
  type EndedSpan,
  type PendingTraces,
  waitingForReports,
} from './pending-traces.ts';
import { createSkippedSpans, type SkippedSpans } from './skipped-spans.ts';
import { stampOf, stampSpan } from './stamps.ts';

/** Traces are forgotten after so long without a span, unless one of theirs still runs. */
const TRACE_IDLE_MILLIS = 1_800_000;
/** How often spans that run and traces that are idle are looked at. */
const MIN_WATCH_MILLIS = 250;
const MAX_WATCH_MILLIS = 60_000;
/** Spans that wait for conversion; beyond, they are converted as fast as they come, whatever they wait for. */
const MAX_PENDING_SPANS = 10_000;
/** Spans that an exporter of ours on the same provider would be known by; a few are enough. */
const MARKED_SPANS = 256;

/**
 * An OpenTelemetry span processor that sends GenAI spans as completion records. It sees spans start, so it knows every ancestor when a
 * span ends; it batches by itself and stands beside any other processor of the SDKs 1.x, 2.x and 3.x.
 *
 * `onStart`, `onEnding` and `onEnd` never throw, and write nothing to a span but the stamps (`freeplay.completion.id`,
 * `freeplay.trace.id`, `freeplay.url`). Without a key or a project it warns once and does nothing.
 *
 * @throws FreeplayOptionError (constructor) for a malformed option
 * @example new NodeSDK({ spanProcessors: [new BatchSpanProcessor(existingExporter), new FreeplaySpanProcessor()] })
 */
export class FreeplaySpanProcessor {
  /** For a `LoggerProvider`: joins GenAI log events to their spans. */
  readonly logRecordProcessor: FreeplayLogRecordProcessor;

  readonly #config: Config;
  readonly #wants: ReturnType<typeof wantedRecords>;
  readonly #pipeline: RecordPipeline;
  readonly #live: LiveSpans;
  readonly #pending: PendingTraces;
  readonly #skipped: SkippedSpans;
  readonly #conversion: Conversion;
  #timer: NodeJS.Timeout | undefined;
  #marked = 0;
  #watchTimer: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;
  #stopListening: (() => void) | undefined;

  constructor(options: FreeplayOptions = {}) {
    this.#live = createLiveSpans();
    this.#pending = createPendingTraces();
    this.#skipped = createSkippedSpans();
    this.#pipeline = createRecordPipeline(options, {
      live: (traceId, spanId) => this.#peek(traceId, spanId),
      isOpen: (traceId) => this.#live.hasTrace(traceId) || this.#pending.has(traceId),
    });
    this.#config = this.#pipeline.config;
    this.#conversion = createConversion({
      convertNext: () => this.#convertNext(),
      hasReady: () => this.#pending.hasReady,
      outbox: this.#pipeline.outbox,
      flush: this.#pipeline.flush,
    });
    this.#wants = wantedRecords(this.#config.records);
    this.logRecordProcessor = this.#pipeline.logRecordProcessor;
    if (this.#pipeline.outbox && this.#config.flushOnExit) {
      this.#stopListening = flushBeforeExit(
        this.#pipeline,
        () => this.#pending.size,
        () => this.forceFlush(),
      );
    }
  }

  onStart(span: SdkSpan, parentContext?: Context): void {
    if (!this.#isOn) return;
    this.#guard(() => {
      const { traceId, spanId } = span.spanContext();
      this.#live.add({
        span,
        traceId,
        spanId,
        startedAt: performance.now(),
        context: contextFactsOf(parentContext),
        baggage: this.#config.readBaggage ? baggageSurroundings(parentContext) : undefined,
        ended: false,
        overdue: false,
        reported: undefined,
      });
      this.#stamp(span);
      this.#watch();
    });
  }

  /** SDK 2.x and later: the last moment at which a span takes attributes. */
  onEnding(span: SdkSpan): void {
    if (this.#isOn) this.#guard(() => this.#stamp(span));
  }

  onEnd(span: SdkSpan): void {
    if (!this.#isOn) return;
    this.#guard(() => {
      const { traceId, spanId } = span.spanContext();
      const live = this.#live.get(traceId, spanId);
      if (this.#isIdle(traceId, live) && this.#pipeline.isForeign(span)) return this.#skip([span], traceId);
      if (live) live.ended = true;
      if (this.#marked < MARKED_SPANS) {
        this.#marked++;
        markTaken(span);
      }
      this.#pending.add({ span, traceId, spanId, endedAt: performance.now() });
      if (live?.context) this.#tellHandles(span, live);
      if (this.#pending.size < MAX_PENDING_SPANS) this.#schedule();
      else {
        this.#pending.releaseAll();
        this.#convertNext();
      }
    });
  }

  /** Resolves when every ended span is converted and delivered or settled, within `flushTimeoutMillis`. What waits for a merge is released. */
  async forceFlush(): Promise<void> {
    if (!this.#pipeline.outbox) return;
    const end = performance.now() + this.#config.flushTimeoutMillis;
    this.#pending.releaseAll();
    await this.#conversion.finish(end, false);
    await this.#pipeline.flush(Math.max(0, end - performance.now()));
  }

  /** Records what still runs as incomplete, flushes within `shutdownTimeoutMillis`, spools or drops the rest, and counts it. Idempotent. */
  shutdown(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** What happened to every span and record so far. */
  ledger(): Ledger {
    return this.#pipeline.ledger();
  }

  get #isOn(): boolean {
    return this.#pipeline.outbox !== undefined && this.#stopped === undefined;
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch {
      this.#pipeline.internalFailure();
    }
  }

  #stamp(span: SdkSpan): void {
    if (!this.#config.stampSpans || stampOf(span.attributes as Attributes) !== undefined) return;
    if (this.#pipeline.isForeign(span)) return;
    const { span: data, operation } = this.#pipeline.recognise(span) ?? {};
    if (!data || !operation || !(data.sampled || this.#config.includeUnsampled)) return;
    const isRoot = data.parentSpanId === undefined;
    const role = operation === 'inference' ? 'completion' : isRoot ? 'group' : 'step';
    // A stamp names a record that exists: none where the option `records` leaves this one out.
    if (this.#wants(role, operation)) stampSpan(span, data, operation, this.#config.completionUrlTemplate);
  }

  /** A handle lists a call as soon as it has ended, long before it is converted. */
  #tellHandles(span: SdkSpan, live: LiveSpan | undefined): void {
    if (!live?.context) return;
    const read = this.#pipeline.peek(span);
    if (read?.reading?.operation !== 'inference' || !(read.span.sampled || this.#config.includeUnsampled))
      return;
    const model = read.reading.responseModel ?? read.reading.requestModel;
    noteCompletion(live.context, { completionId: completionIdOf(read.span), model });
  }

  /** One unref'd timer, running only while something waits. */
  #schedule(): void {
    if (this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#guard(() => this.#tick());
        if (this.#pending.size > 0) this.#schedule();
      },
      Math.max(10, this.#config.flushDelayMillis / 4),
    );
    this.#timer.unref();
  }

  #tick(): void {
    const now = performance.now();
    this.#pending.release(now, this.#config.flushDelayMillis, (list) => this.#waiting(list, now));
    if (this.#pending.hasReady) this.#conversion.start();
  }

  #convertNext(): boolean {
    const ended = this.#pending.take();
    if (ended) this.#guard(() => this.#convert(ended));
    return ended !== undefined;
  }

  /** One more unref'd timer, a slow one, as long as spans run or traces are remembered: an idle app records its hung calls, too. */
  #watch(): void {
    if (this.#watchTimer) return;
    this.#watchTimer = setTimeout(
      () => {
        this.#watchTimer = undefined;
        this.#guard(() => this.#age(performance.now()));
        if (this.#live.size > 0 || this.#pipeline.lineage.stats().traces > 0) this.#watch();
      },
      Math.min(MAX_WATCH_MILLIS, Math.max(MIN_WATCH_MILLIS, this.#config.unendedAfterMillis / 4)),
    );
    this.#watchTimer.unref();
  }

  #age(now: number): void {
    this.#reportUnended(now);
    const idle = this.#pipeline.lineage.settle(now - TRACE_IDLE_MILLIS);
    if (idle.length > 0) this.#send(this.#pipeline.build(idle));
  }

  /** An inference waits for another one that runs around or beside it and may report the same call. */
  #waiting(list: readonly EndedSpan[], now: number): ReadonlySet<EndedSpan> {
    const [first] = list;
    if (!first) return NOTHING;
    for (const live of this.#live.ofTrace(first.traceId))
      if (!live.ended && live.reported === undefined && this.#isCall(live.span))
        return waitingForReports(list, now, this.#config.mergeWaitMillis, (ended) => this.#reportOf(ended));
    return NOTHING;
  }

  #isCall(span: SdkSpan): boolean {
    return this.#pipeline.recognise(span)?.operation === 'inference';
  }

  /** What a span says of a model call, if it is one. */
  #reportOf(ended: EndedSpan): CallReport | undefined {
    if (ended.report === undefined) {
      ended.read ??= this.#pipeline.peek(ended.span);
      const { span, reading } = ended.read ?? {};
      ended.report =
        span && reading?.operation === 'inference'
          ? reportOf(span.spanId, span.scope.name, span.startTime, span.endTime, reading)
          : null;
    }
    return ended.report ?? undefined;
  }

  /** Nothing of the trace runs, waits or is remembered, but for this span. */
  #isIdle(traceId: string, live: LiveSpan | undefined): boolean {
    return (
      !this.#pending.has(traceId) &&
      !this.#pipeline.lineage.knows(traceId) &&
      this.#live.countOf(traceId) === (live ? 1 : 0)
    );
  }

  /** Nothing in the trace is anything to record. */
  #skip(spans: readonly SdkSpan[], traceId: string): void {
    for (const span of spans) {
      this.#live.remove(traceId, span.spanContext().spanId);
      this.#skipped.add(traceId, span);
    }
    this.#pipeline.countSpans(spans.length, []);
  }

  /** The spans of one trace. */
  #convert(ended: readonly EndedSpan[]): void {
    const traceId = ended[0]?.traceId ?? '';
    const isKnown = this.#pipeline.lineage.knows(traceId);
    if (
      !isKnown &&
      this.#live.countOf(traceId) <= ended.length &&
      ended.every(({ span }) => this.#pipeline.isForeign(span))
    )
      return this.#skip(
        ended.map(({ span }) => span),
        traceId,
      );
    const batch: ReadSpan[] = [];
    // There was nothing to record when they ended; now there is, and they may be its ancestors.
    for (const span of isKnown ? [] : this.#skipped.take(traceId)) {
      const read = this.#pipeline.read(span, this.#config.includeUnsampled);
      if (read) batch.push(read);
    }
    const contexts = new Map<string, LiveSpan>();
    for (const { span, spanId, read: known } of ended) {
      const live = this.#live.remove(traceId, spanId);
      if (live?.context) contexts.set(spanId, live);
      const read = this.#pipeline.read(span, this.#config.includeUnsampled, known);
      if (!read) continue;
      if (live?.reported === 'call') this.#appendReply(read);
      else if (live?.reported === undefined) batch.push(withContext(read, live));
    }
    const plans = this.#pipeline.lineage.resolve(batch, true, performance.now());
    this.#pipeline.countSpans(ended.length, plans);
    this.#pipeline.warnOfOverflow(this.#live.forgotten);
    if (contexts.size > 0) for (const plan of plans) if (plan.role === 'double') forgetDouble(plan, contexts);
    this.#send(this.#pipeline.build(plans));
  }

  #send(records: readonly OutgoingRecord[]): void {
    // No waiting for room: the newest is dropped, counted and reported.
    if (records.length > 0) void this.#pipeline.outbox?.send(records, 0);
  }

  /** A running span as the lineage sees it: with what it says so far. */
  #peek(traceId: string, spanId: string): ReadSpan | undefined {
    const live = this.#live.get(traceId, spanId);
    if (!live || live.reported) return undefined;
    const read = this.#pipeline.peek(live.span);
    return read && withContext(read, live);
  }

  /** Calls that never end are recorded with what they have; a late end appends its reply and makes no second record. */
  #reportUnended(now: number, everything: boolean = false): void {
    const batch: ReadSpan[] = [];
    const reported: LiveSpan[] = [];
    for (const live of this.#live.all()) {
      if (live.ended || live.reported) continue;
      if (!everything && (live.overdue || now - live.startedAt < this.#config.unendedAfterMillis)) continue;
      live.overdue = true;
      const read = this.#pipeline.peek(live.span);
      if (read?.reading?.operation !== 'inference' || !(read.span.sampled || this.#config.includeUnsampled))
        continue;
      reported.push(live);
      batch.push(withContext(asIncomplete(read), live));
    }
    if (batch.length === 0) return;
    for (const live of reported) live.reported = 'double';
    const records = this.#pipeline.build(this.#pipeline.lineage.resolve(batch, true, now));
    const calls = new Set(records.flatMap(({ kind, id }) => (kind === 'completion' ? [id] : [])));
    for (const live of reported) if (calls.has(completionIdOf(live))) live.reported = 'call';
    this.#send(records);
  }

  #appendReply(read: ReadSpan): void {
    const update = this.#pipeline.buildUpdate(read);
    if (update) this.#send([update]);
  }

  async #stop(): Promise<void> {
    const { config, lineage, outbox } = this.#pipeline;
    this.#stopListening?.();
    clearTimeout(this.#timer);
    clearTimeout(this.#watchTimer);
    this.#pending.releaseAll();
    const end = performance.now() + config.shutdownTimeoutMillis;
    if (outbox) {
      await this.#conversion.finish(end, true);
      // What finds no room now is lost, and counted.
      await this.#conversion.drain();
    }
    this.#guard(() => {
      if (!outbox) return;
      this.#reportUnended(performance.now(), true);
      this.#send(this.#pipeline.build(lineage.settle()));
    });
    await this.#pipeline.shutdown(Math.max(0, end - performance.now()));
  }
}

const NOTHING: ReadonlySet<EndedSpan> = new Set();

/** What the context said when the span started wins over its attributes; baggage comes last. */
function withContext(read: ReadSpan, live: LiveSpan | undefined): ReadSpan {
  if (!live?.context && !live?.baggage) return read;
  const own: Surroundings | undefined = surroundingsOf(read);
  const inherited = inheritSurroundings(inheritSurroundings(live.context?.surroundings, own), live.baggage);
  const surroundings = { ...inherited, parentId: own?.parentId ?? live.baggage?.parentId };
  return { ...read, reading: { ...(read.reading ?? { operation: 'other' }), surroundings } };
}

function asIncomplete(read: ReadSpan): ReadSpan {
  const reading = read.reading ?? { operation: 'other' as const };
  return {
    ...read,
    reading: {
      ...reading,
      extra: { ...reading.extra, incomplete: true },
      notes: [
        ...(reading.notes ?? []),
        { kind: 'missing', text: 'the end of the span: recorded while it was running' },
      ],
    },
  };
}

function forgetDouble(plan: RecordPlan, contexts: ReadonlyMap<string, LiveSpan>): void {
  const live = plan.span && contexts.get(plan.span.spanId);
  if (plan.span) forgetCompletion(live?.context, completionIdOf(plan.span));
}
