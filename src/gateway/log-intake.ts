/** Log records of a request → the spans they belong to → a verdict for their sender. */
import { isContentEvent } from '../exporter/log-record-processor.ts';
import type { LogData } from '../span/span-data.ts';
import { DONE, later, type Verdict } from './answer.ts';
import type { BatchResult } from './entrusted-batch.ts';
import type { Joins } from './joins.ts';
import { within } from './within.ts';

export interface LogIntakeOptions {
  readonly joins: Joins<BatchResult>;
  /** Milliseconds an event waits for its span to come; after that it is acknowledged, and still waits. */
  readonly logWaitMillis: number;
  readonly answerMillis: number;
}

export interface LogIntake {
  /** @param identity the same for a request that is sent again */
  accept(logs: readonly LogData[], identity: string): Promise<Verdict>;
}

const MAX_OPEN_REQUESTS = 10_000;

export function createLogIntake({ joins, logWaitMillis, answerMillis }: LogIntakeOptions): LogIntake {
  /** Requests whose events are in hand, and whose sender has not been told that they are safe. */
  const open = new Map<string, ReturnType<typeof joins.waitForTakers>>();

  function begin(events: readonly LogData[], identity: string): ReturnType<typeof joins.waitForTakers> {
    const kept = events.filter(joins.add);
    const takers = joins.waitForTakers(kept, Math.min(logWaitMillis, answerMillis));
    open.set(identity, takers);
    const [oldest] = open.size > MAX_OPEN_REQUESTS ? open.keys() : [];
    if (oldest !== undefined) open.delete(oldest);
    return takers;
  }

  return {
    async accept(logs, identity) {
      const events = logs.filter(isContentEvent);
      if (events.length === 0) return DONE;
      const takers = open.get(identity) ?? begin(events, identity);
      const results = await within(
        takers
          .then((all) => all && Promise.all(all.map((outcome) => outcome())))
          .then((all) => all ?? 'stopped'),
        answerMillis,
      );
      if (results === undefined)
        return later('not_delivered', 'the API has not taken the records of these events yet', 5);
      if (results === 'stopped') return later('draining', 'the gateway stops');
      // Their records wait for their spans to be sent again, with these events in them.
      if (results !== 'failed' && results.some(({ returned }) => returned.length > 0))
        return later('not_delivered', 'the API did not take the records of these events', 5);
      open.delete(identity);
      if (results === 'failed') return later('internal', 'an internal error, please report it', 30);
      return results.some(({ isStopped }) => isStopped) ? later('draining', 'the gateway stops') : DONE;
    },
  };
}
