import { type Context, context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';

/**
 * The key that `suppressTracing` of `@opentelemetry/core` sets and every instrumentation asks for. `createContextKey` is
 * `Symbol.for`, so the same description is the same key and core need not be a dependency.
 */
const SUPPRESS_TRACING: symbol = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

/** Built on the root: a request must not hold on to whatever span was active when its record was offered. */
const SUPPRESSED: Context = ROOT_CONTEXT.setValue(SUPPRESS_TRACING, true);

/** Runs the function, and what it starts, such that no instrumentation makes spans of it. */
export function withTracingSuppressed<T>(run: () => T): T {
  return context.with(SUPPRESSED, run);
}
