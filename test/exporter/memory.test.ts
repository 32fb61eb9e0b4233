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

/** A call of half a megabyte, most of it history, that asks for a tool. */
function call(n: number) {
  const hex = (digits: number): string => n.toString(16).padStart(digits, '0');
  const history = { role: 'user', parts: [{ type: 'text', content: `${n} ${'long ago '.repeat(58_000)}` }] };
  const question = { role: 'user', parts: [{ type: 'text', content: `And what of number ${n}?` }] };
  const asked = { type: 'tool_call', id: `call_of_a_tool_${n}`, name: 'look_up_an_order', arguments: { n } };
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
      'gen_ai.input.messages': JSON.stringify([history, question]),
      'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts: [asked] }]),
    },
  });
}

describe('traces that may go on', () => {
  it('are remembered without the messages of their calls', async () => {
    const { dispatcher } = createFakeDispatcher(() => ({ status: 201 }));
    const exporter = createExporter({ baseUrl: 'http://api.test', dispatcher });
    await exportSpans(exporter, [call(1)]);
    const before = heapMegabytes();
    for (let n = 2; n <= CALLS; n++) await exportSpans(exporter, [call(n)]);
    await exporter.forceFlush();
    // A hundred megabytes went through; the latest calls, which a second report may still be compared with, are kept whole.
    expect(heapMegabytes() - before).toBeLessThan(40);
    expect(exporter.ledger().records).toMatchObject({ created: CALLS, delivered: CALLS });
    await exporter.shutdown();
  }, 60_000);
});
