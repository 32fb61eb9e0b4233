/**
 * Closed while no record of one project gets through with the key in use: 401, 403 and 404 in section 5 of
 * `completions-api.md`, section 10 of `design.md`.
 *
 * How those are read here. A refusal alone does not tell whether the key or the record is at fault, so the record is held
 * (it is tried again after a backoff) until there is more to go by:
 *
 * - the next judged record of the project is another one and is refused too: the gate closes, nothing is lost;
 * - another record has passed since, and this one is refused again: a 403 or 404 is about this record, it is rejected;
 * - no other record comes: after its third refusal a 403 or 404 is rejected;
 * - a 401 is never about the record: it is held for as long as it takes, from its third refusal on with one try a minute.
 *   The gate stays open, so that another record shows at once that the key has been put right.
 *
 * "Passed" is any answer that a key without rights would not have got: recorded, malformed, too large.
 */

import type { Credentials } from './credentials.ts';
import type { Report } from './events.ts';
import type { Gate } from './gate.ts';
import type { DeliveryItem, Refused, SendResult } from './sender.ts';

/** Often enough that a key put right is noticed, too seldom to look like an attack with a wrong key. */
export const PROBE_INTERVAL_MILLIS = 60_000;

/** As many tries as the vendor grants a record that fails alone (the rule for 500, without its pauses). */
const MAX_LONE_REFUSALS = 3;

export interface AccessGatePolicy {
  readonly origin: string;
  readonly projectId: string;
  readonly credentials: Pick<Credentials, 'generation'>;
  readonly now: () => number;
  readonly report: Report;
}

interface Refusals {
  count: number;
  /** How many records of the project had passed when this one was first refused. */
  readonly passes: number;
}

export function createAccessGate(policy: AccessGatePolicy): Gate {
  const { origin, projectId } = policy;
  let nextProbe: number | undefined;
  let probing = false;
  let passes = 0;
  /** Id of the record that was refused last, if none has passed since. */
  let suspect: string | undefined;
  /** The suspect has been refused so often that no more is to be expected soon. */
  let isStuck = false;
  const refusals = new WeakMap<DeliveryItem, Refusals>();

  const pause = () => {
    nextProbe = policy.now() + PROBE_INTERVAL_MILLIS;
  };

  /** Opens at once, also for a record that was under way when the gate closed: what passes shows that records can pass. */
  const onPass = () => {
    passes += 1;
    suspect = undefined;
    isStuck = false;
    if (nextProbe === undefined) return;
    nextProbe = undefined;
    policy.report({ kind: 'access_opened', origin, projectId });
  };

  const onRefused = (item: DeliveryItem, result: Refused): SendResult => {
    // The key has been replaced meanwhile: this says nothing of the new one.
    if (nextProbe !== undefined || result.credential !== policy.credentials.generation())
      return toHeld(result);
    const { status } = result;
    const seen = refusals.get(item) ?? { count: 0, passes };
    seen.count += 1;
    refusals.set(item, seen);
    const isLastTry = seen.count >= MAX_LONE_REFUSALS;
    if ((isLastTry || passes > seen.passes) && (status === 403 || status === 404))
      return { kind: 'rejected', status, message: result.message };
    const known = status !== undefined && { status };
    if (suspect !== undefined && suspect !== item.id) {
      pause();
      policy.report({ kind: 'access_closed', origin, projectId, ...known });
    } else if (seen.count === 1) {
      policy.report({ kind: 'unauthorised', origin, projectId, ...known });
    }
    suspect = item.id;
    isStuck = isLastTry;
    return toHeld(result, isLastTry ? PROBE_INTERVAL_MILLIS : 0);
  };

  return {
    isClosed: () => nextProbe !== undefined,
    isOut: () => nextProbe !== undefined || isStuck,
    opensAt: () => (probing ? Number.POSITIVE_INFINITY : (nextProbe ?? 0)),
    pass() {
      probing = nextProbe !== undefined;
      return probing;
    },
    judge(item, result, isProbe) {
      if (isProbe) {
        probing = false;
        // Without an attempt nothing was learnt, and the next record may probe at once.
        if (result.kind !== 'unsendable' && result.kind !== 'aborted' && result.kind !== 'failed') pause();
      }
      if (result.kind === 'refused') return onRefused(item, result);
      if (result.kind === 'delivered' || result.kind === 'rejected' || result.kind === 'too_large') onPass();
      return result;
    },
  };
}

function toHeld(result: Refused, retryAfterMillis: number = 0): SendResult {
  const { status, message } = result;
  return {
    kind: 'retryable',
    reason: 'refused',
    message,
    ...(status !== undefined && { status }),
    ...(retryAfterMillis > 0 && { retryAfterMillis }),
  };
}
