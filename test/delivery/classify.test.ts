import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  classifyAnswer,
  classifyError,
  getErrorCode,
  isAlreadyRecorded,
} from '../../src/delivery/classify.ts';

const answer = (status: number, message: string = '') => classifyAnswer({ status, message, credential: 1 });

describe('an answer', () => {
  it.each([
    [200, 'delivered'],
    [201, 'delivered'],
    [204, 'delivered'],
    [409, 'delivered'],
    [304, 'rejected'],
    [303, 'rejected'],
    [400, 'rejected'],
    [405, 'rejected'],
    [422, 'rejected'],
    [413, 'too_large'],
    [401, 'refused'],
    [403, 'refused'],
    [404, 'refused'],
    [0, 'rejected'],
    [999, 'rejected'],
  ])('of %i is %s', (status, kind) => {
    expect(answer(status).kind).toBe(kind);
  });

  it.each([
    [407, 'unreachable'],
    [408, 'passing'],
    [425, 'passing'],
    [429, 'throttled'],
    [500, 'server_error'],
    [502, 'passing'],
    [503, 'unavailable'],
    [504, 'passing'],
    [524, 'passing'],
  ])('of %i is retryable: %s', (status, reason) => {
    expect(answer(status)).toMatchObject({ kind: 'retryable', reason, status });
  });

  it('keeps the wait that the server asked for', () => {
    const result = classifyAnswer({ status: 503, message: 'm', credential: 1, retryAfterMillis: 0 });
    expect(result).toEqual({
      kind: 'retryable',
      reason: 'unavailable',
      status: 503,
      message: 'm',
      retryAfterMillis: 0,
    });
  });

  it('is judged whatever it is', () => {
    const kinds = ['delivered', 'rejected', 'too_large', 'refused', 'retryable'];
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 100, max: 599 }), fc.integer(), fc.double()),
        fc.string(),
        (status, words) => {
          expect(kinds).toContain(answer(status, words).kind);
        },
      ),
    );
  });
});

describe('a 400 that says the id exists', () => {
  it.each([
    'Completion with id 3c90c3cc-0d44-4b50-8888-8dd25736052a already exists.',
    'completion_id has already been used',
    'A trace with this ID exists already in the session',
    'duplicate key value violates unique constraint "completions_pkey" (id)',
  ])('counts as recorded: %s', (message) => {
    expect(isAlreadyRecorded(message)).toBe(true);
    expect(answer(400, message).kind).toBe('delivered');
    expect(answer(422, message).kind).toBe('delivered');
  });

  it.each([
    'Session ID 456 is not a valid uuid4 format.',
    'tool_call_id call_1 already exists in messages[3]',
    'Tool call id is already in use',
    'metadata key "a" already exists',
    '',
  ])('is not: %s', (message) => {
    expect(answer(400, message).kind).toBe('rejected');
  });
});

describe('an error', () => {
  it.each([
    [{ code: 'ECONNREFUSED' }, 'ECONNREFUSED'],
    [new TypeError('x', { cause: { code: 'UND_ERR_SOCKET' } }), 'UND_ERR_SOCKET'],
    [new TypeError('Bearer secret'), 'TypeError'],
    [{ code: 'Bearer secret' }, 'unknown_error'],
    ['text', 'unknown_error'],
    [undefined, 'unknown_error'],
  ])('%j is known as %s and passes', (error, code) => {
    expect(getErrorCode(error)).toBe(code);
    expect(classifyError(error)).toEqual({ kind: 'retryable', reason: 'unreachable', message: code });
  });

  it('that says the request cannot be formed does not pass', () => {
    expect(classifyError({ code: 'UND_ERR_INVALID_ARG' }).kind).toBe('unsendable');
  });

  it('is judged whatever it is', () => {
    const hostile = Object.defineProperty({}, 'code', {
      get() {
        throw new Error('no');
      },
    });
    expect(classifyError(hostile).kind).toBe('retryable');
    fc.assert(
      fc.property(fc.anything(), (error) => ['retryable', 'unsendable'].includes(classifyError(error).kind)),
    );
  });
});
