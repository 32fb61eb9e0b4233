/** The pure half in one place: ended spans and their logs in, records out. No I/O, no clock, no environment, no logging. */
import { isCut, type Media, type Operation, type Reading, type Scalar } from './completion/completion.ts';
import type { Config } from './config.ts';
import type { Dialect } from './dialects/dialect.ts';
import { DIALECTS, findDialect } from './dialects/registry.ts';
import { repairCount } from './json/read-json.ts';
import { catchLateThrow } from './late-throw.ts';
import type { ReadSpan, RecordPlan, RecordRole } from './lineage/plan.ts';
import { withoutNestedVectors, withoutVectors } from './readers/embeddings.ts';
import { readSurroundings } from './readers/surroundings.ts';
import { buildRecord, type RecordOptions } from './record/build-record.ts';
import { buildUpdate } from './record/build-update.ts';
import { planOutgoing } from './record/outgoing.ts';
import { mediaPlaceholder } from './record/policy.ts';
import type { FreeplayRecord, OutgoingRecord } from './record/record.ts';
import { whileReading } from './span/shape.ts';
import type { LogData, SpanData } from './span/span-data.ts';

export type ConvertConfig = Pick<
  Config,
  | 'projectId'
  | 'projects'
  | 'captureContent'
  | 'masks'
  | 'media'
  | 'filter'
  | 'dialects'
  | 'metadata'
  | 'session'
  | 'traceUrlTemplate'
  | 'maxRecordBytes'
>;

/** Stands in paths where no project was given. */
export const NO_PROJECT = 'no-project';

export interface Converter {
  /** What `read` would give as the operation, mostly without reading what the span says. */
  operationOf(span: SpanData): Operation | undefined;
  /** One span, read by the one dialect that knows it. */
  read(span: SpanData, logs: readonly LogData[]): ReadSpan;
  /** The record that the lineage planned. */
  build(plan: RecordPlan): FreeplayRecord;
  /** The same, built when it is sent. */
  plan(plan: RecordPlan): OutgoingRecord;
  /** The late reply of a completion that was recorded as incomplete. */
  buildUpdate(read: ReadSpan): FreeplayRecord | undefined;
  readonly failures: { dialect: number; hook: number };
}

export function createConverter(config: ConvertConfig): Converter {
  const dialects: readonly Dialect[] =
    config.dialects.length > 0 ? [...config.dialects, ...DIALECTS] : DIALECTS;
  const failures = { dialect: 0, hook: 0 };
  const options: RecordOptions = {
    projectId: config.projectId ?? NO_PROJECT,
    projects: config.projects,
    policy: { capture: config.captureContent, media: mediaPolicy(config.media) },
    metadata: config.metadata as { readonly [key: string]: Scalar },
    traceUrlTemplate: config.traceUrlTemplate,
    mask: config.masks,
    maxRecordBytes: config.maxRecordBytes,
  };

  /** Code of the user's runs here: what it throws costs its opinion, nothing else. */
  const guarded = <T>(call: () => T): T | undefined => {
    try {
      const answer = call();
      catchLateThrow(answer);
      return answer;
    } catch {
      failures.hook++;
      return undefined;
    }
  };

  const isFilteredOut = (span: SpanData): boolean =>
    config.filter !== undefined && guarded(() => config.filter?.(span)) === false;

  function operationOf(span: SpanData): Operation | undefined {
    if (isFilteredOut(span)) return undefined;
    return whileReading(span.attributes, () => {
      try {
        const dialect = findDialect(span, dialects);
        return dialect?.operationOf?.(span) ?? dialect?.read(span, [])?.operation;
      } catch {
        failures.dialect++;
        return undefined;
      }
    });
  }

  function read(span: SpanData, logs: readonly LogData[]): ReadSpan {
    return whileReading(span.attributes, () => readOnce(span, logs));
  }

  function readOnce(span: SpanData, logs: readonly LogData[]): ReadSpan {
    if (isFilteredOut(span)) {
      const surroundings = guarded(() => readSurroundings(span.attributes));
      return { span, dialect: 'plain', reading: undefined, surroundings };
    }
    let dialect: Dialect | undefined;
    let reading: Reading | undefined;
    try {
      dialect = findDialect(span, dialects);
      const repairs = repairCount();
      reading = dialect?.read(span, logs);
      if (reading && repairCount() > repairs) reading = withCutNote(reading);
      if (reading?.operation === 'embedding') reading = withoutVectors(reading, span.attributes);
      else if (reading && reading.operation !== 'inference') reading = withoutNestedVectors(reading);
    } catch {
      failures.dialect++; // a dialect is total: this is a bug in it, and must not cost more than its span
      if (!isReadable(span))
        return { span: { ...span, attributes: {}, events: [] }, dialect: 'plain', reading: undefined };
    }
    let surroundings = reading?.surroundings ?? readSurroundings(span.attributes);
    const session = config.session && guarded(() => config.session?.(span));
    if (typeof session === 'string' && session !== '') {
      surroundings = { ...surroundings, session: { value: session, rank: 2 } };
      reading = { ...(reading ?? { operation: 'other' }), surroundings };
    }
    const startTime = reading?.startTime;
    const timed = startTime === undefined ? span : { ...span, startTime };
    return { span: timed, dialect: dialect?.name ?? 'plain', reading, surroundings };
  }

  return {
    operationOf,
    read,
    build: (plan) => buildRecord(plan, options),
    plan: (plan) => planOutgoing(plan, options),
    buildUpdate: (read) => buildUpdate(read, options),
    failures,
  };
}

function withCutNote(reading: Reading): Reading {
  if (isCut(reading)) return reading;
  const note = { kind: 'cut' as const, text: 'JSON was cut by a span limit: repaired to what survives' };
  return { ...reading, notes: [...(reading.notes ?? []), note] };
}

/** Attributes may be an object whose getters throw: then nothing may look at them again. */
function isReadable(span: SpanData): boolean {
  try {
    readSurroundings(span.attributes);
    return true;
  } catch {
    return false;
  }
}

/** What the option `records` leaves of the tree; for the lineage, which must not name parents that will not be. */
export function wantedRecords(
  records: Config['records'],
): (role: RecordRole, operation: Operation | undefined) => boolean {
  if (records === 'all') return () => true;
  if (records === 'completions') return (role) => role === 'completion';
  return (role, operation) =>
    role === 'completion' ||
    role === 'step' ||
    (role === 'group' && operation !== undefined && operation !== 'other');
}

function mediaPolicy(media: Config['media']): RecordOptions['policy']['media'] {
  if (media === 'inline') return (one) => one;
  if (media === 'placeholder') return mediaPlaceholder;
  return (one) => {
    try {
      const chosen: unknown = media(one);
      catchLateThrow(chosen);
      return typeof chosen === 'string' || isMedia(chosen) ? chosen : mediaPlaceholder(one);
    } catch {
      return mediaPlaceholder(one);
    }
  };
}

function isMedia(value: unknown): value is Media {
  return typeof (value as Partial<Media> | null | undefined)?.modality === 'string';
}
