import type { Operation, Reading } from '../completion/completion.ts';
import type { JsonObject } from '../json/json-text.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { readObservedContent } from '../readers/observation.ts';
import { mergeParameters, readParameterBag } from '../readers/parameters.ts';
import { getAttribute, getString, hasAttribute } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * VoltAgent. An `llm` span is one run of the AI SDK with all its steps: it has what the model was asked and the tokens of the last step,
 * the agent's span around it what came out. Structured output has no span but the agent's.
 *
 * @see https://voltagent.dev/observability/overview/
 */
export const voltAgent: Dialect = {
  name: 'voltagent',
  detect: ({ attributes, scope }) =>
    scope.name.startsWith('@voltagent/') || hasAttribute(attributes, 'voltagent.operation_id'),
  read: readVoltAgent,
};

const TYPES: ReadonlyMap<string, Operation> = new Map([
  ['agent', 'agent'],
  ['llm', 'inference'],
  ['tool', 'tool'],
  ['retriever', 'retrieval'],
  ['embedding', 'embedding'],
  ['guardrail', 'guardrail'],
  ['workflow', 'workflow'],
]);

function operationOf({ attributes }: SpanData): Operation {
  const type = getString(attributes, 'span.type');
  if (type === undefined) return hasAttribute(attributes, 'agent.state') ? 'agent' : 'other';
  return TYPES.get(type) ?? 'other';
}

function readVoltAgent(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const isAgent = operation === 'agent';
  const isCall = operation === 'inference' || (isAgent && hasAttribute(attributes, 'agent.messages'));
  const base = readGenAiSpan(span, logs, {
    dialect: voltAgent.name,
    operation: isCall ? 'inference' : operation,
    content: isCall
      ? readObservedContent(span, logs, isAgent ? 'agent.messages' : 'llm.messages', 'output')
      : { notes: [] },
    requestModel: getString(attributes, 'llm.model', 'ai.model.name'),
    captureSetting: 'none needed: spans hold messages',
  });
  return {
    ...base,
    yields: isCall && isAgent ? 'agent' : undefined,
    name: getString(attributes, 'tool.name') ?? span.name,
    agentName: isAgent ? getString(attributes, 'entity.name') : undefined,
    toolArguments: base.toolArguments ?? (operation === 'tool' ? getString(attributes, 'input') : undefined),
    inputValue: ioValue(attributes, 'input'),
    outputValue: ioValue(attributes, 'output'),
    parameters: mergeParameters(base.parameters, readParameterBag(settings(attributes))),
  };
}

const SETTING =
  /^(?:llm|ai\.model)\.(temperature|max_(?:output_)?tokens|top_[pk]|(?:frequency|presence)_penalty|seed)$/;

function settings(attributes: Attributes): JsonObject {
  const entries = Object.keys(attributes).flatMap((key) => {
    const name = SETTING.exec(key)?.[1];
    return name === undefined ? [] : [[name, getAttribute(attributes, key)] as const];
  });
  return Object.fromEntries(entries);
}
