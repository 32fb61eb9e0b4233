/** Closed while the origin is down or asks to be left alone, so that an outage is learnt once, not by each record. */

import { backoffMillis } from './backoff.ts';
import type { Report } from './events.ts';
import type { Gate } from './gate.ts';
import type { DeliveryItem, Retryable, RetryReason, SendResult } from './sender.ts';

export interface OriginGatePolicy {
  readonly origin: string;
  readonly now: () => number;
  readonly random: () => number;
  readonly report: Report;
}

/** What closes the gate at once. */
const OUTAGES: ReadonlySet<RetryReason> = new Set(['throttled', 'unavailable', 'unreachable']);

/** One lost connection is everyday (a kept-alive one that the server closed just then); it closes, but is not told. */
const FAILURES_TOLD = 2;

export function createOriginGate(policy: OriginGatePolicy): Gate {
  let closedUntil: number | undefined;
  let probing = false;
  let failures = 0;
  let told = false;
  let timedOut: string | undefined;

  /** A timeout may be one slow record; of two records in a row it is an origin that accepts and never answers. */
  const isOutage = (item: DeliveryItem, result: Retryable, isProbe: boolean) => {
    if (result.reason !== 'timeout') return OUTAGES.has(result.reason);
    const other = timedOut !== undefined && timedOut !== item.id;
    timedOut = item.id;
    return other || isProbe;
  };

  const close = (result: Retryable, isProbe: boolean) => {
    const asked = result.retryAfterMillis ?? 0;
    if (closedUntil !== undefined && !isProbe) {
      // Was under way when the gate closed: the same outage, but the server may ask for a longer pause.
      closedUntil = Math.max(closedUntil, policy.now() + asked);
      return;
    }
    failures += 1;
    const retryInMillis = Math.max(asked, backoffMillis(failures, policy.random));
    closedUntil = policy.now() + retryInMillis;
    if (failures < FAILURES_TOLD) return;
    told = true;
    const { reason, status } = result;
    policy.report({
      kind: 'origin_closed',
      origin: policy.origin,
      reason,
      failures,
      retryInMillis,
      ...(status !== undefined && { status }),
    });
  };

  const open = () => {
    closedUntil = undefined;
    failures = 0;
    if (told) policy.report({ kind: 'origin_opened', origin: policy.origin });
    told = false;
  };

  return {
    isClosed: () => closedUntil !== undefined,
    opensAt: () => (probing ? Number.POSITIVE_INFINITY : (closedUntil ?? 0)),
    pass() {
      probing = closedUntil !== undefined;
      return probing;
    },
    judge(item, result, isProbe) {
      if (isProbe) probing = false;
      if (result.kind === 'retryable' && isOutage(item, result, isProbe)) close(result, isProbe);
      else if (isAnswer(result)) {
        timedOut = undefined;
        // Only the probe opens: answers to what was under way before say nothing of now, and the pause was asked for.
        if (isProbe) open();
      }
      return result;
    },
  };
}

/** True if the server was reached and answered; what it said is for others to judge. */
function isAnswer(result: SendResult): boolean {
  return 'status' in result && result.status !== undefined;
}
