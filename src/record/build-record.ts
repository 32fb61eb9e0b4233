import { JsonWriter } from '../json/json-writer.ts';
import type { RecordPlan } from '../lineage/plan.ts';
import {
  type BuildOptions,
  newRemarks,
  projectOf,
  type Remarks,
  sessionOf,
  toReceipt,
} from './build-common.ts';
import { buildCompletion, writeCompletion } from './build-completion.ts';
import { buildTrace } from './build-trace.ts';
import type { Mask } from './mask.ts';
import { maskBody } from './mask.ts';
import type { FreeplayRecord, RecordBody } from './record.ts';
import { shrinkBody } from './shrink.ts';

export interface RecordOptions extends BuildOptions {
  readonly mask: readonly Mask[];
  readonly maxRecordBytes: number;
}

/** Where a record goes. */
export type Address = Pick<FreeplayRecord, 'kind' | 'id' | 'sessionId' | 'path'> & {
  readonly projectId: string;
};

/** Plan → the record: built, masked, shrunk, in that order. */
export function buildRecord(plan: RecordPlan, options: RecordOptions): FreeplayRecord {
  const remarks = newRemarks(plan);
  const { projectId: _, ...address } = addressOf(plan, options, remarks);
  const masked = maskBody(buildBody(plan, options, remarks), options.mask);
  const shrunk = shrinkBody(masked.body, options.maxRecordBytes);
  remarks.cut.push(...shrunk.cut);
  return { ...address, body: shrunk.body, receipt: toReceipt(plan, remarks, masked.paths) };
}

/** `JSON.stringify(buildRecord(…).body)` in pieces, as cheap as the record allows. */
export function writeRecord(plan: RecordPlan, options: RecordOptions): readonly string[] {
  if (options.mask.length > 0) return [JSON.stringify(buildRecord(plan, options).body)];
  const json = isCompletion(plan)
    ? writeCompletion(plan, plan.span, plan.reading, options)
    : writeTrace(plan, options);
  // No character takes more than three bytes.
  const isSmall = json.length * 3 <= options.maxRecordBytes;
  const pieces = json.end();
  return isSmall || countBytes(pieces) <= options.maxRecordBytes
    ? pieces
    : [JSON.stringify(buildRecord(plan, options).body)];
}

function writeTrace(plan: RecordPlan, options: RecordOptions): JsonWriter {
  const json = new JsonWriter();
  json.add(JSON.stringify(buildTrace(plan, options)));
  return json;
}

function countBytes(pieces: readonly string[]): number {
  return pieces.reduce((bytes, piece) => bytes + Buffer.byteLength(piece), 0);
}

/** @param remarks for the receipt, if one is written */
export function addressOf(plan: RecordPlan, options: RecordOptions, remarks?: Remarks): Address {
  const sessionId = sessionOf(plan);
  const projectId = projectOf(plan, options, remarks);
  const base = `/v2/projects/${encodeURIComponent(projectId)}/sessions/${sessionId}`;
  const { id } = plan;
  return isCompletion(plan)
    ? { kind: 'completion', id, sessionId, projectId, path: `${base}/completions` }
    : { kind: 'trace', id, sessionId, projectId, path: `${base}/traces/id/${id}` };
}

type CompletionPlan = RecordPlan & {
  readonly span: NonNullable<RecordPlan['span']>;
  readonly reading: NonNullable<RecordPlan['reading']>;
};

function isCompletion(plan: RecordPlan): plan is CompletionPlan {
  return plan.role === 'completion' && plan.span !== undefined && plan.reading !== undefined;
}

function buildBody(plan: RecordPlan, options: RecordOptions, remarks: Remarks): RecordBody {
  return isCompletion(plan)
    ? buildCompletion(plan, plan.span, plan.reading, options, remarks)
    : buildTrace(plan, options);
}
