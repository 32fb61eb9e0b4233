/**
 * Spans whose content travels in log events, and the events on their way to them. Both come in requests of their own, in any order and
 * through different queues of their sender; neither is acknowledged until they have met, or a bounded time has passed.
 */
import { createLogBuffer } from '../exporter/log-buffer.ts';
import { SCOPES } from '../exporter/log-record-processor.ts';
import type { ReadSpan } from '../lineage/plan.ts';
import { keysOfLog, keysOfSpan } from '../span/log-keys.ts';
import type { LogData, SpanData } from '../span/span-data.ts';

/** What becomes of the records that a span was made into: of the latest try, whenever it is asked for. */
export type Outcome<T> = () => Promise<T>;

export interface Joins<T> {
  /** False: the span has been recorded without its events already. */
  add(log: LogData): boolean;
  /** Whether the span is of a scope that puts content into log events, and not all of them are there yet. */
  mayWait(span: SpanData): boolean;
  /** Whether this one has to wait: a call without its messages. */
  lacksContent(read: ReadSpan): boolean;
  /** Whether its sender, when it ends, sends events only once its spans have been answered: they wait, it must not. */
  sendsEventsLast(span: SpanData): boolean;
  /** Resolves when all of these spans have their events, and after the time; false when the gateway stops. */
  waitFor(spans: readonly SpanData[], timeoutMillis: number): Promise<boolean>;
  /** Events of a span, taken out; whoever waits for that is told of what becomes of the span. */
  take(span: SpanData, outcome: Outcome<T>): readonly LogData[];
  /**
   * What becomes of the spans that took these events; resolves when all have been taken, and after the time. `undefined` when the gateway
   * stops before.
   */
  waitForTakers(logs: readonly LogData[], timeoutMillis: number): Promise<readonly Outcome<T>[] | undefined>;
  /** Nobody waits any longer. */
  stop(): void;
  readonly stats: JoinStats;
}

export interface JoinStats {
  /** Spans that wait for their events. */
  readonly waiting: number;
  /** Spans that events wait for. */
  readonly awaited: number;
  /** Events that came after their span had been recorded without them. */
  readonly late: number;
  /** Events given up because their span did not come, or there was no room. */
  readonly dropped: number;
}

/** Spans that were recorded without events: what comes for them is too late. */
const MAX_MISSED = 10_000;
/** A scope whose events never come is waited for no longer, but for a try each minute. */
const MAX_FUTILE = 3;
const FUTILE_MILLIS = 60_000;
const MAX_SCOPES = 1_000;

interface Waiter {
  readonly open: Set<string>;
  finish(isStopped: boolean): void;
}

interface Holder<T> {
  readonly open: Set<string>;
  readonly outcomes: Outcome<T>[];
  finish(isStopped: boolean): void;
}

