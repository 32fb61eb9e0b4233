import type { JsonValue } from '../json/json-text.ts';

/** What a completion or trace record is made of; both are exactly the JSON that is posted. */
export type RecordBody = { [key: string]: JsonValue };

/**
 * How a record came about: for people and tools, never posted.
 */
export interface Receipt {
  /** Dialect that read the span, or `"group"`, `"placeholder"`, `"plain"` for records that no dialect made. */
  readonly dialect: string;
  readonly scope: { readonly name: string; readonly version?: string };
  readonly traceId: string;
  /** Span ids whose facts are in the record: its own first, then merged doubles. */
  readonly spanIds: readonly string[];
  readonly parentSpanId?: string;
  /** Rules that were applied, in order. */
  readonly rules: readonly string[];
  readonly guessed: readonly string[];
  readonly merged: readonly string[];
  readonly cut: readonly string[];
  readonly masked: readonly string[];
  /** What the record lacks, and why or which setting turns it on. */
  readonly missing: readonly string[];
}

/** One record of the completions API: a model call, or a trace (agent, workflow, tool, group). */
export interface FreeplayRecord {
  readonly kind: 'completion' | 'trace';
  /** UUID v4 shaped, a pure function of trace and span id. */
  readonly id: string;
  /** UUID v4 shaped. */
  readonly sessionId: string;
  /** Path below the base URL, beginning with `/v2/projects/`. */
  readonly path: string;
  readonly body: RecordBody;
  readonly receipt: Receipt;
}

/** A record on its way out: what delivery has to know now, and the rest when it is asked for, so that a queue holds no second copy. */
export interface OutgoingRecord extends Pick<FreeplayRecord, 'kind' | 'id' | 'sessionId' | 'path'> {
  readonly projectId: string;
  /** About the size of the text in UTF-8 bytes, for the bounds of queues. */
  readonly bytes: number;
  /** A completion without messages: what is missing, and whose spans they are. */
  readonly hint?: { readonly missing: string; readonly from: string } | undefined;
  /** Instrumentation scopes that report the same call in traces of their own: this record's, and another completion's. */
  readonly twins?: readonly [string, string] | undefined;
  /** The JSON that is posted: `JSON.stringify(record().body)`, byte for byte. Throws only for a bug. */
  text(): string;
  /** The same in pieces that follow each other, where it is not needed as one. */
  pieces(): readonly string[];
  record(): FreeplayRecord;
}
