/**
 * Does the built package load and convert on this Node? Prints one line; throws if not.
 *
 *     node smoke.mjs PROJECT
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const project = resolve(process.argv[2] ?? '.');
const required = createRequire(join(project, 'package.json'))('opentelemetry-exporter-freeplay');
const { load } = await import(pathToFileURL(join(project, 'load.mjs')).href);
const imported = await load('opentelemetry-exporter-freeplay');

const span = {
  name: 'chat gpt-4o-mini',
  kind: 2,
  spanContext: () => ({
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    traceFlags: 1,
  }),
  startTime: [1_747_389_600, 0],
  endTime: [1_747_389_600, 412_000_000],
  duration: [0, 412_000_000],
  ended: true,
  status: { code: 0 },
  attributes: {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.usage.input_tokens': 12,
    'gen_ai.usage.output_tokens': 4,
    'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"Hello"}]}]',
    'gen_ai.output.messages':
      '[{"role":"assistant","parts":[{"type":"text","content":"Hi!"}],"finish_reason":"stop"}]',
  },
  links: [],
  events: [],
  resource: { attributes: {} },
  instrumentationScope: { name: 'smoke' },
  droppedAttributesCount: 0,
  droppedEventsCount: 0,
  droppedLinksCount: 0,
};
const projectId = '3f1c9a52-7d04-4c1b-9e57-6a2f8d7b0c11';
const bodies = [required, imported].map(({ convertSpans, FreeplaySpanExporter }) => {
  assert.equal(typeof FreeplaySpanExporter, 'function');
  const records = convertSpans([span], { projectId });
  assert.equal(records.length, 1);
  assert.equal(records[0].kind, 'completion');
  const { messages, call_info: call } = records[0].body;
  assert.deepEqual(
    messages.map((/** @type {any} */ { role, content }) => [role, content]),
    [
      ['user', 'Hello'],
      ['assistant', 'Hi!'],
    ],
  );
  assert.deepEqual(call.usage, { prompt_tokens: 12, completion_tokens: 4 });
  return JSON.stringify(records[0].body);
});
assert.equal(bodies[0], bodies[1], 'require and import must convert alike');
console.log(`${process.version} converts ${bodies[0]?.length} bytes`);
