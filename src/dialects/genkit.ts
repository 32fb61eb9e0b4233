import type { Note, Operation, Reading } from '../completion/completion.ts';
import { asObject, member, textMember } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { type ResponseFacts, readRequest, readResponse } from '../messages/exchange.ts';
import { fullerReply, joinChunks } from '../messages/reply.ts';
import { readNoted } from '../readers/content.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, getString, hasAttribute } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Genkit: actions with `genkit:input` and `genkit:output`; the model action is the call, the `generate` utility around it repeats it.
 *
 * @see https://genkit.dev/docs/observability/getting-started/
 */
export const genkit: Dialect = {
  name: 'genkit',
  detect: ({ attributes, scope }) =>
    hasAttribute(attributes, 'genkit:type') ||
    hasAttribute(attributes, 'genkit:metadata:subtype') ||
    scope.name === 'genkit-tracer',
  operationOf,
  read: readGenkit,
};

const SUBTYPES: ReadonlyMap<string, Operation> = new Map([
  ['model', 'inference'],
  ['background-model', 'inference'],
  ['agent', 'agent'],
  ['executable-prompt', 'agent'],
  ['prompt', 'other'],
  ['flow', 'workflow'],
  ['tool', 'tool'],
  ['tool.v2', 'tool'],
  ['embedder', 'embedding'],
  ['retriever', 'retrieval'],
  ['reranker', 'rerank'],
]);

function operationOf({ attributes }: SpanData): Operation {
  const subtype = getString(attributes, 'genkit:metadata:subtype');
  if (subtype !== undefined) return SUBTYPES.get(subtype.toLowerCase()) ?? 'other';
  return 'other';
}

function readGenkit(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const notes: Note[] = [];
  const name = getString(attributes, 'genkit:name');
  const input = readNoted(getAttribute(attributes, 'genkit:input'), 'genkit:input', notes);
  const output = readNoted(getAttribute(attributes, 'genkit:output'), 'genkit:output', notes);
  const request = operation === 'inference' ? readRequest(input) : {};
  const response = operation === 'inference' ? readResponse(output) : {};
  const raw = operation === 'inference' ? rawResponse(output) : {};
  const slash = name?.indexOf('/') ?? -1;
  const vendor = name !== undefined && slash > 0 ? name.slice(0, slash) : undefined;
  const model = name !== undefined && slash > 0 ? name.slice(slash + 1) : name;
  const base = readGenAiSpan(span, logs, {
    dialect: genkit.name,
    operation,
    content: {
      instructions: request.instructions,
      input: request.messages,
      choices: choicesOf(response, raw),
      tools: request.tools,
      request,
      response: { ...response, id: response.id ?? raw.id, serviceTier: raw.serviceTier },
      notes,
    },
    provider: [vendor],
    requestModel:
      operation === 'inference'
        ? (textMember(asObject(member(asObject(input), 'config')), 'version') ?? model)
        : undefined,
    responseModel: raw.model,
    captureSetting: 'none needed: Genkit records content unless its Google Cloud plugin is told to redact',
  });
  return {
    ...base,
    name,
    agentName: operation === 'agent' ? name : undefined,
    inputValue: ioValue(attributes, 'genkit:input'),
    outputValue: ioValue(attributes, 'genkit:output'),
    outputSchema:
      base.outputSchema ??
      (jsonValue(member(asObject(member(asObject(input), 'output')), 'schema')) as Reading['outputSchema']),
    toolArguments:
      operation === 'tool' ? (getString(attributes, 'genkit:input') ?? base.toolArguments) : undefined,
  };
}

/** The provider's own response, which some plugins keep as `raw` and Google's as `custom`. */
function rawResponse(output: unknown): ResponseFacts {
  const body = asObject(output);
  return readResponse(asObject(member(body, 'raw')) ?? asObject(member(body, 'custom')));
}

/** Plugins drop the text beside tool calls and parse JSON answers: the provider's response still has what was said. */
function choicesOf(response: ResponseFacts, raw: ResponseFacts): ResponseFacts['choices'] {
  const [first, ...others] = response.choices ?? [];
  const reply = fullerReply(first, raw.choices?.[0]);
  return reply && [joinChunks(reply), ...others];
}
