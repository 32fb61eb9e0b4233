import type { SpanData } from '../span/span-data.ts';
import { anthropicSdk } from './anthropic-sdk.ts';
import { awsSdk } from './aws-sdk.ts';
import { claudeCode } from './claude-code.ts';
import type { Dialect } from './dialect.ts';
import { genkit } from './genkit.ts';
import { googleAdk } from './google-adk.ts';
import { langfuse } from './langfuse.ts';
import { langSmith } from './langsmith.ts';
import { liteLlm } from './litellm.ts';
import { livekit } from './livekit.ts';
import { mastra } from './mastra.ts';
import { mcp } from './mcp.ts';
import { mistralSdk } from './mistral-sdk.ts';
import { openInference } from './openinference.ts';
import { openLlmetry } from './openllmetry.ts';
import { otelGenAi } from './otel-genai.ts';
import { otelOpenAi } from './otel-openai.ts';
import { pydanticAi } from './pydantic-ai.ts';
import { sentry } from './sentry.ts';
import { strands } from './strands.ts';
import { vercelAi } from './vercel-ai.ts';
import { vercelAiOtel } from './vercel-ai-otel.ts';

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
  livekit,
  claudeCode,
  anthropicSdk,
  mistralSdk,
  sentry,
  pydanticAi,
  otelOpenAi,
  awsSdk,
  mcp,
  openInference,
  strands,
  liteLlm,
  openLlmetry,
  otelGenAi,
];

export function findDialect(span: SpanData, dialects: readonly Dialect[] = DIALECTS): Dialect | undefined {
  return dialects.find((dialect) => dialect.detect(span));
}
