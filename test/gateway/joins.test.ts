/** Calls whose messages travel in log events, which come in requests of their own. */
import { expect, it } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { convertSpans } from '../../src/index.ts';
import type { CapturedSpan, Scenario } from '../contract/support/corpus.ts';
import { scenarioNamed } from '../contract/support/corpus.ts';
import { toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { toLogRequest, toOtlpJson } from '../otlp/encode.ts';
import { type Answer, type Api, post, postSpans, startApi, startTestGateway, until } from './support.ts';

const CHAT = scenarioNamed('otel-openai/chat');

function postLogs(gateway: Gateway, logs: Scenario['logs']): Promise<Answer> {
  return post(gateway, '/v1/logs', toOtlpJson(toLogRequest(logs)));
}

function messagesOf({ records }: Api): unknown {
  const [text] = [...records.values()].filter(({ kind }) => kind === 'completion').map((one) => one.text);
  return JSON.parse(text ?? '{}').messages;
}

function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pause = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 50));
  return Promise.race([promise.then(() => true), pause]);
}

it('events first: neither is acknowledged before they have met', async () => {
  const api = await startApi();
  const gateway = await startTestGateway(api.url, { logWaitMillis: 30_000, answerMillis: 30_000 });
  const logs = postLogs(gateway, CHAT.logs);
  await until(() => gateway.levels.joins.awaited === 1);
  expect(await isSettled(logs)).toBe(false);
  expect(await postSpans(gateway, CHAT.spans)).toMatchObject({ status: 200, json: {} });
  expect(await logs).toMatchObject({ status: 200, json: {} });
  expect(messagesOf(api)).toMatchObject([
    { role: 'system' },
    { role: 'user' },
    { role: 'assistant', content: expect.any(String) },
  ]);
});

it('span first: it waits for its events, which may come in several requests', async () => {
  const api = await startApi();
  const gateway = await startTestGateway(api.url, { logWaitMillis: 30_000, answerMillis: 30_000 });
  const spans = postSpans(gateway, CHAT.spans);
  await until(() => gateway.levels.joins.waiting === 1);
  const logs = CHAT.logs.map((log) => postLogs(gateway, [log]));
  expect((await Promise.all([spans, ...logs])).map(({ status }) => status)).toEqual(
    Array(1 + logs.length).fill(200),
  );
  expect(messagesOf(api)).toMatchObject([
    { role: 'system' },
    { role: 'user' },
    { role: 'assistant', content: expect.any(String) },
  ]);
  expect(gateway.levels.joins).toMatchObject({ waiting: 0, awaited: 0, late: 0 });
});

it.each([
  'extra/otel-java-openai/tool-parallel',
  'extra/otel-java-bedrock/converse-tools',
])('Java too puts its messages into events: %s', async (name) => {
  const { spans, logs } = scenarioNamed(name);
  const api = await startApi();
  const gateway = await startTestGateway(api.url, { logWaitMillis: 30_000, answerMillis: 30_000 });
  const sent = postSpans(gateway, spans);
  await until(() => gateway.levels.joins.waiting === 2);
  await Promise.all([sent, ...logs.map((log) => postLogs(gateway, [log]))]);
  const completions = [...api.records.values()].filter(({ kind }) => kind === 'completion');
  const replies = completions.map(({ text }) => JSON.parse(text).messages.at(-1));
  expect(replies).toHaveLength(2);
  expect(replies).toContainEqual(expect.objectContaining({ content: expect.any(String) }));
  expect(replies).toContainEqual(
    expect.objectContaining({ tool_calls: [{}, {}].map(() => expect.anything()) }),
  );
});

const CLAUDE_CODE = scenarioNamed('extra/claude-agent-sdk/tools-mcp-parallel');
const isStep = ({ name }: CapturedSpan): boolean => /llm_request|tool$/.test(name);

it('Claude Code at its end sends events only once its spans are answered: they wait, it does not', async () => {
  const api = await startApi();
  const gateway = await startTestGateway(api.url, { logWaitMillis: 30_000, answerMillis: 30_000 });
  const steps = CLAUDE_CODE.spans.filter(isStep);
  expect(await postSpans(gateway, steps)).toMatchObject({ status: 200, json: {} });
  expect(gateway.levels.joins.waiting).toBe(2);
  expect(await postSpans(gateway, steps), 'sent again').toMatchObject({ status: 200, json: {} });
  expect((await postLogs(gateway, CLAUDE_CODE.logs)).status).toBe(200);
  const completions = [...api.records.values()].filter(({ kind }) => kind === 'completion');
  expect(completions.map(({ text }) => JSON.parse(text).messages.at(-1))).toEqual([
    {
      role: 'assistant',
      content: 'Let me look both up.',
      tool_calls: ['Paris', 'Tokyo'].map((city) =>
        expect.objectContaining({
          function: { name: 'mcp__weather__get_weather', arguments: JSON.stringify({ city }) },
        }),
      ),
    },
    { role: 'assistant', content: '18 degrees in both.' },
  ]);
  expect(gateway.levels.joins).toMatchObject({ waiting: 0, late: 0 });
  await gateway.close();
  expect(api.posts.length, 'each record once').toBe(api.records.size);
});

