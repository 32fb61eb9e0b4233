/** Room in a full queue, at the cost of those who cannot use theirs: keys and projects never delay each other. */

import type { GateLink } from './gate.ts';
import type { InHand } from './in-hand.ts';
import type { Queue, QueueBounds } from './queue.ts';

export interface Crowd {
  readonly bounds: QueueBounds;
  readonly queue: Pick<Queue, 'bytes'>;
  readonly inHand: Pick<InHand<unknown>, 'size' | 'projects'>;
  readonly gate: Pick<GateLink, 'isRefused' | 'crowdOut'>;
}

/** While others need the room, the records of all refused projects together are held within this part of the bounds. */
const REFUSED_SHARE = 1 / 2;

/**
 * Gives up the newest waiting record of the refused project that holds the most, where they hold more than their share and the
 * new record fits once they are back to it.
 *
 * @returns True if there is more room than before.
 */
export function makeRoom(projectId: string, bytes: number, crowd: Crowd): boolean {
  const { bounds, queue, inHand, gate } = crowd;
  if (gate.isRefused(projectId)) return false;
  const refused = inHand.projects().filter(({ id }) => gate.isRefused(id));
  const isByRecords = inHand.size >= bounds.maxRecords;
  const scarce = isByRecords ? 'records' : 'bytes';
  const max = isByRecords ? bounds.maxRecords : bounds.maxBytes;
  const missing = isByRecords ? 1 : queue.bytes + bytes - max;
  const held = refused.reduce((sum, project) => sum + project[scarce], 0);
  if (held - max * REFUSED_SHARE < missing) return false;
  const [largest] = refused.sort((one, other) => other[scarce] - one[scarce]);
  return largest !== undefined && gate.crowdOut(largest.id);
}
