/** Spans of a request → records, in the hands of delivery → a verdict for their sender. */
import type { RecordPipeline } from '../exporter/record-pipeline.ts';
import { createTimeSlices } from '../exporter/time-slices.ts';
import type { ReadSpan } from '../lineage/plan.ts';
import type { SpanData } from '../span/span-data.ts';
import { DONE, later, type Verdict } from './answer.ts';
import { type BatchResult, type EntrustedBatch, entrust, type Parcel } from './entrusted-batch.ts';
import { identityOfSpans } from './identity.ts';
import type { Joins, Outcome } from './joins.ts';
import { createOpenRequests, type OpenRequest, type OpenRequests } from './open-requests.ts';
import { chooseRoutes, type Route } from './routes.ts';
import { within } from './within.ts';

export interface GatewayRoute extends Route {
  readonly name: string;
  readonly pipeline: RecordPipeline;
}

export interface TraceIntakeOptions {
  readonly routes: readonly GatewayRoute[];
  readonly joins: Joins<BatchResult>;
  /** Milliseconds a span waits for its log events. */
  readonly logWaitMillis: number;
  /** Milliseconds after which a sender is told to try again. */
  readonly answerMillis: number;
}

export interface TraceIntake {
  accept(spans: readonly SpanData[]): Promise<Verdict>;
  /** Resolves when all spans whose sender has been answered early are with delivery. */
  allHandedOver(): Promise<unknown>;
  readonly openRequests: number;
  readonly unrouted: number;
}

/** For writing to the spool, after the time for an answer has passed. */
const SECURE_MILLIS = 1_500;
const MAX_OPEN_REQUESTS = 10_000;
const MAX_OPEN_AGE_MILLIS = 600_000;
/** Records that were given back wait for their sender, beside the queue that had no room for them. */
const MAX_RETURNED_BYTES = 64 * 1024 * 1024;
/** Reading spans gives the event loop back after this. */
const SLICE_MILLIS = 5;

