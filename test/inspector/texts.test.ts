import { describe, expect, it } from 'vitest';
import { createEventReader } from '../../src/inspector/data/event-reader.ts';
import { niceTicks } from '../../src/inspector/model/chart-scale.ts';
import { compareFacts, compareMessages } from '../../src/inspector/model/compare.ts';
import { pageFilter, serverFilter } from '../../src/inspector/model/filter.ts';
import { bucketWords, formatBytes, relativeTime, shortCount } from '../../src/inspector/model/format.ts';
import { diffLines } from '../../src/inspector/model/line-diff.ts';
import { dataUriFacts, embeddedMedia, linkTarget } from '../../src/inspector/model/safe-url.ts';
import { segmentsOf, visibleText } from '../../src/inspector/model/visible-text.ts';

describe('visible text', () => {
  it('shows what would be hidden or turn the text around', () => {
    expect(visibleText('a\u202eb\u202c\u0000\u001b\u200b\ufeff\u{e0041}\ud800\u2066')).toBe(
      'a[U+202E]b[U+202C][U+0000][U+001B][U+200B][U+FEFF][U+E0041][U+D800][U+2066]',
    );
    expect(segmentsOf('\u202e')).toEqual([{ code: 'U+202E', name: 'right-to-left override' }]);
    expect(segmentsOf('\u{e0041}')).toEqual([{ code: 'U+E0041', name: 'hidden letter “A”' }]);
  });

  it.each([
    ['line\nline\r\nline\ttab'],
    ['שלום مرحبا नमस्ते 你好'],
    ['👩‍👩‍👧 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} e\u0301 می\u200cخواهم'],
    [''],
  ])('leaves %j as it is', (text) => {
    expect(visibleText(text)).toBe(text);
  });

  it('takes no time for a long text', () => {
    const began = performance.now();
    segmentsOf('\u{1f3f4}\u{e0067}'.repeat(50_000));
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe('addresses of strangers', () => {
  it.each([
    ['https://host/path?q#f', 'https://host/path?q#f'],
    ['HTTP://host', 'http://host/'],
    ['javascript:alert(1)', undefined],
    [' javascript:alert(1)', undefined],
    ['java\nscript:alert(1)', undefined],
    ['data:text/html,x', undefined],
    ['//host/x', undefined],
    ['/completions/x', undefined],
    ['http://', undefined],
    ['file:///etc/passwd', undefined],
    ['vbscript:x', undefined],
  ])('%j as a link: %j', (href, target) => {
    expect(linkTarget(href)).toBe(target);
  });

  it.each([
    ['data:image/png;base64,AAAA', true],
    ['data:image/svg+xml;utf8,<svg/>', true],
    ['DATA:IMAGE/PNG;base64,AAAA', true],
    ['data:text/html,<script>', false],
    ['data:image/png', false],
    ['https://host/x.png', false],
    ['blob:x', false],
    ['javascript:x', false],
  ])('%j as an image: %j', (url, isShown) => {
    expect(embeddedMedia(url, 'image')).toBe(isShown ? url : undefined);
  });

  it('tell type and size', () => {
    expect(dataUriFacts('data:image/png;base64,AAAA')).toEqual({ type: 'image/png', bytes: 3 });
    expect(dataUriFacts('data:,abc')).toEqual({ type: 'text/plain', bytes: 3 });
    expect(dataUriFacts('https://x')).toBeUndefined();
  });
});

describe('differences', () => {
  it('are lines that only one side has', () => {
    expect(diffLines('a\nb\nc', 'a\nx\nc').map(({ kind }) => kind)).toEqual([
      'same',
      'removed',
      'added',
      'same',
    ]);
    expect(diffLines('', '')).toEqual([{ kind: 'same', a: '', b: '' }]);
  });

  it('of texts too long to compare are everything between their common ends', () => {
    const lines = (letter: string) => Array.from({ length: 5_000 }, (_, i) => `${letter}${i}`).join('\n');
    const changes = diffLines(`head\n${lines('a')}\ntail`, `head\n${lines('b')}\ntail`);
    expect(changes.filter(({ kind }) => kind === 'same')).toHaveLength(2);
    expect(changes).toHaveLength(10_002);
  });

  it('of completions: equal messages face each other, parameters by name', () => {
    const completion = (reply: string, temperature: number, extra: readonly object[] = []) => ({
      messages: [
        { role: 'system', content: 's' },
        ...extra,
        { role: 'user', content: 'u' },
        { role: 'assistant', content: reply },
      ],
      call_info: { model: 'm', llm_parameters: { temperature } },
    });
    const [a, b] = [completion('x', 0), completion('y', 1, [{ role: 'user', content: 'more' }])];
    expect(
      compareMessages(a as never, b as never).map(({ a, b, same }) => [a?.index, b?.index, same]),
    ).toEqual([
      [0, 0, true],
      [undefined, 1, false],
      [1, 2, true],
      [2, 3, false],
    ]);
    expect(compareFacts(a as never, b as never)).toEqual([
      { name: 'model', a: 'm', b: 'm', differs: false },
      { name: 'temperature', a: '0', b: '1', differs: true },
    ]);
  });
});

describe('the event stream', () => {
  it('gives whole messages, wherever it is cut', () => {
    const stream =
      ': hello\n\ndata: {"type":"cleared"}\n\ndata:two\ndata: lines\r\n\r\nevent: x\n\ndata: open';
    for (const size of [1, 2, 7, 1_000]) {
      const seen: string[] = [];
      const read = createEventReader((data) => seen.push(data));
      for (let i = 0; i < stream.length; i += size) read(stream.slice(i, i + size));
      expect(seen).toEqual(['{"type":"cleared"}', 'two\nlines']);
    }
  });
});

describe('filters', () => {
  it('ask the server for what the address says', () => {
    const query = new URLSearchParams('text=a+b&model=m&since=1h&error=&tab=json&before=x');
    expect(Object.fromEntries(serverFilter(query, 7_261_000))).toEqual({
      text: 'a b',
      model: 'm',
      from: '3660000',
    });
    expect(Object.fromEntries(pageFilter(query))).toEqual({ text: 'a b', model: 'm', since: '1h' });
  });
});

describe('figures', () => {
  it('are short and exact enough', () => {
    expect([0, 999, 9_999, 12_345, 4_560_000].map(shortCount)).toEqual([
      '0',
      '999',
      '9,999',
      '12.3k',
      '4.56M',
    ]);
    expect([5, 12_300, 4_000_000].map(formatBytes)).toEqual(['5 B', '12.3 kB', '4.0 MB']);
    expect([1_000, 60_000, 300_000, 3_600_000, 172_800_000].map(bucketWords)).toEqual([
      'second',
      'minute',
      '5 minutes',
      'hour',
      '2 days',
    ]);
    const ago = (seconds: number): string => relativeTime(1e12, 1e12 + seconds * 1_000);
    expect([0, 40, 150, 7_200, 200_000].map(ago)).toEqual([
      'just now',
      '40 s ago',
      '2 min ago',
      '2 h ago',
      '2 d ago',
    ]);
    expect(relativeTime(Number.NaN, 0)).not.toBe('');
  });

  it('of axes are round, and whole where there are no halves', () => {
    expect(niceTicks(9)).toEqual([0, 2.5, 5, 7.5, 10]);
    expect(niceTicks(9, true)).toEqual([0, 3, 6, 9]);
    expect(niceTicks(1, true)).toEqual([0, 1]);
    expect(niceTicks(0)).toEqual([0, 1]);
    expect(niceTicks(Number.NaN)).toEqual([0, 1]);
    for (const most of [0.0003, 1, 7, 123, 9_999, 1e9])
      expect(niceTicks(most).at(-1)).toBeGreaterThanOrEqual(most * 0.999);
  });
});
