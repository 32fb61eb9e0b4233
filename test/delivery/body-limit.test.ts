import { expect, it } from 'vitest';
import { createBodyLimit, MIN_BODY_LIMIT_BYTES, withBodyLimit } from '../../src/delivery/body-limit.ts';
import type { DeliveryItem, Sender } from '../../src/delivery/sender.ts';
import { attempt, makeItem } from './support.ts';

const MIB = 1_048_576;

function makeShrinkable(bytes: number): DeliveryItem {
  return makeItem('r1', {
    bytes,
    body: () => 'x'.repeat(bytes),
    shrink: (max) => 'x'.repeat(Math.min(bytes, max)),
  });
}

/** A server that takes bodies up to a size. */
function takesUpTo(maxBytes: number): { readonly send: Sender; readonly sizes: number[] } {
  const sizes: number[] = [];
  return {
    sizes,
    send({ item, onResult }) {
      const size = [item.body()].flat().join('').length;
      sizes.push(size);
      if (size > maxBytes) onResult({ kind: 'too_large', status: 413, message: 'too large' });
      else onResult({ kind: 'delivered', status: 201 });
    },
  };
}

it('sends a record that is too large once more, at half its size', async () => {
  const server = takesUpTo(MIB);
  const send = withBodyLimit(
    server.send,
    createBodyLimit(() => 0),
  );
  expect(await attempt(send, makeShrinkable(2 * MIB))).toEqual({ kind: 'delivered', status: 201 });
  expect(server.sizes).toEqual([2 * MIB, MIB]);
});

it('makes later records fit before they are sent, and forgets the limit with time', async () => {
  let now = 1e9;
  const server = takesUpTo(MIB);
  const send = withBodyLimit(
    server.send,
    createBodyLimit(() => now),
  );
  await attempt(send, makeShrinkable(2 * MIB));
  await attempt(send, makeShrinkable(2 * MIB));
  expect(server.sizes.splice(0)).toEqual([2 * MIB, MIB, MIB]);
  now += 60_000;
  await attempt(send, makeShrinkable(3 * MIB));
  expect(server.sizes.splice(0)).toEqual([2 * MIB, MIB]);
  now += 1e9;
  await attempt(send, makeShrinkable(200 * MIB));
  expect(server.sizes[0]).toBe(200 * MIB);
});

it('rejects after the second 413', async () => {
  const server = takesUpTo(10);
  const send = withBodyLimit(
    server.send,
    createBodyLimit(() => 0),
  );
  expect(await attempt(send, makeShrinkable(2 * MIB))).toEqual({
    kind: 'rejected',
    status: 413,
    message: 'too large',
  });
  expect(server.sizes).toEqual([2 * MIB, MIB]);
});

it.each([
  ['has no smaller form', makeItem('r1', { bytes: MIB })],
  ['answers undefined', makeItem('r1', { bytes: MIB, shrink: () => undefined })],
  [
    'does not get smaller',
    makeItem('r1', { bytes: 10, body: () => 'x'.repeat(10), shrink: () => 'x'.repeat(10) }),
  ],
  ['shrinks to what is no text', makeItem('r1', { bytes: MIB, shrink: () => 5 as unknown as string })],
  [
    'throws while shrinking',
    makeItem('r1', {
      bytes: MIB,
      shrink: () => {
        throw new Error('bug');
      },
    }),
  ],
])('rejects at once a record that %s', async (_, item) => {
  const server = takesUpTo(0);
  const send = withBodyLimit(
    server.send,
    createBodyLimit(() => 0),
  );
  expect(await attempt(send, item)).toEqual({ kind: 'rejected', status: 413, message: 'too large' });
  expect(server.sizes).toHaveLength(1);
});

it('never goes below the minimum', () => {
  const limit = createBodyLimit(() => 0);
  expect(limit.current()).toBe(Number.POSITIVE_INFINITY);
  for (let time = 0; time < 10; time++) limit.lower(limit.current());
  limit.lower(10);
  expect(limit.current()).toBe(MIN_BODY_LIMIT_BYTES);
});

it('goes by what is sent, not by what was guessed of it', async () => {
  const server = takesUpTo(MIB);
  const send = withBodyLimit(
    server.send,
    createBodyLimit(() => 0),
  );
  // As of a text in Chinese, whose characters take three bytes each.
  const guessed = { ...makeShrinkable(1.5 * MIB), bytes: MIB / 2 };
  expect(await attempt(send, guessed)).toEqual({ kind: 'delivered', status: 201 });
  expect(await attempt(send, guessed)).toEqual({ kind: 'delivered', status: 201 });
  const inPieces = { ...guessed, body: () => ['x'.repeat(MIB), 'x'.repeat(MIB / 2)] };
  expect(await attempt(send, inPieces)).toEqual({ kind: 'delivered', status: 201 });
  expect(server.sizes).toEqual([1.5 * MIB, 0.75 * MIB, 0.75 * MIB, 0.75 * MIB]);
});
