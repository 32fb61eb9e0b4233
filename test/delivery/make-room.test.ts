import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { DeliveryItem } from '../../src/delivery/sender.ts';
import { createFakeDispatcher, makeItem, offer, startDelivery, total } from './support.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Of two projects the first is refused; the second is accepted, but answered late. */
function startRefused(bounds: { readonly maxQueueRecords?: number; readonly maxQueueBytes?: number }) {
  const { dispatcher } = createFakeDispatcher(({ path }) =>
    path.includes('/p1/') ? { status: 401 } : { status: 201, millis: 30_000 },
  );
  const { delivery } = startDelivery({ dispatcher, timeoutMillis: 60_000, ...bounds });
  let count = 0;
  const offerTo = (projectId: string, more: Partial<DeliveryItem> = {}) => {
    count += 1;
    return offer(delivery, makeItem(`r${count}`, { projectId, ...more }));
  };
  return { delivery, offerTo };
}

it('refused records give up half of the bound once another project needs it, the newest first', async () => {
  const { delivery, offerTo } = startRefused({ maxQueueRecords: 40 });
  const held = Array.from({ length: 40 }, () => offerTo('p1'));
  await vi.advanceTimersByTimeAsync(1_000);
  // As long as nobody else comes they may fill all of it.
  expect(delivery.pending).toBe(40);
  expect(offerTo('p1')).toBeUndefined();

  for (let index = 0; index < 20; index++) expect(offerTo('p2')).toBeDefined();
  expect(await held.at(-1)?.outcome).toEqual({ kind: 'dropped', reason: 'queue_full' });
  expect(delivery.stats()).toMatchObject({ pending: 40, dropped: { queue_full: 20 } });
  // From here on they have a right to what they hold.
  expect(offerTo('p2')).toBeUndefined();
  expect(total(delivery)).toBe(delivery.stats().accepted);

  await vi.advanceTimersByTimeAsync(100_000);
  expect(delivery.stats()).toMatchObject({ delivered: 20, pending: 20 });
  expect(offerTo('p1')).toBeDefined();
});

it('so it is with bytes, and nothing is given up for a record that would not fit then either', async () => {
  const { delivery, offerTo } = startRefused({ maxQueueBytes: 1_000 });
  for (let index = 0; index < 10; index++) offerTo('p1');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(delivery.stats().bytes).toBe(1_000);
  expect(offerTo('p2', { bytes: 501 })).toBeUndefined();
  expect(offerTo('p2', { bytes: 1_001 })).toBeUndefined();
  expect(delivery.stats()).toMatchObject({ pending: 10, dropped: { queue_full: 0 } });
  expect(offerTo('p2', { bytes: 450 })).toBeDefined();
  expect(delivery.stats()).toMatchObject({ pending: 6, bytes: 950, dropped: { queue_full: 5 } });
});

it('several refused projects share the half', async () => {
  const { dispatcher } = createFakeDispatcher(({ path }) =>
    path.includes('/good/') ? { status: 201 } : { status: 403 },
  );
  const { delivery } = startDelivery({ dispatcher, maxQueueRecords: 30 });
  let count = 0;
  const offerTo = (projectId: string) => delivery.offer(makeItem(`r${count++}`, { projectId }));
  for (const projectId of ['p1', 'p2', 'p3'])
    for (let index = 0; index < 10; index++) expect(offerTo(projectId)).toBe(true);
  await vi.advanceTimersByTimeAsync(1_000);
  for (let index = 0; index < 15; index++) expect(offerTo('good')).toBe(true);
  expect(offerTo('good')).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(delivery.stats()).toMatchObject({ delivered: 15, pending: 15 });
});

it('an outage of the origin is nobody’s fault: nobody makes room', async () => {
  const { dispatcher } = createFakeDispatcher(() => ({ status: 503 }));
  const { delivery } = startDelivery({ dispatcher, maxQueueRecords: 10 });
  for (let index = 0; index < 10; index++) delivery.offer(makeItem(`r${index}`));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(delivery.offer(makeItem('other', { projectId: 'p2' }))).toBe(false);
  expect(delivery.stats()).toMatchObject({ pending: 10, dropped: { queue_full: 0 } });
});
