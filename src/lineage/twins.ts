/**
 * Calls of which a second report stands in a trace of its own, since no span was open around both. They are two completions: nothing says
 * whose session and parent would be right for one. It is told, so that whoever adds up tokens knows.
 */
import { detached } from '../json/detached.ts';
import { before, type HrTime } from '../span/span-data.ts';
import type { RecordPlan } from './plan.ts';

/** The other report of a call. */
export interface Twin {
  readonly traceId: string;
  /** Name of its instrumentation scope. */
  readonly scope: string;
}

interface Sighting extends Twin {
  readonly start: HrTime;
  readonly end: HrTime;
}

/** Two reports of a call end at nearly the same time. */
const MAX_CALLS = 512;

/** Told of each completion → the twin that came before it, if there is one. */
export type FindTwin = (plan: RecordPlan) => Twin | undefined;

export function createTwins(): FindTwin {
  const latest = new Map<string, Sighting>();
  return ({ role, span, reading, traceId }) => {
    const id = role === 'completion' ? reading?.responseId : undefined;
    if (id === undefined || !span) return undefined;
    const sighting: Sighting = {
      traceId,
      scope: span.scope.name,
      start: span.startTime,
      end: span.endTime,
    };
    const other = latest.get(id);
    if (other) return isTwin(sighting, other) ? other : undefined;
    latest.set(detached(id), sighting);
    if (latest.size > MAX_CALLS) latest.delete(latest.keys().next().value as string);
    return undefined;
  };
}

/** Ids alone do not tell: a cache answers twice with one, and stand-in servers count from one to a thousand. */
function isTwin(a: Sighting, b: Sighting): boolean {
  return a.traceId !== b.traceId && a.scope !== b.scope && !before(a.end, b.start) && !before(b.end, a.start);
}
