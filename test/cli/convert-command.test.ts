import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { readJsonValues } from '../../src/cli/convert/json-values.ts';
import { createTraceHolder } from '../../src/cli/convert/traces.ts';
import { convertCommand } from '../../src/cli/convert-command.ts';
import { convertSpans } from '../../src/index.ts';
import { NO_SPAN } from '../../src/span/span-data.ts';
import { SCENARIO_FILES, scenarioNamed } from '../contract/support/corpus.ts';
import { toSdkLog, toSdkSpan } from '../contract/support/sdk-shapes.ts';
import type { Run } from './build-cli.ts';
import { useCli } from './use-cli.ts';

const cli = useCli();
let dir: string;

beforeEach(() => {
  dir = cli.makeFolder();
});

const NO_SETTINGS = { FREEPLAY_PROJECT_ID: '', FORCE_COLOR: undefined, NO_COLOR: undefined };

async function convert(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: Awaited<Run['ended']>; out: string; err: string }> {
  const run = cli.run(['convert', ...args], { ...NO_SETTINGS, ...env });
  const code = await run.ended;
  return { code, out: run.out(), err: run.err() };
}

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

function packed(damage: (bytes: Buffer) => Buffer = (bytes) => bytes): string {
  const path = join(dir, 'spans.json.gz');
  writeFileSync(path, damage(gzipSync(readFileSync(corpusFile('mixed/http-agent')))));
  return path;
}

function corpusFile(name: string): string {
  const found = SCENARIO_FILES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found.path;
}

function recordsOf(name: string): readonly unknown[] {
  const { spans, logs } = scenarioNamed(name);
  return convertSpans(
    spans.map((span) => toSdkSpan(span)),
    { logs: logs.map(toSdkLog) },
  );
}

