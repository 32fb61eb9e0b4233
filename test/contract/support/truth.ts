/** What really happened, as the model servers saw it: one shape for every API. */

export interface TruthRequest {
  readonly n: number;
  readonly api: string;
  readonly stream?: boolean;
  readonly status: number;
  readonly startUnixMs: number;
  readonly endUnixMs: number;
  readonly requestBody?: Json;
  readonly responseBody?: Json;
  readonly summary?: {
    readonly requestModel?: string;
    readonly responseModel?: string;
    readonly choices?: readonly {
      readonly text?: string | null;
      readonly reasoning?: string | null;
      readonly refusal?: string | null;
      readonly toolCalls?: readonly {
        readonly id?: string | null;
        readonly name: string;
        readonly args: unknown;
      }[];
      readonly finish?: string;
    }[];
    readonly usage?: {
      readonly input: number;
      readonly output: number;
      readonly cached?: number;
      readonly cacheWrite?: number;
      readonly reasoning?: number;
    };
    readonly error?: unknown;
  };
  readonly clientClosedStream?: boolean;
  readonly serverCutStream?: boolean;
}

export interface Truth {
  readonly requests: readonly TruthRequest[];
  readonly mocks?: readonly { readonly api: string }[];
  readonly visibleInTelemetry?: readonly {
    readonly n: number;
    readonly prompt: boolean | null;
    readonly answerText: boolean | null;
    readonly toolCalls: boolean | null;
    readonly toolCallIds: boolean | null;
    readonly inputTokens: boolean | null;
    readonly outputTokens: boolean | null;
  }[];
}

// biome-ignore lint/suspicious/noExplicitAny: bodies of ten wire formats
export type Json = any;

export interface ServedCall {
  readonly n: number;
  readonly api: string;
  readonly start: number;
  readonly end: number;
  readonly failed: boolean;
  /** The stream did not run to its end. */
  readonly broken: boolean;
  readonly body: string;
  readonly requestModel: string | undefined;
  readonly responseModel: string | undefined;
  readonly responseId: string | undefined;
  readonly userTexts: readonly string[];
  readonly replyText: string;
  readonly toolCalls: readonly {
    readonly id: string | undefined;
    readonly name: string;
    readonly args: unknown;
  }[];
  /** All tokens read and all written. */
  readonly usage: { readonly prompt: number; readonly completion: number } | undefined;
  readonly errorMessage: string | undefined;
}

export function servedCalls(truth: Truth): readonly ServedCall[] {
  return truth.requests.filter((request) => !/embed/i.test(request.api)).map(readCall);
}

function readCall(request: TruthRequest): ServedCall {
  const { summary } = request;
  const choice = summary?.choices?.[0];
  return {
    n: request.n,
    api: request.api,
    start: request.startUnixMs,
    end: request.endUnixMs,
    failed: request.status >= 400,
    broken: request.clientClosedStream === true || request.serverCutStream === true,
    body: JSON.stringify(request.requestBody ?? null),
    requestModel: summary?.requestModel ?? request.requestBody?.model,
    responseModel: summary?.responseModel,
    responseId: request.responseBody?.id ?? request.responseBody?.responseId,
    userTexts: lastUserTexts(request.api, request.requestBody ?? {}),
    replyText: choice?.text ?? '',
    toolCalls: (choice?.toolCalls ?? []).map((call) => ({
      id: call.id ?? undefined,
      name: call.name,
      args: call.args,
    })),
    usage: usageOf(request),
    errorMessage: request.status >= 400 ? messageOf(request.responseBody) : undefined,
  };
}

/** Anthropic and Bedrock count cached tokens beside the input; OpenAI and Gemini inside it. */
function usageOf(request: TruthRequest): ServedCall['usage'] {
  const usage = request.summary?.usage;
  if (!usage) return undefined;
  const beside = request.api.startsWith('anthropic') || request.api.startsWith('bedrock');
  const extra = beside ? (usage.cached ?? 0) + (usage.cacheWrite ?? 0) : 0;
  return { prompt: usage.input + extra, completion: usage.output };
}

function messageOf(body: Json): string | undefined {
  const message = body?.error?.message ?? body?.message ?? body?.Message;
  return typeof message === 'string' ? message : undefined;
}

/** Texts of the last message that a person wrote. */
function lastUserTexts(api: string, body: Json): readonly string[] {
  if (api.startsWith('openai.completions')) return texts(body.prompt);
  if (api.startsWith('openai.responses'))
    return typeof body.input === 'string' ? [body.input] : lastOf(body.input, (item) => item.content);
  if (api.startsWith('gemini')) return lastOf(body.contents, (item) => item.parts);
  if (typeof body.inputText === 'string') return [body.inputText];
  if (typeof body.prompt === 'string' && !body.messages) return [body.prompt];
  return lastOf(body.messages, (item) => item.content);
}

function lastOf(list: Json, content: (item: Json) => Json): readonly string[] {
  for (const item of [...(Array.isArray(list) ? list : [])].reverse()) {
    if (item?.role !== 'user') continue;
    const found = texts(content(item));
    if (found.length > 0) return found;
  }
  return [];
}

function texts(content: Json): readonly string[] {
  if (typeof content === 'string') return [content];
  if (!Array.isArray(content)) return [];
  return content
    .map((part) => (typeof part === 'string' ? part : part?.text))
    .filter((text): text is string => typeof text === 'string' && text !== '');
}
