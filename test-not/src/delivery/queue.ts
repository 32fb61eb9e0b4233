/** The bound of the delivery: so many records and so many bytes, from the offer until the outcome. */

import { after } from './sleep.ts';

export interface QueueBounds {
  readonly maxRecords: number;
  /** Sum of `DeliveryItem.bytes`. */
  readonly maxBytes: number;
}

export interface Queue {
  /** Takes a slot, to be released once; false if there is no room, or the queue is closed. */
  take(bytes: number): boolean;
  release(bytes: number): void;
  /**
   * True as soon as a slot for so many bytes is free, false after the time, at closing, or at once if it would never fit.
   * A promise of room, not a slot: whoever comes between may take it, so the caller asks again.
   */
  waitForRoom(bytes: number, timeoutMillis: number): Promise<boolean>;
  /** No slots from now on; those who wait are told no. */
  close(): void;
  /** Bytes of the slots that are taken. */
  readonly bytes: number;
  readonly isClosed: boolean;
}

interface RoomWaiter {
  readonly bytes: number;
  finish(hasRoom: boolean): void;
}

/** Slots, not a list: order and waiting are the gate's. A slot is freed when its record settles, so work in flight counts. */
export function createQueue({ maxRecords, maxBytes }: QueueBounds): Queue {
  let records = 0;
  let bytes = 0;
  let closed = false;
  const waiters = new Set<RoomWaiter>();
  const fits = (size: number, moreRecords: number, moreBytes: number) =>
    records + moreRecords < maxRecords && bytes + moreBytes + size <= maxBytes;

  /** In order, and only as many as there is room for together, so that a large record is not overtaken for ever. */
  const wake = () => {
    let count = 0;
    let size = 0;
    for (const waiter of waiters) {
      if (!fits(waiter.bytes, count, size)) return;
      count += 1;
      size += waiter.bytes;
      waiter.finish(true);
    }
  };

  return {
    take(size) {
      if (closed || !fits(size, 0, 0)) return false;
      records += 1;
      bytes += size;
      return true;
    },
    release(size) {
      records -= 1;
      bytes -= size;
      if (waiters.size > 0) wake();
    },
    waitForRoom(size, timeoutMillis) {
      if (closed || size > maxBytes || maxRecords < 1) return Promise.resolve(false);
      if (waiters.size === 0 && fits(size, 0, 0)) return Promise.resolve(true);
      return new Promise((resolve) => {
        const cancel = after(timeoutMillis, () => waiter.finish(false));
        const waiter: RoomWaiter = {
          bytes: size,
          finish(hasRoom) {
            cancel();
            waiters.delete(waiter);
            resolve(hasRoom);
          },
        };
        waiters.add(waiter);
      });
    },
    close() {
      closed = true;
      for (const waiter of waiters) waiter.finish(false);
    },
    get bytes() {
      return bytes;
    },
    get isClosed() {
      return closed;
    },
  };
}
