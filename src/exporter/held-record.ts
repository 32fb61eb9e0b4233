import type { Bagged } from '../delivery/bag.ts';
import type { DeliveryItem } from '../delivery/sender.ts';
import type { OutgoingRecord } from '../record/record.ts';
import type { Rejection, SpoolSource } from '../spool/line.ts';
import type { Appended } from '../spool/spool.ts';
import type { Fate } from './fate.ts';

/** A record from its making, or its being read from the spool, to its end. */
export interface Held extends Bagged {
  readonly item: DeliveryItem;
  readonly source: SpoolSource;
  /** For the user's callback; absent if it was read from the spool. */
  readonly record: OutgoingRecord | undefined;
  /** Told once, as soon as the record is settled, spooled, lost, or handed to retry: whether it is well. */
  readonly onAnswer: ((well: boolean) => void) | undefined;
  /** Told once, when it is no longer in hand. */
  readonly onEnd: (() => void) | undefined;
  /** Told once, and then gone: where the record is safe, or that it is not. */
  onFate: ((fate: Fate) => void) | undefined;
  /** Its line in the spool, or the attempt to write it. */
  copy: Promise<Appended> | undefined;
  isSafe: boolean;
  isAnswered: boolean;
}

/** As it is kept beside what the API said of it. */
export function withRejection(source: SpoolSource, rejection: Rejection): SpoolSource {
  const { id, kind, projectId, path, bytes, at } = source;
  const text = (): string => source.text();
  return { id, kind, projectId, path, bytes, text, rejection, ...(at !== undefined && { at }) };
}
