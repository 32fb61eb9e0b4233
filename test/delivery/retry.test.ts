import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFakeDispatcher, isSettled, makeItem, offer, startDelivery } from './support.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const gaps = (requests: readonly { readonly at: number }[]) =>
  requests.slice(1).map(({ at }, index) => Math.round(at - (requests[index]?.at ?? 0)));

it.each([408, 425, 502, 504])('%i is tried again, with growing pauses, until it passes', async (status) => {
  const { dispatcher, requests } = createFakeDispatcher((_, count) => ({ status: count < 5 ? status : 201 }));
  const { delivery } = startDelivery({ dispatcher });
  const offered = offer(delivery, makeItem('r1'));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await offered?.outcome).toEqual({ kind: 'delivered' });
  // Half of 500, 1000, 2000, 4000, and a millisecond for the answer.
  expect(gaps(requests)).toEqual([251, 501, 1_001, 2_001]);
  expect(delivery.stats()).toMatchObject({ retries: 4, delivered: 1, lastError: `HTTP ${status}` });
});

it('500 is tried again three times, at least five seconds apart', async () => {
  const { dispatcher, requests } = createFakeDispatcher(() => ({ status: 500, message: 'oops' }));
  const { delivery } = startDelivery({ dispatcher, random: () => 0 });
  const offered = offer(delivery, makeItem('r1'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await offered?.outcome).toEqual({ kind: 'dropped', reason: 'retries_exhausted', message: 'oops' });
  expect(requests).toHaveLength(4);
  expect(Math.min(...gaps(requests))).toBeGreaterThanOrEqual(5_000);
});

it('Retry-After is waited for, also without a gate', async () => {
  const { dispatcher, requests } = createFakeDispatcher((_, count) =>
    count === 1 ? { status: 502, headers: { 'retry-after': '20' } } : { status: 201 },
  );
  const { delivery } = startDelivery({ dispatcher });
  offer(delivery, makeItem('r1'));
  await vi.advanceTimersByTimeAsync(30_000);
  expect(gaps(requests)).toEqual([20_001]);
});

it('a retry that would start past the deadline is not waited for', async () => {
  const { dispatcher, requests } = createFakeDispatcher(() => ({ status: 502, message: 'bad gateway' }));
  const { delivery, kinds } = startDelivery({ dispatcher, retryDeadlineMillis: 1_000 });
  const offered = offer(delivery, makeItem('r1'));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await offered?.outcome).toEqual({
    kind: 'dropped',
    reason: 'retry_deadline',
    message: 'bad gateway',
  });
  expect(requests).toHaveLength(3);
  expect(kinds()).toEqual(['dropped']);
});

it('the deadline stands still while a gate is closed', async () => {
  let up = false;
  const { dispatcher } = createFakeDispatcher(() => (up ? { status: 201 } : { error: 'ECONNREFUSED' }));
  const { delivery } = startDelivery({ dispatcher, retryDeadlineMillis: 1_000 });
  const offered = offer(delivery, makeItem('r1'));
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(await isSettled(offered?.outcome)).toBe(false);
  up = true;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await offered?.outcome).toEqual({ kind: 'delivered' });
});

describe('the first attempt', () => {
  it('has been judged when its result is known, though the record is tried again', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 502 }));
    const { delivery } = startDelivery({ dispatcher });
    const offered = offer(delivery, makeItem('r1'));
    expect(await isSettled(offered?.firstAttempt)).toBe(false);
    await vi.advanceTimersByTimeAsync(2);
    expect(await isSettled(offered?.firstAttempt)).toBe(true);
    expect(await isSettled(offered?.outcome)).toBe(false);
  });

  it('is not waited for behind a closed gate, whether it closed before or after the offer', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 503 }));
    const { delivery } = startDelivery({ dispatcher, concurrency: 1 });
    const [first, second] = [offer(delivery, makeItem('r1')), offer(delivery, makeItem('r2'))];
    expect(await isSettled(second?.firstAttempt)).toBe(false);
    await vi.advanceTimersByTimeAsync(2);
    expect(await isSettled(first?.firstAttempt)).toBe(true);
    expect(await isSettled(second?.firstAttempt)).toBe(true);
    expect(await isSettled(offer(delivery, makeItem('r3'))?.firstAttempt)).toBe(true);
  });
});

it('a backlog does not delay a retry', async () => {
  const { dispatcher, requests } = createFakeDispatcher((_, count) => ({ status: count === 1 ? 502 : 201 }));
  const { delivery } = startDelivery({ dispatcher, concurrency: 1, random: () => 0 });
  for (let index = 0; index < 100; index++) offer(delivery, makeItem(`r${index}`));
  await vi.advanceTimersByTimeAsync(10);
  expect(requests.slice(1, 4).map(({ id }) => id)).toContain('r0');
});
