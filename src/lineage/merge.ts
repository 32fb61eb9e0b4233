/** Several reports of one call → one: each fact from the report that has it, the chosen one winning where both do. */
import type { Message, Reading, Usage } from '../completion/completion.ts';
import { completeReply } from '../messages/reply.ts';
import { mergeParameters } from '../readers/parameters.ts';

/** How much a report tells; of siblings the one with more becomes the completion. */
export function weigh(reading: Reading): number {
  const messages = [...(reading.input ?? []), ...(reading.choices ?? []), ...(reading.instructions ?? [])];
  const content = messages.reduce(
    (sum, message) =>
      sum +
      message.parts.length +
      message.toolCalls.reduce((n, call) => n + (call.id === undefined ? 1 : 2), 0),
    0,
  );
  return (
    content * 4 +
    (reading.tools?.length ?? 0) * 2 +
    Object.keys(reading.parameters ?? {}).length +
    (reading.usage ? 2 : 0) +
    (reading.responseId === undefined ? 0 : 1)
  );
}

export function mergeReadings(chosen: Reading, others: readonly Reading[]): Reading {
  return others.reduce(mergeTwo, chosen);
}

function mergeTwo(a: Reading, b: Reading): Reading {
  const failed = a.error !== undefined || (b.error !== undefined && !hasContent(a.choices));
  return {
    ...a,
    instructions: a.instructions ?? (hasSystem(a.input) ? undefined : (b.instructions ?? systemOf(b.input))),
    input: hasContent(a.input)
      ? a.input
      : hasContent(b.input)
        ? withoutSystem(a, b.input)
        : (a.input ?? b.input),
    choices: mergeChoices(a.choices, b.choices),
    tools: a.tools ?? b.tools,
    outputSchema: a.outputSchema ?? b.outputSchema,
    parameters: mergeParameters(a.parameters, b.parameters),
    usage: fillUsage(a.usage, b.usage),
    provider: a.provider ?? b.provider,
    requestModel: a.requestModel ?? b.requestModel,
    responseModel: a.responseModel ?? b.responseModel,
    responseId: a.responseId ?? b.responseId,
    finishReasons: a.finishReasons ?? b.finishReasons,
    serviceTier: a.serviceTier ?? b.serviceTier,
    serverAddress: a.serverAddress ?? b.serverAddress,
    timeToFirstToken: a.timeToFirstToken ?? b.timeToFirstToken,
    error: failed ? (a.error ?? b.error) : undefined,
    evalResults: a.evalResults ?? b.evalResults,
    agentName: a.agentName ?? b.agentName,
    extra: b.extra ? { ...b.extra, ...a.extra } : a.extra,
    notes: [...(a.notes ?? []), ...(b.notes ?? [])],
  };
}

function fillUsage(a: Usage | undefined, b: Usage | undefined): Usage | undefined {
  if (!a || !b) return a ?? b;
  return {
    input: a.input ?? b.input,
    output: a.output ?? b.output,
    cacheRead: a.cacheRead ?? b.cacheRead,
    cacheWrite: a.cacheWrite ?? b.cacheWrite,
    reasoning: a.reasoning ?? b.reasoning,
  };
}

/** Whether any message says anything. */
export function hasContent(messages: readonly Message[] | undefined): boolean {
  return messages?.some((message) => message.parts.length + message.toolCalls.length > 0) ?? false;
}

export function hasSystem(messages: readonly Message[] | undefined): boolean {
  return messages?.some((message) => message.role === 'system' || message.role === 'developer') ?? false;
}

function systemOf(messages: readonly Message[] | undefined): readonly Message[] | undefined {
  const found =
    messages?.filter((message) => message.role === 'system' || message.role === 'developer') ?? [];
  return found.length > 0 ? found : undefined;
}

function withoutSystem(a: Reading, messages: readonly Message[] | undefined): readonly Message[] | undefined {
  return a.instructions === undefined
    ? messages
    : messages?.filter((message) => message.role !== 'system' && message.role !== 'developer');
}

/** The chosen reply, with what it lost: an empty one is replaced, missing calls and call ids are filled in. */
function mergeChoices(
  a: readonly Message[] | undefined,
  b: readonly Message[] | undefined,
): readonly Message[] | undefined {
  const [first, ...rest] = a ?? [];
  const other = b?.[0];
  if (!first || !hasContent([first])) return hasContent(b) ? b : (a ?? b);
  if (!other) return a;
  return [
    completeReply(first, other),
    ...(rest.length > 0 ? rest : (b ?? []).slice(1)),
  ];
}
