/** What a span inherits from those around it: surroundings all the way up, a call's own facts from the wrapper that alone knew them. */
import type { Message, Reading, Surroundings } from '../completion/completion.ts';
import { mergeParameters } from '../readers/parameters.ts';
import { hasContent, hasSystem } from './merge.ts';

/** Nearest first; the session of the higher rank wins where it was named on purpose (rank 2 and above). */
export function inheritSurroundings(
  own: Surroundings | undefined,
  above: Surroundings | undefined,
): Surroundings | undefined {
  if (!own || !above) return own ?? above;
  return {
    session: nearerSession(own.session, above.session),
    userId: own.userId ?? above.userId,
    metadata:
      own.metadata && above.metadata
        ? { ...above.metadata, ...own.metadata }
        : (own.metadata ?? above.metadata),
    inputs: own.inputs ?? above.inputs,
    promptTemplateVersionId: own.promptTemplateVersionId ?? above.promptTemplateVersionId,
    environment: own.environment ?? above.environment,
    testRunId: own.testRunId ?? above.testRunId,
    testCaseId: own.testCaseId ?? above.testCaseId,
    apiStyle: own.apiStyle ?? above.apiStyle,
    projectId: own.projectId ?? above.projectId,
    // A parent given by hand is that of the span it was given on.
    parentId: own.parentId,
  };
}

function nearerSession(
  own: Surroundings['session'],
  above: Surroundings['session'],
): Surroundings['session'] {
  if (!own || !above) return own ?? above;
  return above.rank > own.rank && above.rank >= 2 ? above : own;
}

/** What a wrapper lends to the calls below it. Its usage never: it is the sum of theirs. */
export interface Lent {
  readonly from: string;
  readonly tools?: Reading['tools'];
  readonly parameters?: Reading['parameters'];
  readonly outputSchema?: Reading['outputSchema'];
  readonly instructions?: readonly Message[] | undefined;
  /** Only from a wrapper around this call and no other. */
  readonly sole?: Reading | undefined;
  /** Why this call and no other failed, from the nearest wrapper that says so. */
  readonly failure?: Reading['error'];
}

/** Lends what the reading knows; a plain workflow passes on what it was lent itself, an agent starts anew, a tool ends it. */
export function lend(
  spanId: string,
  reading: Reading | undefined,
  above: Lent | undefined,
  callsBelow: number,
): Lent | undefined {
  if (!reading || reading.operation === 'other')
    return above && callsBelow !== 1 ? { ...above, sole: undefined, failure: undefined } : above;
  // A summary of one call, around several: what it knows is that call's alone.
  if (reading.yields !== undefined && reading.responseId !== undefined && callsBelow > 1)
    return above && { ...above, sole: undefined };
  if (reading.operation !== 'agent' && reading.operation !== 'workflow') return undefined;
  const outer = reading.operation === 'agent' ? undefined : above;
  return {
    from: spanId,
    tools: reading.tools?.some((tool) => tool.parameters !== undefined || tool.description !== undefined)
      ? reading.tools
      : outer?.tools,
    parameters:
      reading.parameters && outer?.parameters
        ? mergeParameters(reading.parameters, outer.parameters)
        : (reading.parameters ?? outer?.parameters),
    outputSchema: reading.outputSchema ?? outer?.outputSchema,
    instructions: reading.instructions ?? outer?.instructions,
    sole: callsBelow === 1 ? reading : undefined,
    failure: callsBelow === 1 ? (reading.error ?? above?.failure) : undefined,
  };
}

function hasAnything({ tools, parameters, outputSchema, instructions, sole, failure }: Lent): boolean {
  return (
    tools !== undefined ||
    parameters !== undefined ||
    outputSchema !== undefined ||
    instructions !== undefined ||
    sole !== undefined ||
    failure !== undefined
  );
}

/** The call with what its wrapper lent, and the names of the facts that were taken. */
export function borrow(
  reading: Reading,
  lent: Lent | undefined,
): { reading: Reading; taken: readonly string[] } {
  if (!lent || !hasAnything(lent)) return { reading, taken: [] };
  const taken: string[] = [];
  const take = <T>(name: string, own: T | undefined, other: T | undefined): T | undefined => {
    if (own !== undefined || other === undefined) return own;
    taken.push(name);
    return other;
  };
  const sole = lent.sole;
  const input = hasContent(reading.input)
    ? reading.input
    : hasContent(sole?.input)
      ? take('input', undefined, sole?.input)
      : reading.input;
  const choices =
    hasContent(reading.choices) || reading.error || !hasContent(sole?.choices)
      ? reading.choices
      : take('reply', undefined, sole?.choices);
  const captured = hasContent(input);
  const instructions =
    reading.instructions ??
    (captured && !hasSystem(input) ? take('instructions', undefined, lent.instructions) : undefined);
  const parameters = mergeParameters(reading.parameters, lent.parameters);
  if (Object.keys(parameters ?? {}).length > Object.keys(reading.parameters ?? {}).length)
    taken.push('parameters');
  return {
    reading: {
      ...reading,
      input,
      choices,
      instructions,
      parameters,
      tools: take('tools', reading.tools, lent.tools),
      outputSchema: take('output schema', reading.outputSchema, lent.outputSchema),
      responseId: take('response id', reading.responseId, sole?.responseId),
      finishReasons: reading.error
        ? reading.finishReasons
        : take('finish reasons', reading.finishReasons, sole?.finishReasons),
      requestModel: take(
        'model',
        reading.requestModel,
        reading.responseModel === undefined ? sole?.requestModel : undefined,
      ),
      provider: take('provider', reading.provider, sole?.provider),
      error:
        reading.error && reading.error.message === undefined
          ? (take('error', undefined, lent.failure) ?? reading.error)
          : reading.error,
    },
    taken,
  };
}
