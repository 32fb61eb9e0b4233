import type { Operation, Reading } from '../completion/completion.ts';
import {
  asArray,
  asObject,
  type JsonObject,
  type LazyJson,
  member,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readOutputSchema } from '../messages/exchange.ts';
import { readTools } from '../messages/tools.ts';
import type { Content } from '../readers/content.ts';
import { readGenAiSpan } from '../readers/genai-span.ts';
import { readObservedContent, readToolAnswer } from '../readers/observation.ts';
import { mergeParameters, readParameterBag } from '../readers/parameters.ts';
import { readUsageBag } from '../readers/usage.ts';
import { getAttribute, getString, hasAttribute } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * LangWatch: what went in and out of a span as `{type, value}`, also for LangChain through its callback handler.
 *
 * @see https://docs.langwatch.ai/integration/typescript/reference
 */
export const langWatch: Dialect = {
  name: 'langwatch',
  detect: ({ attributes }) => hasAttribute(attributes, 'langwatch.span.type'),
  operationOf,
  read: readLangWatch,
};

const TYPES: ReadonlyMap<string, Operation> = new Map([
  ['llm', 'inference'],
  ['agent', 'agent'],
  ['chain', 'workflow'],
  ['workflow', 'workflow'],
  ['tool', 'tool'],
  ['rag', 'retrieval'],
  ['guardrail', 'guardrail'],
]);

function operationOf({ attributes }: SpanData): Operation {
  return TYPES.get(getString(attributes, 'langwatch.span.type')?.toLowerCase() ?? '') ?? 'other';
}

function readLangWatch(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const isCall = operation === 'inference';
  const bag = invocation(attributes);
  const base = readGenAiSpan(span, logs, {
    dialect: langWatch.name,
    operation,
    content: isCall ? readContent(span, logs, bag) : { notes: [] },
    usage: readUsageBag(opened(attributes, 'langwatch.metrics')),
    captureSetting: 'dataCapture: "all" in setupObservability',
  });
  if (isCall) return { ...base, parameters: mergeParameters(base.parameters, readParameterBag(bag)) };
  const inputValue = opened(attributes, 'langwatch.input');
  const outputValue = opened(attributes, 'langwatch.output');
  const answer = operation === 'tool' ? readToolAnswer(outputValue) : undefined;
  return {
    ...base,
    name: answer?.name ?? base.name ?? span.name,
    agentName: operation === 'agent' ? (base.agentName ?? span.name) : undefined,
    inputValue: inputValue ?? base.inputValue,
    outputValue: (answer?.value as LazyJson | undefined) ?? outputValue ?? base.outputValue,
    toolCallId: base.toolCallId ?? answer?.id,
    toolArguments:
      base.toolArguments ??
      (operation === 'tool' && inputValue !== undefined ? toJsonString(inputValue) : undefined),
  };
}

/** What the call was made with, besides its messages. */
function invocation(attributes: Attributes): JsonObject | undefined {
  return asObject(
    opened(attributes, 'langwatch.params') ??
      jsonValue(getAttribute(attributes, 'langwatch.langchain.run.extra_params.invocation_params')),
  );
}

function readContent(span: SpanData, logs: readonly LogData[], bag: JsonObject | undefined): Content {
  const content = readObservedContent(span, logs, 'langwatch.input', 'langwatch.output', unwrap);
  content.tools ??= readTools(member(bag, 'tools'));
  content.outputSchema ??= bag && readOutputSchema(bag);
  return content;
}

function opened(attributes: Attributes, key: string): LazyJson | undefined {
  return unwrap(jsonValue(getAttribute(attributes, key))) as LazyJson | undefined;
}

/** Wrappers within wrappers are the handler's; JSON as text is opened, and lists of lists of messages are one. */
const MAX_WRAPPERS = 4;
const WRAPPER = /^(text|json|list|chat_messages|raw)$/;

function unwrap(value: unknown, depth: number = 0): unknown {
  const wrapper = asObject(value);
  const type = member(wrapper, 'type');
  const inner = member(wrapper, 'value');
  if (inner === undefined && Object.keys(wrapper ?? {}).length === 1 && WRAPPER.test(String(type)))
    return undefined; // cut before its value
  const isWrapped =
    typeof type === 'string' && inner !== undefined && Object.keys(wrapper ?? {}).length === 2;
  if (!isWrapped || depth >= MAX_WRAPPERS) return value;
  if (type === 'text') return jsonValue(inner);
  if (type !== 'list') return unwrap(inner, depth + 1);
  const items = (asArray(inner) ?? []).map((item) => unwrap(item, depth + 1));
  return items.every((item) => asArray(item)) ? items.flat() : items;
}
