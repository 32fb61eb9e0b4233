/**
 * What the app says about the calls made inside a function: kept in OpenTelemetry's context, so it follows `async` code, nests, and never
 * reaches another request. A `FreeplaySpanProcessor` reads it when a span starts.
 */
import { type Context, context, createContextKey, propagation, trace } from '@opentelemetry/api';
import type { Scalar, Surroundings } from '../completion/completion.ts';
import type { JsonValue } from '../json/json-text.ts';
import { stampOf } from '../processor/stamps.ts';
import { addMetadata } from '../readers/surroundings.ts';

export interface FreeplayContext {
  /** Any string; a v4 UUID is used as it is. Wins over every other source of a session. */
  sessionId?: string | undefined;
  userId?: string | undefined;
  /** Merged with the metadata of the contexts around it. */
  metadata?: Readonly<Record<string, Scalar>> | undefined;
  /** Prompt template variables. */
  inputs?: Readonly<Record<string, JsonValue>> | undefined;
  /** Id of the prompt template version, a v4 UUID. */
  promptTemplateVersionId?: string | undefined;
  environment?: string | undefined;
  /** Both v4 UUIDs. */
  testRun?: { testRunId: string; testCaseId: string } | undefined;
  /**
   * Carry session, user, environment, prompt version and the enclosing record to other processes as baggage, for processors there with `readBaggage`. Baggage
   * goes out with every instrumented request: leave it off where those leave your network. @default false
   */
  propagate?: boolean | undefined;
}

/** A call that ended inside the function. */
export interface RecordedCompletion {
  readonly completionId: string;
  readonly model: string | undefined;
}

export interface FreeplayContextHandle {
  /** Calls that ended inside the function so far and were recorded, in the order they ended; for feedback and evaluation code. */
  completions(): readonly RecordedCompletion[];
}

/** What a span keeps of the context it was started in. */
export interface ContextFacts {
  readonly surroundings: Surroundings;
  /** Handles of the contexts around, innermost first. */
  readonly calls: readonly Map<string, RecordedCompletion>[];
}

// Symbol.for underneath: two copies of this package share it.
const KEY = createContextKey('opentelemetry-exporter-freeplay context');
/** A context lists no more calls than this. */
const MAX_CALLS = 10_000;

const BAGGAGE = {
  session: 'freeplay.session.id',
  user: 'freeplay.user.id',
  environment: 'freeplay.environment',
  prompt: 'freeplay.prompt_template.version.id',
  parent: 'freeplay.parent.id',
} as const;

/**
 * Runs `fn` with a session, user, metadata and prompt for every model call made inside it, however deep and across `await`.
 *
 * @param facts what applies to the calls; contexts nest, the inner one wins
 * @param fn its value is returned; a promise stays one
 * @example
 * await withFreeplayContext({ sessionId: chat.id }, async (handle) => {
 *   await answer(chat);
 *   return handle.completions();
 * });
 */
export function withFreeplayContext<T>(facts: FreeplayContext, fn: (handle: FreeplayContextHandle) => T): T {
  const active = context.active();
  const outer = active.getValue(KEY) as ContextFacts | undefined;
  const calls = new Map<string, RecordedCompletion>();
  const inner: ContextFacts = {
    surroundings: merge(facts, outer?.surroundings),
    calls: [calls, ...(outer?.calls ?? [])],
  };
  const entered = active.setValue(KEY, inner);
  return context.with(facts.propagate ? withBaggage(entered, inner.surroundings) : entered, () =>
    fn({ completions: () => [...calls.values()] }),
  );
}

