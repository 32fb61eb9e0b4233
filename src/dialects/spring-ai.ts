import type { Message, Note, Operation, Reading, Role } from '../completion/completion.ts';
import { asArray, asText, isText } from '../json/json-text.ts';
import { jsonValue, readJson } from '../json/read-json.ts';
import { textMessage } from '../messages/messages.ts';
import { readTools } from '../messages/tools.ts';
import { type Content, eventsOf, readGenAiContent } from '../readers/content.ts';
import { conventionalOperation, ioValue, readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, getId, getString, hasPrefix } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Spring AI through Micrometer's bridge: every value is a text, what is not known is the text `none`. Model calls follow the conventions;
 * the chat client, advisors, tools and vector stores around them say what they are in `spring.ai.kind`.
 *
 * @see https://docs.spring.io/spring-ai/reference/observability/index.html
 */
export const springAi: Dialect = {
  name: 'spring-ai',
  detect: ({ attributes, scope }) =>
    hasPrefix(attributes, 'spring.ai.') ||
    (scope.name === 'org.springframework.boot' && hasPrefix(attributes, 'gen_ai.')),
  operationOf,
  read: readSpringAi,
};

const KINDS: ReadonlyMap<string, Operation> = new Map([
  ['chat_client', 'workflow'],
  ['advisor', 'other'],
  ['tool_call', 'tool'],
  ['vector_store', 'retrieval'],
]);

function operationOf(span: SpanData): Operation {
  const { attributes } = span;
  const kind = KINDS.get(getString(attributes, 'spring.ai.kind') ?? '');
  if (kind === undefined) return conventionalOperation(span);
  return kind === 'retrieval' && getString(attributes, 'db.operation.name') !== 'query' ? 'other' : kind;
}

function readSpringAi(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  const base = readGenAiSpan(span, logs, {
    dialect: springAi.name,
    operation,
    content: operation === 'workflow' ? clientContent(attributes) : readContent(span, logs),
    captureSetting:
      'an ObservationFilter of your own that adds gen_ai.prompt and gen_ai.completion: log-prompt and log-completion only write to the application log',
  });
  if (operation === 'other') return { operation, surroundings: base.surroundings };
  return {
    ...base,
    requestModel: known(base.requestModel),
    responseModel: known(base.responseModel),
    provider: operation === 'inference' ? base.provider : undefined,
    name: base.name ?? getString(attributes, 'spring.ai.tool.definition.name'),
    inputValue:
      base.inputValue ?? ioValue(attributes, 'spring.ai.tool.call.arguments', 'db.vector.query.content'),
    outputValue:
      base.outputValue ??
      ioValue(attributes, 'spring.ai.tool.call.result', 'db.vector.query.response.documents'),
    toolCallId: base.toolCallId ?? getId(attributes, 'spring.ai.tool.call.id'),
    toolArguments: base.toolArguments ?? getString(attributes, 'spring.ai.tool.call.arguments'),
  };
}

function known(model: string | undefined): string | undefined {
  return model === 'none' ? undefined : model;
}

/** The client's own texts, of the milestones that recorded them. */
function clientContent(attributes: Attributes): Content {
  const said: Message[] = [];
  for (const role of ['system', 'user'] as const) {
    const text = getString(attributes, `spring.ai.chat.client.${role}.text`);
    if (text !== undefined) said.push(textMessage(role, text));
  }
  return { input: said.length > 0 ? said : undefined, notes: [] };
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const { attributes } = span;
  const content = readGenAiContent(span, logs);
  content.tools ??= readTools(getAttribute(attributes, 'spring.ai.model.request.tool.names'));
  const bags = [attributes, ...eventsOf(span, logs).map((event) => event.attributes)];
  const prompt = textsIn(bags, 'gen_ai.prompt', 'user', content.notes);
  if (prompt) {
    content.input = prompt;
    if (prompt.length > 1)
      content.notes.push({ kind: 'guessed', text: 'roles of the messages: only their texts are recorded' });
  }
  content.choices = textsIn(bags, 'gen_ai.completion', 'assistant', content.notes) ?? content.choices;
  return content;
}

/** Messages as bare texts: a list, or Spring AI's way to print one, which escapes nothing. Anything else is not for here. */
function textsIn(
  bags: readonly Attributes[],
  key: string,
  role: Role,
  notes: Note[],
): readonly Message[] | undefined {
  const raw = bags.map((bag) => getAttribute(bag, key)).find((value) => value !== undefined);
  const list = asArray(raw) ?? printedList(raw, key, notes);
  if (!list?.every((item) => item === null || isText(item))) return undefined;
  // A message that only calls tools has the text "null"; a tool's result is not in its text.
  return list.flatMap((item) => {
    const text = asText(item);
    return text === undefined || text === '' || text === 'null' ? [] : [textMessage(role, text)];
  });
}

function printedList(raw: unknown, key: string, notes: Note[]): readonly unknown[] | undefined {
  const printed = asText(raw);
  const inner = printed && /^\["(.*)"\]$/s.exec(printed)?.[1];
  if (inner === undefined || inner === '') return asArray(jsonValue(raw));
  const lines = readJson(printed?.replace(/[\n\r\t]/g, (sign) => JSON.stringify(sign).slice(1, -1)));
  const list = lines?.cut ? undefined : asArray(lines?.value);
  if (list) return list;
  if (inner.includes('", "'))
    notes.push({ kind: 'guessed', text: `${key}: one message, for its texts cannot be told apart` });
  return [inner];
}