// biome-ignore lint/suspicious/noExplicitAny: each test knows what it asks for
function parsedLines(text: string): readonly any[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

const CHAT = 'otel-openai/tools-round-trip';

/** Strings, numbers, booleans, lists of them and JSON as OTLP has them. */
function toOtlp(name: string): string {
  const { spans, logs } = scenarioNamed(name);
  const anyValue = (value: unknown): unknown => {
    if (typeof value === 'string') return { stringValue: value };
    if (typeof value === 'number')
      return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
    if (typeof value === 'boolean') return { boolValue: value };
    if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
    return { kvlistValue: { values: attributes(value as object) } };
  };
  const attributes = (all: object | undefined): unknown[] =>
    Object.entries(all ?? {}).map(([key, value]) => ({ key, value: anyValue(value) }));
  return [
    ...spans.map((span) => ({
      resourceSpans: [
        {
          resource: { attributes: attributes(span.resource?.attributes) },
          scopeSpans: [
            {
              scope: span.scope,
              spans: [
                {
                  ...span,
                  attributes: attributes(span.attributes),
                  events: [],
                  links: undefined,
                  kind: undefined,
                  scope: undefined,
                  resource: undefined,
                },
              ],
            },
          ],
        },
      ],
    })),
    ...logs.map((log) => ({
      resourceLogs: [
        {
          scopeLogs: [
            {
              scope: log.scope,
              logRecords: [
                {
                  ...log,
                  body: anyValue(log.body),
                  attributes: attributes(log.attributes),
                  scope: undefined,
                },
              ],
            },
          ],
        },
      ],
    })),
  ]
    .map((request) => JSON.stringify(request))
    .join('\n');
}

describe('records as JSON lines, the same whatever form the spans have', () => {
  const { spans, logs } = scenarioNamed(CHAT);
  const revivable = (): { spans: unknown[]; logs: unknown[] } =>
    JSON.parse(readFileSync(corpusFile(CHAT), 'utf8'));

  it.each<[form: string, text: () => string]>([
    ['a capture', () => JSON.stringify(revivable())],
    ['a capture, pretty-printed', () => JSON.stringify(revivable(), null, 2)],
    ['spans and logs in one list', () => JSON.stringify([...revivable().spans, ...revivable().logs])],
    [
      'a list, an item a line',
      () =>
        `[\n${[...revivable().spans, ...revivable().logs].map((one) => JSON.stringify(one)).join(',\n')}\n]`,
    ],
    ['a list, pretty-printed', () => JSON.stringify([...revivable().spans, ...revivable().logs], null, 4)],
    [
      'JSON lines, logs first, with CRLF and a BOM',
      () =>
        `\uFEFF${[...revivable().logs, ...revivable().spans].map((one) => JSON.stringify(one)).join('\r\n')}`,
    ],
    ['OTLP, JSON lines', () => toOtlp(CHAT)],
    [
      'OTLP, one after another, pretty-printed',
      () =>
        toOtlp(CHAT)
          .split('\n')
          .map((line) => JSON.stringify(JSON.parse(line), null, 2))
          .join('\n'),
    ],
  ])('%s', async (form, text) => {
    const { code, out, err } = await convert([file(`${form.replace(/\W+/g, '-')}.json`, text())]);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(parsedLines(out)).toEqual(recordsOf(CHAT));
    expect([spans.length, logs.length]).toEqual([4, 8]);
  });

  it('from standard input, too', async () => {
    const child = spawn(process.execPath, [cli.main, 'convert', '-'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...NO_SETTINGS },
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stdin.end(readFileSync(corpusFile(CHAT)));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(0);
    expect(parsedLines(out)).toEqual(recordsOf(CHAT));
  });
});

it('obeys --records, --project and --no-content', async () => {
  const path = corpusFile('vercel-ai-6/app-trace');
  const completions = parsedLines(
    (await convert([path, '--records', 'completions', '--project', 'p-1'])).out,
  );
  expect(completions.map(({ kind }) => kind)).toEqual(['completion', 'completion']);
  expect(completions[0].path).toMatch(/^\/v2\/projects\/p-1\/sessions\//);
  const { out } = await convert([path, '--no-content'], { FREEPLAY_PROJECT_ID: 'p-2' });
  expect(out).toContain('/v2/projects/p-2/');
  expect(out).not.toContain('capital of France');
});

describe('--explain', () => {
  it('shows the tree, the dialect, values, sources, and the setting for what is missing', async () => {
    const { code, out, err } = await convert([corpusFile('otel-openai/chat-no-content'), '--explain']);
    expect([code, err]).toEqual([0, '']);
    expect(out).not.toContain('\u001b');
    expect(out).toMatch(/^trace [0-9a-f]{32} {2}1 span · 1 record · session /);
    expect(out).toMatch(/└─ chat gpt-4o-mini {2}span [0-9a-f]{16} · @opentelemetry\/instrumentation-openai /);
    expect(out).toMatch(/→ completion gpt-4o-mini-2024-07-18 {2}23 → 8 {2}[0-9a-f-]{36}\n/);
    expect(out).toContain('read by otel-openai');
    expect(out).toMatch(/model +gpt-4o-mini-2024-07-18 +← gen_ai\.response\.model\n/);
    expect(out).toMatch(/missing: message content: turn it on with .*captureMessageContent: true/);
  });

  it('says why a span has no record', async () => {
    const { out } = await convert([
      corpusFile('vercel-ai-6/app-trace'),
      '--explain',
      '--records',
      'completions',
    ]);
    expect(out).toMatch(/db\.lookup .*\n.*no record: not GenAI/);
    expect(out).toMatch(
      /ai\.generateText {2}span .*\n.*vercel-ai reports a workflow, and --records completions leaves it out|vercel-ai reports an agent, and --records completions leaves it out/,
    );
  });

  it('colours where it may, shows bodies with --full, and is JSON lines with --json', async () => {
    const path = corpusFile('vercel-ai-6/generate-text');
    const coloured = await convert([path, '--explain'], { FORCE_COLOR: '1' });
    expect(coloured.out).toContain('\u001b[36mcompletion\u001b[0m');
    const plain = await convert([path, '--explain'], { FORCE_COLOR: '0' });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escapes are what is looked for
    expect(coloured.out.replace(/\u001b\[\d+m/g, '')).toBe(plain.out);
    const full = await convert([path, '--explain', '--full']);
    expect(full.out).toMatch(/POST \/v2\/projects\/no-project\/sessions\//);
    expect(full.out).toContain('"completion_id": "');
    const lines = parsedLines((await convert([path, '--explain', '--json'])).out);
    expect(lines[0].sources['call_info.model']).toContain('gen_ai.response.model');
    expect(lines.map(({ record }) => record)).toEqual(recordsOf('vercel-ai-6/generate-text'));
  });

  it('shows nothing that a terminal would act on', async () => {
    const evil = '\u001b]0;x\u0007\u001b[2J\u202e';
    const span = {
      name: `chat ${evil}`,
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': `m${evil}`,
        [`gen_ai.${evil}`]: 'x',
      },
      scope: { name: evil },
    };
    const { out } = await convert([file('evil.json', JSON.stringify(span)), '--explain', '--full']);
    expect(out).toContain('chat');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the controls are what is looked for
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });
});

it('reads a file that is packed in gzip', async () => {
  const { code, out } = await convert([packed()]);
  expect(code).toBe(0);
  expect(out).toBe((await convert([corpusFile('mixed/http-agent')])).out);
});

describe('what cannot be read is one line, without a stack trace', () => {
  it.each<[name: string, args: () => readonly string[], code: number, message: RegExp]>([
    ['no file', () => [], 2, /no FILE given/],
    ['two files', () => ['a', 'b'], 2, /one FILE, not also "b"/],
    ['a wrong option', () => ['a', '--explian'], 2, /'--explian'; did you mean --explain\?/],
    [
      'wrong records',
      () => ['a', '--records', 'some'],
      2,
      /--records "some" is none of all, genai, completions/,
    ],
    ['--full alone', () => ['a', '--full'], 2, /--full goes with --explain/],
    ['an empty project', () => ['a', '--project', ' '], 2, /--project must not be empty/],
    ['no such file', () => [join(dir, 'nope')], 1, /nope does not exist/],
    ['a packed file that is cut', () => [packed((bytes) => bytes.subarray(0, -20))], 1, /ends too early/],
    ['a packed file that is damaged', () => [packed((bytes) => bytes.fill(7, 40, 60))], 1, /and damaged/],
    ['a folder', () => [dir], 1, /is a folder/],
    ['an empty file', () => [file('empty', '')], 1, /is empty: expected OTLP\/JSON/],
    [
      'another JSON',
      () => [file('other.json', '{"name":"x","version":"1"}')],
      1,
      /line 1: expected OTLP\/JSON .*found an object with "name", "version"/,
    ],
    [
      'records',
      () => [file('records.json', '{"kind":"completion","path":"/v2","body":{}}')],
      1,
      /found a record, which is what this command makes/,
    ],
    ['Jaeger', () => [file('jaeger.json', '{"data":[{"traceID":"1","spans":[]}]}')], 1, /Jaeger's own JSON/],
    [
      'a cut file',
      () => [file('cut.json', '\n{"resourceSpans":[{"resource":')],
      1,
      /line 2: the JSON that begins here does not end/,
    ],
    [
      'console.log',
      () => [file('log.txt', "{\n  traceId: 'x',\n  name: 'y'\n}\n")],
      1,
      /line 1: JavaScript and not JSON/,
    ],
  ])('%s', async (_, args, code, message) => {
    const result = await convert(args());
    expect(result.err).toMatch(message);
    expect(result.code).toBe(code);
    expect(result.out).toBe('');
    expect(result.err.trimEnd().split('\n')).toHaveLength(1);
    expect(result.err).not.toMatch(/\bat .*\.mjs/);
  });

  it('of a file that is no JSON at all, two lines', async () => {
    const { code, err } = await convert([file('text.md', '# Title\n\nSome text\nMore text\n')]);
    expect(code).toBe(1);
    expect(err.trimEnd().split('\n')).toHaveLength(2);
  });

  it('costs no more than itself: the rest is converted, exit 3', async () => {
    const [first, second, ...rest] = toOtlp(CHAT).split('\n');
    const text = [
      first,
      '{"resourceSpans":[{"cut',
      'a line of a log',
      second,
      ...rest,
      '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}',
    ].join('\n');
    const { code, out, err } = await convert([file('damaged.jsonl', text)]);
    expect(code).toBe(3);
    expect(parsedLines(out)).toEqual(recordsOf(CHAT));
    expect(err).toMatch(/line 2: the JSON that begins here does not end/);
    expect(err).toMatch(
      /line \d+: expected OTLP.*found a span whose trace id|cannot read a span whose trace id/,
    );
  });

  it('of a file without GenAI, that there is nothing to record', async () => {
    const { code, out, err } = await convert([corpusFile('mixed/uninstrumented-llm')]);
    expect([code, out]).toEqual([0, '']);
    expect(err).toBe('freeplay-otel convert: none of its spans is GenAI (4): nothing to record\n');
  });
});

it('ends quietly when nobody reads on', { timeout: 60_000 }, async () => {
  const many = Array.from({ length: 3_000 }, (_, i) => {
    const id = (i + 1).toString(16).padStart(16, '0');
    const attributes = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'm',
      'gen_ai.prompt': 'x'.repeat(200),
    };
    return JSON.stringify({ name: 'chat', traceId: id.padStart(32, 'a'), spanId: id, attributes });
  });
  const path = file('many.jsonl', many.join('\n'));
  for (const extra of [[], ['--explain']]) {
    const child = spawn(process.execPath, [cli.main, 'convert', path, ...extra], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...NO_SETTINGS },
    });
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, err]).toEqual([0, '']);
  }
});

