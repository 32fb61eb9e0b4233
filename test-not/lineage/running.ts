/** Ancestors that still run: what they will be and what they hand down, as far as they have said by now. */
import type { Reading } from '../completion/completion.ts';
import { spanRecordId } from '../record/ids.ts';
import { before, type SpanData } from '../span/span-data.ts';
import { inheritSurroundings, lend } from './inherit.ts';
import { type ReadSpan, surroundingsOf } from './plan.ts';
import type { Seen, Trace, TraceNode } from './trace.ts';

/** Running ancestors: the records they will be, as far as can be told from what they say by now. */
export type Running = ReadonlyMap<string, Seen>;

/** No trace is that deep; a ring of parents ends here. */
const MAX_ABOVE = 1_000;

/** The running ancestors of a batch, outermost first, with what they hand down. They may name the trace's session, too. */
export function meetRunning(trace: Trace, nodes: readonly TraceNode[]): Running {
  const met = new Map<string, Seen>();
  for (const { parent, span } of nodes) {
    if (parent || span.parentSpanId === undefined) continue;
    const chain: ReadSpan[] = [];
    let spanId: string | undefined = span.parentSpanId;
    for (let steps = 0; spanId !== undefined && !met.has(spanId) && steps < MAX_ABOVE; steps++) {
      const seen = trace.seen.get(spanId);
      if (seen?.recordId !== undefined) break;
      if (seen) {
        spanId = seen.parentSpanId;
        continue;
      }
      const live = trace.live(trace.traceId, spanId);
      if (!live) break;
      chain.push(live);
      spanId = live.span.parentSpanId;
    }
    for (const live of chain.reverse()) met.set(live.span.spanId, runningSpan(trace, live, met));
  }
  return met;
}

function runningSpan(trace: Trace, read: ReadSpan, met: Running): Seen {
  const { span, reading } = read;
  const above =
    span.parentSpanId === undefined
      ? undefined
      : (trace.seen.get(span.parentSpanId) ?? met.get(span.parentSpanId));
  const own = surroundingsOf(read);
  if (own?.session && (!trace.session || before(span.startTime, trace.session.at))) {
    trace.session = { value: own.session.value, at: span.startTime };
  }
  return {
    parentSpanId: span.parentSpanId,
    parentIsRemote: span.parentIsRemote,
    recordId: runningRecordId(trace, span, reading, above !== undefined),
    surroundings: inheritSurroundings(own, above?.surroundings),
    // What it knows of one call only, it will know when it has ended.
    lent: lend(span.spanId, reading, above?.lent, 0),
  };
}

function runningRecordId(
  trace: Trace,
  span: SpanData,
  reading: Reading | undefined,
  hasParent: boolean,
): string | undefined {
  const operation = reading?.operation;
  const isRoot = span.parentSpanId === undefined;
  if (operation === 'inference')
    return trace.wants('completion', operation) ? spanRecordId(trace.traceId, span.spanId) : undefined;
  if (isRoot) return trace.groupId;
  if (operation !== undefined && operation !== 'other')
    return trace.wants('step', operation) ? spanRecordId(trace.traceId, span.spanId) : undefined;
  // The first span of this process: recorded, since something below it is.
  const isLocalRoot = span.parentIsRemote && !hasParent && trace.wants('plain', operation);
  return isLocalRoot ? spanRecordId(trace.traceId, span.spanId) : undefined;
}
