/** What a record must say about a call, worked out from what the model server got and gave, and what it does say, in the same words. */
import type { Json, ServedCall } from './model-server.ts';

export interface ToldCall {
  readonly model: string;
  readonly messages: readonly ToldMessage[];
  /** Names of the tools that were offered. */
  readonly tools: readonly string[];
  readonly temperature: number | undefined;
  readonly usage: { readonly prompt: number; readonly completion: number } | undefined;
  readonly finish: string | undefined;
  readonly hasFailed: boolean;
}

interface ToldMessage {
  readonly role: string;
  readonly text: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly args: unknown }[];
  /** Of a tool's result. */
  readonly answers: string | undefined;
}

export function truthOf({ api, request, response, status }: ServedCall): ToldCall {
  const hasFailed = status !== 200;
  const told = api === 'openai' ? openaiTruth(request, response) : anthropicTruth(request, response);
  return {
    // Nobody answered: it is the model that was asked for.
    model: hasFailed ? request.model : response.model,
    messages: hasFailed ? told.asked : [...told.asked, ...told.answered],
    tools: (request.tools ?? []).map((tool: Json) => tool.name ?? tool.function.name),
    temperature: request.temperature,
    usage: hasFailed ? undefined : told.usage,
    finish: hasFailed ? undefined : told.finish,
    hasFailed,
  };
}

interface Sides {
  readonly asked: readonly ToldMessage[];
  readonly answered: readonly ToldMessage[];
  readonly usage: ToldCall['usage'];
  readonly finish: string | undefined;
}

function openaiTruth(request: Json, { choices: [choice] = [], usage }: Json): Sides {
  return {
    asked: request.messages.map(openaiMessage),
    answered: choice ? [openaiMessage(choice.message)] : [],
    usage: usage && { prompt: usage.prompt_tokens, completion: usage.completion_tokens },
    finish: choice?.finish_reason,
  };
}

/** Of the API, and of a record, which has the same shape. */
function openaiMessage({ role, content, tool_calls: calls, tool_call_id: answers }: Json): ToldMessage {
  return {
    role,
    text: textOf(content),
    calls: (calls ?? []).map(({ id, function: { name, arguments: json } }: Json) => ({
      id,
      name,
      args: JSON.parse(json),
    })),
    answers,
  };
}

const FINISH: Readonly<Record<string, string>> = { end_turn: 'stop', tool_use: 'tool_calls' };

function anthropicTruth({ system, messages }: Json, response: Json): Sides {
  const { content, stop_reason: finish, usage } = response;
  return {
    asked: [
      ...(system ? [{ role: 'system', text: textOf(system), calls: [], answers: undefined }] : []),
      ...messages.flatMap(anthropicMessages),
    ],
    answered: content ? anthropicMessages({ role: 'assistant', content }) : [],
    usage: usage && {
      prompt: usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens,
      completion: usage.output_tokens,
    },
    finish: FINISH[finish] ?? finish,
  };
}

function anthropicMessages({ role, content }: Json): ToldMessage[] {
  const blocks: Json[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const results = blocks
    .filter(({ type }) => type === 'tool_result')
    .map(({ tool_use_id: answers, content: result }) => ({
      role: 'tool',
      text: textOf(result),
      calls: [],
      answers,
    }));
  const calls = blocks
    .filter(({ type }) => type === 'tool_use')
    .map(({ id, name, input: args }) => ({ id, name, args }));
  const text = textOf(blocks);
  const hasOwn = text !== '' || calls.length > 0;
  return [...results, ...(hasOwn ? [{ role, text, calls, answers: undefined }] : [])];
}

function textOf(content: Json): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part: Json) => (part.type === 'text' ? part.text : '')).join('');
}

/** @param body of a completion, as it was posted */
export function toldIn(body: Json): ToldCall {
  const { messages, tool_schema: tools, call_info: info } = body;
  const { usage, provider_info: details } = info;
  return {
    model: info.model,
    messages: messages.map(openaiMessage),
    tools: (tools ?? []).map((tool: Json) => tool.function.name),
    temperature: info.llm_parameters?.temperature,
    usage: usage && { prompt: usage.prompt_tokens, completion: usage.completion_tokens },
    finish: details?.finish_reasons?.[0],
    hasFailed: details?.error !== undefined,
  };
}
