/** Token counts of every spelling, and the one table that says what each dialect's numbers include. */
import type { Usage } from '../completion/completion.ts';
import { asObject, isObject, type JsonObject, member } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { pickCount, toCount } from '../span/attributes.ts';
import { ofKeys } from '../span/shape.ts';
import type { Attributes } from '../span/span-data.ts';

/** Counts as reported: whether `input` holds the cached tokens is the emitter's secret. */
export interface RawUsage {
  readonly input?: number | undefined;
  readonly output?: number | undefined;
  readonly cacheRead?: number | undefined;
  readonly cacheWrite?: number | undefined;
  readonly reasoning?: number | undefined;
  readonly total?: number | undefined;
  /** What the numbers include, where their names are those of a provider's own API and tell. */
  readonly rule?: Partial<UsageRule> | undefined;
}

const KEYS: { readonly [field in Exclude<keyof RawUsage, 'rule'>]: readonly string[] } = {
  input: [
    'gen_ai.usage.input_tokens',
    'gen_ai.usage.prompt_tokens',
    'ai.usage.inputTokens',
    'ai.usage.promptTokens',
    'llm.token_count.prompt',
    'llm.usage.prompt_tokens',
    'usage.prompt_tokens',
    'gen_ai.usage.tokens.input',
    'ai.usage.tokens',
    'input_tokens',
  ],
  output: [
    'gen_ai.usage.output_tokens',
    'gen_ai.usage.completion_tokens',
    'ai.usage.outputTokens',
    'ai.usage.completionTokens',
    'llm.token_count.completion',
    'llm.usage.completion_tokens',
    'usage.completion_tokens',
    'gen_ai.usage.tokens.output',
    'output_tokens',
  ],
  cacheRead: [
    'gen_ai.usage.cache_read.input_tokens',
    'gen_ai.usage.cache_read_input_tokens',
    'gen_ai.usage.input_tokens.cached',
    'gen_ai.usage.input_cached_tokens',
    'gen_ai.usage.cached_input_tokens',
    'gen_ai.usage.details.cache_read_tokens',
    'gen_ai.usage.details.cached_tokens',
    'ai.usage.inputTokenDetails.cacheReadTokens',
    'ai.usage.cachedInputTokens',
    'llm.token_count.prompt_details.cache_read',
    'llm.usage.cache_read_input_tokens',
    'llm.usage.cached_tokens',
    'usage.cached_tokens',
    'cache_read_tokens',
  ],
  cacheWrite: [
    'gen_ai.usage.cache_creation.input_tokens',
    'gen_ai.usage.cache_write.input_tokens',
    'gen_ai.usage.cache_creation_input_tokens',
    'gen_ai.usage.cache_write_input_tokens',
    'gen_ai.usage.input_tokens.cache_write',
    'gen_ai.usage.details.cache_write_tokens',
    'ai.usage.inputTokenDetails.cacheWriteTokens',
    'llm.token_count.prompt_details.cache_write',
    'llm.usage.cache_creation_input_tokens',
    'cache_creation_tokens',
  ],
  reasoning: [
    'gen_ai.usage.reasoning.output_tokens',
    'gen_ai.usage.reasoning_tokens',
    'gen_ai.usage.output_tokens.reasoning',
    'gen_ai.usage.details.reasoning_tokens',
    'gen_ai.usage.experimental.reasoning_tokens',
    'ai.usage.outputTokenDetails.reasoningTokens',
    'ai.usage.reasoningTokens',
    'llm.token_count.completion_details.reasoning',
    'llm.usage.reasoning_tokens',
    'usage.reasoning_tokens',
    'gen_ai.usage.thinking_tokens',
  ],
  total: [
    'gen_ai.usage.total_tokens',
    'llm.usage.total_tokens',
    'ai.usage.totalTokens',
    'llm.token_count.total',
    'usage.total_tokens',
  ],
};

