/** The bench itself is not run here, for it takes time and a quiet machine; what decides its exit code is. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, get, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';

const BENCH = join(import.meta.dirname, '..', 'bench');

type Row = Record<string, unknown>;
type Results = Record<string, Record<string, Row>>;
interface Section {
  readonly id: string;
  readonly runs: readonly { readonly row: string; readonly contender?: string }[];
}
interface Plan {
  readonly FULL: object;
  readonly QUICK: object;
  planOf(settings: object, options: { isQuick: boolean; only: undefined }): readonly Section[];
}
interface Report {
  judge(results: Results): readonly { readonly what: string; readonly verdict: string }[];
  findLosses(results: Results): readonly string[];
  renderReport(results: Results, heading: string): string;
  insertReport(page: string, report: string): string;
}

const load = async <T>(file: string): Promise<T> =>
  (await import(pathToFileURL(join(BENCH, file)).href)) as T;
const { planOf, FULL, QUICK } = await load<Plan>('plan.mjs');
const { judge, findLosses, renderReport, insertReport } = await load<Report>('report.mjs');
const { medianRow } = await load<{ medianRow(runs: readonly Row[]): Row }>('statistics.mjs');

const PLANS: [name: string, sections: readonly Section[]][] = [
  ['the whole', planOf(FULL, { isQuick: false, only: undefined })],
  ['quick', planOf(QUICK, { isQuick: true, only: undefined })],
];

/** A run in which every figure is the same, and ours another. */
function resultsOf(sections: readonly Section[], theirs: number, ours: number): Results {
  const columns = ['cpuMicrosPerCall', 'callsPerSecond', 'delayP99', 'memoryMb', 'cpuShare', 'spans'];
  return Object.fromEntries(
    sections.map(({ id, runs }) => [
      id,
      Object.fromEntries(
        runs.map(({ row, contender }) => {
          const value = contender?.startsWith('processor') ? ours : theirs;
          const row_: Row = Object.fromEntries(columns.map((column) => [column, value]));
          if (contender === undefined)
            Object.assign(row_, {
              completions: ours,
              protobuf: theirs,
              plainConversion: ours,
              slowestMillis: ours,
            });
          else if (value === ours) row_.delivered = 1;
          return [row, row_];
        }),
      ),
    ]),
  );
}

describe('the limits of the bench', () => {
  it.each(PLANS)('are all measured by %s plan', (_, sections) => {
    const verdicts = judge(resultsOf(sections, 1, 1));
    expect(verdicts.length).toBeGreaterThan(10);
    expect(verdicts.filter(({ verdict }) => verdict === 'not measured')).toEqual([]);
  });

  it.each(PLANS)('hold for %s plan where ours is cheap, and fail where it is dear', (_, sections) => {
    const cheap = judge(resultsOf(sections, 1_000, 0.001));
    const dear = judge(resultsOf(sections, 1, 1_000));
    const higherIsBetter = /calls in a second|delivered/;
    for (const { what, verdict } of cheap.filter((one) => !higherIsBetter.test(one.what)))
      expect([what, verdict]).toEqual([what, 'goal']);
    for (const { what, verdict } of dear.filter((one) => !higherIsBetter.test(one.what)))
      expect([what, verdict]).toEqual([what, 'FAILS']);
    expect(cheap.find(({ what }) => /calls in a second/.test(what))?.verdict).toBe('FAILS');
    expect(dear.find(({ what }) => /calls in a second/.test(what))?.verdict).toBe('goal');
  });

  it('are not met by what was not measured', () => {
    for (const { verdict } of judge({})) expect(verdict).toBe('not measured');
    for (const { verdict } of judge({ M: { processor: { cpuMicrosPerCall: Number.NaN } } }))
      expect(verdict).toBe('not measured');
  });
});

describe('losses', () => {
  const row = { delivered: 1, problems: [] };

  it('are none where every record arrived once', () => {
    expect(findLosses({ M: { processor: row, 'otlp-protobuf': { problems: [] } } })).toEqual([]);
  });

  it.each<[what: string, row: Row]>([
    ['a record that is missing', { ...row, delivered: 0.9999 }],
    ['a record that arrived twice', { ...row, delivered: 1.0001 }],
    ['what the ledger says', { ...row, problems: ['999 of 1000 records delivered'] }],
    ['a run that failed', { failed: 'exit 1' }],
  ])('are found: %s', (_, lost) => {
    expect(findLosses({ M: { processor: lost } })).toEqual([expect.stringContaining('M, processor')]);
  });
});

