/**
 * Warnings that reach the user: to OpenTelemetry's `diag`, and to `process.emitWarning` where the app has registered no diag logger.
 * Never content, never a key. Nothing here throws.
 */
import { diag } from '@opentelemetry/api';

export const WARNING_NAME = 'FreeplayOtelWarning';
/** One warning of a kind in this time. */
const REPEAT_MILLIS = 60_000;

export type WarningCode =
  | 'FREEPLAY_OTEL_NOT_CONFIGURED'
  | 'FREEPLAY_OTEL_ENVIRONMENT'
  | 'FREEPLAY_OTEL_LOSS'
  | 'FREEPLAY_OTEL_REJECTED'
  | 'FREEPLAY_OTEL_SPOOL'
  | 'FREEPLAY_OTEL_ACCESS'
  | 'FREEPLAY_OTEL_ORIGIN'
  | 'FREEPLAY_OTEL_REDIRECT'
  | 'FREEPLAY_OTEL_PROXY'
  | 'FREEPLAY_OTEL_NO_CONTENT'
  | 'FREEPLAY_OTEL_TWICE'
  | 'FREEPLAY_OTEL_TWINS'
  | 'FREEPLAY_OTEL_OVERFLOW'
  | 'FREEPLAY_OTEL_DEVELOPMENT'
  | 'FREEPLAY_OTEL_INTERNAL';

export interface Log {
  /** Once a minute for each code and subject; what was held back in between is counted by the caller's totals. */
  warn(code: WarningCode, message: string, subject?: string): void;
  /** As {@link warn}, once in the life of this log. */
  warnOnce(code: WarningCode, message: string, subject?: string): void;
  info(message: string): void;
}

const NAMESPACE = 'opentelemetry-exporter-freeplay';
const MAX_SUBJECTS = 1_000;

/** @param now a clock that is never set back: else a warning would be held back for as long */
export function createLog(now: () => number = () => performance.now()): Log {
  const logger = diag.createComponentLogger({ namespace: NAMESPACE });
  const last = new Map<string, number>();
  const emit = (code: WarningCode, message: string): void =>
    quietly(() => {
      logger.warn(`${message} [${code}]`);
      if (!hasDiagLogger()) process.emitWarning(message, { type: WARNING_NAME, code });
    });
  const isDue = (key: string, repeat: number): boolean => {
    const at = last.get(key);
    if (at !== undefined && now() - at < repeat) return false;
    if (last.size >= MAX_SUBJECTS) last.clear();
    last.set(key, now());
    return true;
  };
  return {
    warn: (code, message, subject = '') => {
      if (isDue(`${code} ${subject}`, REPEAT_MILLIS)) emit(code, message);
    },
    warnOnce: (code, message, subject = '') => {
      if (isDue(`once ${code} ${subject}`, Number.POSITIVE_INFINITY)) emit(code, message);
    },
    info: (message) => quietly(() => logger.info(message)),
  };
}

/** The app's logger may throw; that must not come between a record and its delivery. */
function quietly(say: () => void): void {
  try {
    say();
  } catch {
    // Nobody is there to be told.
  }
}

/** The API keeps its diag logger on one global object per major version. */
function hasDiagLogger(): boolean {
  const registry = (globalThis as { [key: symbol]: { diag?: unknown } | undefined })[
    Symbol.for('opentelemetry.js.api.1')
  ];
  return registry?.diag !== undefined;
}
