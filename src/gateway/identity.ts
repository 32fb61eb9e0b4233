/** What tells a request that is sent again from any other: its spans, however they are encoded and packed this time. */
import { createHash } from 'node:crypto';
import type { SpanData } from '../span/span-data.ts';

export function identityOfSpans(spans: readonly SpanData[]): string {
  let ids = 'traces ';
  for (const { traceId, spanId } of spans) ids += traceId + spanId;
  return createHash('sha256').update(ids, 'latin1').digest('base64');
}

/** Log records have no ids: a sender that tries again sends the same bytes. */
export function identityOfBytes(bytes: Buffer): string {
  return createHash('sha256').update('logs ').update(bytes).digest('base64');
}