function merge(facts: FreeplayContext, outer: Surroundings | undefined): Surroundings {
  const { testRun } = facts;
  const session = textOf(facts.sessionId);
  return {
    session: session === undefined ? outer?.session : { value: session, rank: 3 },
    userId: textOf(facts.userId) ?? outer?.userId,
    metadata: facts.metadata ? { ...outer?.metadata, ...scalarsOf(facts.metadata) } : outer?.metadata,
    inputs: facts.inputs ?? outer?.inputs,
    promptTemplateVersionId: textOf(facts.promptTemplateVersionId) ?? outer?.promptTemplateVersionId,
    environment: textOf(facts.environment) ?? outer?.environment,
    testRunId: testRun?.testRunId ?? outer?.testRunId,
    testCaseId: testRun?.testCaseId ?? outer?.testCaseId,
  };
}

/** Code without types gives the number of a row as a session, or null where there is none. Neither may cost a record; nothing is no name. */
function textOf(given: unknown): string | undefined {
  if (typeof given === 'number' || typeof given === 'bigint') return String(given);
  return typeof given === 'string' && given !== '' ? given : undefined;
}

/** The API takes scalars alone: a record with anything else would be rejected. */
function scalarsOf(given: Readonly<Record<string, unknown>>): { [key: string]: Scalar } {
  const found: { [key: string]: Scalar } = {};
  for (const [key, value] of Object.entries(given)) {
    if (typeof value === 'string' || typeof value === 'boolean') found[key] = value;
    else if (typeof value === 'number' && Number.isFinite(value)) found[key] = value;
    else if (typeof value === 'bigint') found[key] = String(value);
    else if (value instanceof Date) found[key] = value.toJSON() ?? '';
    else addMetadata(found, key, value);
  }
  return found;
}

function withBaggage(entered: Context, surroundings: Surroundings): Context {
  let baggage = propagation.getBaggage(entered) ?? propagation.createBaggage();
  const values = {
    [BAGGAGE.session]: surroundings.session?.value,
    [BAGGAGE.user]: surroundings.userId,
    [BAGGAGE.environment]: surroundings.environment,
    [BAGGAGE.prompt]: surroundings.promptTemplateVersionId,
    [BAGGAGE.parent]: enclosingRecord(entered),
  };
  for (const [key, value] of Object.entries(values))
    if (value !== undefined) baggage = baggage.setEntry(key, { value });
  return propagation.setBaggage(entered, baggage);
}

/** The record of the span around the function: what the processor stamped on it. A span that will be no record has no stamp. */
function enclosingRecord(entered: Context): string | undefined {
  const { attributes } = (trace.getSpan(entered) ?? {}) as {
    attributes?: { readonly [key: string]: unknown };
  };
  return stampOf(attributes);
}

/** The facts of the context a span starts in, if there are any. */
export function contextFactsOf(parent: Context | undefined): ContextFacts | undefined {
  return parent?.getValue(KEY) as ContextFacts | undefined;
}

/** Facts that came as baggage. Only for those who trust who calls them; never the project. */
export function baggageSurroundings(parent: Context | undefined): Surroundings | undefined {
  const baggage = parent && propagation.getBaggage(parent);
  if (!baggage) return undefined;
  const read = (key: string): string | undefined => baggage.getEntry(key)?.value || undefined;
  const session = read(BAGGAGE.session);
  const found: Surroundings = {
    session: session === undefined ? undefined : { value: session, rank: 2 },
    userId: read(BAGGAGE.user),
    environment: read(BAGGAGE.environment),
    promptTemplateVersionId: read(BAGGAGE.prompt),
    // For the first span of this process only: the others have parents here.
    parentId: trace.getSpanContext(parent)?.isRemote ? read(BAGGAGE.parent) : undefined,
  };
  return Object.values(found).some((value) => value !== undefined) ? found : undefined;
}

/** Tells the handles of the contexts that a call was made in. */
export function noteCompletion(facts: ContextFacts | undefined, call: RecordedCompletion): void {
  for (const calls of facts?.calls ?? []) if (calls.size < MAX_CALLS) calls.set(call.completionId, call);
}

/** A second report of a call turned out to be one: it has no completion of its own. */
export function forgetCompletion(facts: ContextFacts | undefined, completionId: string): void {
  for (const calls of facts?.calls ?? []) calls.delete(completionId);
}
