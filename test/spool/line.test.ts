import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NODE_FILES } from '../../src/spool/files.ts';
import { decodeLine, encodeLine, type Rejection, type SpoolRecord, toOneLine } from '../../src/spool/line.ts';
import { encodeMarks, readMarks, readRecords } from '../../src/spool/read-segment.ts';
import { makeFolder, makeSource } from './support.ts';

const AT = 1_767_225_600_000;

function lineOf(id: string, n: number, text: string): Buffer {
  return encodeLine({ ...makeSource(id), path: `/v2/projects/${encodeURIComponent(id)}` }, text, n, AT);
}

function withoutFeed(line: Buffer): Buffer {
  return line.subarray(0, -1);
}

async function readAll(path: string): Promise<(SpoolRecord | undefined)[]> {
  const all: (SpoolRecord | undefined)[] = [];
  for await (const record of readRecords(NODE_FILES, path)) all.push(record);
  return all;
}

function writeFile(data: Buffer | string): string {
  const path = makeFolder();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, data);
  return path;
}

describe('a line', () => {
  it('gives back what it was made of, byte for byte', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.json(),
        fc.nat(65_535),
        fc.string({ unit: 'binary' }),
        (id, text, n, words) => {
          const source = { ...makeSource(id), kind: 'trace' as const, projectId: id };
          const rejection = { status: 422, message: words };
          const record = decodeLine(withoutFeed(encodeLine({ ...source, rejection }, text, n, AT)));
          const { kind, projectId, path } = source;
          expect(record).toMatchObject({ n, at: AT, kind, path, rejection });
          // What UTF-8 cannot hold is escaped.
          expect([record?.id, record?.projectId]).toEqual([id, projectId]);
          expect(record?.text()).toBe(text);
          expect(record?.bytes).toBe(Buffer.byteLength(text));
        },
      ),
    );
  });

  it('is one line, and JSON that any tool reads', () => {
    const line = lineOf('r1', 3, toOneLine('{\n  "a": "x\\ny"\n}')).toString();
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(JSON.parse(line)).toMatchObject({ v: 1, n: 3, at: AT, id: 'r1', body: { a: 'x\ny' } });
  });

  it('with any byte changed is none', () => {
    const line = withoutFeed(lineOf('r1', 0, '{"messages":[]}'));
    for (let at = 0; at < line.length; at++) {
      const changed = Buffer.from(line);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(decodeLine(changed), `byte ${at}`).toBeUndefined();
    }
  });

  it.each([
    ['a path of elsewhere', { path: 'https://evil.test/' }],
    ['a path of another kind', { path: '/v1/projects/p' }],
    ['a path with a query', { path: '/v2/projects/p?x' }],
    ['a path that leads elsewhere', { path: '/v2/projects/p/../../admin' }],
    ['a path that leads elsewhere, in disguise', { path: '/v2/projects/p/%2E%2e' }],
    ['a path that is no text', { path: ['/v2/projects/p'] as unknown as string }],
    ['a project that is no text', { projectId: 5 as unknown as string }],
    ['an unknown kind', { kind: 'other' as 'trace' }],
  ])('with %s is none', (_, more) => {
    expect(decodeLine(withoutFeed(encodeLine(makeSource('r', more), '{}', 0, AT)))).toBeUndefined();
  });

  it('without the words of a rejection tells of none', () => {
    for (const rejection of [undefined, { status: 422 } as Rejection])
      expect(
        decodeLine(withoutFeed(encodeLine(makeSource('r', rejection && { rejection }), '{}', 0, AT))),
      ).not.toHaveProperty('rejection');
  });

  it('with a number beyond the bound is none', () => {
    expect(decodeLine(withoutFeed(encodeLine(makeSource('r'), '{}', 65_536, AT)))).toBeUndefined();
  });
});

describe('a file', () => {
  it('cut at any byte gives every whole record before the cut, and nothing else', async () => {
    const lines = ['{"a":1}', '{"text":"zwölf ☃ \u{1f600}"}', '[]', `{"long":"${'x'.repeat(300)}"}`].map(
      (text, n) => lineOf(`r${n}`, n, text),
    );
    const whole = Buffer.concat(lines);
    const ends = lines.map((_, n) => Buffer.concat(lines.slice(0, n + 1)).length);
    for (let cut = 0; cut <= whole.length; cut++) {
      const records = await readAll(writeFile(whole.subarray(0, cut)));
      // A line is whole without its line feed.
      const count = ends.filter((end) => end - 1 <= cut).length;
      expect(records.filter((one) => one !== undefined).map(({ id }) => id)).toEqual(
        Array.from({ length: count }, (_, n) => `r${n}`),
      );
      const isBetween = cut === 0 || ends.includes(cut) || ends.includes(cut + 1);
      expect(records.filter((one) => one === undefined)).toHaveLength(isBetween ? 0 : 1);
    }
  });

  it('with a broken line in the middle gives the others', async () => {
    const path = writeFile(
      Buffer.concat([
        lineOf('r0', 0, '{}'),
        lineOf('r1', 1, '{}').subarray(0, 50),
        Buffer.from('\n'),
        lineOf('r2', 2, '{}'),
      ]),
    );
    expect((await readAll(path)).map((one) => one?.id)).toEqual(['r0', undefined, 'r2']);
  });

  it('is read to the given end, over the borders of chunks', async () => {
    const lines = Array.from({ length: 40 }, (_, n) => lineOf(`r${n}`, n, `{"x":"${'y'.repeat(20_000)}"}`));
    const path = writeFile(Buffer.concat(lines));
    const end = Buffer.concat(lines.slice(0, 30)).length;
    const ids: (string | undefined)[] = [];
    for await (const record of readRecords(NODE_FILES, path, end)) ids.push(record?.id);
    expect(ids).toEqual(lines.slice(0, 30).map((_, n) => `r${n}`));
  });

  it('that has a number twice gives the first', async () => {
    const path = writeFile(Buffer.concat([lineOf('r0', 0, '{}'), lineOf('r1', 0, '{}')]));
    expect((await readAll(path)).map((one) => one?.id)).toEqual(['r0', undefined]);
  });
});

describe('marks', () => {
  it('cut at any byte settle nothing that they do not name', async () => {
    const text = encodeMarks([1, 12, 123]) + encodeMarks([4]);
    const first = encodeMarks([1, 12, 123]).length;
    for (let cut = 0; cut <= text.length; cut++) {
      const marks = await readMarks(NODE_FILES, writeFile(text.slice(0, cut)));
      const expected = [...(cut >= first - 1 ? [1, 12, 123] : []), ...(cut >= text.length - 1 ? [4] : [])];
      expect([...marks]).toEqual(expected);
      // Whoever goes on writes a line feed first.
      const more = await readMarks(NODE_FILES, writeFile(`${text.slice(0, cut)}\n${encodeMarks([9])}`));
      expect([...more]).toEqual([...expected, 9]);
    }
  });

  it('of a file that is not there are none', async () => {
    expect((await readMarks(NODE_FILES, makeFolder())).size).toBe(0);
  });
});
