import type { Reading, Surroundings } from '../completion/completion.ts';
import type { SpanData } from '../span/span-data.ts';
import type { Said } from './rollup.ts';
import type { Twin } from './twins.ts';

/**
 * Why there is a record: a model call; the trace group; a step that a dialect reports; a second report of a call; a span that other
 * records name as their parent; or a parent that never came.
 */
export type RecordRole = 'completion' | 'group' | 'step' | 'double' | 'plain' | 'placeholder';

/** One record to be built: everything the lineage knows about it. */
export interface RecordPlan {
  readonly role: RecordRole;
  readonly id: string;
  readonly traceId: string;
  /** Absent on placeholders. */
  readonly span: SpanData | undefined;
  readonly dialect: string;
  readonly reading: Reading | undefined;
  /** Absent on the group. */
  readonly parentId: string | undefined;
  readonly groupId: string;
  /** As it was named; absent: the group's id. */
  readonly session: string | undefined;
  readonly surroundings: Surroundings | undefined;
  /** First user message and last reply below, for records without input or output of their own. */
  readonly rolledInput?: Said | undefined;
  readonly rolledOutput?: Said | undefined;
  /** Span ids whose facts were merged in. */
  readonly merged: readonly string[];
  readonly rules: readonly string[];
  /** Who reports the call as well, in another trace. */
  readonly twin?: Twin | undefined;
}

/** A span with what its dialect read; `undefined` reading: not GenAI. */
export interface ReadSpan {
  readonly span: SpanData;
  readonly dialect: string;
  readonly reading: Reading | undefined;
  /** Of a span without a reading, or whose reading is silent about them. */
  readonly surroundings?: Surroundings | undefined;
}

/** What a span says about its surroundings itself. */
export function surroundingsOf({ reading, surroundings }: ReadSpan): Surroundings | undefined {
  return reading?.surroundings ?? surroundings;
}
