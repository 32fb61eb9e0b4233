/** A recorded completion → the body that would ask an OpenAI-like API the same again. */
import type { JsonValue } from '../../json/json-text.ts';
import type { RecordBody } from '../../record/record.ts';
import { entriesOf, isObject, type JsonObject, listOf, objectOf, textOf } from './values.ts';

export interface OpenAiRequest {
  readonly body: { readonly [key: string]: JsonValue };
  /** Parameters that the API does not know and would refuse. */
  readonly leftOut: readonly string[];
}

const PARAMETERS: ReadonlySet<string> = new Set([
  'audio',
  'frequency_penalty',
  'function_call',
  'functions',
  'logit_bias',
  'logprobs',
  'max_completion_tokens',
  'max_tokens',
  'metadata',
  'modalities',
  'n',
  'parallel_tool_calls',
  'prediction',
  'presence_penalty',
  'prompt_cache_key',
  'reasoning_effort',
  'response_format',
  'safety_identifier',
  'seed',
  'service_tier',
  'stop',
  'store',
  'stream',
  'stream_options',
  'temperature',
  'tool_choice',
  'top_logprobs',
  'top_p',
  'user',
  'verbosity',
  'web_search_options',
]);

/** What a message of a request may have; `reasoning_content`, for one, is the record's alone. */
const MESSAGE_FIELDS = ['role', 'content', 'name', 'refusal', 'tool_calls', 'tool_call_id', 'function_call'];

/** Everything but the reply. */
export function toOpenAiRequest(record: RecordBody): OpenAiRequest {
  const call = objectOf(record.call_info);
  const messages = listOf(record.messages);
  const asked = objectOf(messages.at(-1)).role === 'assistant' ? messages.slice(0, -1) : messages;
  const tools = listOf(record.tool_schema).flatMap(toTools);
  const body: { [key: string]: JsonValue } = {
    model: textOf(objectOf(call.provider_info).request_model) ?? textOf(call.model) ?? 'MODEL',
    messages: asked.map(toMessage),
  };
  const leftOut: string[] = [];
  for (const [name, value] of entriesOf(call.llm_parameters)) {
    if (PARAMETERS.has(name)) body[name] = value;
    else leftOut.push(name);
  }
  if (tools.length > 0) body.tools = tools;
  if (body.response_format === undefined && isObject(record.output_schema))
    body.response_format = {
      type: 'json_schema',
      json_schema: { name: 'output', schema: record.output_schema },
    };
  return { body, leftOut };
}

function toMessage(message: JsonValue): JsonValue {
  const given = objectOf(message);
  return Object.fromEntries(
    MESSAGE_FIELDS.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]),
  );
}

/** The shapes the completions API takes tools in: OpenAI's two, Anthropic's, Vertex's lists of declarations. */
function toTools(value: JsonValue): readonly JsonValue[] {
  const tool = objectOf(value);
  if (isObject(tool.function)) return [{ type: 'function', function: tool.function }];
  const declared = listOf(tool.function_declarations ?? tool.functionDeclarations);
  if (declared.length > 0) return declared.map((one) => toTool(objectOf(one)));
  return textOf(tool.name) === undefined ? [value] : [toTool(tool)];
}

function toTool({ name, description, parameters, input_schema, strict }: JsonObject): JsonValue {
  const schema = parameters ?? input_schema;
  return {
    type: 'function',
    function: {
      name: name ?? 'unnamed',
      ...(description === undefined ? {} : { description }),
      ...(schema === undefined ? {} : { parameters: schema }),
      ...(strict === undefined ? {} : { strict }),
    },
  };
}
