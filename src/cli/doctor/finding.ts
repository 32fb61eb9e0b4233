/** What one check has found. */
export interface Finding {
  /** Stable, for machines: `api.key`, `otel.api-copies`. */
  readonly id: string;
  readonly section: Section;
  readonly status: 'ok' | 'warn' | 'fail' | 'skip';
  /** What was looked at, in a word or two. */
  readonly subject: string;
  /** One line. */
  readonly finding: string;
  /** What to do about it. */
  readonly fix?: string | undefined;
}

export type Section =
  | 'Settings'
  | 'API'
  | 'Versions'
  | 'Sampling and limits'
  | 'Message content'
  | 'Spool'
  | 'Setup';

export const SECTIONS: readonly Section[] = [
  'Settings',
  'API',
  'Versions',
  'Sampling and limits',
  'Message content',
  'Spool',
  'Setup',
];

export type Environment = { readonly [name: string]: string | undefined };

/** Of a variable, without the blanks that a file leaves around it; empty is not set. */
export function setting(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === undefined || value === '' ? undefined : value;
}

/** Of the completion without messages that tries the key: it says what it is, should anybody meet it in a log. */
export const PROBE_SESSION_ID = 'd0c70000-0000-4000-8000-000000000000';
