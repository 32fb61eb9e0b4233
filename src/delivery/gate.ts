/**
 * The link that decides when a request may start: its gates must let it, and there must be room among the concurrent
 * ones. Records wait here, not in a connection and not in a slot, so one project's closed gate never delays another's.
 */

import type { Concurrency } from './concurrency.ts';
import type { Attempt, DeliveryItem, Sender, SendResult } from './sender.ts';
import { after } from './sleep.ts';
import { createStopwatch, type Stopwatch } from './stopwatch.ts';
import { createWaitingLine, type WaitingLine } from './waiting-line.ts';

/** A reason not to send. Closed, it lets one request through when its time has come: the probe. */
export interface Gate {
  isClosed(): boolean;
  /** When the next request may pass, on the clock of `now`: 0 when open, Infinity while a probe is under way. */
  opensAt(): number;
  /** Told that a request passes. True if it is the probe. */
  pass(): boolean;
  /** Told the result of a request that has passed. What is returned replaces it. */
  judge(item: DeliveryItem, result: SendResult, isProbe: boolean): SendResult;
}

export interface GatePolicy {
  /** Shared by all projects. */
  readonly originGate: Gate;
  createAccessGate(projectId: string): Gate;
  readonly concurrency: Concurrency;
  /** Monotonic clock, milliseconds. */
  readonly now: () => number;
  /** Aborted: whatever waits is given back as `aborted`. */
  readonly signal: AbortSignal;
  /** Told after each result: gates may have opened, closed, or moved their next probe. */
  onJudged(): void;
}

export interface GateLink {
  readonly send: Sender;
  /** True while records of the project are held back by a gate. */
  isClosed(projectId: string): boolean;
  /** When the next of the project's records may start: 0 when open, Infinity while a probe is under way. */
  opensAt(projectId: string): number;
  /** A clock of the project that stands still while a gate is closed, milliseconds. */
  openMillis(projectId: string): number;
}

export interface Waiter {
  readonly item: DeliveryItem;
  readonly attempt: Attempt;
  resolve(result: SendResult): void;
  reject(error: unknown): void;
}

interface Lane {
  readonly gates: readonly Gate[];
  readonly line: WaitingLine<Waiter>;
  readonly open: Stopwatch;
  wasClosed: boolean;
}

/** Puts the gates and the concurrency limit before `next`. */
export function withGate(next: Sender, policy: GatePolicy): GateLink {
  const { originGate, concurrency, now } = policy;
  const lanes = new Map<string, Lane>();
  let cancelTimer = () => {};

  const laneOf = (projectId: string): Lane => {
    const known = lanes.get(projectId);
    if (known !== undefined) return known;
    const gates = [originGate, policy.createAccessGate(projectId)];
    const wasClosed = isClosed(gates);
    const lane = { gates, line: createWaitingLine<Waiter>(), open: createStopwatch(now), wasClosed };
    if (wasClosed) lane.open.stop();
    lanes.set(projectId, lane);
    return lane;
  };

  /** To be called when gates may have moved: clocks follow, and those who wait learn that they will wait longer. */
  const noteChanges = () => {
    for (const lane of lanes.values()) {
      const closed = isClosed(lane.gates);
      if (closed === lane.wasClosed) continue;
      lane.wasClosed = closed;
      if (closed) {
        lane.open.stop();
        for (const waiter of lane.line.all()) waiter.attempt.onHeld?.();
      } else lane.open.start();
    }
    policy.onJudged();
  };

  const run = async (waiter: Waiter, lane: Lane) => {
    const passed = lane.gates.map((gate) => ({ gate, isProbe: gate.pass() }));
    const wasClosed = originGate.isClosed();
    concurrency.begin();
    try {
      const result = await next(waiter.item, waiter.attempt);
      // The first 429 of a burst halves; those under way with it are the same message.
      if (isThrottled(result) && !(wasClosed || originGate.isClosed())) concurrency.onThrottled();
      if (result.kind === 'delivered')
        concurrency.onSuccess([...lanes.values()].some(({ line }) => line.size > 0));
      waiter.resolve(
        passed.reduce((judged, { gate, isProbe }) => gate.judge(waiter.item, judged, isProbe), result),
      );
    } catch (error) {
      const nothing: SendResult = { kind: 'aborted' };
      for (const { gate, isProbe } of passed) gate.judge(waiter.item, nothing, isProbe);
      waiter.reject(error);
    } finally {
      concurrency.end();
      noteChanges();
      startWaiting();
    }
  };

  /** Starts what may start, one project after the other, and sets the timer for what may start later. */
  const startWaiting = () => {
    for (let lane = takeReady(); lane !== undefined; lane = takeReady()) {
      const waiter = lane.line.take(isClosed(lane.gates));
      if (waiter !== undefined) void run(waiter, lane);
    }
    setTimer();
  };

  const takeReady = (): Lane | undefined => {
    if (!concurrency.hasRoom()) return undefined;
    for (const [projectId, lane] of lanes) {
      if (lane.line.size === 0 || opensAt(lane.gates) > now()) continue;
      // To the end of the map, so that the next turn is another project's.
      lanes.delete(projectId);
      lanes.set(projectId, lane);
      return lane;
    }
    return undefined;
  };

  const setTimer = () => {
    cancelTimer();
    let next = Number.POSITIVE_INFINITY;
    for (const { line, gates } of lanes.values()) {
      const at = opensAt(gates);
      // What is due but has not started waits for a request to end, and each end comes back here.
      if (line.size > 0 && at > now()) next = Math.min(next, at);
    }
    cancelTimer = next === Number.POSITIVE_INFINITY ? () => {} : after(next - now(), startWaiting);
  };

  policy.signal.addEventListener('abort', () => {
    cancelTimer();
    for (const { line } of lanes.values()) {
      for (const waiter of line.clear()) waiter.resolve({ kind: 'aborted' });
    }
  });

  return {
    send(item, attempt) {
      if (policy.signal.aborted) return Promise.resolve({ kind: 'aborted' });
      const lane = laneOf(item.projectId);
      return new Promise((resolve, reject) => {
        lane.line.add({ item, attempt, resolve, reject }, attempt.number === 1);
        startWaiting();
        if (isClosed(lane.gates)) attempt.onHeld?.();
      });
    },
    isClosed: (projectId) => isClosed(laneOf(projectId).gates),
    opensAt: (projectId) => opensAt(laneOf(projectId).gates),
    openMillis: (projectId) => laneOf(projectId).open.read(),
  };
}

function isClosed(gates: readonly Gate[]): boolean {
  return gates.some((gate) => gate.isClosed());
}

function opensAt(gates: readonly Gate[]): number {
  return Math.max(...gates.map((gate) => gate.opensAt()));
}

function isThrottled(result: SendResult): boolean {
  return result.kind === 'retryable' && result.reason === 'throttled';
}
