/** What delivery reports → what a person is told: each kind at most once a minute, with totals, never with content or key. */
import type { DeliveryEvent } from '../delivery/events.ts';
import type { Log } from '../log.ts';
import type { OutgoingRecord } from '../record/record.ts';
import type { SpoolEvent } from '../spool/spool.ts';

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
    case 'dropped':
      // Told with the record's outcome: what delivery gives up on may be in the spool.
      return;
  }
}

export function warnOfLoss(reason: string, total: number, log: Log): void {
  log.warn('FREEPLAY_OTEL_LOSS', `a record was lost (${reason}), ${total} in all`, reason);
}

/** @param kept whether there is a spool, which keeps it */
export function warnOfRejection(status: number, total: number, kept: boolean, log: Log): void {
  log.warn(
    'FREEPLAY_OTEL_REJECTED',
    `the API rejected a record${statusText(status)}, ${total} in all; ledger().lastError has its words${kept ? ', and spoolDir/rejected the record' : ''}`,
    String(status),
  );
}

export function warnOfSpool(event: SpoolEvent, dir: string, log: Log): void {
  switch (event.kind) {
    case 'failed':
      log.warn(
        'FREEPLAY_OTEL_SPOOL',
        `the spool folder ${dir} cannot be used (${event.code}): what cannot be delivered is lost meanwhile`,
        `${dir} ${event.code}`,
      );
      return;
    case 'unreadable':
      log.warnOnce(
        'FREEPLAY_OTEL_SPOOL',
        `${event.lines} lines in the spool folder ${dir} are no whole records, as a kill in the middle of a write leaves them; the file is kept with the ending .torn`,
        `${dir} torn`,
      );
      return;
    case 'foreign':
      log.warnOnce(
        'FREEPLAY_OTEL_SPOOL',
        `${event.files} files in the spool folder ${dir} are not the spool's and are left alone; give it a folder of its own`,
        `${dir} foreign`,
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
  const { hint } = outgoing;
  if (!hint?.missing.startsWith(NO_CONTENT)) return;
  const { from: scope, missing } = hint;
  log.warnOnce(
    'FREEPLAY_OTEL_NO_CONTENT',
    `${scope} reports model calls without their messages; to record them: ${missing.slice(NO_CONTENT.length)}`,
    scope,
  );
}

/** One hint for each two instrumentations that report the same calls in different traces. */
export function hintAtTwins({ twins }: OutgoingRecord, log: Log): void {
  if (!twins) return;
  const [one, other] = [...twins].sort();
  log.warnOnce(
    'FREEPLAY_OTEL_TWINS',
    `${one} and ${other} report the same model calls in different traces, so each call is two completions: turn one of them off, or open a span around the calls`,
    `${one} ${other}`,
  );
}
