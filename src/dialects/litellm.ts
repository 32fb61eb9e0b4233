import type { Operation, Reading, Surroundings } from '../completion/completion.ts';
import type { JsonObject } from '../json/json-text.ts';
import { readPythonLiteral } from '../json/python-literal.ts';
import { readRequest, readResponse } from '../messages/exchange.ts';
import { nonEmpty } from '../readers/content.ts';
import { conventionalOperation, readGenAiSpan } from '../readers/genai-span.ts';
import { getString, hasAttribute, hasPrefix } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * LiteLLM's own spans. Its summary of a call goes on a span of its own, or on the application's if one is active – then the summaries
 * of several calls overwrite each other. Below it, `raw_gen_ai_request` has the provider's request and response, member by member, the
 * way Python prints them.
 *
 * @see https://docs.litellm.ai/docs/observability/opentelemetry_integration
 */
export const liteLlm: Dialect = {
  name: 'litellm',
  detect: ({ attributes, scope }) => scope.name === 'litellm' || hasAttribute(attributes, 'litellm.call_id'),
  read: (span, logs) => readRaw(span, logs) ?? readSummary(span, logs),
};

const CAPTURE = 'litellm.turn_off_message_logging = False';

/** Operations of summaries that are no model calls; `llm.request.type` has the name of the client's function. */
const OTHER_TYPES: ReadonlyMap<string, Operation> = new Map([
  ['embedding', 'embedding'],
  ['aembedding', 'embedding'],
  ['rerank', 'rerank'],
  ['arerank', 'rerank'],
]);

function readSummary(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  if (!hasPrefix(attributes, 'gen_ai.')) return { operation: 'other' };
  const type = OTHER_TYPES.get(getString(attributes, 'llm.request.type') ?? '');
  const operation = type ?? conventionalOperation(span);
  if (operation === 'other') return { operation };
  const base = readGenAiSpan(span, logs, { dialect: liteLlm.name, operation, captureSetting: CAPTURE });
  return {
    ...base,
    yields: operation === 'inference' ? 'workflow' : undefined,
    surroundings: withoutInternals(base.surroundings),
  };
}

/** The proxy's bookkeeping, written among the user's metadata. */
const INTERNAL =
  /^(user_api_key|requester_|spend_logs|usage_object|applied_guardrails|mcp_tool_call|vector_store_request|prompt_management|cold_storage|routing_decision|used_client_oauth|user_agent$|team_(alias|id)$)/;

function withoutInternals(surroundings: Surroundings | undefined): Surroundings | undefined {
  if (!surroundings?.metadata) return surroundings;
  const kept = Object.entries(surroundings.metadata).filter(([key]) => !INTERNAL.test(key));
  return { ...surroundings, metadata: kept.length > 0 ? Object.fromEntries(kept) : undefined };
}

/** Members that only an exchange with a chat model has; embeddings and streams have none of them. */
const TELLING = ['messages', 'choices', 'content', 'output', 'contents', 'candidates'];

function readRaw(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  if (hasPrefix(span.attributes, 'gen_ai.')) return undefined;
  const { provider, body, isCut } = rawBody(span.attributes);
  if (!TELLING.some((key) => Object.hasOwn(body, key))) return undefined;
  // The response repeats names of the request (`model`, `instructions`, `temperature` in the Responses API), and comes later.
  const echoed = body.object === 'response';
  const request = echoed
    ? {}
    : readRequest(body.content === undefined ? body : { ...body, content: undefined });
  const response = readResponse(body);
  return readGenAiSpan(span, logs, {
    dialect: 'litellm-raw',
    operation: 'inference',
    content: {
      instructions: request.instructions,
      input: nonEmpty(request.messages),
      choices: nonEmpty(response.choices),
      tools: request.tools,
      outputSchema: request.outputSchema,
      request: { ...request, model: undefined },
      response,
      notes: isCut ? [{ kind: 'cut', text: 'lists and dicts of the raw exchange were cut: left out' }] : [],
    },
    provider: [provider],
    captureSetting: CAPTURE,
  });
}

const RAW_KEY = /^llm\.([^.]+)\.([^.]+)$/;
const MAX_MEMBERS = 256;

/** `llm.<provider>.<member>` as one object. */
function rawBody(attributes: Attributes): {
  readonly provider: string | undefined;
  readonly body: JsonObject;
  readonly isCut: boolean;
} {
  const members = new Map<string, unknown>();
  let provider: string | undefined;
  let isCut = false;
  for (const [key, value] of Object.entries(attributes)) {
    const [, named, member] = RAW_KEY.exec(key) ?? [];
    if (named === undefined || member === undefined || value === '' || members.size >= MAX_MEMBERS) continue;
    if (named !== 'None') provider = named;
    const literal = typeof value === 'string' ? readPythonLiteral(value) : undefined;
    if (literal === undefined && /^[[{]['"{[]/.test(String(value))) isCut = true;
    else members.set(member, literal ?? value);
  }
  return { provider, body: Object.fromEntries(members), isCut };
}
