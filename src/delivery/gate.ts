/**
 * The link that decides when a request may start: its gates must let it, and there must be room among the concurrent
 * ones. Records wait here, not in a connection and not in a slot, so one project's closed gate never delays another's.
 */

import type { Concurrency } from './concurrency.ts';
import type { Attempt, DeliveryItem, Sender, SendResult } from './sender.ts';
import { after } from './sleep.ts';
import { createStopwatch, type Stopwatch } from './stopwatch.ts';
import { createTurns } from './turns.ts';
import { createWaitingLine, type WaitingLine } from './waiting-line.ts';

/** A reason not to send. Closed, it lets one request through when its time has come: the probe. */
export interface Gate {
  isClosed(): boolean;
  /** True if that is no passing moment: what waits behind it is not to be expected soon. */
  isOut(): boolean;
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
  /** Told after a result that may have moved a gate: opened, closed, or its next probe put off. */
  onMoved(): void;
}

export interface GateLink {
  readonly send: Sender;
  /** True while records of the project are held back by a gate. */
  isClosed(projectId: string): boolean;
  /** True while the key or the project is refused, and that is no passing moment. */
  isRefused(projectId: string): boolean;
  /** When the next of the project's records may start: 0 when open, Infinity while a probe is under way. */
  opensAt(projectId: string): number;
  /** A clock of the project that stands still while a gate is closed, milliseconds. */
  openMillis(projectId: string): number;
  /** Gives back, as `crowded_out`, the waiting record of the project that came last; false if none waits. */
  crowdOut(projectId: string): boolean;
}

/**
 * So long may requests be started in one turn of the event loop. Bodies are built just before they are sent, and the
 * application's own work waits meanwhile.
 */
const MAX_TURN_MILLIS = 3;

/** The records of one project. */
interface Lane {
  readonly accessGate: Gate;
  readonly line: WaitingLine<Attempt>;
  readonly open: Stopwatch;
  isClosed: boolean;
}