it('stops when it is told to, also while nothing is waited for', async () => {
  const spans = Array.from({ length: 20_000 }, (_, i) => ({
    traceId: (i + 1).toString(16).padStart(32, '0'),
    spanId: 'a'.repeat(16),
    name: 'chat',
    attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm' },
  }));
  const path = file('many.json', spans.map((span) => JSON.stringify(span)).join('\n'));
  const stop = new AbortController();
  const out: string[] = [];
  const err: string[] = [];
  const code = await convertCommand.run([path], {
    out: (line) => {
      // As a signal comes: in a turn of its own.
      if (out.push(line) === 1) setTimeout(() => stop.abort());
    },
    err: (line) => err.push(line),
    room: async () => true,
    env: {},
    colour: false,
    width: 100,
    signal: stop.signal,
  });
  expect(code).toBe(1);
  expect(out.length).toBeLessThan(spans.length);
  expect(err.join('\n')).toMatch(/^freeplay-otel convert: stopped, [\d,]+ traces were converted$/);
});

describe('JSON values', () => {
  async function* chunked(text: string, size: number): AsyncGenerator<string> {
    for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
  }

  it.each([1, 3, 7, 1_000])('are found however the text is cut, here into pieces of %d', async (size) => {
    const text = '{"a":"}\\"{"}\n[{"b":[1,{"c":"]"}]},\n {"d":"\\\\"}]\n\n{\n"e": 1\n}{"f":2} {"g":3}\n';
    const found = [];
    for await (const one of readJsonValues(chunked(text, size)))
      found.push(one.kind === 'value' ? [one.line, JSON.stringify(one.value)] : one);
    expect(found).toEqual([
      [1, '{"a":"}\\"{"}'],
      [2, '{"b":[1,{"c":"]"}]}'],
      [3, '{"d":"\\\\"}'],
      [5, '{"e":1}'],
      [7, '{"f":2}'],
      [7, '{"g":3}'],
    ]);
  });

  it.each([
    ['on one line', `{"a":"${'x'.repeat(200)}"}\n`],
    ['on many', `{\n${'"a":\n'.repeat(60)}`],
  ])('are not held beyond the limit, %s', async (_, text) => {
    const found = [];
    for await (const one of readJsonValues(chunked(text, 50), 100)) found.push(one);
    expect(found[0]).toMatchObject({ kind: 'problem', message: expect.stringContaining('too large') });
  });
});

