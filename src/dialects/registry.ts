import { pickString } from '../span/attributes.ts';
import { ofKeys, presentKeys } from '../span/shape.ts';
import { type Attributes, NO_SPAN, type SpanData } from '../span/span-data.ts';
import { ag2 } from './ag2.ts';
import { anthropicSdk } from './anthropic-sdk.ts';
import { awsSdk } from './aws-sdk.ts';
import { ax } from './ax.ts';
import { claudeCode } from './claude-code.ts';
import type { Dialect } from './dialect.ts';
import { effectAi } from './effect-ai.ts';
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
  return isToldByKeys(span) && dialectByKeys(span) === undefined;
}

export function findDialect(span: SpanData, dialects: readonly Dialect[] = DIALECTS): Dialect | undefined {
  return dialects === DIALECTS && isToldByKeys(span)
    ? dialectByKeys(span)
    : dialects.find((dialect) => dialect.detect(span));
}

function dialectByKeys(span: SpanSigns): Dialect | undefined {
  const { name, version } = span.scope;
  const known = ofKeys(span.attributes, verdictsOf);
  const scope = version === undefined ? name : `${name}\n${version}`;
  let verdict = known.byScope.get(scope);
  if (verdict === undefined) {
    const probe: SpanData = { ...NO_SPAN, scope: span.scope, attributes: known.probe };
    verdict = DIALECTS.find((dialect) => dialect.detect(probe)) ?? NO_DIALECT;
    if (known.byScope.size < MAX_SCOPES) known.byScope.set(scope, verdict);
  }
  return verdict === NO_DIALECT ? undefined : (verdict as Dialect);
}

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

/** Whether scope and attribute keys alone decide whose span it is. */
function isToldByKeys({ name, events, attributes }: SpanSigns): boolean {
  return (
    events.length === 0 &&
    !name.startsWith('claude_code.') &&
    presentKeys(attributes, TELLING_VALUES).length === 0 &&
    pickString(attributes, SYSTEM_KEYS) !== 'strands-agents'
  );
}

const NO_DIALECT = 'none';
const MAX_SCOPES = 256;
/** Whose spans with these keys are, scope by scope, as they turn up. */
function verdictsOf(keys: readonly string[]): {
  readonly byScope: Map<string, Dialect | typeof NO_DIALECT>;
  readonly probe: Attributes;
} {
  return { byScope: new Map(), probe: Object.fromEntries(keys.map((key) => [key, 'any'])) };
}