/** Puts the gates and the concurrency limit before `next`. */
export function withGate(next: Sender, policy: GatePolicy): GateLink {
  const { originGate, concurrency, now, signal } = policy;
  const lanes = new Map<string, Lane>();
  /** The same, in the order of their turns. */
  const ring: Lane[] = [];
  let nextInRing = 0;
  /** Records in all lines. */
  let waiting = 0;
  /** Lanes with a closed gate. */
  let closed = 0;
  let cancelTimer = () => {};

  const isClosed = (lane: Lane) => originGate.isClosed() || lane.accessGate.isClosed();
  const opensAt = (lane: Lane) => Math.max(originGate.opensAt(), lane.accessGate.opensAt());

  const laneOf = (projectId: string): Lane => {
    const known = lanes.get(projectId);
    if (known !== undefined) return known;
    const lane: Lane = {
      accessGate: policy.createAccessGate(projectId),
      line: createWaitingLine<Attempt>(),
      open: createStopwatch(now),
      isClosed: false,
    };
    lanes.set(projectId, lane);
    ring.push(lane);
    noteState(lane);
    return lane;
  };

  /** Lets its clock follow its gates, and those who wait know that they will wait longer. */
  const noteState = (lane: Lane) => {
    const isClosedNow = isClosed(lane);
    if (isClosedNow === lane.isClosed) return;
    lane.isClosed = isClosedNow;
    if (isClosedNow) {
      closed += 1;
      lane.open.stop();
      for (const attempt of lane.line.all()) attempt.onHeld?.();
    } else {
      closed -= 1;
      lane.open.start();
    }
  };

  const start = (attempt: Attempt, lane: Lane) => {
    const { item, number } = attempt;
    const isOriginProbe = originGate.pass();
    const isAccessProbe = lane.accessGate.pass();
    const startedAt = now();
    let isOver = false;
    const onResult = (result: SendResult) => {
      if (isOver) return;
      isOver = true;
      concurrency.end();
      // The first 429 of a burst halves; those under way with it are the same message.
      if (isThrottled(result) && !isOriginProbe && !originGate.isClosed()) concurrency.onThrottled();
      if (result.kind === 'delivered' && concurrency.canGrow())
        concurrency.onSuccess(countReady(), now() - startedAt);
      const judged = originGate.judge(item, result, isOriginProbe);
      const final = lane.accessGate.judge(item, judged, isAccessProbe);
      // A delivery moves no gate that is open.
      if (result.kind !== 'delivered' || closed > 0) {
        for (const one of ring) noteState(one);
        policy.onMoved();
      }
      attempt.onResult(final);
      schedule();
    };
    concurrency.begin();
    try {
      next({ item, number, onResult });
    } catch {
      onResult({ kind: 'failed' });
    }
  };

  const countReady = () => {
    let count = 0;
    for (const { line, isClosed } of ring) if (!isClosed) count += line.size;
    return count;
  };

  /** The project whose turn it is, of those that have a record which may start now. */
  const findReady = (): Lane | undefined => {
    for (let step = 0; step < ring.length; step++) {
      const index = (nextInRing + step) % ring.length;
      const lane = ring[index] as Lane;
      if (lane.line.size === 0 || (lane.isClosed && opensAt(lane) > now())) continue;
      nextInRing = index + 1;
      return lane;
    }
    return undefined;
  };

  /** Starts what may start, one project after the other, and sees to what may start later. */
  const turns = createTurns(MAX_TURN_MILLIS, now, (hasTime) => {
    while (waiting > 0 && concurrency.hasRoom() && !signal.aborted) {
      if (!hasTime()) return;
      const lane = findReady();
      const attempt = lane?.line.take(lane.isClosed);
      if (lane === undefined || attempt === undefined) break;
      waiting -= 1;
      start(attempt, lane);
    }
    setTimer();
  });

  /** Not at once: neither in the middle of an offer, nor where a connection has its answer but is not yet free. */
  const schedule = () => {
    if (waiting > 0) turns.soon();
  };

  /** For when the next gate is due. Without room it is not needed: each request that ends comes back here. */
  const setTimer = () => {
    cancelTimer();
    cancelTimer = () => {};
    if (closed === 0 || waiting === 0 || !concurrency.hasRoom()) return;
    let at = Number.POSITIVE_INFINITY;
    // A gate may have become due since it was looked at: its time has not been used then, so it counts as well.
    for (const lane of ring) if (lane.line.size > 0) at = Math.min(at, opensAt(lane));
    if (at !== Number.POSITIVE_INFINITY) cancelTimer = after(at - now(), turns.run);
  };

  signal.addEventListener('abort', () => {
    cancelTimer();
    for (const { line } of ring)
      for (let attempt = line.take(false); attempt !== undefined; attempt = line.take(false)) {
        waiting -= 1;
        attempt.onResult({ kind: 'aborted' });
      }
  });

  return {
    send(attempt) {
      if (signal.aborted) return attempt.onResult({ kind: 'aborted' });
      const lane = laneOf(attempt.item.projectId);
      lane.line.add(attempt, attempt.number === 1);
      waiting += 1;
      schedule();
      if (lane.isClosed) attempt.onHeld?.();
    },
    isClosed: (projectId) => laneOf(projectId).isClosed,
    isRefused: (projectId) => laneOf(projectId).accessGate.isOut(),
    opensAt: (projectId) => opensAt(laneOf(projectId)),
    openMillis: (projectId) => laneOf(projectId).open.read(),
    crowdOut(projectId) {
      const newest = laneOf(projectId).line.takeNewest();
      if (newest === undefined) return false;
      waiting -= 1;
      newest.onResult({ kind: 'crowded_out' });
      return true;
    },
  };
}

function isThrottled(result: SendResult): boolean {
  return result.kind === 'retryable' && result.reason === 'throttled';
}
