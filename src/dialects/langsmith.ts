import type { CallError, Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, member } from '../json/json-text.ts';
import { readPythonLiteral } from '../json/python-literal.ts';
import { jsonValue } from '../json/read-json.ts';
import { readResponse } from '../messages/exchange.ts';
import { readGenAiContent } from '../readers/content.ts';
import { readException } from '../readers/errors.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { readToolAnswer } from '../readers/observation.ts';
import { mergeParameters, readParameterBag } from '../readers/parameters.ts';
import { readUsageBag } from '../readers/usage.ts';
import { getAttribute, getString, hasAttribute, withPrefix } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * LangSmith runs exported over OpenTelemetry: the run's inputs and outputs as JSON in `gen_ai.prompt` and `gen_ai.completion`.
 * Runs of kind `prompt` carry the operation `chat` and are no model calls.
 *
 * @see https://docs.langchain.com/langsmith/trace-with-opentelemetry
 */
export const langSmith: Dialect = {
  name: 'langsmith',
  detect: (span) => hasAttribute(span.attributes, 'langsmith.span.kind') || span.scope.name === 'langsmith',
  operationOf,
  read: readLangSmith,
};

const KINDS: ReadonlyMap<string, Operation> = new Map([
  ['llm', 'inference'],
  ['chain', 'workflow'],
  ['tool', 'tool'],
  ['embedding', 'embedding'],
  ['retriever', 'retrieval'],
]);

function operationOf({ attributes }: SpanData): Operation {
  return KINDS.get(getString(attributes, 'langsmith.span.kind')?.toLowerCase() ?? 'chain') ?? 'other';
}

function readLangSmith(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const content = operation === 'inference' ? readGenAiContent(span, logs) : { notes: [] };
  const response = readResponse(jsonValue(getAttribute(attributes, 'gen_ai.completion')));
  const base = readGenAiSpan(span, logs, {
    dialect: langSmith.name,
    operation,
    content: { ...content, response: content.response ?? response },
    usage:
      readUsageBag(getAttribute(attributes, 'langsmith.usage_metadata')) ??
      readUsageBag(getAttribute(attributes, 'langsmith.metadata.usage_metadata')),
    provider: [
      getString(attributes, 'langsmith.metadata.ls_provider'),
      getString(attributes, 'gen_ai.system'),
    ],
    requestModel:
      getString(attributes, 'gen_ai.request.model', 'langsmith.metadata.ls_model_name') ??
      content.request?.model,
    captureSetting: 'LANGSMITH_HIDE_INPUTS and LANGSMITH_HIDE_OUTPUTS unset',
  });
  const step = operation !== 'inference';
  const output = step ? ioValue(attributes, 'gen_ai.completion') : undefined;
  const answer = operation === 'tool' ? readToolAnswer(member(asObject(output), 'output')) : undefined;
  const outputValue = answer ? (answer.value as Reading['outputValue']) : output;
  return {
    ...base,
    name: getString(attributes, 'gen_ai.tool.name', 'langsmith.trace.name') ?? span.name,
    // Every run ends with status OK: one without outputs that recorded an exception failed.
    error: splitError(
      base.error ?? (hasAttribute(attributes, 'gen_ai.completion') ? undefined : readException(span)),
    ),
    parameters: mergeParameters(
      mergeParameters(
        base.parameters,
        readParameterBag(getAttribute(attributes, 'langsmith.metadata.ls_invocation_params')),
      ),
      step ? undefined : invocationOf(attributes),
    ),
    inputValue: step ? ioValue(attributes, 'gen_ai.prompt') : undefined,
    outputValue,
    toolCallId: base.toolCallId ?? answer?.id,
    toolArguments: operation === 'tool' ? getString(attributes, 'gen_ai.prompt') : undefined,
  };
}

/** LangChain for Python writes what a model was called with among the metadata, its class too. */
function invocationOf(attributes: Attributes): Reading['parameters'] {
  if (!hasAttribute(attributes, 'langsmith.metadata._type')) return undefined;
  return readParameterBag(Object.fromEntries(withPrefix(attributes, 'langsmith.metadata.')));
}

/** In Python type, message and stack are one text: `RateLimitError('…')` and the traceback below. */
function splitError(error: CallError | undefined): CallError | undefined {
  const [, type, args, stack] = /^(\w+)\((.*?)\)\n*(Traceback .*)$/s.exec(error?.message ?? '') ?? [];
  if (type === undefined) return error;
  const [message] = asArray(readPythonLiteral(`[${args}]`)) ?? [];
  return { type, message: typeof message === 'string' ? message : args, stack: error?.stack ?? stack };
}
