import type { Message, Note, Operation, Reading } from '../completion/completion.ts';
import { normaliseFinishReason } from '../completion/normalise.ts';
import { asArray, asObject, type JsonObject, member, textMember } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readRequest } from '../messages/exchange.ts';
import { joinReply, readMessages } from '../messages/messages.ts';
import { argumentsText } from '../messages/tool-call.ts';
import { readTools, schemaValue } from '../messages/tools.ts';
import { type Content, nonEmpty, readGenAiContent, readNoted } from '../readers/content.ts';
import { ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { type RawUsage, readUsageBag } from '../readers/usage.ts';
import { getAttribute, getString, hasAttribute } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Vercel AI SDK 4–6, and 7 with its legacy telemetry: `ai.*` attributes, one `….doGenerate` or `….doStream` span for each model call
 * inside a wrapper span. Other processors may have rewritten the attributes: `ai.operationId` survives them all.
 *
 * @see https://ai-sdk.dev/docs/ai-sdk-core/telemetry
 */
export const vercelAi: Dialect = {
  name: 'vercel-ai',
  detect: (span) => operationId(span.attributes) !== undefined,
  operationOf,
  read: readVercelAi,
};

function operationId(attributes: Attributes): string | undefined {
  const id = getAttribute(attributes, 'ai.operationId');
  if (typeof id === 'string' && id.startsWith('ai.')) return id;
  const name = getAttribute(attributes, 'operation.name');
  return typeof name === 'string' && name.startsWith('ai.') ? name.split(' ')[0] : undefined;
}

function operationOf({ attributes }: SpanData): Operation {
  const id = operationId(attributes) ?? '';
  if (/\.(doGenerate|doStream)$/.test(id)) return 'inference';
  if (id === 'ai.toolCall') return 'tool';
  // `ai.embed` wraps `ai.embed.doEmbed`: one call, reported by the inner span.
  if (/\.doEmbed$/.test(id)) return 'embedding';
  if (/\.doRerank$/.test(id)) return 'rerank';
  if (/^ai\.(generateText|streamText|generateObject|streamObject)$/.test(id)) return 'agent';
  if (/^ai\.(embed|embedMany|rerank)$/.test(id)) return 'workflow';
  return 'other';
}

function readVercelAi(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const functionId = getString(attributes, 'ai.telemetry.functionId', 'resource.name', 'gen_ai.agent.name');
  const base = readGenAiSpan(span, logs, {
    dialect: vercelAi.name,
    operation,
    content: readAiContent(span, logs),
    usage: providerUsage(attributes),
    provider: [getString(attributes, 'ai.model.provider')],
    requestModel: getString(attributes, 'ai.model.id', 'gen_ai.request.model'),
    responseModel: getString(attributes, 'ai.response.model', 'gen_ai.response.model'),
    captureSetting: 'experimental_telemetry: { isEnabled: true, recordInputs: true, recordOutputs: true }',
    version: sdkVersion(attributes),
  });
  return {
    ...base,
    name:
      operation === 'tool'
        ? (getString(attributes, 'ai.toolCall.name') ?? base.name)
        : (functionId ?? operationId(attributes)),
    agentName: operation === 'agent' ? functionId : undefined,
    responseId: base.responseId ?? getString(attributes, 'ai.response.id'),
    inputValue: ioValue(
      attributes,
      'ai.toolCall.args',
      'ai.toolCall.input',
      'gen_ai.tool.call.arguments',
      'gen_ai.tool.input',
      'ai.value',
      'ai.values',
      'traceloop.entity.input',
      'input.value',
    ),
    outputValue: ioValue(
      attributes,
      'ai.toolCall.result',
      'ai.toolCall.output',
      'gen_ai.tool.call.result',
      'gen_ai.tool.output',
      'traceloop.entity.output',
    ),
    toolArguments: hasAttribute(attributes, 'ai.toolCall.args')
      ? argumentsText(getAttribute(attributes, 'ai.toolCall.args'))
      : base.toolArguments,
    outputSchema: base.outputSchema ?? schemaValue(jsonValue(getAttribute(attributes, 'ai.schema'))),
    error: endedWell(span) ? undefined : base.error,
  };
}

/**
 * The SDK records an exception with each failure. An error status alone, on a call that ended well, comes from elsewhere in the
 * trace: OpenInference's processor hands the first error on to every later span that has no status of its own.
 */
function endedWell({ attributes, events }: SpanData): boolean {
  const ended =
    getString(attributes, 'ai.response.finishReason') ?? getString(attributes, 'ai.toolCall.result');
  return ended !== undefined && ended !== 'error' && !events.some((event) => event.name === 'exception');
}

/** `ai/<version>` in the user agent of recent releases; older ones are told by their option names. */
function sdkVersion(attributes: Attributes): string | undefined {
  const agent = getString(attributes, 'ai.request.headers.user-agent');
  const named = agent && /\bai\/(\d+\.\d+(?:\.\d+)?)/.exec(agent)?.[1];
  if (named) return named;
  // Since 6 every call reports cache details next to the totals.
  if (Object.keys(attributes).some((key) => key.startsWith('ai.usage.inputTokenDetails.'))) return '6.0.0';
  return hasAttribute(attributes, 'ai.settings.maxOutputTokens') ? '5.0.0' : '4.0.0';
}

function readAiContent(span: SpanData, logs: readonly LogData[]): Content {
  const { attributes } = span;
  const fallback = readGenAiContent(span, logs);
  const notes: Note[] = [...fallback.notes];
  const prompt = readPrompt(attributes, notes);
  const reply = readReply(attributes, notes);
  return {
    instructions: nonEmpty(prompt.instructions) ?? fallback.instructions,
    input: nonEmpty(prompt.messages) ?? fallback.input,
    choices: betterReply(reply, fallback.choices),
    tools:
      readTools(readNoted(getAttribute(attributes, 'ai.prompt.tools'), 'ai.prompt.tools', notes)) ??
      fallback.tools,
    outputSchema: schemaValue(jsonValue(getAttribute(attributes, 'ai.schema'))),
    notes,
  };
}

/** A rewriting processor may keep less than the SDK wrote, or have taken it over: the one with more wins. */
function betterReply(
  own: Message | undefined,
  rewritten: readonly Message[] | undefined,
): readonly Message[] | undefined {
  if (!own) return rewritten;
  const other = rewritten?.[0];
  if (
    own.parts.length + own.toolCalls.length === 0 &&
    other &&
    other.parts.length + other.toolCalls.length > 0
  )
    return rewritten;
  return [own];
}

function readPrompt(
  attributes: Attributes,
  notes: Note[],
): { messages?: readonly Message[] | undefined; instructions?: readonly Message[] | undefined } {
  const messages = readNoted(getAttribute(attributes, 'ai.prompt.messages'), 'ai.prompt.messages', notes);
  if (messages !== undefined && messages !== '')
    return { messages: readMessages(asArray(messages)?.map(quoteResults) ?? messages, 'input') };
  const prompt = readNoted(getAttribute(attributes, 'ai.prompt'), 'ai.prompt', notes);
  if (prompt === undefined || prompt === '') return {};
  const object = asObject(prompt);
  if (!object) return { messages: readMessages(prompt, 'input') };
  const facts = readRequest(object);
  const extra =
    member(object, 'messages') !== undefined && textMember(object, 'prompt') !== undefined
      ? readMessages(member(object, 'messages'), 'input')
      : undefined;
  return { messages: extra ?? facts.messages, instructions: facts.instructions };
}

/** Up to release 4 (`result`, later `output`) providers send every tool result as JSON, a text as a JSON string. */
function quoteResults(message: unknown): unknown {
  const object = asObject(message);
  const parts = asArray(member(object, 'content'));
  if (!object || !parts || textMember(object, 'role') !== 'tool') return message;
  const quoted = parts.map((raw) => {
    const part = asObject(raw);
    const result = part && member(part, 'result');
    return typeof result === 'string' ? { ...part, result: JSON.stringify(result) } : raw;
  });
  return { ...object, content: quoted };
}

/** Text, reasoning, object, tool calls and files of the reply, each under a key of its own. */
function readReply(attributes: Attributes, notes: Note[]): Message | undefined {
  const text = getAttribute(attributes, 'ai.response.text') ?? getAttribute(attributes, 'ai.result.text');
  const object =
    getAttribute(attributes, 'ai.response.object') ?? getAttribute(attributes, 'ai.result.object');
  const reasoning = getAttribute(attributes, 'ai.response.reasoning');
  const calls = asArray(
    readNoted(
      getAttribute(attributes, 'ai.response.toolCalls') ?? getAttribute(attributes, 'ai.result.toolCalls'),
      'ai.response.toolCalls',
      notes,
    ),
  );
  const files = asArray(readNoted(getAttribute(attributes, 'ai.response.files'), 'ai.response.files', notes));
  if (
    text === undefined &&
    object === undefined &&
    calls === undefined &&
    reasoning === undefined &&
    files === undefined
  )
    return undefined;
  const spoken =
    typeof text === 'string' && text !== '' ? text : typeof object === 'string' ? object : undefined;
  const content = [
    ...(spoken === undefined ? [] : [{ type: 'text', text: spoken }]),
    ...(files ?? []).flatMap((file) => {
      const media = asObject(file);
      return media
        ? [{ type: 'file', ...media, mediaType: textMember(media, 'mediaType', 'mimeType', 'type') }]
        : [];
    }),
  ];
  const message: JsonObject = {
    role: 'assistant',
    content,
    ...(typeof reasoning === 'string' ? { reasoning_content: reasoning } : {}),
    ...(calls ? { tool_calls: calls } : {}),
  };
  const reply = joinReply(readMessages([message], 'output'));
  return (
    reply && {
      ...reply,
      finishReason: normaliseFinishReason(getAttribute(attributes, 'ai.response.finishReason')),
    }
  );
}

/** Cache and reasoning counts that older releases report in the provider's metadata only. */
function providerUsage(attributes: Attributes): RawUsage | undefined {
  const metadata = asObject(jsonValue(getAttribute(attributes, 'ai.response.providerMetadata')));
  if (!metadata) return undefined;
  const anthropic = asObject(member(metadata, 'anthropic'));
  const bedrock = asObject(member(metadata, 'bedrock'));
  const openai = asObject(member(metadata, 'openai', 'azure'));
  const deepseek = asObject(member(metadata, 'deepseek'));
  const inner = readUsageBag(member(anthropic, 'usage') ?? member(bedrock, 'usage'));
  const number = (object: JsonObject | undefined, key: string): number | undefined => {
    const value = member(object, key);
    return typeof value === 'number' && value >= 0 ? value : undefined;
  };
  const found: RawUsage = {
    cacheRead:
      number(anthropic, 'cacheReadInputTokens') ??
      inner?.cacheRead ??
      number(openai, 'cachedPromptTokens') ??
      number(deepseek, 'promptCacheHitTokens'),
    cacheWrite: number(anthropic, 'cacheCreationInputTokens') ?? inner?.cacheWrite,
    reasoning: number(openai, 'reasoningTokens'),
  };
  return Object.values(found).some((value) => value !== undefined) ? found : undefined;
}