export function createJoins<T>(now: () => number = () => performance.now()): Joins<T> {
  const buffer = createLogBuffer({ now });
  const waiters = new Map<string, Set<Waiter>>();
  const holders = new Map<string, Set<Holder<T>>>();
  const missed = new Map<string, true>();
  const futile = new Map<string, { count: number; at: number }>();
  let waiting = 0;
  let late = 0;
  let isStopped = false;

  function isComplete(span: SpanData): boolean {
    const events = buffer.peek(span);
    // A call that failed has no reply.
    if (span.statusCode === FAILED && events.length > 0) return true;
    return events.some(({ eventName }) => LAST_EVENTS.has(eventName));
  }

  function isFutile(scope: string): boolean {
    const found = futile.get(scope);
    return found !== undefined && found.count >= MAX_FUTILE && now() - found.at < FUTILE_MILLIS;
  }

  function countFutile(scope: string): void {
    if (futile.size >= MAX_SCOPES) futile.clear();
    const count = (futile.get(scope)?.count ?? 0) + 1;
    futile.set(scope, { count, at: now() });
  }

  function miss(key: string): void {
    missed.set(key, true);
    if (missed.size <= MAX_MISSED) return;
    const [oldest] = missed.keys();
    if (oldest !== undefined) missed.delete(oldest);
  }

  return {
    add(log) {
      const keys = keysOfLog(log);
      futile.delete(log.scope.name);
      if (keys.every((key) => missed.has(key))) {
        late++;
        return false;
      }
      buffer.add(log);
      if (!LAST_EVENTS.has(log.eventName)) return true;
      const [key] = keys;
      for (const waiter of [...(waiters.get(key) ?? [])]) {
        waiter.open.delete(key);
        if (waiter.open.size === 0) waiter.finish(false);
      }
      return true;
    },
    mayWait: (span) =>
      SCOPES.test(span.scope.name) && isNameable(span) && !isFutile(span.scope.name) && !isComplete(span),
    lacksContent: ({ reading }) =>
      reading?.operation === 'inference' && reading.input === undefined && reading.choices === undefined,
    sendsEventsLast,
    waitFor(spans, timeoutMillis) {
      if (isStopped) return Promise.resolve(false);
      return new Promise((resolve) => {
        const open = new Set(spans.map((span) => keysOfSpan(span)[0]));
        const timer = setTimeout(() => {
          for (const span of spans) if (buffer.peek(span).length === 0) countFutile(span.scope.name);
          waiter.finish(false);
        }, timeoutMillis);
        const waiter: Waiter = {
          open,
          finish(wasStopped) {
            clearTimeout(timer);
            waiting -= spans.length;
            for (const span of spans) remove(waiters, keysOfSpan(span)[0], waiter);
            resolve(!wasStopped);
          },
        };
        waiting += spans.length;
        for (const key of open) add(waiters, key, waiter);
      });
    },
    take(span, outcome) {
      const keys = keysOfSpan(span);
      const events = buffer.take(span);
      if (events.length === 0 && SCOPES.test(span.scope.name)) keys.forEach(miss);
      for (const key of keys) {
        for (const holder of [...(holders.get(key) ?? [])]) {
          holder.outcomes.push(outcome);
          holder.open.delete(key);
          remove(holders, key, holder);
          if (holder.open.size === 0) holder.finish(false);
        }
      }
      return events;
    },
    waitForTakers(logs, timeoutMillis) {
      const open = new Set(logs.map((log) => keysOfLog(log)[0]));
      const outcomes: Outcome<T>[] = [];
      if (open.size === 0) return Promise.resolve(outcomes);
      if (isStopped) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const timer = setTimeout(() => holder.finish(false), timeoutMillis);
        const holder: Holder<T> = {
          open,
          outcomes,
          finish(wasStopped) {
            clearTimeout(timer);
            for (const key of open) remove(holders, key, holder);
            resolve(wasStopped ? undefined : outcomes);
          },
        };
        for (const key of open) add(holders, key, holder);
      });
    },
    stop() {
      isStopped = true;
      for (const set of [...waiters.values()]) for (const waiter of [...set]) waiter.finish(true);
      for (const set of [...holders.values()]) for (const holder of [...set]) holder.finish(true);
    },
    get stats() {
      return { waiting, awaited: buffer.size, late, dropped: buffer.dropped };
    },
  };
}

const FAILED = 2;

function sendsEventsLast({ scope }: SpanData): boolean {
  return scope.name === 'com.anthropic.claude_code.tracing';
}

/** Claude Code's events find no call that a proxy gave no request id. */
function isNameable(span: SpanData): boolean {
  return !sendsEventsLast(span) || keysOfSpan(span).length > 1;
}

/** What a call says last. */
const LAST_EVENTS: ReadonlySet<string> = new Set([
  'gen_ai.choice',
  'gen_ai.client.inference.operation.details',
  'api_request',
  'api_error',
]);

function add<V>(map: Map<string, Set<V>>, key: string, value: V): void {
  const set = map.get(key);
  if (set) set.add(value);
  else map.set(key, new Set([value]));
}

function remove<V>(map: Map<string, Set<V>>, key: string, value: V): void {
  const set = map.get(key);
  if (set?.delete(value) && set.size === 0) map.delete(key);
}
