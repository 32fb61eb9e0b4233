/** The link that turns results into outcomes: what passes later is tried again, until the record's deadline. */

import { backoffMillis } from './backoff.ts';
import type { DropReason, Outcome } from './outcome.ts';
import type { DeliveryItem, Retryable, RetryReason, Sender, SendResult } from './sender.ts';
import { sleep } from './sleep.ts';

export interface RetryPolicy {
  /** How long a record is tried again after its first failure, measured by `openMillis`. Milliseconds. */
  readonly deadlineMillis: number;
  /** The project's clock, which stands still while a gate is closed. */
  openMillis(projectId: string): number;
  isClosed(projectId: string): boolean;
  readonly random: () => number;
  /** Aborted: every wait ends and what is pending is dropped. */
  readonly signal: AbortSignal;
  onRetry(): void;
  onFailure(message: string): void;
}

/** Delivers one record to its end. */
export type Deliver = (item: DeliveryItem, onFirstAttempt: () => void) => Promise<Outcome>;

interface ReasonRule {
  /** Most retries of one record for this reason. */
  readonly maxRetries: number;
  /** Least pause before such a retry, milliseconds. */
  readonly minDelayMillis: number;
}

/** "For 500 up to three retries at least 5 s apart": the vendor, see `completions-api.md` section 5. */
const RULES: Readonly<Partial<Record<RetryReason, ReasonRule>>> = {
  server_error: { maxRetries: 3, minDelayMillis: 5_000 },
};

/** Puts retries before `next`. `onFirstAttempt` is called once: the first attempt has been judged, or a gate holds it. */
export function withRetry(next: Sender, policy: RetryPolicy): Deliver {
  return async function deliver(item, onFirstAttempt) {
    const budget = createRetryBudget(item, policy);
    for (let number = 1; ; number++) {
      const result = await next(item, { signal: policy.signal, number, onHeld: onFirstAttempt });
      onFirstAttempt();
      if (result.kind !== 'retryable') return toOutcome(result, policy);
      policy.onFailure(result.message);
      const verdict = budget.spend(result, number);
      if (verdict.kind === 'give_up') return dropped(verdict.reason, result.message);
      if (!(await sleep(verdict.delayMillis, policy.signal))) return dropped('shutdown', result.message);
      policy.onRetry();
    }
  };
}

type Verdict =
  | { readonly kind: 'retry'; readonly delayMillis: number }
  | { readonly kind: 'give_up'; readonly reason: DropReason };

/** What one record may still spend on retries. */
interface RetryBudget {
  spend(result: Retryable, attempt: number): Verdict;
}

function createRetryBudget(item: DeliveryItem, policy: RetryPolicy): RetryBudget {
  const retries: Partial<Record<RetryReason, number>> = {};
  // From the first failure: a record that has waited long for its turn still has all its retries.
  let failedAt: number | undefined;
  return {
    spend(result, attempt) {
      const rule = RULES[result.reason];
      const count = (retries[result.reason] ?? 0) + 1;
      retries[result.reason] = count;
      if (rule !== undefined && count > rule.maxRetries)
        return { kind: 'give_up', reason: 'retries_exhausted' };

      const jittered = (rule?.minDelayMillis ?? 0) + backoffMillis(attempt, policy.random);
      const delayMillis = Math.max(jittered, result.retryAfterMillis ?? 0);
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

function toOutcome(result: Exclude<SendResult, Retryable>, policy: RetryPolicy): Outcome {
  switch (result.kind) {
    case 'delivered':
      return { kind: 'delivered' };
    case 'aborted':
      return { kind: 'dropped', reason: 'shutdown' };
    case 'unsendable':
      policy.onFailure(result.message);
      return dropped('conversion', result.message);
    case 'rejected':
    case 'too_large':
      policy.onFailure(result.message);
      return { kind: 'rejected', status: result.status, message: result.message };
    case 'refused':
      // The access gate turns every refusal into a retry or a rejection; without one it would mean the same as this.
      policy.onFailure(result.message);
      return { kind: 'rejected', status: result.status ?? 401, message: result.message };
  }
}

function dropped(reason: DropReason, message: string): Outcome {
  return { kind: 'dropped', reason, message };
}
