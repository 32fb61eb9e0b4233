import type { DropReason } from './outcome.ts';
import type { RetryReason } from './sender.ts';

/**
 * What the caller may want to log. Events hold origins, project ids, statuses and error codes; never the key, content,
 * or the server's words, which may quote content (those are in the outcome). The caller limits how often it says them.
 */
export type DeliveryEvent =
  /** A first refusal. The record is held until another one shows whether the key or the record is at fault. */
  | {
      readonly kind: 'unauthorised';
      readonly origin: string;
      readonly projectId: string;
      readonly status?: number;
    }
  /** No record of this project gets through with this key. All are held; one probe a minute. */
  | {
      readonly kind: 'access_closed';
      readonly origin: string;
      readonly projectId: string;
      readonly status?: number;
    }
  | { readonly kind: 'access_opened'; readonly origin: string; readonly projectId: string }
  /** The origin failed twice in a row. Everything is held; the next try is after `retryInMillis`. */
  | {
      readonly kind: 'origin_closed';
      readonly origin: string;
      readonly reason: RetryReason;
      readonly status?: number;
      readonly failures: number;
      readonly retryInMillis: number;
    }
  /** Follows an `origin_closed`, once. */
  | { readonly kind: 'origin_opened'; readonly origin: string }
  /** The API redirects to another origin, which is never followed: the base URL is probably wrong. */
  | { readonly kind: 'redirect_refused'; readonly origin: string; readonly target: string }
  /** The proxy settings of the environment cannot be used; requests go out directly. */
  | { readonly kind: 'proxy_ignored' }
  /** A record was lost; `total` counts this reason since the start. */
  | { readonly kind: 'dropped'; readonly reason: DropReason; readonly total: number }
  | { readonly kind: 'rejected'; readonly status: number; readonly total: number };

export type Report = (event: DeliveryEvent) => void;

/** A report function that cannot hurt delivery: what the caller's throws is dropped. */
export function toSafeReport(report: Report): Report {
  return (event) => {
    try {
      report(event);
    } catch {
      // A logger that throws must not stop the records.
    }
  };
}