describe('a row of several runs', () => {
  it('has the median of each number, and all problems', () => {
    const runs = [
      { a: 3, name: 'x', problems: ['p'] },
      { a: 1, name: 'x', problems: ['q', 'p'] },
      { a: Number.NaN, name: 'x', problems: [] },
      { a: 5, name: 'x', problems: [] },
    ];
    expect(medianRow(runs)).toEqual({ a: 3, name: 'x', problems: ['p', 'q'] });
    expect(medianRow(runs.slice(0, 2))).toMatchObject({ a: 2 });
  });
});

describe('the report', () => {
  it('has a row for everything that was run, and says what failed', () => {
    const [, sections] = PLANS[0] ?? ['', []];
    const results = resultsOf(sections, 1, 1);
    results.M = { ...results.M, raw: { failed: 'exit 1' } };
    const text = renderReport(results, 'here');
    const rows = text.split('\n').filter((line) => line.startsWith('| '));
    expect(rows.length).toBeGreaterThan(sections.flatMap(({ runs }) => runs).length);
    expect(text).toContain('| raw undici, bodies ready | failed |');
    expect(text).not.toMatch(/undefined|NaN/);
  });

  it('goes between the markers of the page, again and again', () => {
    const page = readFileSync(join(BENCH, '..', 'docs', 'performance.md'), 'utf8');
    const once = insertReport(page, 'ONE');
    expect(once).toContain('ONE');
    expect(insertReport(once, 'TWO')).toBe(insertReport(page, 'TWO'));
    expect(() => insertReport('no markers', 'x')).toThrow(/markers/);
  });
});

describe('the sink', () => {
  async function startSink(latencyMillis = 0): Promise<{ port: number; stats: () => Promise<Row> }> {
    const child = spawn(process.execPath, [join(BENCH, 'sink.mjs'), String(latencyMillis)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onTestFinished(() => {
      child.stdin.end();
    });
    const port = await new Promise<number>((resolve) =>
      createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line).port)),
    );
    const stats = (): Promise<Row> =>
      new Promise((resolve, reject) => {
        get({ port, host: '127.0.0.1', path: '/stats', agent: false }, async (response) => {
          let text = '';
          for await (const chunk of response) text += chunk;
          resolve(JSON.parse(text));
        }).on('error', reject);
      });
    return { port, stats };
  }

  function post(
    port: number,
    agent: Agent,
    path: string,
    parts: readonly string[],
    type: string,
  ): Promise<[number, string]> {
    return new Promise((resolve, reject) => {
      const call = request({
        port,
        host: '127.0.0.1',
        method: 'POST',
        path,
        agent,
        headers: { 'content-type': type },
      });
      call.on('error', reject);
      call.on('response', async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve([response.statusCode ?? 0, text]);
      });
      // More than one write: Node sends it chunked.
      for (const part of parts.slice(0, -1)) call.write(part);
      call.end(parts.at(-1));
    });
  }

  it('counts requests, posts and bytes, whole and chunked, over one connection', async () => {
    const { port, stats } = await startSink();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const path = '/api/v2/projects/p/sessions/s/completions';
    const [status, text] = await post(port, agent, path, ['x'.repeat(100_000)], 'application/json');
    expect([status, JSON.parse(text)]).toEqual([201, { completion_id: expect.any(String) }]);
    expect(await post(port, agent, path, ['ab', 'c'.repeat(70_000), 'd'], 'application/json')).toEqual([
      201,
      text,
    ]);
    expect(await post(port, agent, '/v1/traces', ['p'], 'application/x-protobuf')).toEqual([200, '']);
    expect(await post(port, agent, '/v1/traces', ['{}'], 'application/json')).toEqual([200, '{}']);
    const { requests, posts, mostOpen } = await stats();
    expect({ requests, posts, mostOpen }).toEqual({ requests: 4, posts: 2, mostOpen: 2 });
  });

  it('reads a request that comes byte by byte, and two that come at once', async () => {
    const { port, stats } = await startSink(5);
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    onTestFinished(() => {
      socket.destroy();
    });
    let answers = '';
    socket.on('data', (data) => {
      answers += data;
    });
    const body = 'hello';
    const one = `POST /api/v2/x HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const chunked = 'POST /api/v2/x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    for (const byte of one + chunked) {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.write(one + chunked);
    await expect.poll(() => answers.split('HTTP/1.1 201').length - 1).toBe(4);
    expect(await stats()).toMatchObject({ posts: 4, underWay: 0 });
  });
});
