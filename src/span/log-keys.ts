/** Which log events belong to which span. */
import { getString } from './attributes.ts';
import type { Attributes, LogData, SpanData } from './span-data.ts';

/** The most telling first. */
type Keys = readonly [string, ...string[]];

/**
 * Where an event is to be found: most are emitted in the context of their span. Claude Code emits all of a run in the context of the
 * interaction around it, and names the call or tool that an event tells of.
 */
export function keysOfLog(log: LogData): Keys {
  // What a tool gave comes long after the call that asked for it.
  return keysOf(log, log.eventName === 'tool_result' ? ['tool_use_id', 'request_id'] : CALL_FIRST);
}

/** Where the events of a span are to be looked for. */
export function keysOfSpan(span: SpanData): Keys {
  // The steps of a tool have its id, too.
  return keysOf(span, span.name.startsWith('claude_code.tool.') ? [] : CALL_FIRST);
}

const CALL_FIRST = ['request_id', 'tool_use_id'] as const;

function keysOf({ traceId, spanId, scope, attributes }: SpanData | LogData, names: readonly string[]): Keys {
  const own = `${traceId}/${spanId}`;
  if (!scope.name.startsWith('com.anthropic.claude_code.')) return [own];
  const [first, ...others] = names.flatMap((name) => idIn(traceId, attributes, name));
  return first === undefined ? [own] : [first, ...others, own];
}

function idIn(traceId: string, attributes: Attributes, name: string): readonly string[] {
  const id = getString(attributes, name);
  return id === undefined ? [] : [`${traceId}/${id}`];
}

/** The events of each span, in the order they are given in. */
export function createLogIndex(logs: readonly LogData[]): (span: SpanData) => readonly LogData[] {
  const index = new Map<string, LogData[]>();
  for (const log of logs) {
    for (const key of keysOfLog(log)) {
      const list = index.get(key);
      if (list) list.push(log);
      else index.set(key, [log]);
    }
  }
  return (span) => (index.size === 0 ? NONE : keysOfSpan(span).flatMap((key) => index.get(key) ?? NONE));
}

const NONE: readonly LogData[] = [];