/** Counts from attributes of every dialect; the first key that holds a number wins. */
export function readUsage(attributes: Attributes): RawUsage | undefined {
  if (!ofKeys(attributes, countsTokens)) return undefined;
  return compact({
    input: pickCount(attributes, KEYS.input),
    output: pickCount(attributes, KEYS.output),
    cacheRead: pickCount(attributes, KEYS.cacheRead),
    cacheWrite: pickCount(attributes, KEYS.cacheWrite),
    reasoning: pickCount(attributes, KEYS.reasoning),
    total: pickCount(attributes, KEYS.total),
  });
}

const ALL_KEYS: ReadonlySet<string> = new Set(Object.values(KEYS).flat());

function countsTokens(keys: readonly string[]): boolean {
  return keys.some((key) => ALL_KEYS.has(key));
}

function compact(usage: RawUsage): RawUsage | undefined {
  return Object.values(usage).some((count) => count !== undefined) ? usage : undefined;
}

/** A usage object of any provider or framework, as found in bodies. */
export function readUsageBag(raw: unknown): RawUsage | undefined {
  const bag = asObject(jsonValue(raw));
  if (!bag) return undefined;
  const inputDetails = asObject(
    member(
      bag,
      'prompt_tokens_details',
      'input_tokens_details',
      'input_token_details',
      'inputTokenDetails',
      'promptTokensDetails',
    ),
  );
  const outputDetails = asObject(
    member(
      bag,
      'completion_tokens_details',
      'output_tokens_details',
      'output_token_details',
      'outputTokenDetails',
      'completionTokensDetails',
    ),
  );
  const usage = compact({
    input: count(
      bag,
      'prompt_tokens',
      'input_tokens',
      'inputTokens',
      'promptTokens',
      'promptTokenCount',
      'prompt_token_count',
      'inputTextTokenCount',
      'input',
    ),
    output: count(
      bag,
      'completion_tokens',
      'output_tokens',
      'outputTokens',
      'completionTokens',
      'candidatesTokenCount',
      'candidates_token_count',
      'output',
    ),
    cacheRead:
      count(
        bag,
        'cache_read_input_tokens',
        'cacheReadInputTokens',
        'cacheReadInputTokenCount',
        'cachedInputTokens',
        'cachedContentTokenCount',
        'cachedContentTokens',
        'cache_read',
        'cacheReadTokens',
        'prompt_cached_tokens',
        'cache_read_tokens',
      ) ?? count(inputDetails, 'cached_tokens', 'cache_read', 'cacheReadTokens'),
    cacheWrite:
      count(
        bag,
        'cache_creation_input_tokens',
        'cacheWriteInputTokens',
        'cacheCreationInputTokens',
        'cacheWriteInputTokenCount',
        'cache_creation',
        'cacheWriteTokens',
        'cache_write_tokens',
      ) ?? count(inputDetails, 'cache_creation', 'cacheWriteTokens', 'cache_write_tokens'),
    reasoning:
      count(
        bag,
        'reasoning_tokens',
        'reasoningTokens',
        'thoughtsTokenCount',
        'thoughts_token_count',
        'thoughtsTokens',
      ) ?? count(outputDetails, 'reasoning_tokens', 'reasoning', 'reasoningTokens'),
    total: count(bag, 'total_tokens', 'totalTokens', 'totalTokenCount', 'total_token_count', 'total'),
  });
  return usage && { ...usage, rule: nativeRule(bag) };
}

/** Provider APIs whose counts stand beside each other, known by the names they have for them. */
const NATIVE: readonly {
  readonly total: readonly string[];
  readonly beside: readonly string[];
  readonly rule: Partial<UsageRule>;
}[] = [
  {
    total: ['input_tokens'],
    beside: ['cache_read_input_tokens', 'cache_creation_input_tokens'],
    rule: { cachedInput: 'excluded' },
  },
  {
    total: ['inputTokens'],
    beside: ['cacheReadInputTokens', 'cacheWriteInputTokens', 'cacheReadInputTokenCount'],
    rule: { cachedInput: 'excluded' },
  },
  {
    total: ['candidatesTokenCount', 'candidates_token_count'],
    beside: ['thoughtsTokenCount', 'thoughts_token_count'],
    rule: { reasoning: 'excluded' },
  },
];

