import type { Operation, Reading } from '../completion/completion.ts';
import { asArray, asObject, type LazyJson, member, textMember, toJsonString } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { joinReply } from '../messages/messages.ts';
import { joinChunks } from '../messages/reply.ts';
import { type Content, readGenAiContent } from '../readers/content.ts';
import { readGenAiSpan } from '../readers/genai-span.ts';
import { mergeParameters, readParameters } from '../readers/parameters.ts';
import { EVENT_INFERENCE_DETAILS } from '../semconv.ts';
import { getAttribute, getString } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Gemini CLI: the keys of the conventions with operations of its own. Streamed replies are their chunks, tools have what the scheduler
 * handed around as messages, and texts are cut at 10,000 characters.
 *
 * @see https://github.com/google-gemini/gemini-cli/blob/main/docs/cli/telemetry.md
 */
export const geminiCli: Dialect = {
  name: 'gemini-cli',
  detect: (span) => span.scope.name === 'gemini-cli',
  operationOf,
  read: readGeminiCli,
};

const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  ['llm_call', 'inference'],
  ['tool_call', 'tool'],
  ['agent_call', 'agent'],
]);

function operationOf({ attributes }: SpanData): Operation {
  return OPERATIONS.get(getString(attributes, 'gen_ai.operation.name') ?? '') ?? 'other';
}

function readGeminiCli(span: SpanData, logs: readonly LogData[]): Reading {
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const isCall = operation === 'inference';
  const base = readGenAiSpan(span, logs, {
    dialect: geminiCli.name,
    operation,
    content: isCall ? readContent(span, logs) : { notes: [] },
    provider: ['gemini'],
    captureSetting:
      'telemetry.traces and telemetry.logPrompts in settings.json (GEMINI_TELEMETRY_TRACES_ENABLED=true)',
  });
  if (isCall) {
    const asked = logs.find(({ eventName }) => eventName === EVENT_INFERENCE_DETAILS);
    return {
      ...base,
      parameters: mergeParameters(base.parameters, asked && readParameters(asked.attributes)),
    };
  }
  const [input, output] = ['gen_ai.input.messages', 'gen_ai.output.messages'].map((key) =>
    jsonValue(getAttribute(span.attributes, key)),
  );
  return operation === 'tool'
    ? { ...base, ...readTool(span, input, output) }
    : { ...base, inputValue: input as LazyJson, outputValue: output as LazyJson };
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readGenAiContent(span, logs);
  const reply = content.choices && joinReply(content.choices);
  return reply ? { ...content, choices: [joinChunks(reply)] } : content;
}

/** What went in and came out is inside of what the scheduler keeps of a call. */
function readTool({ attributes }: SpanData, input: unknown, output: unknown): Partial<Reading> {
  const args = member(asObject(input), 'args');
  const response = asObject(member(asObject(output), 'response'));
  const [part] = asArray(member(response, 'responseParts')) ?? [];
  const given = asObject(member(asObject(member(asObject(part), 'functionResponse')), 'response'));
  return {
    toolCallId: getString(attributes, 'gen_ai.tool.call_id') ?? textMember(asObject(input), 'callId'),
    toolArguments: args === undefined ? undefined : toJsonString(args),
    inputValue: args as LazyJson,
    outputValue: (member(given, 'output') ?? given) as LazyJson,
  };
}
