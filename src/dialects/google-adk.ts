import type { Operation, Reading } from '../completion/completion.ts';
import { asObject, isObject, member } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { readRequest, readResponse } from '../messages/exchange.ts';
import { type Content, readGenAiContent } from '../readers/content.ts';
import { ioValue, operationByName, readGenAiSpan } from '../readers/genai-span.ts';
import { getAttribute, getString, hasAttribute, hasPrefix } from '../span/attributes.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * Google's Agent Development Kit. `call_llm` spans have no operation name in JavaScript; in newer Python releases they hold a
 * `generate_content` span that is the call.
 *
 * @see https://google.github.io/adk-docs/observability/
 */
export const googleAdk: Dialect = {
  name: 'google-adk',
  // OpenInference's instrumentation stops most of ADK's spans and adds all it knows to the rest.
  detect: ({ attributes, scope }) =>
    (scope.name === 'gcp.vertex.agent' || hasPrefix(attributes, 'gcp.vertex.agent.')) &&
    !hasAttribute(attributes, 'openinference.span.kind'),
  operationOf,
  read: readAdk,
};

function operationOf(span: SpanData): Operation {
  if (span.name.startsWith('call_llm')) return 'inference';
  if (/^execute_tool \(merged/.test(span.name)) return 'other';
  const named = operationByName(span.attributes);
  if (named) return named;
  if (span.name.startsWith('generate_content')) return 'inference';
  if (span.name.startsWith('execute_tool')) return 'tool';
  if (span.name.startsWith('invoke_agent') || span.name.startsWith('agent_run')) return 'agent';
  return span.name === 'invocation' ? 'workflow' : 'other';
}

function readAdk(span: SpanData, logs: readonly LogData[]): Reading | undefined {
  const { attributes } = span;
  const operation = operationOf(span);
  if (operation === 'other') return { operation };
  const content = readContent(span, logs);
  const base = readGenAiSpan(span, logs, {
    // The conventions' own key comes with the conventions' meaning: reasoning is inside the output count.
    dialect: hasAttribute(attributes, 'gen_ai.usage.reasoning.output_tokens') ? 'otel-genai' : googleAdk.name,
    operation,
    content,
    requestModel: getString(attributes, 'gen_ai.request.model') ?? content.request?.model,
    captureSetting: 'ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS=true',
  });
  return {
    ...base,
    yields: span.name.startsWith('call_llm') ? 'workflow' : undefined,
    name: base.name ?? (operation === 'tool' ? span.name.replace(/^execute_tool\s+/, '') : undefined),
    inputValue: full(ioValue(attributes, 'gcp.vertex.agent.tool_call_args')) ?? base.inputValue,
    outputValue: full(ioValue(attributes, 'gcp.vertex.agent.tool_response')) ?? base.outputValue,
    toolArguments: base.toolArguments ?? getString(attributes, 'gcp.vertex.agent.tool_call_args'),
  };
}

/** `{}` and `<not serializable>` stand for "not captured". */
function full(value: Reading['inputValue']): Reading['inputValue'] {
  return isObject(value) && Object.keys(value).length === 0 ? undefined : value;
}

/** Events stand for each message even where their content is not captured; the span may have it all the same. */
function isWhole({ body }: LogData): boolean {
  return member(asObject(body), 'content') !== '<elided>';
}

function readContent(span: SpanData, logs: readonly LogData[]): Content {
  const content = readGenAiContent(span, logs.filter(isWhole));
  const request = asObject(jsonValue(getAttribute(span.attributes, 'gcp.vertex.agent.llm_request')));
  const response = asObject(jsonValue(getAttribute(span.attributes, 'gcp.vertex.agent.llm_response')));
  if (request && Object.keys(request).length > 0) {
    const facts = readRequest(request);
    content.request = facts;
    content.input ??= facts.messages;
    content.instructions ??= facts.instructions;
    content.tools ??= facts.tools;
  }
  if (response && Object.keys(response).length > 0) {
    const facts = readResponse(response);
    content.response = facts;
    content.choices ??= facts.choices;
  }
  return content;
}
