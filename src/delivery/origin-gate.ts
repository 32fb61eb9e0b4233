/**
 * Closed while the origin is down or asks to be left alone, so that an outage is learnt once, not by each record.
 *
 * 429, 503 and a connection that fails say so themselves, and close it at once. A timeout, a 500, a 502 or another 5xx may be
 * about one record: these close it in a run, of more than one record and with no other answer between. Behind a load balancer
 * an outage may have no other sign, and there, too, it must not use up the deadline of every record.
 */

import { backoffMillis, SERVER_ERROR_PAUSE_MILLIS } from './backoff.ts';
import type { Report } from './events.ts';
import { createFailureRun } from './failure-run.ts';
import type { Gate } from './gate.ts';
import type { Retryable, SendResult } from './sender.ts';

export interface OriginGatePolicy {
  readonly origin: string;
  readonly now: () => number;
  readonly random: () => number;
  readonly report: Report;
}

/**
 * The first pause is drawn from 0 to this: one lost connection (a kept-alive one that the server closed just then) is everyday, and
 * must not hold everybody for long. From the first probe that fails the usual backoff begins.
 */
const FIRST_PAUSE_MILLIS = 100;

/** So long an instance may restart; that closes the gate, but is not told as an outage. */
const BLIP_MILLIS = 250;

export function createOriginGate(policy: OriginGatePolicy): Gate {
  let closedUntil: number | undefined;
  let probing = false;
  /** Times in a row that the gate closed, or stayed closed after a probe. */
  let failures = 0;
  let closedAt = 0;
  let told = false;
  const run = createFailureRun();

  const close = (result: Retryable, isProbe: boolean) => {
    const asked = result.retryAfterMillis ?? 0;
    if (closedUntil !== undefined && !isProbe) {
      // Was under way when the gate closed: the same outage, but the server may ask for a longer pause.
      closedUntil = Math.max(closedUntil, policy.now() + asked);
      return;
    }
    failures += 1;
    const least = result.reason === 'server_error' ? SERVER_ERROR_PAUSE_MILLIS : 0;
    const retryInMillis = Math.max(asked, least + pauseMillis(failures, policy.random));
    if (!isProbe) closedAt = policy.now();
    closedUntil = policy.now() + retryInMillis;
    if (!isProbe || policy.now() - closedAt < BLIP_MILLIS) return;
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
    isOut: () => told,
    opensAt: () => (probing ? Number.POSITIVE_INFINITY : (closedUntil ?? 0)),
    pass() {
      probing = closedUntil !== undefined;
      return probing;
    },
    judge(item, result, isProbe) {
      if (isProbe) probing = false;
      if (isFailure(result)) {
        const isOutage = run.add(item.id, result);
        if (isOutage || isProbe) close(result, isProbe);
      } else if (isAnswer(result)) {
        run.end();
        // Only the probe opens: answers to what was under way before say nothing of now, and the pause was asked for.
        if (isProbe) open();
      }
      return result;
    },
  };
}

function pauseMillis(failures: number, random: () => number): number {
  return failures === 1 ? random() * FIRST_PAUSE_MILLIS : backoffMillis(failures - 1, random);
}

/** True for what says that the origin may be at fault. 408 and 425 are about the request. */
function isFailure(result: SendResult): result is Retryable {
  if (result.kind !== 'retryable' || result.reason === 'refused') return false;
  return result.reason !== 'passing' || (result.status ?? 0) >= 500;
}

/** True if the server was reached and answered; what it said is for others to judge. */
function isAnswer(result: SendResult): boolean {
  return 'status' in result && result.status !== undefined;
}
