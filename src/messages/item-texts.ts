/** Replies whose items (of the Responses API, Anthropic's, Bedrock's) an emitter took for texts: each stands as JSON in a text of its own. */
import type { Message } from '../completion/completion.ts';
import { asObject, asText, type JsonObject, member, textMember } from '../json/json-text.ts';
import { jsonValue, readJson } from '../json/read-json.ts';
import { joinReply, readMessages } from './messages.ts';

/** The message with such texts read; calls that stand beside them as calls are taken from there. */
export function openItems(message: Message): Message {
  if (message.role !== 'assistant') return message;
  const items = message.parts.map(itemOf);
  const found = items.filter((item) => item !== undefined);
  if (found.length === 0) return message;
  const read = joinReply(readMessages(found, 'output'));
  return {
    ...message,
    parts: [...(read?.parts ?? []), ...message.parts.filter((_, i) => items[i] === undefined)],
    toolCalls: message.toolCalls.length > 0 ? message.toolCalls : (read?.toolCalls ?? []),
  };
}

const ITEM_ID = /^(rs|msg|fc|toolu)_/;

/** Only what has an id of its API's making, or its signature: an answer in JSON may have a `type`, too. */
function itemOf(part: Message['parts'][number]): unknown {
  const text = part.kind === 'text' ? asText(part.text) : undefined;
  if (text === undefined || !/^\s*\{/.test(text)) return undefined;
  // Converse's reasoning names itself by its only key.
  if (/^\s*\{"reasoningContent"/.test(text)) {
    const value = asObject(jsonValue(text));
    return value && { role: 'assistant', content: [value] };
  }
  if (!text.includes('"type"') && !OPENING.test(text)) return undefined;
  const { value, cut } = readJson(text) ?? {};
  const item = asObject(value);
  switch (textMember(item, 'type')) {
    case 'message':
    case 'function_call':
    case 'reasoning':
    case 'tool_use':
      return ITEM_ID.test(textMember(item, 'id') ?? '') ? item : undefined;
    case 'thinking':
      return member(item, 'signature') === undefined ? undefined : { role: 'assistant', content: [item] };
    case undefined:
      return cut && item && OPENING.test(text) ? cutItem(item) : undefined;
    default:
      return undefined;
  }
}

/** How items begin whose keys were sorted: their type comes last. */
const OPENING = /^\s*\{"(id": ?"(rs|msg|fc|toolu)_|arguments": ?".*"call_id": ?"call_)/s;

/** A call whose type was cut off is one by its name; of anything else nothing is left to show. */
function cutItem(item: JsonObject): unknown {
  const isCall = textMember(item, 'name') !== undefined && member(item, 'input', 'arguments') !== undefined;
  if (!isCall) return { role: 'assistant', content: [] };
  return { ...item, type: member(item, 'input') === undefined ? 'function_call' : 'tool_use' };
}
