/** Request parameters of every spelling → the wire names users know. */
import {
  asObject,
  type JsonObject,
  type LazyJson,
  member,
  textMember,
  toJsonValue,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { getAttribute, hasAttribute, toBoolean, toNumber, toStringArray } from '../span/attributes.ts';
import { ofKeys } from '../span/shape.ts';
import type { Attributes } from '../span/span-data.ts';

export type Parameters = { readonly [name: string]: LazyJson | undefined };

type Kind = 'number' | 'count' | 'texts' | 'text' | 'boolean' | 'json';

interface Row {
  readonly name: string;
  readonly kind: Kind;
  /** Attribute keys, in reading order. */
  readonly keys: readonly string[];
  /** Names in JSON bags (request bodies, invocation parameters, configs), in reading order. */
  readonly bag: readonly string[];
}

const TABLE: readonly Row[] = [
  {
    name: 'temperature',
    kind: 'number',
    keys: [
      'gen_ai.request.temperature',
      'ai.settings.temperature',
      'ai.model.temperature',
      'langsmith.metadata.ls_temperature',
    ],
    bag: ['temperature'],
  },
  {
    name: 'top_p',
    kind: 'number',
    keys: ['gen_ai.request.top_p', 'ai.settings.topP', 'llm.top_p', 'ai.model.top_p'],
    bag: ['top_p', 'topP'],
  },
  {
    name: 'top_k',
    kind: 'number',
    keys: ['gen_ai.request.top_k', 'llm.top_k', 'ai.settings.topK'],
    bag: ['top_k', 'topK'],
  },
  {
    name: 'max_tokens',
    kind: 'count',
    keys: [
      'gen_ai.request.max_tokens',
      'gen_ai.request.max_output_tokens',
      'ai.settings.maxOutputTokens',
      'ai.settings.maxTokens',
      'ai.model.max_tokens',
      'langsmith.metadata.ls_max_tokens',
    ],
    bag: [
      'max_tokens',
      'max_completion_tokens',
      'max_output_tokens',
      'maxTokens',
      'maxOutputTokens',
      'max_tokens_to_sample',
      'maxTokenCount',
      'max_new_tokens',
      'maxCompletionTokens',
    ],
  },
  {
    name: 'stop',
    kind: 'texts',
    keys: [
      'gen_ai.request.stop_sequences',
      'llm.chat.stop_sequences',
      'ai.settings.stopSequences',
      'langsmith.metadata.ls_stop',
    ],
    bag: ['stop', 'stop_sequences', 'stopSequences'],
  },
  {
    name: 'seed',
    kind: 'number',
    keys: ['gen_ai.request.seed', 'gen_ai.openai.request.seed', 'ai.settings.seed'],
    bag: ['seed', 'random_seed', 'randomSeed'],
  },
  {
    name: 'frequency_penalty',
    kind: 'number',
    keys: [
      'gen_ai.request.frequency_penalty',
      'llm.frequency_penalty',
      'ai.settings.frequencyPenalty',
      'ai.model.frequency_penalty',
    ],
    bag: ['frequency_penalty', 'frequencyPenalty'],
  },
  {
    name: 'presence_penalty',
    kind: 'number',
    keys: [
      'gen_ai.request.presence_penalty',
      'llm.presence_penalty',
      'ai.settings.presencePenalty',
      'ai.model.presence_penalty',
    ],
    bag: ['presence_penalty', 'presencePenalty'],
  },
  {
    name: 'n',
    kind: 'count',
    keys: ['gen_ai.request.choice.count'],
    bag: ['n', 'candidateCount', 'candidate_count'],
  },
  {
    name: 'tool_choice',
    kind: 'json',
    keys: ['ai.prompt.toolChoice', 'gen_ai.request.tool_choice'],
    bag: ['tool_choice', 'toolChoice'],
  },
  { name: 'parallel_tool_calls', kind: 'boolean', keys: [], bag: ['parallel_tool_calls'] },
  {
    name: 'response_format',
    kind: 'json',
    keys: ['gen_ai.openai.request.response_format'],
    bag: ['response_format', 'responseFormat'],
  },
  {
    name: 'reasoning_effort',
    kind: 'text',
    keys: [
      'gen_ai.request.reasoning.level',
      'gen_ai.request.reasoning_effort',
      'gen_ai.openai.request.reasoning_effort',
    ],
    bag: ['reasoning_effort', 'reasoningEffort'],
  },
  { name: 'verbosity', kind: 'text', keys: [], bag: ['verbosity'] },
  {
    name: 'service_tier',
    kind: 'text',
    keys: ['openai.request.service_tier', 'gen_ai.openai.request.service_tier'],
    bag: ['service_tier'],
  },
  {
    name: 'stream',
    kind: 'boolean',
    keys: [
      'gen_ai.request.stream',
      'gen_ai.response.streaming',
      'gen_ai.request.is_stream',
      'gen_ai.request.llm_is_streaming',
      'llm.is_streaming',
      'gen_ai.is_streaming',
    ],
    bag: ['stream', 'streaming'],
  },
  { name: 'logprobs', kind: 'boolean', keys: [], bag: ['logprobs'] },
  { name: 'top_logprobs', kind: 'count', keys: [], bag: ['top_logprobs'] },
  { name: 'logit_bias', kind: 'json', keys: [], bag: ['logit_bias'] },
  { name: 'store', kind: 'boolean', keys: [], bag: ['store'] },
];

function convert(kind: Kind, raw: unknown): LazyJson | undefined {
  switch (kind) {
    case 'number':
      return toNumber(raw);
    case 'count': {
      const value = toNumber(raw);
      return value === undefined || value < 0 ? undefined : value;
    }
    case 'texts': {
      const list = toStringArray(raw);
      return list === undefined ? undefined : [...list];
    }
    case 'boolean':
      return toBoolean(raw);
    case 'text':
      return typeof raw === 'string' && raw.trim() !== '' ? raw : undefined;
    case 'json': {
      const value = jsonValue(raw);
      return value === '' || value === undefined || value === null ? undefined : (value as LazyJson);
    }
  }
}

/** Parameters from attributes of every dialect. */
export function readParameters(attributes: Attributes): Parameters | undefined {
  const found: { [name: string]: LazyJson } = {};
  const present = ofKeys(attributes, rowsOf);
  for (const { row, keys } of present.rows) {
    for (const key of keys) {
      if (!hasAttribute(attributes, key)) continue;
      const value = convert(row.kind, getAttribute(attributes, key));
      if (value === undefined) continue;
      found[row.name] = value;
      break;
    }
  }
  const thinking = present.thinking ? readThinking(attributes) : undefined;
  if (thinking) found.thinking = thinking;
  return Object.keys(found).length > 0 ? found : undefined;
}

/** The rows of the table that attributes with these keys have anything for. */
function rowsOf(keys: readonly string[]): {
  readonly rows: readonly { readonly row: Row; readonly keys: readonly string[] }[];
  readonly thinking: boolean;
} {
  const rows = TABLE.map((row) => ({ row, keys: row.keys.filter((key) => keys.includes(key)) }));
  return {
    rows: rows.filter((one) => one.keys.length > 0),
    thinking: keys.some((key) => key.includes('thinking')),
  };
}

/** Anthropic's thinking budget, in the shape of its API. */
function readThinking(attributes: Attributes): LazyJson | undefined {
  const first = (...keys: readonly string[]): unknown =>
    keys.map((key) => getAttribute(attributes, key)).find((value) => value !== undefined && value !== '');
  const type = first(
    'anthropic.thinking.type',
    'gen_ai.request.thinking_type',
    'gen_ai.request.thinking.type',
    'llm.request.thinking.type',
  );
  const budget = toNumber(
    first(
      'anthropic.thinking.budget_tokens',
      'gen_ai.request.thinking.budget_tokens',
      'llm.request.thinking.budget_tokens',
    ),
  );
  if (typeof type !== 'string' && budget === undefined) return undefined;
  return {
    ...(typeof type === 'string' ? { type } : {}),
    ...(budget === undefined ? {} : { budget_tokens: budget }),
  };
}

/** Parameters from a JSON bag: a request body, a config, invocation parameters. Messages, tools and the model are not parameters. */
export function readParameterBag(raw: unknown): Parameters | undefined {
  const bag = asObject(jsonValue(raw));
  if (!bag) return undefined;
  const found: { [name: string]: LazyJson } = {};
  for (const row of TABLE) {
    for (const key of row.bag) {
      const raw = member(bag, key);
      const value = raw === undefined ? undefined : convert(row.kind, toJsonValue(raw));
      if (value === undefined) continue;
      found[row.name] = value;
      break;
    }
  }
  const effort = reasoningEffort(bag);
  if (effort !== undefined && found.reasoning_effort === undefined) found.reasoning_effort = effort;
  const thinking = asObject(member(bag, 'thinking', 'thinkingConfig'));
  if (thinking) found.thinking = thinking as LazyJson;
  return Object.keys(found).length > 0 ? found : undefined;
}

function reasoningEffort(bag: JsonObject): string | undefined {
  return textMember(asObject(member(bag, 'reasoning')), 'effort');
}

/** Earlier sources win, name by name. */
export function mergeParameters(...sources: readonly (Parameters | undefined)[]): Parameters | undefined {
  const merged: { [name: string]: LazyJson } = {};
  for (const source of sources) {
    for (const [name, value] of Object.entries(source ?? {}))
      if (value !== undefined && !Object.hasOwn(merged, name)) merged[name] = value;
  }
  return Object.keys(merged).length > 0 ? merged : undefined;
}