function nativeRule(bag: JsonObject): Partial<UsageRule> | undefined {
  return NATIVE.find(
    ({ total, beside }) => member(bag, ...total) !== undefined && member(bag, ...beside) !== undefined,
  )?.rule;
}

function count(bag: JsonObject | undefined, ...keys: readonly string[]): number | undefined {
  for (const key of keys) {
    const raw = member(bag, key);
    // AI SDK 7: {inputTokens: {total, noCache, cacheRead}}
    const value = toCount(isObject(raw) ? member(raw, 'total') : raw);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The first report of each count. */
export function mergeUsage(first: RawUsage | undefined, second: RawUsage | undefined): RawUsage | undefined {
  if (!first) return second;
  if (!second) return first;
  return {
    input: first.input ?? second.input,
    output: first.output ?? second.output,
    cacheRead: first.cacheRead ?? second.cacheRead,
    cacheWrite: first.cacheWrite ?? second.cacheWrite,
    reasoning: first.reasoning ?? second.reasoning,
    total: first.total ?? second.total,
    rule: first.input === undefined && first.output === undefined ? second.rule : first.rule,
  };
}

/** What the numbers of an emitter include. */
export interface UsageRule {
  /** `excluded`: cached tokens stand beside the input count and have to be added. `in-total`: only the total has them. */
  readonly cachedInput: 'included' | 'excluded' | 'in-total';
  /** `excluded`: reasoning stands beside the output count and has to be added. */
  readonly reasoning: 'included' | 'excluded';
}

interface UsageRow {
  readonly dialect: string;
  /** Matches the scope version; absent: every version. */
  readonly version?: (version: string | undefined) => boolean;
  /** Matches the normalised provider; absent: every provider. */
  readonly provider?: RegExp;
  readonly rule: Partial<UsageRule>;
}

/** Stands for a dialect where a span's only counts are those in a copy of the provider's own response. */
export const PROVIDER_BODY = 'provider-body';

/**
 * One row for each emitter whose counts are not the totals that the semantic conventions ask for (since 1.40 cached input is inside
 * `input_tokens`, reasoning inside `output_tokens`). Everything that is not listed counts totals. First match wins.
 */
export const USAGE_TABLE: readonly UsageRow[] = [
  // Anthropic's API counts cached tokens beside the input; these emitters copy its numbers. Inclusive after 0.27.
  {
    dialect: 'openllmetry',
    provider: /^(anthropic|bedrock)$/,
    version: before(0, 28),
    rule: { cachedInput: 'excluded' },
  },
  // Gemini counts thoughts beside the candidates.
  { dialect: 'openllmetry', provider: /^(google|vertex)$/, rule: { reasoning: 'excluded' } },
  { dialect: 'google-adk', rule: { reasoning: 'excluded' } },
  { dialect: 'genkit', provider: /^(google|vertex|vertexai)$/, rule: { reasoning: 'excluded' } },
  // ai@4 and ai@5 take the provider's numbers as they are; from 6 on the provider packages add the cached ones.
  {
    dialect: 'vercel-ai',
    provider: /^(anthropic|bedrock)$/,
    version: before(6, 0),
    rule: { cachedInput: 'excluded' },
  },
  // Sentry 10 up to about 10.40 adds Anthropic's cached tokens to the total alone, without naming them.
  { dialect: 'sentry', provider: /^anthropic$/, rule: { cachedInput: 'in-total' } },
  { dialect: 'claude-code', rule: { cachedInput: 'excluded' } },
  { dialect: 'genkit', provider: /^anthropic$/, rule: { cachedInput: 'excluded' } },
  { dialect: 'aws-sdk', rule: { cachedInput: 'excluded' } },
  // Hand on what Bedrock and Anthropic count.
  { dialect: 'strands', provider: /^(anthropic|bedrock)$/, rule: { cachedInput: 'excluded' } },
  { dialect: 'pipecat', provider: /^(anthropic|bedrock)$/, rule: { cachedInput: 'excluded' } },
  { dialect: 'haystack', provider: /^(anthropic|bedrock)$/, rule: { cachedInput: 'excluded' } },
  { dialect: 'ag2', provider: /^(anthropic|bedrock)$/, rule: { cachedInput: 'excluded' } },
  { dialect: 'ag2', provider: /^(google|vertex)$/, rule: { reasoning: 'excluded' } },
  // The provider's own response; the proxy's summary counts all.
  { dialect: 'litellm-raw', provider: /^(anthropic|bedrock)$/, rule: { cachedInput: 'excluded' } },
  { dialect: 'litellm-raw', provider: /^(google|vertex)$/, rule: { reasoning: 'excluded' } },
  { dialect: PROVIDER_BODY, provider: /^(anthropic|bedrock)$/, rule: { cachedInput: 'excluded' } },
  { dialect: PROVIDER_BODY, provider: /^(google|vertex)$/, rule: { reasoning: 'excluded' } },
];

/** True for versions below `major.minor`, and for none at all: older emitters often name no version. */
function before(major: number, minor: number): (version: string | undefined) => boolean {
  return (version) => {
    const match = /^(\d+)\.(\d+)/.exec(version ?? '');
    if (!match) return true;
    const [, a, b] = match;
    return Number(a) < major || (Number(a) === major && Number(b) < minor);
  };
}

export function usageRule(
  dialect: string,
  version: string | undefined,
  provider: string | undefined,
): UsageRule {
  const rule = { cachedInput: 'included', reasoning: 'included' } as const;
  const row = USAGE_TABLE.find(
    (r) =>
      r.dialect === dialect &&
      (r.version?.(version) ?? true) &&
      (!r.provider || r.provider.test(provider ?? '')),
  );
  return { ...rule, ...row?.rule };
}

/**
 * Reported counts → totals.
 *
 * Two checks do not trust the table: cached tokens that exceed the input cannot be inside it, and a reported total decides where it
 * fits only one reading.
 */
export function totalUsage(raw: RawUsage | undefined, byDialect: UsageRule): Usage | undefined {
  if (!raw) return undefined;
  const rule = { ...byDialect, ...raw.rule };
  const cached = (raw.cacheRead ?? 0) + (raw.cacheWrite ?? 0);
  const addCached = inputExcludesCache(raw, cached, rule);
  const addReasoning = outputExcludesReasoning(raw, cached, addCached, rule);
  const unnamed = rule.cachedInput === 'in-total' && cached === 0 ? beyondParts(raw) : 0;
  return {
    input: raw.input === undefined ? undefined : raw.input + (addCached ? cached : unnamed),
    output: raw.output === undefined ? undefined : raw.output + (addReasoning ? (raw.reasoning ?? 0) : 0),
    cacheRead: raw.cacheRead,
    cacheWrite: raw.cacheWrite,
    reasoning: raw.reasoning,
  };
}

/** What the total holds beyond input and output. */
function beyondParts({ input, output, total }: RawUsage): number {
  return input === undefined || output === undefined ? 0 : Math.max(0, (total ?? 0) - input - output);
}

function inputExcludesCache(raw: RawUsage, cached: number, rule: UsageRule): boolean {
  const input = raw.input ?? 0;
  if (cached > input || rule.cachedInput === 'excluded') return true;
  return raw.output !== undefined && raw.total === input + cached + raw.output;
}

function outputExcludesReasoning(
  raw: RawUsage,
  cached: number,
  addCached: boolean,
  rule: UsageRule,
): boolean {
  const output = raw.output ?? 0;
  const reasoning = raw.reasoning ?? 0;
  if (reasoning > output) return true;
  const input = (raw.input ?? 0) + (addCached ? cached : 0);
  if (raw.total !== undefined && raw.input !== undefined) {
    if (raw.total === input + output + reasoning) return true;
    if (raw.total === input + output) return false;
  }
  return rule.reasoning === 'excluded';
}