it('spans that were answered and still wait are recorded when the gateway stops', async () => {
  const api = await startApi();
  const gateway = await startTestGateway(api.url, { logWaitMillis: 30_000, answerMillis: 30_000 });
  expect((await postSpans(gateway, CLAUDE_CODE.spans)).status).toBe(200);
  await gateway.close();
  const wanted = convertSpans(CLAUDE_CODE.spans.map((span) => toSdkSpan(span))).map(({ id }) => id);
  expect([...api.records.values()].map(({ id }) => id).sort()).toEqual(wanted.sort());
  expect(api.posts).toHaveLength(wanted.length);
});

it('a span whose events do not come is recorded after the time, without them; what comes then is counted', async () => {
  const api = await startApi();
  const gateway = await startTestGateway(api.url, { logWaitMillis: 100 });
  expect((await postSpans(gateway, CHAT.spans)).status).toBe(200);
  expect(messagesOf(api)).toEqual([{ role: 'assistant', content: null }]);
  expect((await postLogs(gateway, CHAT.logs)).status).toBe(200);
  expect(gateway.levels.joins.late).toBe(CHAT.logs.length);
});

it('a scope whose events never come is not waited for for ever', async () => {
  const gateway = await startTestGateway((await startApi()).url, { logWaitMillis: 100 });
  const [span] = CHAT.spans as [CapturedSpan];
  for (let i = 1; i <= 3; i++) await postSpans(gateway, [{ ...span, spanId: `000000000000000${i}` }]);
  const start = performance.now();
  for (let i = 1; i <= 9; i++) await postSpans(gateway, [{ ...span, spanId: `00000000000000a${i}` }]);
  expect(performance.now() - start).toBeLessThan(9 * 100);
});

it('events whose span does not come are acknowledged after the time, and still joined when it comes', async () => {
  const api = await startApi();
  const gateway = await startTestGateway(api.url, { logWaitMillis: 100 });
  expect((await postLogs(gateway, CHAT.logs)).status).toBe(200);
  expect((await postSpans(gateway, CHAT.spans)).status).toBe(200);
  expect(messagesOf(api)).toHaveLength(3);
});

it('events are not acknowledged while their record is not safe', async () => {
  let isDown = true;
  const api = await startApi(() => (isDown ? new Promise(() => {}) : undefined));
  const gateway = await startTestGateway(api.url, {
    answerMillis: 200,
    options: { timeoutMillis: 300 },
  });
  const logs = postLogs(gateway, CHAT.logs);
  await until(() => gateway.levels.joins.awaited === 1);
  expect((await postSpans(gateway, CHAT.spans)).status).toBe(503);
  expect((await logs).status).toBe(503);
  isDown = false;
  for (const send of [() => postSpans(gateway, CHAT.spans), () => postLogs(gateway, CHAT.logs)]) {
    let status = 0;
    for (let i = 0; i < 100 && status !== 200; i++) ({ status } = await send());
    expect(status).toBe(200);
  }
  expect(messagesOf(api)).toHaveLength(3);
});

it('other log records are none of ours', async () => {
  const gateway = await startTestGateway((await startApi()).url);
  const [log] = CHAT.logs;
  const others = [
    { ...log, eventName: 'app.started' },
    { ...log, traceId: '', spanId: '' },
  ] as Scenario['logs'];
  expect((await postLogs(gateway, others)).status).toBe(200);
  expect(gateway.levels.joins.awaited).toBe(0);
});

it('at the end nobody waits: both are given back', async () => {
  const gateway = await startTestGateway((await startApi()).url, {
    logWaitMillis: 30_000,
    answerMillis: 30_000,
  });
  const spans = postSpans(gateway, CHAT.spans);
  const logs = postLogs(
    gateway,
    CHAT.logs.map((log) => ({ ...log, spanId: 'feedfeedfeedfeed' })),
  );
  await until(() => gateway.levels.joins.waiting === 1 && gateway.levels.joins.awaited === 1);
  await gateway.close();
  expect((await spans).status).toBe(503);
  expect((await logs).status).toBe(503);
});
