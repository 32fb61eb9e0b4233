/** Structure without content, masks, media, and bodies over the limit. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { convertSpans, type FreeplayOptions, type FreeplayRecord, type Media } from '../../src/index.ts';
import { MASKED, maskBody } from '../../src/record/mask.ts';
import { SCENARIO_FILES, scenarioNamed } from '../contract/support/corpus.ts';
import { toSdkLog, toSdkSpan } from '../contract/support/sdk-shapes.ts';
import { type Json, servedCalls } from '../contract/support/truth.ts';
import { chatAttributes, complaintsOf, makeSpan } from '../property/support.ts';

function convertScenario(name: string, options: FreeplayOptions = {}): FreeplayRecord[] {
  const scenario = scenarioNamed(name);
  return convertSpans(
    scenario.spans.map((span) => toSdkSpan(span)),
    { logs: scenario.logs.map(toSdkLog), ...options },
  );
}

const WITH_CONTENT = SCENARIO_FILES.filter((_, i) => i % 5 === 0).map((file) => file.name);

describe('captureContent: false', () => {
  it.each(WITH_CONTENT)('leaves nothing of what was said: %s', (name) => {
    const records = convertScenario(name, { captureContent: false });
    expect(complaintsOf(records)).toEqual([]);
    // With the receipts, which people log.
    const text = records.map((record) => JSON.stringify(record)).join('\n');
    for (const call of servedCalls(scenarioNamed(name).truth)) {
      const said = [
        ...call.userTexts,
        call.replyText,
        call.errorMessage ?? '',
        ...call.toolCalls.map((one) => JSON.stringify(one.args)),
      ];
      for (const one of said.filter((words) => words.length > 12)) {
        expect(text).not.toContain(one);
        expect(text).not.toContain(JSON.stringify(one).slice(1, -1));
      }
    }
    for (const { kind, body } of records as (FreeplayRecord & { body: Json })[]) {
      if (kind === 'trace') expect([body.input, body.output]).toEqual([null, null]);
      else {
        expect(
          body.call_info.provider_info.content_captured ?? body.call_info.provider_info.error?.type,
        ).toBeDefined();
        expect(body).not.toHaveProperty('inputs');
      }
    }
  });

  it('leaves out a name that is what was asked', () => {
    const named = (captureContent: boolean): readonly unknown[] =>
      convertScenario('extra/traceloop-python-crewai-and-openai/crew-tools', { captureContent }).map(
        ({ body }) => (body as Json).name,
      );
    expect(named(true)).toContain('What is the weather in Tokyo and Paris?.task');
    expect(named(false)).not.toContainEqual(expect.stringContaining('weather in Tokyo'));
    expect(named(false)).toContain('geo_crew');
  });

  it('keeps roles, names, counts, call ids, usage and timing', () => {
    const open = convertScenario('vercel-ai-5/tool-loop-parallel') as (FreeplayRecord & { body: Json })[];
    const shut = convertScenario('vercel-ai-5/tool-loop-parallel', { captureContent: false }) as typeof open;
    expect(shut.map((record) => record.id)).toEqual(open.map((record) => record.id));
    for (const [i, record] of open.entries()) {
      const { body } = shut[i] as (typeof open)[number];
      expect(body.call_info?.usage).toEqual(record.body.call_info?.usage);
      expect(body.parent_id).toBe(record.body.parent_id);
      const shape = (messages: Json[] = []): unknown =>
        messages.map((one) => [
          one.role,
          one.name,
          one.tool_call_id,
          one.tool_calls?.map((c: Json) => [c.id, c.function.name]),
        ]);
      expect(shape(body.messages)).toEqual(shape(record.body.messages));
    }
  });
});

describe('masks', () => {
  const one = (options: FreeplayOptions, attributes: object = {}): FreeplayRecord & { body: Json } =>
    convertSpans(
      [makeSpan({ spanId: '00f067aa0ba902b7', attributes: { ...chatAttributes(), ...attributes } })],
      options,
    )[0] as never;

  it('see every text with its path, in order, each what the one before made', () => {
    const seen: string[] = [];
    const record = one({
      mask: [
        (value, path) => {
          seen.push(path);
          return value.replace('What?', 'first');
        },
        (value) => value.replace('first', 'second'),
      ],
    });
    expect(record.body.messages[0].content).toBe('second');
    expect(seen).toContain('messages[0].content');
    expect(seen).toContain('call_info.model');
    expect(seen).not.toContain('completion_id');
    expect(record.receipt.masked).toEqual(['messages[0].content']);
  });

  it('may take all of a text, but not of a name that the API wants', () => {
    const masked = maskBody(
      { messages: [{ role: 'user', content: 'Hi' }], call_info: { model: 'gpt-4o', provider: 'openai' } },
      [() => ''],
    );
    expect(masked.body).toEqual({
      messages: [{ role: 'user', content: '' }],
      call_info: { model: MASKED, provider: MASKED },
    });
    expect(masked.paths).toEqual(['messages[0].content', 'call_info.model', 'call_info.provider']);
  });

  it('make no prototype of a key', () => {
    const inputs = JSON.parse('{"__proto__":{"a":"x"},"b":"secret"}');
    const { body } = maskBody({ inputs }, [(text) => text.toUpperCase()]) as { body: Json };
    expect([body.inputs, body.inputs.a]).toEqual([{ b: 'SECRET' }, undefined]);
  });

  it('come before shrinking: what is cut was masked', () => {
    const secret = `sk-${'a1B2'.repeat(10)}`;
    const record = one(
      { mask: 'secrets', maxRecordBytes: 1_500 },
      chatAttributes({ question: `${'x'.repeat(3_000)}${secret}${'y'.repeat(3_000)}` }),
    );
    expect(JSON.stringify(record)).not.toContain(secret.slice(0, 12));
    expect(Buffer.byteLength(JSON.stringify(record.body))).toBeLessThanOrEqual(1_500);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('What?');
      },
    ],
    ['answers nothing', () => undefined],
    ['answers a promise', () => Promise.resolve('What?')],
  ])('fail closed: one that %s', (_, mask) => {
    const record = one({ mask: mask as never });
    expect(record.body.messages[0].content).toBe('[masked]');
    expect(JSON.stringify(record)).not.toContain('What?');
  });

  it.each([
    ['sk-proj-abcdefghijklmnopqrstuvwx', true],
    ['AKIAIOSFODNN7EXAMPLE', true],
    ['ghp_abcdefghijklmnopqrstuvwxyz0123456789', true],
    ['Bearer abcdefghijklmnop1234567890', true],
    ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijkl', true],
    ['-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----', true],
    ['password=hunter2hunter2', true],
    ['"api_key": "abcdef123456"', true],
    ['The capital of France is Paris.', false],
    ['skating, task-list and basketball', false],
    ['The password is important.', false],
  ])('"secrets" on %j: %s', (text, found) => {
    const record = one({ mask: 'secrets' }, chatAttributes({ question: text }));
    if (found) expect(record.body.messages[0].content).toContain('[secret]');
    else expect(record.body.messages[0].content).toBe(text);
  });
});

describe('media', () => {
  const image = { modality: 'image', mime_type: 'image/png', content: 'iVBORw0KGgoAAAANSUhEUg==' };
  const one = (media: FreeplayOptions['media'], part: object = { type: 'blob', ...image }): Json => {
    const attributes = {
      ...chatAttributes(),
      'gen_ai.input.messages': JSON.stringify([
        { role: 'user', parts: [{ type: 'text', content: 'Look:' }, part] },
      ]),
    };
    const [record] = convertSpans([makeSpan({ spanId: '00f067aa0ba902b7', attributes })], { media });
    return (record as Json).body.messages[0].content;
  };

  it('are sent inline', () => {
    expect(one('inline')).toEqual([
      { type: 'text', text: 'Look:' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${image.content}` } },
    ]);
  });

  it('become a placeholder with type, size and hash', () => {
    const [, placeholder] = one('placeholder');
    const bytes = Buffer.from(image.content, 'base64');
    const sha256 = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    expect(placeholder.text).toBe(`[image/png, ${bytes.length} bytes, sha256 ${sha256}]`);
    expect(JSON.stringify(placeholder)).not.toContain(image.content);
  });

  it.each<[object, string]>([
    [{ type: 'uri', uri: 'https://store.test/1' }, '[image, https://store.test/1]'],
    [
      { type: 'uri', uri: 'https://store.test/1', mime_type: 'image/png' },
      '[image/png, https://store.test/1]',
    ],
  ])('become a placeholder with what is known of %j', (part, expected) => {
    expect(one('placeholder', { modality: 'image', ...part })[1].text).toBe(expected);
  });

  it('become what a function makes of them', () => {
    const seen: Media[] = [];
    const [, text] = one((media) => {
      seen.push(media);
      return 'an image';
    });
    expect(text).toEqual({ type: 'text', text: 'an image' });
    expect(seen[0]).toMatchObject({ modality: 'image', mimeType: 'image/png', data: image.content });
    const [, link] = one((media) => ({ ...media, data: undefined, url: 'https://store.test/1' }));
    expect(link).toEqual({ type: 'image_url', image_url: { url: 'https://store.test/1' } });
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['answers nothing', () => undefined],
    ['answers a promise', async () => 'an image'],
    ['answers something else', () => ({ url: 5 })],
  ])('become a placeholder where that function %s', (_, media) => {
    const [, placeholder] = one(media as never);
    expect(placeholder.text).toContain('image/png');
  });
});

describe('a body over the limit', () => {
  const long = (n: number): string => `start ${'lorem ipsum '.repeat(n)} end`;
  const attributes = {
    ...chatAttributes(),
    'gen_ai.input.messages': JSON.stringify([
      { role: 'system', parts: [{ type: 'text', content: `system ${long(100)}` }] },
      {
        role: 'user',
        parts: [{ type: 'blob', modality: 'image', mime_type: 'image/png', content: 'A'.repeat(9_000) }],
      },
      { role: 'user', parts: [{ type: 'text', content: `oldest ${long(400)}` }] },
      { role: 'assistant', parts: [{ type: 'text', content: `middle ${long(200)}` }] },
      { role: 'user', parts: [{ type: 'text', content: `last ${long(100)}` }] },
    ]),
  };
  const cutTo = (maxRecordBytes: number): Json =>
    convertSpans([makeSpan({ spanId: '00f067aa0ba902b7', attributes })], { maxRecordBytes })[0] as Json;

  it('loses media first, with their type, size and hash left', () => {
    const { body, receipt } = cutTo(13_000);
    expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThanOrEqual(13_000);
    expect(body.messages[1].content[0].image_url.url).toMatch(
      /^data:image\/png,cut:\d+-bytes:sha256-[\da-f]{16}$/,
    );
    expect(body.messages[2].content).toContain(long(400));
    expect(receipt.cut.join()).toContain('media');
    expect(body.call_info.provider_info.cut).toContain('media');
  });

  it('then long texts from the middle, oldest first, system and the last two last', () => {
    const { body } = cutTo(8_000);
    expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThanOrEqual(8_000);
    expect(body.messages[2].content).toMatch(/^oldest start .*… \[\d+ bytes cut\] ….* end$/s);
    expect(body.messages[0].content).toContain(long(100));
    expect(body.messages[4].content).toContain(long(100));
    expect(body.messages.at(-1).content).toBe('That.');
  });

  it('is still a record at the smallest limit', () => {
    const record = cutTo(1_024);
    expect(Buffer.byteLength(JSON.stringify(record.body))).toBeLessThanOrEqual(1_024);
    expect(complaintsOf([record])).toEqual([]);
    expect(record.body.completion_id).toBe(record.id);
  });
});

describe('records', () => {
  it.each(['all', 'genai', 'completions'] as const)('"%s" names no parent that is none', (mode) => {
    for (const { name } of SCENARIO_FILES.filter((_, i) => i % 7 === 0)) {
      const records = convertScenario(name, { records: mode });
      const ids = new Set(records.map((record) => record.id));
      const groups = new Set(records.map((record) => (record as Json).body.trace_info?.trace_id));
      for (const record of records as Json[]) {
        const parent = record.body.parent_id;
        if (parent !== undefined)
          expect(
            ids.has(parent) || groups.has(parent) || parent.startsWith(record.receipt.traceId.slice(0, 8)),
            name,
          ).toBe(true);
        if (mode === 'completions') expect(record.kind, name).toBe('completion');
      }
    }
  });
});
