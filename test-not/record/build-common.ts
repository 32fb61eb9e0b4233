/** What both kinds of record share: session, metadata, correlation, receipt. */
import type { Scalar, Surroundings } from '../completion/completion.ts';
import { isForbiddenKey, type JsonValue } from '../json/json-text.ts';
import type { RecordPlan } from '../lineage/plan.ts';
import type { SpanData } from '../span/span-data.ts';
import { isUuidV4, sessionIdOf } from './ids.ts';
import type { ContentPolicy } from './policy.ts';
import type { Receipt } from './record.ts';

export interface BuildOptions {
  readonly projectId: string;
  /** Projects that spans may be routed to. */
  readonly projects: readonly string[];
  readonly policy: ContentPolicy;
  readonly metadata: { readonly [key: string]: Scalar };
  readonly traceUrlTemplate: string | undefined;
}

/** Lists of a receipt in the making. */
export interface Remarks {
  readonly rules: string[];
  readonly guessed: string[];
  readonly merged: string[];
  readonly cut: string[];
  readonly missing: string[];
}

export function newRemarks(plan: RecordPlan): Remarks {
  const remarks: Remarks = {
    rules: [...plan.rules],
    guessed: [],
    merged: plan.merged.map((id) => `span ${id}`),
    cut: [],
    missing: [],
  };
  for (const note of plan.reading?.notes ?? []) {
    if (note.kind === 'rule') remarks.rules.push(note.text);
    else if (note.kind === 'guessed') remarks.guessed.push(note.text);
    else if (note.kind === 'cut') remarks.cut.push(note.text);
    else remarks.missing.push(note.text);
  }
  if (plan.span && plan.span.droppedAttributesCount > 0)
    remarks.cut.push(`${plan.span.droppedAttributesCount} attributes dropped by a span limit`);
  if (plan.span && plan.span.droppedEventsCount > 0)
    remarks.cut.push(`${plan.span.droppedEventsCount} events dropped by a span limit`);
  return remarks;
}

export function toReceipt(plan: RecordPlan, remarks: Remarks, masked: readonly string[]): Receipt {
  const scope = plan.span?.scope;
  const parentSpanId = plan.span?.parentSpanId;
  return {
    dialect: plan.dialect,
    scope: { name: scope?.name ?? '', ...(scope?.version === undefined ? {} : { version: scope.version }) },
    traceId: plan.traceId,
    spanIds: [...(plan.span ? [plan.span.spanId] : []), ...plan.merged],
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    rules: [...new Set(remarks.rules)],
    guessed: [...new Set(remarks.guessed)],
    merged: remarks.merged,
    cut: [...new Set(remarks.cut)],
    masked,
    missing: [...new Set(remarks.missing)],
  };
}

/** Session id as the API has it; a trace that names none is a session of its own. */
export function sessionOf(plan: RecordPlan): string {
  return plan.session === undefined ? plan.groupId : sessionIdOf(plan.session);
}

/** Routed only to a project that the user listed. */
export function projectOf(plan: RecordPlan, options: BuildOptions, remarks?: Remarks): string {
  const wanted = plan.surroundings?.projectId;
  if (wanted === undefined || wanted === options.projectId) return options.projectId;
  if (options.projects.includes(wanted)) return wanted;
  remarks?.missing.push('routing to a project that is not in `projects`');
  return options.projectId;
}

/** Scalars only: the user's metadata, user id, service, environment, and the session as it was named. */
export function customMetadata(plan: RecordPlan, options: BuildOptions): { [key: string]: Scalar } {
  const merged: { [key: string]: Scalar } = { ...options.metadata };
  const { surroundings, span } = plan;
  for (const [key, value] of Object.entries(surroundings?.metadata ?? {}))
    if (!isForbiddenKey(key)) merged[key] = value;
  if (surroundings?.userId !== undefined) merged['user.id'] = surroundings.userId;
  for (const [key, value] of serviceMetadata(span)) merged[key] = value;
  if (plan.session !== undefined && !isUuidV4(plan.session.toLowerCase()))
    merged['session.id'] = plan.session;
  if (surroundings?.environment !== undefined && !isUuidV4(surroundings.promptTemplateVersionId))
    merged.environment = surroundings.environment;
  return merged;
}

function serviceMetadata(span: SpanData | undefined): [string, Scalar][] {
  const resource = span?.resource ?? {};
  const found: [string, Scalar][] = [];
  const service = resource['service.name'];
  // The SDK's own default says nothing.
  if (typeof service === 'string' && service !== '' && !service.startsWith('unknown_service'))
    found.push(['service.name', service]);
  const environment = resource['deployment.environment.name'] ?? resource['deployment.environment'];
  if (typeof environment === 'string' && environment !== '')
    found.push(['deployment.environment.name', environment]);
  return found;
}

/** `{traceId}` and `{spanId}` filled in. */
export function traceUrl(plan: RecordPlan, options: BuildOptions): string | undefined {
  return options.traceUrlTemplate
    ?.replaceAll('{traceId}', plan.traceId)
    .replaceAll('{spanId}', plan.span?.spanId ?? '');
}

export function testRunInfo(surroundings: Surroundings | undefined): JsonValue | undefined {
  const run = surroundings?.testRunId?.toLowerCase();
  const testCase = surroundings?.testCaseId?.toLowerCase();
  return isUuidV4(run) && isUuidV4(testCase) ? { test_run_id: run, test_case_id: testCase } : undefined;
}

/** The object without members that say nothing, or `undefined` if none is left: the API wants no `{}`. */
export function compact(object: {
  readonly [key: string]: JsonValue | undefined;
}): { [key: string]: JsonValue } | undefined {
  let kept: { [key: string]: JsonValue } | undefined;
  for (const key of Object.keys(object)) {
    const value = object[key];
    if (value === undefined || value === null) continue;
    kept ??= {};
    kept[key] = value;
  }
  return kept;
}
