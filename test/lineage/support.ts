import type { Message, Reading } from '../../src/completion/completion.ts';
import { type CallReport, reportOf } from '../../src/lineage/call-report.ts';
import type { HrTime } from '../../src/span/span-data.ts';

export function at(millis: number): HrTime {
  return [1_800_000_000 + Math.floor(millis / 1000), Math.round((millis % 1000) * 1e6)];
}

export function said(text: string): Message {
  return { role: 'assistant', parts: [{ kind: 'text', text }], toolCalls: [] };
}

export function asked(text: string): Message {
  return { role: 'user', parts: [{ kind: 'text', text }], toolCalls: [] };
}

export function reading(facts: Partial<Reading> = {}): Reading {
  return { operation: 'inference', ...facts };
}

export interface Told {
  readonly id: string;
  readonly scope: string;
  /** Milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly question?: string;
  readonly reply?: string;
  readonly facts?: Partial<Reading>;
}

export function report({ id, scope, from, to, question, reply, facts }: Told): CallReport {
  return reportOf(
    id,
    scope,
    at(from),
    at(to),
    reading({
      ...(question === undefined ? {} : { input: [asked(question)] }),
      ...(reply === undefined ? {} : { choices: [said(reply)] }),
      ...facts,
    }),
  );
}

/** Which spans are together, in an order of their own. */
export function names(groups: readonly (readonly CallReport[])[]): readonly string[] {
  return groups
    .map((group) =>
      group
        .map((one) => one.spanId)
        .sort()
        .join('+'),
    )
    .sort();
}
