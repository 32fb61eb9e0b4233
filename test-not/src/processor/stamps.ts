/** What the processor writes to spans, so that a person in any dashboard is one click from the record; nothing else is ever written. */
import type { Operation } from '../completion/completion.ts';
import { spanRecordId, traceIdOf } from '../record/ids.ts';
import type { SpanData } from '../span/span-data.ts';

const STAMP_COMPLETION = 'freeplay.completion.id';
const STAMP_TRACE = 'freeplay.trace.id';
const STAMP_URL = 'freeplay.url';

/** The id that was stamped on a span, if one was. */
export function stampOf(attributes: { readonly [key: string]: unknown } | undefined): string | undefined {
  const id = attributes?.[STAMP_TRACE] ?? attributes?.[STAMP_COMPLETION];
  return typeof id === 'string' ? id : undefined;
}

/** A span that still takes attributes. */
interface Writable {
  isRecording?(): boolean;
  setAttribute(key: string, value: string): unknown;
}

/**
 * At most two attributes: the id of the record that the span will be, and its link.
 *
 * @param template `completionUrlTemplate`: `{id}`, `{completionId}`, `{traceId}` and `{spanId}` are filled in
 * @returns whether the span was stamped
 */
export function stampSpan(
  span: object,
  data: SpanData,
  operation: Operation,
  template: string | undefined,
): boolean {
  if (!isWritable(span) || operation === 'other') return false;
  const isCall = operation === 'inference';
  const isGroup = data.parentSpanId === undefined && !isCall;
  const id = isGroup ? traceIdOf(data.traceId) : spanRecordId(data.traceId, data.spanId);
  span.setAttribute(isCall ? STAMP_COMPLETION : STAMP_TRACE, id);
  if (template !== undefined) {
    span.setAttribute(
      STAMP_URL,
      template
        .replaceAll('{id}', id)
        .replaceAll('{completionId}', id)
        .replaceAll('{traceId}', data.traceId)
        .replaceAll('{spanId}', data.spanId),
    );
  }
  return true;
}

function isWritable(span: object): span is Writable {
  const { setAttribute, isRecording } = span as Partial<Writable>;
  return typeof setAttribute === 'function' && (typeof isRecording !== 'function' || isRecording.call(span));
}
