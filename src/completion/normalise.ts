/** Many spellings → one value. Unknown values pass through unchanged. */
import { asText } from '../json/json-text.ts';
import type { Role } from './completion.ts';

const ROLES: ReadonlyMap<string, Role> = new Map([
  ['system', 'system'],
  ['systemmessage', 'system'],
  ['developer', 'developer'],
  ['user', 'user'],
  ['human', 'user'],
  ['humanmessage', 'user'],
  ['humanmessagechunk', 'user'],
  ['assistant', 'assistant'],
  ['ai', 'assistant'],
  ['model', 'assistant'],
  ['aimessage', 'assistant'],
  ['aimessagechunk', 'assistant'],
  ['thinking', 'assistant'],
  ['tool', 'tool'],
  ['function', 'tool'],
  ['tool_response', 'tool'],
  ['tool_result', 'tool'],
  ['ipython', 'tool'],
  ['toolmessage', 'tool'],
  ['toolmessagechunk', 'tool'],
  ['functionmessage', 'tool'],
]);

/** The API's role, or `undefined` for a word that names none. */
export function normaliseRole(role: unknown): Role | undefined {
  return ROLES.get(asText(role)?.trim().toLowerCase() ?? '');
}

const FINISH_REASONS: ReadonlyMap<string, string> = new Map([
  ...[
    'stop',
    'end_turn',
    'endturn',
    'stop_sequence',
    'complete',
    'completed',
    'finished',
    'finish',
    'eos',
    'finish_reason_stop',
  ].map((raw) => [raw, 'stop'] as const),
  ...[
    'length',
    'max_tokens',
    'maxtokens',
    'max_output_tokens',
    'incomplete',
    'model_length',
    'model_context_window_exceeded',
    'finish_reason_max_tokens',
  ].map((raw) => [raw, 'length'] as const),
  ...['tool_call', 'tool_calls', 'tool_use', 'tooluse', 'function_call', 'function_calls'].map(
    (raw) => [raw, 'tool_calls'] as const,
  ),
  ...[
    'content_filter',
    'content_filtered',
    'safety',
    'recitation',
    'blocklist',
    'prohibited_content',
    'spii',
    'blocked',
    'guardrail_intervened',
    'refusal',
  ].map((raw) => [raw, 'content_filter'] as const),
  ...['error', 'failed', 'malformed_function_call', 'interrupted', 'aborted', 'cancelled'].map(
    (raw) => [raw, 'error'] as const,
  ),
]);

/** `stop`, `length`, `tool_calls`, `content_filter`, `error`, or the reported word; `undefined` for an empty one. */
export function normaliseFinishReason(reported: unknown): string | undefined {
  const raw = asText(reported);
  if (raw === undefined) return undefined;
  const known = FINISH_REASONS.get(raw);
  if (known !== undefined) return known;
  if (raw.trim() === '') return undefined;
  // Enumerations of some clients print as "FinishReason.STOP".
  const word = raw.trim().split('.').pop() ?? '';
  const key = word.toLowerCase().replaceAll('-', '_').replaceAll(' ', '_');
  return FINISH_REASONS.get(key) ?? raw.trim();
}