export function createTraceIntake(options: TraceIntakeOptions): TraceIntake {
  const { routes, joins, logWaitMillis, answerMillis } = options;
  const open: OpenRequests = createOpenRequests({
    now: () => performance.now(),
    maxRequests: MAX_OPEN_REQUESTS,
    maxHeldBytes: MAX_RETURNED_BYTES,
    maxAgeMillis: MAX_OPEN_AGE_MILLIS,
  });
  /** Conversions that nobody waits for. */
  const early = new Set<Promise<EntrustedBatch>>();
  let unrouted = 0;

  async function accept(spans: readonly SpanData[]): Promise<Verdict> {
    const deadline = performance.now() + answerMillis;
    const identity = identityOfSpans(spans);
    const known = open.get(identity);
    const chosen = chooseRoutes(spans, routes);
    // Where any has room the request is taken: what is for the others waits for room, and is given back if there is none.
    if (known === undefined && areFull(chosen))
      return later('queue_full', 'the queue is full: the API takes records more slowly than they come');
    const request = known ?? begin(identity, spans, chosen, deadline);
    if (known?.settled?.returned.length) tryAgain(identity, known, known.settled, deadline);

    const first = Promise.race([request.result, request.early.then(() => 'early' as const)]);
    let result = await within(first, deadline - performance.now());
    if (result === 'early') return DONE;
    if (result === undefined && request.secure()) result = await within(request.result, SECURE_MILLIS);
    if (result === undefined)
      return later('not_delivered', 'the API has not taken all records yet; they are on their way', 5);
    if (result === 'failed') {
      open.close(identity);
      return later('internal', 'an internal error, please report it', 30);
    }
    if (result.isStopped) return later('draining', 'the gateway stops');
    if (result.returned.length > 0)
      return later(
        'not_delivered',
        'the API did not take all records; those it took are not recorded twice',
        5,
      );
    open.close(identity);
    return { kind: 'done', rejected: result.rejected, message: result.message };
  }

  /** The first time that these spans come. */
  function begin(
    identity: string,
    spans: readonly SpanData[],
    chosen: readonly (GatewayRoute | undefined)[],
    deadline: number,
  ): OpenRequest {
    let secure = (): boolean => false;
    let answerEarly = (): void => {};
    const request: OpenRequest = {
      early: new Promise((resolve) => {
        answerEarly = resolve;
      }),
      result: work(),
      settled: undefined,
      secure: () => secure(),
      heldBytes: 0,
      at: performance.now(),
    };
    open.add(identity, request);
    note(identity, request);
    return request;

    async function work(): Promise<BatchResult> {
      // The caller has the promise of this before anything is taken.
      await undefined;
      const without = spans.filter((span, i) => lacksEvents(span, chosen[i]));
      const isEarly = without.length > 0 && without.every(joins.sendsEventsLast);
      if (isEarly) answerEarly();
      if (without.length > 0) {
        const wait = Math.min(logWaitMillis, deadline - performance.now());
        if (!(await joins.waitFor(without, wait)) && !isEarly) return { ...NOTHING, isStopped: true };
      }
      const handing = handOver();
      if (isEarly) early.add(handing);
      const batch = await handing.finally(() => early.delete(handing));
      secure = batch.secure;
      return isEarly ? batch.result.then(keep) : batch.result;
    }

    async function handOver(): Promise<EntrustedBatch> {
      const parcels = await convert(spans, chosen, () => request.result);
      return entrust(parcels, Math.max(0, deadline - performance.now()));
    }
  }

  function lacksEvents(span: SpanData, route: GatewayRoute | undefined): boolean {
    if (!joins.mayWait(span)) return false;
    const read = route?.pipeline.readData(span, []);
    return read !== undefined && joins.lacksContent(read);
  }

  /** Nobody will send them again: what found no room waits once more, and is counted if there is none. */
  function keep(result: BatchResult): BatchResult {
    for (const { outbox, records } of result.returned) void outbox.send(records, answerMillis);
    return { ...result, returned: [] };
  }

  /** It has come again, and not all of its records are safe: those that are not go out once more, as they are. */
  function tryAgain(identity: string, request: OpenRequest, before: BatchResult, deadline: number): void {
    const batch = entrust(before.returned, Math.max(0, deadline - performance.now()));
    request.settled = undefined;
    request.secure = batch.secure;
    request.result = batch.result.then((now) => ({
      rejected: before.rejected + now.rejected,
      message: before.message ?? now.message,
      returned: now.returned,
    }));
    open.hold(identity, 0);
    note(identity, request);
  }

  function note(identity: string, request: OpenRequest): void {
    request.result.then(
      (result) => {
        request.settled = result;
        if (result.isStopped) open.close(identity);
        else open.hold(identity, sizeOf(result.returned));
      },
      () => open.close(identity),
    );
  }

  async function convert(
    spans: readonly SpanData[],
    chosen: readonly (GatewayRoute | undefined)[],
    outcome: Outcome<BatchResult>,
  ): Promise<readonly Parcel[]> {
    const batches = new Map<GatewayRoute, ReadSpan[]>();
    const seen = new Map<GatewayRoute, number>();
    const slices = createTimeSlices(SLICE_MILLIS);
    for (let i = 0; i < spans.length; i++) {
      const span = spans[i] as SpanData;
      const route = chosen[i];
      const events = joins.take(span, outcome);
      if (route === undefined) {
        unrouted++;
        continue;
      }
      seen.set(route, (seen.get(route) ?? 0) + 1);
      const read = route.pipeline.readData(span, events);
      const batch = batches.get(route);
      if (read && batch) batch.push(read);
      else if (read) batches.set(route, [read]);
      const pause = slices.pause();
      if (pause) await pause;
    }
    return [...seen].flatMap(([route, count]) => resolve(route, batches.get(route) ?? [], count));
  }

  return {
    accept,
    allHandedOver: () => Promise.allSettled(early),
    get openRequests() {
      return open.size;
    },
    get unrouted() {
      return unrouted;
    },
  };
}

const NOTHING: BatchResult = { rejected: 0, message: undefined, returned: [] };

function resolve({ pipeline }: GatewayRoute, batch: readonly ReadSpan[], count: number): Parcel | [] {
  const { lineage, outbox } = pipeline;
  const plans = lineage.resolve(batch, false, performance.now());
  pipeline.countSpans(count, plans);
  // That traces are forgotten is a gateway's everyday life, and a metric: nobody is warned.
  const records = pipeline.build(plans);
  return outbox === undefined || records.length === 0 ? [] : { outbox, records };
}

function areFull(chosen: readonly (GatewayRoute | undefined)[]): boolean {
  const routes = new Set(chosen);
  return routes.size > 0 && [...routes].every((route) => route !== undefined && isFull(route));
}

/** With a spool there is always room for what is in hand, or the spool's own bound says no. */
function isFull({ pipeline: { config, outbox } }: GatewayRoute): boolean {
  if (outbox === undefined || config.spoolDir !== undefined) return false;
  return outbox.pending >= config.maxQueueRecords || outbox.ledger().bytes >= config.maxQueueBytes;
}

function sizeOf(parcels: readonly Parcel[]): number {
  return parcels.reduce(
    (sum, { records }) => sum + records.reduce((bytes, record) => bytes + record.bytes, 0),
    0,
  );
}
