import type { RecordPlan } from '../lineage/plan.ts';
import { type BuildOptions, newRemarks, projectOf, sessionOf, toReceipt } from './build-common.ts';
import { buildCompletion } from './build-completion.ts';
import { buildTrace } from './build-trace.ts';
import type { Mask } from './mask.ts';
import { maskBody } from './mask.ts';
import type { FreeplayRecord } from './record.ts';
import { shrinkBody } from './shrink.ts';

export interface RecordOptions extends BuildOptions {
  readonly mask: readonly Mask[];
  readonly maxRecordBytes: number;
}

/** Plan → the record: built, masked, shrunk, in that order. */
export function buildRecord(plan: RecordPlan, options: RecordOptions): FreeplayRecord {
  const remarks = newRemarks(plan);
  const sessionId = sessionOf(plan);
  const projectId = projectOf(plan, options, remarks);
  const isCompletion = plan.role === 'completion' && plan.span !== undefined && plan.reading !== undefined;
  const built =
    isCompletion && plan.span && plan.reading
      ? buildCompletion(plan, plan.span, plan.reading, options, remarks)
      : buildTrace(plan, options);
  const masked = maskBody(built, options.mask);
  const shrunk = shrinkBody(masked.body, options.maxRecordBytes);
  remarks.cut.push(...shrunk.cut);
  const base = `/v2/projects/${encodeURIComponent(projectId)}/sessions/${sessionId}`;
  return {
    kind: isCompletion ? 'completion' : 'trace',
    id: plan.id,
    sessionId,
    path: isCompletion ? `${base}/completions` : `${base}/traces/id/${plan.id}`,
    body: shrunk.body,
    receipt: toReceipt(plan, remarks, masked.paths),
  };
}
