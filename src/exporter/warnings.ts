/** What delivery reports → what a person is told: each kind at most once a minute, with totals, never with content or key. */
import type { DeliveryEvent } from '../delivery/events.ts';
import type { Log } from '../log.ts';
import type { OutgoingRecord } from '../record/record.ts';

export function warnOf(event: DeliveryEvent, log: Log): void {
  switch (event.kind) {
    case 'unauthorised':
      log.warn(
        'FREEPLAY_OTEL_ACCESS',
        `${event.origin} refused a record of project ${event.projectId}${statusText(event.status)}; it is held until another one shows whether the key is at fault`,
        event.projectId,
      );
      return;
    case 'access_closed':
      log.warn(
        'FREEPLAY_OTEL_ACCESS',
        `no record of project ${event.projectId} gets through to ${event.origin}${statusText(event.status)}: check FREEPLAY_API_KEY and FREEPLAY_PROJECT_ID. Records are held, one is tried each minute`,
        `${event.projectId} closed`,
      );
      return;
    case 'access_opened':
      log.info(`records of project ${event.projectId} get through to ${event.origin} again`);
      return;
    case 'origin_closed':
      log.warn(
        'FREEPLAY_OTEL_ORIGIN',
        `${event.origin} cannot take records now (${event.reason}${statusText(event.status)}); they are held, next try in ${Math.round(event.retryInMillis)} ms`,
        event.origin,
      );
      return;
    case 'origin_opened':
      log.info(`${event.origin} takes records again`);
      return;
    case 'redirect_refused':
      log.warn(
        'FREEPLAY_OTEL_REDIRECT',
        `${event.origin} redirects to ${event.target}, which is not followed: the key stays with the origin it was given for. Check FREEPLAY_API_BASE`,
        event.origin,
      );
      return;
    case 'proxy_ignored':
      log.warn(
        'FREEPLAY_OTEL_PROXY',
        'the proxy settings of the environment cannot be used: requests go out directly',
      );
      return;
    case 'rejected':
      log.warn(
        'FREEPLAY_OTEL_REJECTED',
        `the API rejected a record${statusText(event.status)}, ${event.total} in all; ledger().lastError has its words`,
        String(event.status),
      );
      return;
    case 'dropped':
      log.warn(
        'FREEPLAY_OTEL_LOSS',
        `a record was lost (${event.reason}), ${event.total} in all`,
        event.reason,
      );
      return;
  }
}

function statusText(status: number | undefined): string {
  return status === undefined ? '' : `, status ${status}`;
}

const NO_CONTENT = 'message content: turn it on with ';

/** One hint for each instrumentation whose content capture is off. */
export function hintAtCapture(outgoing: OutgoingRecord, log: Log): void {
  if (outgoing.kind !== 'completion') return;
  const record = outgoing.record();
  const missing = record.receipt.missing.find((text) => text.startsWith(NO_CONTENT));
  if (missing === undefined) return;
  const scope = record.receipt.scope.name || record.receipt.dialect;
  log.warnOnce(
    'FREEPLAY_OTEL_NO_CONTENT',
    `${scope} reports model calls without their messages; to record them: ${missing.slice(NO_CONTENT.length)}`,
    scope,
  );
}
