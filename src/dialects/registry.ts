import { pickString } from '../span/attributes.ts';
import { ofKeys } from '../span/shape.ts';
import { type Attributes, NO_SPAN, type SpanData } from '../span/span-data.ts';
import { ag2 } from './ag2.ts';
import { anthropicSdk } from './anthropic-sdk.ts';
import { awsSdk } from './aws-sdk.ts';
import { ax } from './ax.ts';
import { braintrust } from './braintrust.ts';
import { claudeCode } from './claude-code.ts';
import type { Dialect } from './dialect.ts';
import { effectAi } from './effect-ai.ts';
import { geminiCli } from './gemini-cli.ts';
import { genkit } from './genkit.ts';
import { googleAdk } from './google-adk.ts';
import { haystack } from './haystack.ts';
import { koog } from './koog.ts';
import { laminar } from './laminar.ts';
import { langfuse } from './langfuse.ts';
import { langSmith } from './langsmith.ts';
import { langWatch } from './langwatch.ts';
import { liteLlm } from './litellm.ts';
import { livekit } from './livekit.ts';
import { llamaIndex } from './llama-index.ts';
import { logfire } from './logfire.ts';
import { logfireOpenAiAgents } from './logfire-openai-agents.ts';
import { mastra } from './mastra.ts';
import { mcp } from './mcp.ts';
import { mirascope } from './mirascope.ts';
import { mistralSdk } from './mistral-sdk.ts';
import { mlflow } from './mlflow.ts';
import { openInference } from './openinference.ts';
import { openLlmetry } from './openllmetry.ts';
import { otelGenAi } from './otel-genai.ts';
import { otelOpenAi } from './otel-openai.ts';
import { pipecat } from './pipecat.ts';
import { promptfoo } from './promptfoo.ts';
import { pydanticAi } from './pydantic-ai.ts';
import { sentry } from './sentry.ts';
import { springAi } from './spring-ai.ts';
import { strands } from './strands.ts';
import { vercelAi } from './vercel-ai.ts';
import { vercelAiOtel } from './vercel-ai-otel.ts';
import { voltAgent } from './voltagent.ts';

/**
 * Built-in dialects in the order they are asked; the first that says yes reads the span, alone. Specific before general: what a second
 * processor is known to add to foreign spans (OpenInference, LangSmith and Sentry keys on Vercel's) comes after what it was added to.
 */
export const DIALECTS: readonly Dialect[] = [
  langfuse,
  vercelAi,
  vercelAiOtel,
  langSmith,
  mastra,
  genkit,
  googleAdk,
  laminar,
  langWatch,
  voltAgent,
  livekit,
  claudeCode,
  geminiCli,
  anthropicSdk,
  mistralSdk,
  sentry,
  pydanticAi,
  logfireOpenAiAgents,
  logfire,
  otelOpenAi,
  awsSdk,
  mcp,
  mlflow,
  braintrust,
  pipecat,
  haystack,
  llamaIndex,
  ag2,
  koog,
  mirascope,
  promptfoo,
  ax,
  openInference,
  strands,
  springAi,
  liteLlm,
  openLlmetry,
  // Its tools have words of everybody's.
  effectAi,
  otelGenAi,
];

/** What decides whose span it is, but for rare exceptions. */
export type SpanSigns = Pick<SpanData, 'name' | 'events' | 'attributes' | 'scope'>;

/** True where no built-in dialect can know the span; cheap, for most spans of most apps are such. */
export function isForeign(span: SpanSigns): boolean {
  return verdictByKeys(span) === NO_DIALECT;
}

export function findDialect(span: SpanData, dialects: readonly Dialect[] = DIALECTS): Dialect | undefined {
  const verdict = dialects === DIALECTS ? verdictByKeys(span) : undefined;
  if (verdict === NO_DIALECT) return undefined;
  return verdict ?? dialects.find((dialect) => dialect.detect(span));
}

const NO_DIALECT = 'none';
type Verdict = Dialect | typeof NO_DIALECT;

/** Attributes whose values, and not only their presence, tell built-in dialects apart. */
export const TELLING_VALUES: readonly string[] = [
  'ai.operationId',
  'operation.name',
  'sentry.op',
  'sentry.origin',
  'span.type',
  'logfire.span_type',
];
const SYSTEM_KEYS = ['gen_ai.system', 'gen_ai.provider.name'] as const;

/** Whose span it is; `undefined` where scope and attribute keys alone do not tell. */
function verdictByKeys({ name, events, attributes, scope }: SpanSigns): Verdict | undefined {
  if (events.length > 0 || name.startsWith('claude_code.')) return undefined;
  const known = ofKeys(attributes, knownBy);
  if (known.valuesTell) return undefined;
  if (known.hasSystem && pickString(attributes, SYSTEM_KEYS) === 'strands-agents') return undefined;
  const byVersion = known.byScope.get(scope.name);
  const verdict = byVersion?.get(scope.version);
  if (verdict !== undefined) return verdict;
  const found = DIALECTS.find((one) => one.detect({ ...NO_SPAN, scope, attributes: known.probe }));
  if (byVersion && byVersion.size < MAX_VERSIONS) byVersion.set(scope.version, found ?? NO_DIALECT);
  else if (!byVersion && known.byScope.size < MAX_SCOPES)
    known.byScope.set(scope.name, new Map([[scope.version, found ?? NO_DIALECT]]));
  return found ?? NO_DIALECT;
}

const MAX_SCOPES = 256;
const MAX_VERSIONS = 16;

/** What these keys tell, and whose spans with them are, scope by scope, as they turn up. */
function knownBy(keys: readonly string[]): {
  readonly valuesTell: boolean;
  readonly hasSystem: boolean;
  readonly byScope: Map<string, Map<string | undefined, Verdict>>;
  readonly probe: Attributes;
} {
  return {
    valuesTell: TELLING_VALUES.some((key) => keys.includes(key)),
    hasSystem: SYSTEM_KEYS.some((key) => keys.includes(key)),
    byScope: new Map(),
    probe: Object.fromEntries(keys.map((key) => [key, 'any'])),
  };
}
