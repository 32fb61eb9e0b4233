/** A call without messages names the switch of the library that reported it, and of no other. */
import { describe, expect, it } from 'vitest';
import { convertSpans } from '../../src/index.ts';
import { scenarioNamed } from './support/corpus.ts';
import { toSdkLog, toSdkSpan } from './support/sdk-shapes.ts';

describe('the setting that turns content on', () => {
  it.each([
    ['extra/agent-framework/chat-no-content', 'ENABLE_SENSITIVE_DATA=true'],
    ['extra/semantic-kernel/chat-no-content', 'DIAGNOSTICS_SENSITIVE=true'],
    ['extra/azure-ai-inference/chat-no-content', 'AZURE_TRACING_GEN_AI_CONTENT_RECORDING_ENABLED=true'],
    ['extra/otel-java-bedrock/converse-off', 'setGenaiCaptureMessageContent(true)'],
    ['extra/agents-365/chat-no-content', 'recordInputMessages'],
    ['extra/tanstack-ai/chat-no-content', 'captureContent: true'],
    ['extra/effect-ai/tools-parallel', 'CurrentSpanTransformer'],
    ['extra/ax/tools-parallel', 'never records content from 24 on'],
    ['otel-openai/chat-no-content', 'captureMessageContent: true'],
    // Its events tell roles, tools and call ids.
    ['otel-openai-0.12/tools-parallel-no-content', 'captureMessageContent: true'],
  ])('%s', (name, setting) => {
    const scenario = scenarioNamed(name);
    const records = convertSpans(
      scenario.spans.map((span) => toSdkSpan(span)),
      { projectId: 'project-1', logs: scenario.logs.map(toSdkLog) },
    );
    const completions = records.filter(({ kind }) => kind === 'completion');
    expect(completions).not.toHaveLength(0);
    for (const { body, receipt } of completions) {
      expect(receipt.missing).toEqual([expect.stringContaining(setting)]);
      expect(body).toMatchObject({ call_info: { provider_info: { content_captured: false } } });
    }
  });
});

it('inputs that OpenInference hides are not taken from the parameters, where it leaves them', () => {
  const { spans } = scenarioNamed('extra/openinference-python-google-adk/agent-one-tool');
  const call = spans.find(({ name }) => name === 'call_llm');
  const kept = Object.entries(call?.attributes ?? {}).filter(
    ([key]) => !/^llm\.(in|out)put_messages/.test(key),
  );
  const attributes = {
    ...Object.fromEntries(kept),
    'input.value': '__REDACTED__',
    'output.value': '__REDACTED__',
  };
  const [record] = convertSpans([toSdkSpan({ ...(call as (typeof spans)[number]), attributes })], {
    projectId: 'project-1',
  });
  expect(JSON.stringify(attributes)).toContain('You are a concise assistant.');
  expect(JSON.stringify(record?.body)).not.toContain('You are a concise assistant.');
  expect(record?.receipt.missing).toEqual([expect.stringContaining('OPENINFERENCE_HIDE_INPUTS')]);
});
