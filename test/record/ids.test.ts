import { describe, expect, it } from 'vitest';
import { completionIdOf, convertSpans, sessionIdOf, traceIdOf } from '../../src/index.ts';
import { groupUuid, sessionUuid, spanUuid } from '../contract/support/ids.ts';
import { chatAttributes, makeSpan } from '../property/support.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('ids', () => {
  it('of the trace group read as the trace id', () => {
    expect(traceIdOf(TRACE)).toBe('4bf92f35-77b3-4da6-a3ce-929d0e0e4736');
    expect(traceIdOf(TRACE.toUpperCase())).toBe(traceIdOf(TRACE));
  });

  it('of a completion are the span id and half of the trace id', () => {
    expect(completionIdOf({ traceId: TRACE, spanId: SPAN })).toBe('00f067aa-0ba9-42b7-a3ce-929d0e0e4736');
    expect(completionIdOf({ traceId: TRACE.toUpperCase(), spanId: SPAN.toUpperCase() })).toBe(
      '00f067aa-0ba9-42b7-a3ce-929d0e0e4736',
    );
  });

  it.each([
    ['f'.repeat(32), 'f'.repeat(16)],
    ['0123456789abcdef0123456789abcdef', 'fedcba9876543210'],
    [TRACE, SPAN],
  ])('are those of another implementation (%s, %s)', (traceId, spanId) => {
    expect(traceIdOf(traceId)).toBe(groupUuid(traceId));
    expect(completionIdOf({ traceId, spanId })).toBe(spanUuid(traceId, spanId));
  });

  it.each([
    ['user-7/chat-3'],
    [''],
    ['ä😀'],
    ['9F1C2B3A-4D5E-4F60-8A7B-0C1D2E3F4A5B'],
    ['9f1c2b3a-4d5e-1f60-8a7b-0c1d2e3f4a5b'],
  ])('of the session %j', (value) => {
    expect(sessionIdOf(value)).toBe(sessionUuid(value));
  });

  it.each([
    ['a trace id of zeros', '0'.repeat(32), SPAN],
    ['a span id of zeros', TRACE, '0'.repeat(16)],
    ['a short trace id', 'abc', SPAN],
    ['no hex', 'x'.repeat(32), SPAN],
    ['a span id too long', TRACE, `${SPAN}00`],
  ])('that are malformed make no record: %s', (_, traceId, spanId) => {
    expect(convertSpans([makeSpan({ traceId, spanId, attributes: chatAttributes() })])).toEqual([]);
  });

  it('are the same for upper-case telemetry ids', () => {
    const [record] = convertSpans([
      makeSpan({ traceId: TRACE.toUpperCase(), spanId: SPAN.toUpperCase(), attributes: chatAttributes() }),
    ]);
    expect(record?.id).toBe(completionIdOf({ traceId: TRACE, spanId: SPAN }));
  });
});
