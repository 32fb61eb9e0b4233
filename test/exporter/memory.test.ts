import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createFakeDispatcher } from '../delivery/support.ts';
import { makeSpan } from '../property/support.ts';
import { createExporter, exportSpans } from './support.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const CALLS = 200;
const MEGABYTE = 1_048_576;

function heapMegabytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / MEGABYTE;
}

/** Half a megabyte of text that V8 cannot share. */
const longText = (n: number): string => `${n} ${'long ago '.repeat(58_000)}`;

/** A call of half a megabyte, most of it history, that asks for a tool. */
function call(n: number) {
  const question = `And what of number ${n}?`;
  return callOf(n, [longText(n), question], { n });
}

/** A document is the question, and a file is written. */
function callAboutFiles(n: number) {
  return callOf(n, [longText(n)], { path: 'notes.md', text: longText(n) });
}

function callOf(n: number, asked: readonly string[], args: object) {
  const hex = (digits: number): string => n.toString(16).padStart(digits, '0');
  const input = asked.map((content) => ({ role: 'user', parts: [{ type: 'text', content }] }));
  const toolCall = {
    type: 'tool_call',
    id: `call_of_a_tool_${n}`,
    name: 'look_up_an_order',
    arguments: args,
  };
  return makeSpan({
    traceId: hex(32).replace(/^0/, 'a'),
    spanId: hex(16).replace(/^0/, 'b'),
    parentSpanId: 'c'.repeat(16),
    name: 'chat gpt-4o',
    scope: 'app',
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.input.messages': JSON.stringify(input),
      'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts: [toolCall] }]),
    },
  });
}

describe('traces that may go on', () => {
  it.each<[string, (n: number) => ReturnType<typeof callOf>, number]>([
    // A hundred megabytes go through; the latest calls, which a second report may still be compared with, are kept whole.
    ['history', call, 40],
    // Two hundred.
    ['questions and tool arguments', callAboutFiles, 60],
  ])(
    'are remembered without the messages of their calls: %s',
    async (_, make, limitMegabytes) => {
      const { dispatcher } = createFakeDispatcher(() => ({ status: 201 }));
      const exporter = createExporter({ baseUrl: 'http://api.test', dispatcher });
      await exportSpans(exporter, [make(1)]);
      const before = heapMegabytes();
      for (let n = 2; n <= CALLS; n++) await exportSpans(exporter, [make(n)]);
      await exporter.forceFlush();
      expect(heapMegabytes() - before).toBeLessThan(limitMegabytes);
      expect(exporter.ledger().records).toMatchObject({ created: CALLS, delivered: CALLS });
      await exporter.shutdown();
    },
    60_000,
  );
});
