import type { Operation, Reading } from '../completion/completion.ts';
import {
  asObject,
  asText,
  type JsonObject,
  type LazyJson,
  textMember,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { openItems } from '../messages/item-texts.ts';
import { joinReply } from '../messages/messages.ts';
import { readTools } from '../messages/tools.ts';
import type { Content } from '../readers/content.ts';
import { ioValue, operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { isAddress, readObservedContent, readToolAnswer } from '../readers/observation.ts';
import { mergeParameters, readParameterBag } from '../readers/parameters.ts';
import { readUsageBag } from '../readers/usage.ts';
import { getAttribute, hasAttribute } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * MLflow Tracing: request and response as they are, every value as JSON, texts too; with `MLFLOW_ENABLE_OTEL_GENAI_SEMCONV` in the words of
 * the conventions. The arguments of the call are attributes of their own in either form.
 *
 * @see https://mlflow.org/docs/latest/genai/tracing/
 */
export const mlflow: Dialect = {
  name: 'mlflow',
  detect: ({ attributes, scope }) =>
    hasAttribute(attributes, 'mlflow.spanType') || scope.name === 'mlflow.tracing.provider',
  operationOf,
  read: readMlflow,
};

const TYPES: ReadonlyMap<string, Operation> = new Map([
  ['CHAT_MODEL', 'inference'],
  ['LLM', 'inference'],
  ['AGENT', 'agent'],
  ['CHAIN', 'workflow'],
  ['WORKFLOW', 'workflow'],
  ['TASK', 'workflow'],
  ['UNKNOWN', 'workflow'],
  ['TOOL', 'tool'],
  ['EMBEDDING', 'embedding'],
  ['RETRIEVER', 'retrieval'],
  ['RERANKER', 'rerank'],
  ['GUARDRAIL', 'guardrail'],
]);

function operationOf({ attributes }: SpanData): Operation {
  return TYPES.get(textAt(attributes, 'mlflow.spanType') ?? '') ?? operationByName(attributes) ?? 'other';
}

function readMlflow(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const isCall = operation === 'inference';
  const bag = asObject(jsonValue(getAttribute(attributes, 'invocation_params')));
  const content = isCall ? readContent(span, logs) : { notes: [] };
  const counted = readUsageBag(getAttribute(attributes, 'mlflow.chat.tokenUsage'));
  const base = readGenAiSpan(span, logs, {
    dialect: mlflow.name,
    operation,
    content,
    // What the response says is more exact. MLflow's own counts have a provider's names, and are totals all the same.
    usage: content.response?.usage ? undefined : counted && { ...counted, rule: undefined },
    provider: [textAt(attributes, 'mlflow.llm.provider'), textAt(attributes, 'mlflow.message.format')],
    requestModel: textAt(attributes, 'model') ?? textMember(bag, 'model') ?? content.request?.model,
    responseModel: content.response?.model ?? textAt(attributes, 'mlflow.llm.model'),
    captureSetting: 'none needed: MLflow records content whenever it traces',
  });
  if (isCall)
    return {
      ...base,
      // A framework's model around the client's call, where both are traced.
      yields: 'workflow',
      parameters: mergeParameters(
        base.parameters,
        readParameterBag({ ...bag, ...givenArguments(attributes) }),
      ),
      timeToFirstToken: base.timeToFirstToken ?? firstChunk(span),
    };
  const inputValue = ioValue(attributes, 'mlflow.spanInputs') ?? base.inputValue;
  const outputValue = ioValue(attributes, 'mlflow.spanOutputs') ?? base.outputValue;
  const answer = operation === 'tool' ? readToolAnswer(outputValue) : undefined;
  return {
    ...base,
    name: base.name ?? span.name,
    agentName: operation === 'agent' ? (base.agentName ?? span.name) : undefined,
    inputValue,
    outputValue: (answer?.value as LazyJson | undefined) ?? outputValue,
    toolCallId: base.toolCallId ?? answer?.id,
    toolArguments:
      base.toolArguments ??
      (operation === 'tool' && inputValue !== undefined ? toJsonString(inputValue) : undefined),
  };
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readObservedContent(span, logs, 'mlflow.spanInputs', 'mlflow.spanOutputs');
  content.tools ??= readTools(jsonValue(getAttribute(span.attributes, 'mlflow.chat.tools')));
  // A stream that MLflow could not look into.
  if (isAddress(textAt(span.attributes, 'mlflow.spanOutputs'))) content.choices = undefined;
  const { choices } = content;
  // The items of a Responses reply, written as messages of their own.
  if (choices && choices.length > 1 && !hasAttribute(span.attributes, 'n')) {
    const reply = joinReply(choices);
    content.choices = reply && [reply];
  }
  content.choices = content.choices?.map(openItems);
  return content;
}

function textAt(attributes: Attributes, key: string): string | undefined {
  const text = asText(jsonValue(getAttribute(attributes, key)));
  return text === '' ? undefined : text;
}

/** Attributes without a namespace. */
function givenArguments(attributes: Attributes): JsonObject {
  const names = Object.keys(attributes).filter((key) => /^[a-z_]+$/.test(key));
  return Object.fromEntries(names.map((name) => [name, jsonText(getAttribute(attributes, name))]));
}

/** Numbers and truth values are JSON, too. */
function jsonText(value: unknown): LazyJson | undefined {
  if (typeof value !== 'string') return value as LazyJson | undefined;
  try {
    return JSON.parse(value) as LazyJson;
  } catch {
    return value;
  }
}

/** Each piece of a stream is an event. Seconds. */
function firstChunk({ events, startTime }: SpanData): number | undefined {
  const at = events.find(({ name }) => name === 'mlflow.chunk.item.0')?.time;
  const seconds = at && at[0] - startTime[0] + (at[1] - startTime[1]) / 1e9;
  return seconds !== undefined && seconds >= 0 ? seconds : undefined;
}
