/** The records of one scenario as a whole: ids, paths, parents, tools, sessions. */
import type { FreeplayRecord } from '../../../src/index.ts';
import type { CapturedSpan, Scenario } from './corpus.ts';
import { groupUuid, spanUuid, UUID_V4 } from './ids.ts';
import { bodyOf } from './match.ts';
import type { Json } from './truth.ts';

const CALL_ID =
  /(tool[._]?call[._]?id|toolCallId|tool_use_id|toolUseId|gen_ai\.tool\.call\.id|ai\.toolCall\.id|tool_call\.id)$/;

/** What is wrong, in words; empty: nothing. */
export function judgeTree(scenario: Scenario, records: readonly FreeplayRecord[]): readonly string[] {
  const faults: string[] = [];
  const bySpanUuid = new Map(scenario.spans.map((span) => [spanUuid(span.traceId, span.spanId), span]));
  const byKey = new Map(scenario.spans.map((span) => [`${span.traceId}/${span.spanId}`, span]));
  const groups = new Map(scenario.spans.map((span) => [groupUuid(span.traceId), span.traceId]));
  const ids = new Set(records.map((record) => record.id));
  if (ids.size !== records.length) faults.push('two records share an id');
  const completions = records.filter((record) => record.kind === 'completion');
  const sessions = new Map<string, Set<string>>();
  for (const record of records) {
    const span = bySpanUuid.get(record.id);
    const traceId = span?.traceId ?? groups.get(record.id);
    const label = `${record.kind} of ${span?.name ?? 'the group'}`;
    if (traceId === undefined) {
      faults.push(`${record.kind} ${record.id} has the id of no span and no group`);
      continue;
    }
    sessions.set(traceId, (sessions.get(traceId) ?? new Set()).add(record.sessionId));
    if (!UUID_V4.test(record.sessionId)) faults.push(`${label}: session ${record.sessionId}`);
    faults.push(...judgePath(record, label));
    const body = bodyOf(record);
    const group = groupUuid(traceId);
    if (record.kind === 'completion') {
      if (!span) faults.push(`${label}: a completion under the group's id`);
      if (body.completion_id !== record.id) faults.push(`${label}: completion_id ${body.completion_id}`);
      if (body.trace_info.trace_id !== group) faults.push(`${label}: trace ${body.trace_info.trace_id}`);
    }
    if (record.id === group) {
      if (body.parent_id !== undefined) faults.push(`${label}: the group has a parent`);
      continue;
    }
    if (body.parent_id !== group && !ids.has(body.parent_id))
      faults.push(`${label}: its parent ${body.parent_id} is neither a record nor the group`);
    if (span) {
      const wanted = askersOf(span, completions, record) ?? [nearestRecorded(span, byKey, ids)];
      if (!wanted.includes(body.parent_id))
        faults.push(
          `${label}: parent ${nameOf(body.parent_id)}, expected ${wanted.map(nameOf).join(' or ')}`,
        );
    }
  }
  for (const [traceId, found] of sessions)
    if (found.size > Math.max(1, sessionsNamed(scenario, traceId)))
      faults.push(`trace ${traceId} is in ${found.size} sessions`);
  faults.push(...rings(records));
  return faults;

  function nameOf(id: string): string {
    return bySpanUuid.get(id)?.name ?? (groups.has(id) ? 'the group' : id);
  }
}

/** A trace that names several sessions has each record in its own. */
function sessionsNamed(scenario: Scenario, traceId: string): number {
  const named = scenario.spans
    .filter((span) => span.traceId === traceId)
    .flatMap((span) =>
      Object.entries(span.attributes)
        .filter(([key]) => /(session|conversation|thread)[._]?id$/i.test(key))
        .map(([, value]) => String(value)),
    );
  return new Set(named).size;
}

function judgePath(record: FreeplayRecord, label: string): string[] {
  const base = `/v2/projects/project-1/sessions/${record.sessionId}`;
  const wanted = record.kind === 'completion' ? `${base}/completions` : `${base}/traces/id/${record.id}`;
  return record.path === wanted ? [] : [`${label}: path ${record.path}`];
}

/** Completions whose reply holds the call id that a tool's span names. */
function askersOf(
  span: CapturedSpan,
  completions: readonly FreeplayRecord[],
  record: FreeplayRecord,
): readonly string[] | undefined {
  if (bodyOf(record).kind !== 'tool') return undefined;
  const ids = new Set(
    Object.entries(span.attributes)
      .filter(([key, value]) => CALL_ID.test(key) && typeof value === 'string')
      .map(([, value]) => value as string),
  );
  const group = groupUuid(span.traceId);
  const found = completions.filter(
    (completion) =>
      bodyOf(completion).trace_info.trace_id === group &&
      [
        bodyOf(completion).messages.at(-1),
        ...(bodyOf(completion).call_info.provider_info?.choices ?? []),
      ].some((message: Json) => (message.tool_calls ?? []).some((call: Json) => ids.has(call.id))),
  );
  if (found.length > 0) return found.map((completion) => completion.id);
  // Without an id the name and the arguments may tell: either parent is right.
  return ids.size === 0 ? [bodyOf(record).parent_id] : undefined;
}

function nearestRecorded(
  span: CapturedSpan,
  byKey: ReadonlyMap<string, CapturedSpan>,
  ids: ReadonlySet<string>,
): string {
  const seen = new Set<CapturedSpan>([span]);
  let at = span.parentSpanId === undefined ? undefined : byKey.get(`${span.traceId}/${span.parentSpanId}`);
  while (at && !seen.has(at)) {
    seen.add(at);
    const id = spanUuid(at.traceId, at.spanId);
    if (ids.has(id)) return id;
    at = at.parentSpanId === undefined ? undefined : byKey.get(`${at.traceId}/${at.parentSpanId}`);
  }
  return groupUuid(span.traceId);
}

export function rings(records: readonly { readonly id: string; readonly body: object }[]): string[] {
  const parents = new Map(
    records.map((record) => [record.id, (record.body as { parent_id?: string }).parent_id]),
  );
  for (const start of parents.keys()) {
    let at: string | undefined = start;
    for (let steps = 0; at !== undefined; steps++) {
      if (steps > parents.size) return [`the parents of ${start} form a ring`];
      at = parents.get(at);
    }
  }
  return [];
}
