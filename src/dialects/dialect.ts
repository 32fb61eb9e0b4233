import type { Operation, Reading } from '../completion/completion.ts';
import type { LogData, SpanData } from '../span/span-data.ts';

/**
 * One convention for writing GenAI spans. Both functions are pure and total: no I/O, no clock, no throwing, the span untouched.
 *
 * @see docs/adding-a-dialect.md
 */
export interface Dialect {
  /** Kebab-case; appears in receipts. */
  readonly name: string;
  /** The cheapest certain sign that a span is written in this dialect. */
  detect(span: SpanData): boolean;
  /**
   * What `read` would give as the operation, without reading what the span says: asked while the app waits, when a span starts. Absent, or
   * `undefined` where only the content tells: `read` is asked.
   */
  operationOf?(span: SpanData): Operation | undefined;
  /**
   * What the span says, or `undefined` if it is bookkeeping that says nothing.
   *
   * @param logs GenAI log records that were emitted in the span's context, in order
   */
  read(span: SpanData, logs: readonly LogData[]): Reading | undefined;
}