const PROVIDERS: ReadonlyMap<string, string> = new Map([
  ['openai', 'openai'],
  ['openai-chat', 'openai'],
  ['azure', 'azure_openai'],
  ['azureopenai', 'azure_openai'],
  ['azure_openai', 'azure_openai'],
  ['azure-openai', 'azure_openai'],
  ['azure.ai.openai', 'azure_openai'],
  ['az.ai.openai', 'azure_openai'],
  ['azure.ai.inference', 'azure'],
  ['az.ai.inference', 'azure'],
  ['anthropic', 'anthropic'],
  ['claude', 'anthropic'],
  ['aws', 'bedrock'],
  ['aws.bedrock', 'bedrock'],
  ['aws_bedrock', 'bedrock'],
  ['bedrock', 'bedrock'],
  ['bedrock_converse', 'bedrock'],
  ['amazon-bedrock', 'bedrock'],
  ['amazon_bedrock', 'bedrock'],
  ['aws.sagemaker', 'sagemaker'],
  ['gcp.vertex_ai', 'vertex'],
  ['gcp.vertex.agent', 'vertex'],
  ['vertex_ai', 'vertex'],
  ['vertexai', 'vertex'],
  ['vertex', 'vertex'],
  ['google-vertex', 'vertex'],
  ['google.vertex', 'vertex'],
  ['google_vertexai', 'vertex'],
  ['gcp.gemini', 'google'],
  ['gcp.gen_ai', 'google'],
  ['gemini', 'google'],
  ['google', 'google'],
  ['google.generative-ai', 'google'],
  ['google_genai', 'google'],
  ['google-genai', 'google'],
  ['googleai', 'google'],
  ['googlegeminiai', 'google'],
  ['mistral', 'mistral'],
  ['mistral_ai', 'mistral'],
  ['mistralai', 'mistral'],
  ['x_ai', 'xai'],
  ['xai', 'xai'],
  ['togetherai', 'together'],
  ['together_ai', 'together'],
  ['cohere', 'cohere'],
  ['groq', 'groq'],
  ['ollama', 'ollama'],
  ['replicate', 'replicate'],
]);

/** Frameworks that name themselves as the provider: not a model provider. */
const FRAMEWORKS = new Set([
  'langchain',
  'langgraph',
  'crewai',
  'openai-agents',
  'strands-agents',
  'strands',
  'pydantic_ai',
  'llamaindex',
  'mastra',
]);

/** Gateways whose model ids begin with the real provider (`anthropic/claude-…`). */
const GATEWAYS = new Set(['gateway', 'openrouter', 'vercel']);

/**
 * The API's provider name. Vercel's `<provider>.<api>` is cut at the dot; unknown names pass through.
 *
 * @param raw what the span names; the first that is a provider wins
 * @param model model id, for gateways
 */
export function normaliseProvider(
  raw: readonly (string | undefined)[],
  model?: string | undefined,
): string | undefined {
  for (const name of raw) {
    if (name === undefined) continue;
    const key = name.trim().toLowerCase();
    if (key === '' || FRAMEWORKS.has(key)) continue;
    const head = key.split('.')[0] ?? key;
    if (GATEWAYS.has(head)) {
      const prefix = model?.includes('/') ? model.slice(0, model.indexOf('/')) : undefined;
      return prefix ? (PROVIDERS.get(prefix.toLowerCase()) ?? prefix.toLowerCase()) : head;
    }
    const known =
      PROVIDERS.get(key) ??
      PROVIDERS.get(key.split('.').slice(0, 2).join('.')) ??
      PROVIDERS.get(head) ??
      // LlamaIndex's names of classes: `openai_responses_llm`.
      PROVIDERS.get(/^([a-z0-9]+)_(\w+_)?llm$/.exec(key)?.[1] ?? '');
    if (known) return known;
    return /^[a-z0-9_-]+\.(chat|responses|completion|messages|embedding|image|converse)$/.test(key)
      ? head
      : name.trim();
  }
  return undefined;
}

const MODEL_FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/^(gpt-|chatgpt|o[134](-|$)|text-davinci|davinci)/, 'openai'],
  [/^claude/, 'anthropic'],
  [/^gemini/, 'google'],
  [/^(us\.|eu\.|apac\.)?(anthropic|amazon|meta|cohere|mistral|ai21)\.[a-z]/, 'bedrock'],
];

/** Guess from the model's name, for spans that name no provider at all. */
export function guessProvider(model: string | undefined): string | undefined {
  if (model === undefined) return undefined;
  const name = model.toLowerCase();
  return MODEL_FAMILIES.find(([pattern]) => pattern.test(name))?.[1];
}
