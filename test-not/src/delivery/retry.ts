/** The link that turns results into outcomes: what passes later is tried again, until the record's deadline. */

import { backoffMillis, SERVER_ERROR_PAUSE_MILLIS } from './backoff.ts';
import type { DropReason, Outcome } from './outcome.ts';
import type { Attempt, DeliveryItem, Retryable, RetryReason, Sender, SendResult } from './sender.ts';
import { createSleepers } from './sleep.ts';

/** @typeParam T What the caller knows the record by. */
export interface RetryPolicy<T> {
  /** How long a record is tried again after its first failure, measured by `openMillis`. Milliseconds. */
  readonly deadlineMillis: number;
  /** The project's clock, which stands still while a gate is closed. */
  openMillis(projectId: string): number;
  isClosed(projectId: string): boolean;
  readonly random: () => number;
  /** Aborted: every wait ends and what is pending is dropped. */
  readonly signal: AbortSignal;
  /** Told, perhaps repeatedly: an attempt has failed or a gate holds the record. It is a matter of retries from here. */
  onRetrying(record: T): void;
  onRetry(): void;
  onFailure(message: string): void;
  /** Told once for each record. */
  onOutcome(record: T, outcome: Outcome): void;
}

/** Delivers one record to its end. */
export type Deliver<T> = (item: DeliveryItem, record: T) => void;

interface ReasonRule {
  /** Most retries of one record for this reason. @default as many as its deadline allows */
  readonly maxRetries?: number;
  /** Least pause before such a retry, milliseconds. @default 0 */
  readonly minDelayMillis?: number;
  /** The record is not at fault and is held for as long as it takes. @default false */
  readonly hasNoDeadline?: boolean;
}

const RULES: Readonly<Partial<Record<RetryReason, ReasonRule>>> = {
  // "For 500 up to three retries at least 5 s apart": the vendor, see section 5 of `completions-api.md`.
  server_error: { maxRetries: 3, minDelayMillis: SERVER_ERROR_PAUSE_MILLIS },
  // "Keep what is held; try again slowly, since a key can be put right." The access gate says when it is the record's fault.
  refused: { hasNoDeadline: true },
};

/** Puts retries before `next`. */
export function withRetry<T>(next: Sender, policy: RetryPolicy<T>): Deliver<T> {
  const sleepers = createSleepers(policy.signal);

  /** A record on its way. A class, since ten thousand of them may wait: methods of their own would be most of their memory. */
  class Delivery implements Attempt {
    readonly item: DeliveryItem;
    readonly record: T;
    number = 0;
    /** Most records never need one. */
    budget: RetryBudget | undefined = undefined;

    constructor(item: DeliveryItem, record: T) {
      this.item = item;
      this.record = record;
    }

    send(): void {
      this.number += 1;
      next(this);
    }

    onHeld(): void {
      policy.onRetrying(this.record);
    }

    onResult(result: SendResult): void {
      if (result.kind !== 'retryable') return policy.onOutcome(this.record, toOutcome(result, policy));
      const { message } = result;
      policy.onFailure(message);
      this.budget ??= createRetryBudget(this.item, policy);
      const verdict = this.budget.spend(result, this.number);
      if (verdict.kind === 'give_up') return policy.onOutcome(this.record, dropped(verdict.reason, message));
      policy.onRetrying(this.record);
      sleepers.sleep(verdict.delayMillis, (elapsed) => {
        if (!elapsed) return policy.onOutcome(this.record, dropped('shutdown', message));
        policy.onRetry();
        this.send();
      });
    }
  }

  return (item, record) => new Delivery(item, record).send();
}

type Verdict =
  | { readonly kind: 'retry'; readonly delayMillis: number }
  | { readonly kind: 'give_up'; readonly reason: DropReason };

/** What one record may still spend on retries. */
interface RetryBudget {
  spend(result: Retryable, attempt: number): Verdict;
}

type Clock = Pick<RetryPolicy<unknown>, 'deadlineMillis' | 'openMillis' | 'isClosed' | 'random'>;

function createRetryBudget(item: DeliveryItem, policy: Clock): RetryBudget {
  const retries: Partial<Record<RetryReason, number>> = {};
  // From the first failure: a record that has waited long for its turn still has all its retries.
  let failedAt: number | undefined;
  return {
    spend(result, attempt) {
      const { maxRetries, minDelayMillis = 0, hasNoDeadline = false } = RULES[result.reason] ?? {};
      const count = (retries[result.reason] ?? 0) + 1;
      retries[result.reason] = count;
      if (maxRetries !== undefined && count > maxRetries)
        return { kind: 'give_up', reason: 'retries_exhausted' };

      const jittered = minDelayMillis + backoffMillis(attempt, policy.random);
      const delayMillis = Math.max(jittered, result.retryAfterMillis ?? 0);
      if (hasNoDeadline) return { kind: 'retry', delayMillis };
      const clock = policy.openMillis(item.projectId);
      failedAt ??= clock;
      // A wait behind a closed gate costs nothing; any other one that would end past the deadline is not begun.
      const cost = policy.isClosed(item.projectId) ? 0 : delayMillis;
      if (clock - failedAt + cost >= policy.deadlineMillis)
        return { kind: 'give_up', reason: 'retry_deadline' };
      return { kind: 'retry', delayMillis };
    },
  };
}

function toOutcome(
  result: Exclude<SendResult, Retryable>,
  { onFailure }: Pick<RetryPolicy<unknown>, 'onFailure'>,
): Outcome {
  switch (result.kind) {
    case 'delivered':
      return DELIVERED;
    case 'aborted':
      return { kind: 'dropped', reason: 'shutdown' };
    case 'crowded_out':
      return { kind: 'dropped', reason: 'queue_full' };
    case 'failed':
      return { kind: 'dropped', reason: 'internal' };
    case 'unsendable':
      onFailure(result.message);
      return dropped('conversion', result.message);
    case 'rejected':
    case 'too_large':
      onFailure(result.message);
      return { kind: 'rejected', status: result.status, message: result.message };
    case 'refused':
      // The access gate turns every refusal into a retry or a rejection; without one it would mean the same as this.
      onFailure(result.message);
      return { kind: 'rejected', status: result.status ?? 401, message: result.message };
  }
}

const DELIVERED: Outcome = { kind: 'delivered' };

function dropped(reason: DropReason, message: string): Outcome {
  return { kind: 'dropped', reason, message };
}