describe('traces', () => {
  const span = (trace: string, id: number) => ({
    ...NO_SPAN,
    traceId: trace.repeat(32),
    spanId: id.toString(16).padStart(16, '0'),
  });

  it('are held until the end, and come in the order in which they began', () => {
    const holder = createTraceHolder();
    holder.add([span('a', 1), span('b', 2)], [], 10);
    holder.add([span('a', 3)], [], 10);
    expect([...holder.overflow()]).toEqual([]);
    expect(
      [...holder.rest()].map(({ traceId, spans, isPiece }) => [traceId[0], spans.length, isPiece]),
    ).toEqual([
      ['a', 2, false],
      ['b', 1, false],
    ]);
  });

  it.each([
    ['spans', { maxSpans: 3, maxLength: 1_000 }],
    ['text', { maxSpans: 1_000, maxLength: 35 }],
  ])('make room when there is too much of %s, the one unheard of for longest first', (_, limits) => {
    const holder = createTraceHolder(limits);
    holder.add([span('a', 1)], [], 10);
    holder.add([span('b', 2)], [], 10);
    holder.add([span('a', 3)], [], 10);
    expect([...holder.overflow()]).toEqual([]);
    holder.add([span('c', 4)], [], 10);
    expect([...holder.overflow()].map(({ traceId }) => traceId[0])).toEqual(['b']);
    holder.add([span('b', 5)], [], 1);
    expect([...holder.rest()].map(({ traceId, isPiece }) => [traceId[0], isPiece])).toEqual([
      ['a', false],
      ['c', false],
      ['b', true],
    ]);
  });
});
