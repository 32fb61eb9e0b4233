/** What goes first where a body is too large; that it stays valid and within the limit is in test/property/readers.test.ts. */
import { describe, expect, it } from 'vitest';
import type { RecordBody } from '../../src/record/record.ts';
import { cutMiddle, jsonBytes, shrinkBody } from '../../src/record/shrink.ts';
import type { Json } from '../contract/support/truth.ts';

const KIB = 1_024;

function shrink(body: object, maxBytes: number): { body: Json; cut: readonly string[] } {
  const before = JSON.stringify(body);
  const shrunk = shrinkBody(body as RecordBody, maxBytes);
  expect(JSON.stringify(body)).toBe(before);
  expect(jsonBytes(shrunk.body)).toBeLessThanOrEqual(maxBytes);
  return shrunk as { body: Json; cut: readonly string[] };
}

const said = (role: string, bytes: number): object => ({ role, content: role.charAt(0).repeat(bytes) });
const isCut = (text: string): boolean => text.includes('bytes cut');

describe('of long texts', () => {
  it('those around the messages go first, then the oldest message, system and the last two last', () => {
    const body = {
      messages: ['system', 'user', 'assistant', 'developer', 'user', 'tool', 'assistant'].map((role) =>
        said(role, 4 * KIB),
      ),
      output_schema: { description: 'o'.repeat(4 * KIB) },
      inputs: { text: 'i'.repeat(4 * KIB) },
      call_info: { provider_info: { note: 'p'.repeat(4 * KIB) } },
    };
    const order = Array.from({ length: 10 }, (_, n) =>
      shrink(body, (40 - 4 * n) * KIB).cut.map((one) => one.split(':')[0]),
    );
    expect(order[0]).toEqual(['inputs.text']);
    expect(order.at(-1)?.slice(0, 10)).toEqual([
      'inputs.text',
      'call_info.provider_info.note',
      'messages[1].content',
      'messages[2].content',
      'messages[4].content',
      'output_schema.description',
      'messages[0].content',
      'messages[3].content',
      'messages[5].content',
      'messages[6].content',
    ]);
  });

  it('no more is cut than has to go, from the middle', () => {
    const { body, cut } = shrink({ messages: [said('user', 8 * KIB), said('assistant', KIB)] }, 6 * KIB);
    expect(jsonBytes(body)).toBeGreaterThan(5 * KIB);
    expect(body.messages[0].content).toMatch(/^u{1000,}… \[\d+ bytes cut\] …u{1000,}$/);
    expect(body.messages[1]).toEqual(said('assistant', KIB));
    expect(cut).toEqual([`messages[0].content: text of ${8 * KIB} bytes`]);
  });

  it('one whose quotes are all at its ends is cut alone, too', () => {
    const quotes = '"'.repeat(2 * KIB);
    const messages = [
      { role: 'user', content: `${quotes}${'x'.repeat(4 * KIB)}${quotes}` },
      said('assistant', KIB),
    ];
    const { body, cut } = shrink({ messages }, 8 * KIB);
    expect(cut).toHaveLength(1);
    expect(body.messages[1]).toEqual(messages[1]);
  });

  it('short ones and ids stay', () => {
    const id = 'c'.repeat(KIB);
    const { body } = shrink(
      {
        messages: [
          { role: 'assistant', content: 'a'.repeat(200), tool_calls: [{ id, type: 'function' }] },
          { role: 'tool', content: 't'.repeat(8 * KIB), tool_call_id: id },
        ],
        trace_info: { trace_id: id },
      },
      5 * KIB,
    );
    expect([
      body.messages[0].tool_calls[0].id,
      body.messages[1].tool_call_id,
      body.trace_info.trace_id,
    ]).toEqual([id, id, id]);
    expect(body.messages[0].content).toBe('a'.repeat(200));
    expect(isCut(body.messages[1].content)).toBe(true);
  });

  it('arguments of calls stay JSON', () => {
    const call = { function: { name: 'write', arguments: JSON.stringify({ text: 'x'.repeat(8 * KIB) }) } };
    const { body } = shrink(
      { messages: [{ role: 'assistant', content: null, tool_calls: [call] }] },
      4 * KIB,
    );
    const { cut } = JSON.parse(body.messages[0].tool_calls[0].function.arguments);
    expect(cut).toMatch(/^\{"text":"x+… \[\d+ bytes cut\] …x+"\}$/);
  });
});

