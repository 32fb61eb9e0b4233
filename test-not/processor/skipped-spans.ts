/**
 * Spans of traces in which there was nothing to record. Forgotten at once, but for the latest: a call that starts when its trace seemed
 * to be over still finds its ancestors here.
 */
import type { SdkSpan } from '../span/from-sdk.ts';

export interface SkippedSpans {
  add(traceId: string, span: SdkSpan): void;
  /** Those of one trace, oldest first, taken out. */
  take(traceId: string): readonly SdkSpan[];
}

const NONE: readonly SdkSpan[] = [];

/** A ring, since next to every span of an app that makes few model calls passes through here. */
export function createSkippedSpans(maxSpans: number = 1_024): SkippedSpans {
  const traceIds: string[] = new Array(maxSpans).fill('');
  const spans: (SdkSpan | undefined)[] = new Array(maxSpans).fill(undefined);
  let next = 0;
  let count = 0;
  return {
    add(traceId, span) {
      if (spans[next] === undefined) count++;
      traceIds[next] = traceId;
      spans[next] = span;
      next = (next + 1) % maxSpans;
    },
    take(traceId) {
      if (count === 0) return NONE;
      const found: SdkSpan[] = [];
      for (let i = 0; i < maxSpans; i++) {
        const at = (next + i) % maxSpans;
        const span = spans[at];
        if (span === undefined || traceIds[at] !== traceId) continue;
        found.push(span);
        spans[at] = undefined;
        traceIds[at] = '';
        count--;
      }
      return found;
    },
  };
}
