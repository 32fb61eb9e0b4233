/** Messages in attributes of their own for each member: `llm.input_messages.0.message.content`, as OpenInference flattens them. */
import type { Message } from '../completion/completion.ts';
import { asObject, type JsonObject, member, textMember } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readMessages } from '../messages/messages.ts';
import { type FlatNode, leaf, leafText, listOf, readFlat } from '../span/indexed.ts';
import type { Attributes } from '../span/span-data.ts';
import { nonEmpty } from './content.ts';

/** The text completions API. */
export function flatPrompts(attributes: Attributes): readonly Message[] | undefined {
  const texts = listOf(readFlat(attributes, 'llm.prompts.')).map(
    (node) => leafText(node, 'prompt.text') ?? '',
  );
  return texts.length > 0 ? texts.flatMap((text) => [...readMessages(text, 'input')]) : undefined;
}

export function flatCompletions(attributes: Attributes): readonly Message[] | undefined {
  const texts = listOf(readFlat(attributes, 'llm.choices.')).map(
    (node) => leafText(node, 'completion.text') ?? '',
  );
  return nonEmpty(texts.flatMap((text) => [...readMessages(text, 'output')]));
}

export function flatMessages(
  attributes: Attributes,
  prefix: string,
  side: 'input' | 'output',
): readonly Message[] | undefined {
  const nodes = listOf(readFlat(attributes, prefix));
  if (nodes.length === 0) return undefined;
  return readMessages(
    nodes.flatMap((node) => functionResults(node) ?? flatMessage(node.children.get('message'))),
    side,
  );
}

/** AutoGen's results stand beside the message that is to hold them. */
function functionResults(node: FlatNode): readonly JsonObject[] | undefined {
  const results = listOf(node.children.get('function')).map((result) => asObject(jsonValue(result.value)));
  return results.length === 0
    ? undefined
    : results.map((result) => ({ ...result, role: 'tool', tool_call_id: member(result, 'call_id') }));
}

/** One flattened message as the list of objects it stands for: a result riding on a user message is a message of its own. */
function flatMessage(node: FlatNode | undefined): readonly JsonObject[] {
  const own = leafText(node, 'role');
  // smolagents sends its account of the calls as the assistant's.
  const role = own === 'tool-call' ? 'assistant' : own;
  const id = leafText(node, 'tool_call_id');
  const parts = listOf(node?.children.get('contents')).map(flatPart);
  const content = leaf(node, 'content');
  const calls = listOf(node?.children.get('tool_calls')).map((call) =>
    flatCall(call.children.get('tool_call')),
  );
  const legacy = leafText(node, 'function_call_name');
  // Of the OpenAI Agents SDK's items, reasoning alone has parts and no role.
  if (
    role === undefined &&
    id === undefined &&
    content === undefined &&
    calls.length === 0 &&
    parts.length > 0
  )
    return [{ type: 'reasoning', content: parts }];
  const isMore =
    typeof content === 'string' && content !== '' && id === undefined && !repeats(content, parts);
  const message: JsonObject = {
    ...(role === undefined ? {} : { role }),
    name: leafText(node, 'name'),
    content: parts.length > 0 ? [...(isMore ? [content] : []), ...parts] : content,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(legacy === undefined
      ? {}
      : { function_call: { name: legacy, arguments: leaf(node, 'function_call_arguments_json') } }),
  };
  if (id === undefined) return [message];
  const result = { role: 'tool', tool_call_id: id, content };
  return parts.length > 0 && role !== 'tool' ? [result, { ...message, content: parts }] : [result];
}

/** Python's instrumentations write the text once as such and once more as parts. */
function repeats(content: string, parts: readonly JsonObject[]): boolean {
  const texts = parts.flatMap((part) =>
    textMember(part, 'type') === 'reasoning' ? [] : (textMember(part, 'text') ?? []),
  );
  return texts.length > 0 && texts.every((text) => content.includes(text));
}

function flatCall(node: FlatNode | undefined): JsonObject {
  return {
    id: leafText(node, 'id'),
    name: leafText(node, 'function.name'),
    arguments: leaf(node, 'function.arguments'),
  };
}

function flatPart(node: FlatNode): JsonObject {
  const part = node.children.get('message_content');
  const type = leafText(part, 'type');
  const call = node.children.get('tool_call');
  if (call) return { type: 'tool_use', ...flatCall(call) };
  const image = leafText(part, 'image.image.url', 'image.url');
  if (image !== undefined) return { type: 'image_url', image_url: { url: image } };
  const audio = leafText(part, 'audio.audio.url', 'audio.url');
  if (audio !== undefined)
    return { type: 'input_audio', url: audio, mime_type: leafText(part, 'audio.audio.mime_type') };
  const text = leafText(part, 'text', 'audio.audio.transcript');
  return { type: type ?? 'text', ...(text === undefined ? {} : { text }), data: leafText(part, 'data') };
}