it('media go before any text, each to its type, size and hash', () => {
  const data = 'A'.repeat(4 * KIB);
  const parts = [
    { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
    { type: 'input_audio', input_audio: { data, format: 'wav' } },
  ];
  const { body, cut } = shrink(
    {
      messages: [said('user', 4 * KIB), { role: 'user', content: parts }],
      inputs: { file: `data:text/plain;base64,${data}` },
    },
    5.5 * KIB,
  );
  const [image, audio] = body.messages[1].content;
  expect(image.image_url.url).toMatch(/^data:image\/png,cut:3072-bytes:sha256-[\da-f]{16}$/);
  expect(audio.input_audio.data).toBe(image.image_url.url.replace('image/png', 'media'));
  expect(body.inputs.file).toBe(image.image_url.url.replace('image/png', 'text/plain'));
  expect(body.messages[0]).toEqual(said('user', 4 * KIB));
  expect(cut).toEqual([
    `inputs.file: media of ${data.length + 'data:text/plain;base64,'.length} bytes`,
    `messages[1].content[0].image_url.url: media of ${data.length + 'data:image/png;base64,'.length} bytes`,
    `messages[1].content[1].input_audio.data: media of ${data.length} bytes`,
  ]);
});

describe('where texts are not enough', () => {
  it('the oldest messages go, but for system and the last two', () => {
    const many = Array.from({ length: 100 }, (_, n) => ({
      role: 'user',
      content: `${n} ${'x'.repeat(100)}`,
    }));
    const told = ['system', 'developer'].map((role) => ({ role, content: 'Be brief.' }));
    const messages = [...told, ...many];
    const { body, cut } = shrink({ messages }, 4 * KIB);
    const left = body.messages.length;
    expect(body.messages).toEqual([...told, ...messages.slice(2 - left)]);
    expect(jsonBytes(body)).toBeGreaterThan(3 * KIB);
    expect(cut).toEqual([`messages: the ${102 - left} oldest`]);
    expect(shrink({ messages, tool_schema: many }, 2 * KIB).body.messages).toEqual([
      ...told,
      ...messages.slice(-2),
    ]);
  });

  it('what is not messages goes, no more than has to', () => {
    const list = Array.from({ length: 100 }, (_, n) => ({ n, text: 'x'.repeat(20) }));
    const body = {
      messages: [said('user', 100)],
      session_info: { list },
      tool_schema: list,
      inputs: { a: 1 },
    };
    const { cut, body: left } = shrink(body, 6 * KIB);
    expect(cut).toEqual([`tool_schema: ${jsonBytes(list)} bytes`]);
    expect(Object.keys(left)).toEqual(['messages', 'session_info', 'inputs', 'custom_metadata']);
    expect(left.custom_metadata).toEqual({ cut: cut[0] });
  });

  it('a trace keeps the ends of what went in and out of it', () => {
    const list = Array.from({ length: 400 }, (_, n) => n);
    const { body, cut } = shrink({ input: { list }, output: { list }, name: 'run' }, 2 * KIB);
    expect(body.input).toMatch(/^\{"list":\[0,1,.*… \[\d+ bytes cut\] ….*,399\]\}$/);
    expect(cut[0]).toBe(`input: ${jsonBytes({ list })} bytes`);
    expect(body.input.length).toBeGreaterThan(KIB / 3);
    expect(body.name).toBe('run');
  });

  it('short texts are cut before what the call was goes', () => {
    const notes = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`note${n}`, 'n'.repeat(200)]));
    const { body, cut } = shrink(
      { messages: [said('user', 20)], call_info: { provider_info: notes } },
      3 * KIB,
    );
    expect(Object.keys(body.call_info.provider_info)).toEqual([...Object.keys(notes), 'cut']);
    expect(cut[0]).toBe('call_info.provider_info.note0: text of 200 bytes');
    expect(body.call_info.provider_info.note19).toBe(notes.note19);
  });

  it('what the call was and its last message are left, if need be without its content', () => {
    const facts = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`fact ${n}`, n]));
    const otel = { trace_id: 't', span_id: 's' };
    const body = (content: unknown): object => ({
      messages: [said('user', 10), { role: 'assistant', content }],
      call_info: { model: 'gpt-4o', llm_parameters: facts, provider_info: { ...facts, otel } },
      response_info: { facts },
    });
    const short = shrink(body('That.'), KIB);
    expect(short.body).toEqual({
      messages: [{ role: 'assistant', content: 'That.' }],
      call_info: { model: 'gpt-4o', provider_info: { otel, cut: 'call_info: parameters and provider_info' } },
    });
    const long = shrink(body(Array.from({ length: 300 }, (_, n) => n)), KIB);
    expect(long.body.messages).toEqual([{ role: 'assistant', content: null }]);
    expect(long.cut).toEqual(['call_info: parameters and provider_info', 'messages: all']);
  });
});

it.each([
  ['abcdefghij', 10, 'abcdefghij'],
  ['abcdefghij', 4, 'ab… [6 bytes cut] …ij'],
  ['abcdefghij', 0, '… [10 bytes cut] …'],
  ['a😀😀b', 6, 'a… [8 bytes cut] …b'],
  ['漢漢漢漢', 6, '漢… [6 bytes cut] …漢'],
])('%j cut to about %i bytes is %j', (text, keep, expected) => {
  expect(cutMiddle(text, keep)).toBe(expected);
});
