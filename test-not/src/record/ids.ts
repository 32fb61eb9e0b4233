/** Every id we make: pure functions of telemetry ids, UUID v4 shaped, because the API accepts only those (design.md section 3). */
import { createHash } from 'node:crypto';

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const VARIANTS = '89ab';

export function isUuidV4(value: unknown): value is string {
  return typeof value === 'string' && UUID_V4.test(value);
}

/** 32 hex digits with the version nibble set to 4 and the variant bits to 10. */
function stamp(hex: string): string {
  const variant = VARIANTS[Number.parseInt(hex[16] ?? '0', 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * Id of the trace group: the trace id, stamped.
 *
 * @param traceId 32 lower-case hex digits
 * @example traceIdOf('4bf92f3577b34da6a3ce929d0e0e4736') === '4bf92f35-77b3-4da6-a3ce-929d0e0e4736'
 */
export function traceIdOf(traceId: string): string {
  return stamp(traceId.toLowerCase());
}

/** Id of the record of one span: the span id, then the last 8 bytes of the trace id, stamped. */
export function spanRecordId(traceId: string, spanId: string): string {
  return stamp(spanId + traceId.slice(16));
}

/**
 * Id of the completion that a span becomes: known before the call is made.
 *
 * @param context a span context, as `span.spanContext()` gives it
 * @example completionIdOf(span.spanContext())
 */
export function completionIdOf(context: { readonly traceId: string; readonly spanId: string }): string {
  return spanRecordId(context.traceId.toLowerCase(), context.spanId.toLowerCase());
}

/**
 * Session id of any string: a v4 UUID is kept, lower-cased; anything else is the first 16 bytes of its SHA-256, stamped. Every service
 * and language lands in the same session.
 *
 * @example sessionIdOf('user-7/chat-3')
 */
export function sessionIdOf(value: string): string {
  const lower = value.toLowerCase();
  if (UUID_V4.test(lower)) return lower;
  return stamp(createHash('sha256').update(value, 'utf8').digest('hex').slice(0, 32));
}
