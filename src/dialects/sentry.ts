import type { Message, Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, asText, member } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { joinReply, readMessages } from '../messages/messages.ts';
import { readTools } from '../messages/tools.ts';
import { type Content, readGenAiContent } from '../readers/content.ts';
import { operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, getNumber, getString } from '../span/attributes.ts';
import type { Attributes, LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Sentry's AI integrations (SDK 8–10 create OpenTelemetry spans). Messages are the provider's own, the reply is split over
 * `gen_ai.response.text` and `.tool_calls`, lists are JSON texts, and only the last input message may have been kept.
 *
 * @see https://docs.sentry.io/platforms/javascript/guides/node/ai-agent-monitoring/
 */
export const sentry: Dialect = {
  name: 'sentry',
  detect(span) {
    const op = getString(span.attributes, 'sentry.op');
    const origin = getString(span.attributes, 'sentry.origin');
    return (
      (op?.startsWith('gen_ai.') ?? false) || (origin !== undefined && /^auto\.(ai\.|vercelai)/.test(origin))
    );
  },
  operationOf,
  read: readSentry,
};

const OPS: ReadonlyMap<string, Operation> = new Map([
  ['invoke_agent', 'agent'],
  ['execute_tool', 'tool'],
  ['embeddings', 'embedding'],
  ['embed', 'embedding'],
  ['rerank', 'rerank'],
  ['create_agent', 'other'],
  ['handoff', 'other'],
]);

function operationOf({ attributes }: SpanData): Operation {
  const op = getString(attributes, 'sentry.op')?.replace(/^gen_ai\./, '');
  return (op === undefined ? undefined : OPS.get(op)) ?? operationByName(attributes) ?? 'inference';
}

function readSentry(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const base = readGenAiSpan(span, logs, {
    dialect: sentry.name,
    operation,
    content: readContent(span, logs),
    captureSetting:
      'Sentry.init({ sendDefaultPii: true }) or recordInputs / recordOutputs of the integration',
  });
  const kept = getNumber(
    attributes,
    'sentry.sdk_meta.gen_ai.input.messages.original_length',
    'gen_ai.input.messages.original_length',
  );
  const lost = kept !== undefined && kept > (base.input?.length ?? 0) + (base.instructions?.length ?? 0);
  return {
    ...base,
    agentName: base.agentName ?? getString(attributes, 'gen_ai.function_id', 'gen_ai.pipeline.name'),
    notes: [
      ...(base.notes ?? []),
      ...(lost
        ? [
            {
              kind: 'missing' as const,
              text: `Sentry kept ${base.input?.length ?? 0} of ${kept} input messages`,
            },
          ]
        : []),
    ],
  };
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readGenAiContent(span, logs);
  const { attributes } = span;
  content.tools ??= readTools(getAttribute(attributes, 'gen_ai.request.available_tools'));
  const reply = readReply(attributes);
  if (content.choices === undefined && reply) content.choices = reply;
  return content;
}

/** Text as a JSON list (one for each choice) or a plain text; empty texts mean "no text". */
function readReply(attributes: Attributes): readonly Message[] | undefined {
  const rawText = getAttribute(attributes, 'gen_ai.response.text');
  const rawCalls = getAttribute(attributes, 'gen_ai.response.tool_calls');
  const rawObject = getAttribute(attributes, 'gen_ai.response.object');
  if (rawText === undefined && rawCalls === undefined && rawObject === undefined) return undefined;
  const texts = listOfTexts(rawText ?? rawObject);
  const calls = (asArray(jsonValue(rawCalls)) ?? []).filter((call) => asObject(call) !== undefined);
  const first = joinReply(
    readMessages(
      [{ role: 'assistant', content: texts[0] ?? null, tool_calls: calls.map(flatCall) }],
      'output',
    ),
  );
  const others = texts
    .slice(1)
    .flatMap((text) =>
      text === '' ? [] : [...readMessages([{ role: 'assistant', content: text }], 'output')],
    );
  return first ? [first, ...others] : undefined;
}

/** Items of the Responses API and Anthropic's blocks stand beside OpenAI's calls. */
function flatCall(raw: unknown): unknown {
  const call = asObject(raw);
  return call && member(call, 'functionCall') !== undefined ? member(call, 'functionCall') : raw;
}

function listOfTexts(raw: unknown): readonly string[] {
  const text = asText(raw);
  if (text === undefined) return (asArray(raw) ?? []).map((item) => asText(item) ?? '');
  // Only a list of texts is a list of choices: a reply may well be JSON itself.
  const list = text.trimStart().startsWith('[') ? asArray(jsonValue(text)) : undefined;
  return list?.every((item) => typeof item === 'string') ? (list as string[]) : [text];
}
