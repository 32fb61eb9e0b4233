/** Several reports of one call → one: each fact from the report that has it, the chosen one winning where both do. */
import type { Message, Part, Reading, Usage } from '../completion/completion.ts';
import { hasPayload } from '../messages/media.ts';
import { completeReply } from '../messages/reply.ts';
import { mergeParameters } from '../readers/parameters.ts';
import { plainText } from './rollup.ts';

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
  const asked = mergeAsked(a, b);
  return {
    ...a,
    ...asked,
    choices: mergeChoices(a.choices, b.choices),
    tools: mergeTools(a.tools, b.tools),
    outputSchema: a.outputSchema ?? b.outputSchema,
    parameters: mergeParameters(a.parameters, b.parameters),
    usage: fillUsage(a.usage, b.usage),
    provider: isGuessed(a) ? (b.provider ?? a.provider) : (a.provider ?? b.provider),
    requestModel: a.requestModel ?? b.requestModel,
    responseModel: moreExact(a.responseModel, b.responseModel),
    responseId: a.responseId ?? b.responseId,
    finishReasons: a.finishReasons ?? b.finishReasons,
    serviceTier: a.serviceTier ?? b.serviceTier,
    serverAddress: a.serverAddress ?? b.serverAddress,
    timeToFirstToken: a.timeToFirstToken ?? b.timeToFirstToken,
    error: mergeErrors(a, b),
    evalResults: a.evalResults ?? b.evalResults,
    agentName: a.agentName ?? b.agentName,
    extra: b.extra ? { ...b.extra, ...a.extra } : a.extra,
    notes: [...(a.notes ?? []), ...(b.notes ?? [])],
  };
}

/** The failure of the report that has the reply; one that another report's reply belies is that wrapper's own. */
function mergeErrors(a: Reading, b: Reading): Reading['error'] {
  if (hasContent(a.choices)) return a.error;
  if (hasContent(b.choices)) return b.error;
  return fillError(a.error, b.error);
}

function fillError(a: Reading['error'], b: Reading['error']): Reading['error'] {
  if (!a || !b) return a ?? b;
  return { type: a.type ?? b.type, message: a.message ?? b.message, stack: a.stack ?? b.stack };
}

function isGuessed(reading: Reading): boolean {
  return reading.notes?.some((note) => note.kind === 'guessed' && note.text.startsWith('provider')) ?? false;
}

/** Some wrappers repeat the requested model as the response's; the one who saw the response knows the version. */
function moreExact(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.length > a.length && b.startsWith(a) ? b : a;
}

/** What the model was told: the chosen report's, unless it lost pieces that the other has. */
function mergeAsked(a: Reading, b: Reading): Pick<Reading, 'instructions' | 'input'> {
  const [own, other] = [a.input ?? [], b.input ?? []];
  const spoken = (messages: readonly Message[]): readonly Message[] =>
    messages.filter((message) => !isSystem(message));
  const takeOther = !hasContent(spoken(own)) || isFuller(spoken(other), spoken(own));
  const system =
    a.instructions ?? nonEmpty(own.filter(isSystem)) ?? b.instructions ?? nonEmpty(other.filter(isSystem));
  if (!takeOther || !hasContent(other)) {
    return { instructions: hasSystem(own) ? a.instructions : system, input: a.input ?? b.input };
  }
  return { instructions: system, input: spoken(other) };
}

/** The same conversation with more of it: pieces that the other lost, or the messages before the only ones it kept. */
function isFuller(messages: readonly Message[], than: readonly Message[]): boolean {
  const [more, fewer] = [turns(messages), turns(than)];
  if (more === fewer) return pieces(messages) > pieces(than);
  const [last, other] = [messages.at(-1), than.at(-1)];
  return (
    more > fewer && last !== undefined && last.role === other?.role && plainText(last) === plainText(other)
  );
}

/** Emitters cut one turn of the assistant into several messages, or do not. */
function turns(messages: readonly Message[]): number {
  return messages.filter(({ role }, i) => role !== 'assistant' || messages[i - 1]?.role !== 'assistant')
    .length;
}

/** Pieces of content that are there and whole: what an emitter could not carry stands as raw JSON, or without an id. */
function pieces(messages: readonly Message[]): number {
  let count = 0;
  for (const message of messages) {
    for (const part of message.parts) if (part.kind !== 'text' && isWhole(part)) count++;
    if (message.parts.some((part) => part.kind === 'text')) count++;
    for (const call of message.toolCalls) count += call.id === undefined ? 1 : 2;
    if (message.toolCallId !== undefined) count++;
  }
  return count;
}

function isWhole(part: Part): boolean {
  return part.kind === 'media' ? hasPayload(part.media) : part.kind !== 'other';
}

/** The chosen list; descriptions and schemas that it lacks from the other. */
function mergeTools(a: Reading['tools'], b: Reading['tools']): Reading['tools'] {
  if (!a || !b) return a ?? b;
  const known = new Map(b.map((tool) => [tool.name, tool]));
  return a.map((tool) => {
    const other = known.get(tool.name);
    if (!other) return tool;
    return {
      ...tool,
      description: tool.description ?? other.description,
      parameters: tool.parameters ?? other.parameters,
      strict: tool.strict ?? other.strict,
    };
  });
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

function isSystem(message: Message): boolean {
  return message.role === 'system' || message.role === 'developer';
}

export function hasSystem(messages: readonly Message[] | undefined): boolean {
  return messages?.some(isSystem) ?? false;
}

function nonEmpty(messages: readonly Message[]): readonly Message[] | undefined {
  return messages.length > 0 ? messages : undefined;
}

/** The chosen reply, with what it lost: an empty one is replaced, missing calls and call ids are filled in. */
function mergeChoices(
  a: readonly Message[] | undefined,
  b: readonly Message[] | undefined,
): readonly Message[] | undefined {
  const [first, ...rest] = a ?? [];
  const [other, ...others] = b ?? [];
  if (!first || !hasContent([first])) return hasContent(b) ? b : (a ?? b);
  if (!other) return a;
  return [completeReply(first, other), ...(rest.length > 0 ? rest : others)];
}
