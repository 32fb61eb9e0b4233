/** Delivery and spool together, against real servers: nothing is lost, and the ledger adds up at every moment. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, onTestFinished, vi } from 'vitest';
import { type FreeplayOptions, resolveConfig } from '../../src/config.ts';
import { createLedgerBook } from '../../src/exporter/ledger.ts';
import { createRecordOutbox, type RecordOutbox } from '../../src/exporter/record-outbox.ts';
import { createLog } from '../../src/log.ts';
import { toOutgoing } from '../../src/record/outgoing.ts';
import type { OutgoingRecord } from '../../src/record/record.ts';
import { createFakeDispatcher, type FakeAnswer, KEY, startServer } from '../delivery/support.ts';
import { listFiles, makeFolder, openTestSpool, readFiles, readIds } from './support.ts';

let emitWarning: MockInstance<typeof process.emitWarning>;

beforeEach(() => {
  emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  // No waiting for the jitter; still no number twice.
  let n = 0;
  vi.spyOn(Math, 'random').mockImplementation(() => {
    n += 1e-7;
    return n;
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function warnings(): string[] {
  return emitWarning.mock.calls.map(([message]) => String(message));
}

function makeRecord(id: string, size = 0): OutgoingRecord {
  return toOutgoing({
    kind: 'completion',
    id,
    sessionId: 's1',
    path: '/v2/projects/p1/sessions/s1/completions',
    body: { completion_id: id, messages: [{ role: 'user', content: 'x'.repeat(size) }] },
    receipt: {
      dialect: 'test',
      scope: { name: 'test' },
      traceId: '',
      spanIds: [],
      rules: [],
      guessed: [],
      merged: [],
      cut: [],
      masked: [],
      missing: [],
    },
  });
}

function makeRecords(count: number, prefix = 'r'): OutgoingRecord[] {
  return Array.from({ length: count }, (_, n) => makeRecord(`${prefix}${n}`));
}

interface TestOutbox extends RecordOutbox {
  /** Every look at the ledger since the start added up. */
  look(): void;
}

/** Shut down with the test. */
function startOutbox(options: FreeplayOptions): TestOutbox {
  const { config } = resolveConfig(
    { apiKey: KEY, projectId: 'p1', shutdownTimeoutMillis: 1_000, timeoutMillis: 60_000, ...options },
    {},
  );
  const outbox = createRecordOutbox(config, createLedgerBook(), createLog());
  onTestFinished(() => outbox.shutdown(0));
  return {
    ...outbox,
    look() {
      const { created, delivered, rejected, dropped, spooled, pending } = outbox.ledger().records;
      const lost = Object.values(dropped).reduce((sum, n) => sum + n, 0);
      for (const count of [delivered, rejected, lost, spooled, pending])
        expect(count).toBeGreaterThanOrEqual(0);
      expect(delivered + rejected + lost + spooled + pending).toBe(created);
    },
  };
}

function idOf(body: string): string {
  return (JSON.parse(body) as { completion_id: string }).completion_id;
}

function accept(response: ServerResponse): void {
  response.writeHead(201).end('{}');
}

function fakeServer(answer: (id: string, count: number) => FakeAnswer): FreeplayOptions {
  const { dispatcher } = createFakeDispatcher(({ id }, count) => answer(id, count));
  return { baseUrl: 'https://api.test', dispatcher };
}

describe('at shutdown', () => {
  it.each([
    'overflow',
    'always',
  ] as const)('what a server that never answers has not taken is in the spool, in time (%s), and the next start sends it', async (spoolMode) => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const first = startOutbox({ baseUrl: silent.origin, spoolDir, spoolMode });
    const sent = first.send(makeRecords(300), 0);
    const start = performance.now();
    await first.shutdown(1_000);
    // The limit, and what a busy machine adds.
    expect(performance.now() - start).toBeLessThan(1_900);
    expect(first.ledger().records).toMatchObject({ created: 300, spooled: 300, pending: 0, dropped: {} });
    expect(await sent).toBe(true);
    expect(warnings()).toEqual([]);

    const api = await startServer((_, response) => accept(response));
    const second = startOutbox({ baseUrl: api.origin, spoolDir, spoolMode });
    await vi.waitFor(() => expect(second.ledger().records.delivered).toBe(300), 10_000);
    expect(api.received.map(({ body }) => idOf(body)).sort()).toEqual(
      makeRecords(300)
        .map(({ id }) => id)
        .sort(),
    );
    expect(second.ledger().records).toMatchObject({ created: 300, spooled: 0, pending: 0 });
    second.look();
    await second.shutdown(1_000);
    expect(listFiles(spoolDir)).toEqual([]);
  });

  it('and in the middle of a flush no record is written twice', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const outbox = startOutbox({ baseUrl: silent.origin, spoolDir });
    void outbox.send(makeRecords(20), 0);
    // Both limits end at the same moment.
    await Promise.all([outbox.flush(200), outbox.shutdown(200)]);
    expect(outbox.ledger().records).toMatchObject({ spooled: 20, pending: 0 });
    expect((await readIds(openTestSpool(spoolDir))).sort()).toEqual(
      makeRecords(20)
        .map(({ id }) => id)
        .sort(),
    );
  });

  it('without any time left everything is still written', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const outbox = startOutbox({ baseUrl: silent.origin, spoolDir });
    void outbox.send(makeRecords(100), 0);
    await outbox.shutdown(0);
    expect(outbox.ledger().records).toMatchObject({ spooled: 100, pending: 0, dropped: {} });
    expect(await readIds(openTestSpool(spoolDir))).toHaveLength(100);
  });

  it('what was handed over a moment before is still delivered, also when it is written first', async () => {
    const spoolDir = makeFolder();
    const api = await startServer((_, response) => accept(response));
    const outbox = startOutbox({ baseUrl: api.origin, spoolDir, spoolMode: 'always' });
    void outbox.send(makeRecords(20), 0);
    await outbox.shutdown(2_000);
    expect(outbox.ledger().records).toMatchObject({ delivered: 20, pending: 0, spooled: 0 });
    expect(listFiles(spoolDir)).toEqual([]);
  });
});

describe('with "overflow"', () => {
  it('nothing is written while the API takes what comes', async () => {
    const spoolDir = makeFolder();
    const api = await startServer((_, response) => accept(response));
    const outbox = startOutbox({ baseUrl: api.origin, spoolDir });
    expect(await outbox.send(makeRecords(50), 0)).toBe(true);
    await outbox.flush(1_000);
    await outbox.shutdown(1_000);
    expect(outbox.ledger().records).toMatchObject({ delivered: 50, pending: 0 });
    expect(existsSync(spoolDir)).toBe(false);
  });

  it.each([
    ['retries_exhausted', 500, 300_000],
    ['retry_deadline', 502, 0],
  ])('what finds no room is spooled, and what delivery gives up on (%s)', async (_, status, retryDeadlineMillis) => {
    vi.mocked(Math.random).mockReturnValue(0.5);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const spoolDir = makeFolder();
    const dropped = vi.fn();
    const server = fakeServer(() => ({ status }));
    const outbox = startOutbox({
      ...server,
      spoolDir,
      maxQueueRecords: 1,
      retryDeadlineMillis,
      onDrop: dropped,
    });
    const sent = outbox.send(makeRecords(2), 0);
    await vi.waitFor(() => expect(readFiles(spoolDir, '.jsonl')).toContain('"id":"r1"'));
    await vi.advanceTimersByTimeAsync(60_000);
    await vi.waitFor(() => expect(readFiles(spoolDir, '.jsonl')).toContain('"id":"r0"'));
    expect(await sent).toBe(true);
    outbox.look();
    expect(outbox.ledger().records).toMatchObject({ created: 2, delivered: 0, dropped: {} });
    expect(dropped).not.toHaveBeenCalled();
    expect(warnings().filter((text) => text.includes('lost'))).toEqual([]);
    const stopped = outbox.shutdown(1_000);
    await vi.advanceTimersByTimeAsync(2_000);
    await stopped;
    // The clock ran ahead of the disk.
    await vi.waitFor(() => expect(listFiles(spoolDir).join()).not.toContain('.lock'));
    expect((await readIds(openTestSpool(spoolDir))).sort()).toEqual(['r0', 'r1']);
  });

  it('what could not be sent is tried again by the same process when the API is back', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const spoolDir = makeFolder();
    let status = 503;
    const outbox = startOutbox({ ...fakeServer(() => ({ status })), spoolDir, maxQueueRecords: 6 });
    void outbox.send(makeRecords(10), 0);
    await vi.advanceTimersByTimeAsync(5_000);
    await vi.waitFor(() => expect(outbox.ledger().records).toMatchObject({ spooled: 4, pending: 6 }));
    status = 201;
    for (let second = 0; second < 60 && outbox.ledger().records.delivered < 10; second++) {
      await vi.advanceTimersByTimeAsync(1_000);
      // Files take real time.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      outbox.look();
    }
    // Created once, wherever they were meanwhile.
    expect(outbox.ledger().records).toMatchObject({ created: 10, delivered: 10, spooled: 0, pending: 0 });
  });

  it('after a flush nothing is in memory alone, and what is delivered later is not sent again', async () => {
    const spoolDir = makeFolder();
    let isUp = false;
    const api = await startServer((_, response) => {
      if (isUp) accept(response);
      else response.writeHead(503).end();
    });
    const outbox = startOutbox({ baseUrl: api.origin, spoolDir });
    void outbox.send(makeRecords(5), 0);
    await outbox.flush(2_000);
    expect(outbox.ledger().records).toMatchObject({ pending: 5, spooled: 0 });
    expect(outbox.atStake()).toEqual({ records: 5, unsafe: 0 });
    expect(readFiles(spoolDir, '.jsonl').trimEnd().split('\n')).toHaveLength(5);
    const before = readFiles(spoolDir, '.jsonl');
    await outbox.flush(2_000);
    expect(readFiles(spoolDir, '.jsonl')).toBe(before);
    isUp = true;
    await vi.waitFor(() => expect(outbox.ledger().records.delivered).toBe(5), 10_000);
    await outbox.shutdown(1_000);
    expect(listFiles(spoolDir)).toEqual([]);
  });
});

describe('with "always"', () => {
  it('every record is on the disk before it is first sent, and gone once it is settled', async () => {
    const spoolDir = makeFolder();
    const missing: string[] = [];
    const api = await startServer(({ body }, response) => {
      if (!readFiles(spoolDir, '.jsonl').includes(`"id":"${idOf(body)}"`)) missing.push(idOf(body));
      accept(response);
    });
    const outbox = startOutbox({ baseUrl: api.origin, spoolDir, spoolMode: 'always' });
    expect(await outbox.send(makeRecords(30), 0)).toBe(true);
    expect(missing).toEqual([]);
    expect(outbox.ledger().records).toMatchObject({ delivered: 30, pending: 0, spooled: 0 });
    await outbox.shutdown(1_000);
    expect(listFiles(spoolDir)).toEqual([]);
  });

  it('after a flush the folder holds nothing that is settled, for nobody may come to say so', async () => {
    const spoolDir = makeFolder();
    const outbox = startOutbox({ ...fakeServer(() => ({ status: 201 })), spoolDir, spoolMode: 'always' });
    for (let round = 0; round < 2; round++) {
      void outbox.send(makeRecords(5, `r${round}`), 0);
      await outbox.flush(5_000);
      expect(outbox.ledger().records.pending).toBe(0);
      expect(listFiles(spoolDir)).toEqual([]);
    }
  });

  it('a record is pending, not spooled, until it is given up', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const outbox = startOutbox({ baseUrl: silent.origin, spoolDir, spoolMode: 'always' });
    void outbox.send(makeRecords(3), 0);
    await vi.waitFor(() => expect(silent.received).toHaveLength(3));
    expect(outbox.ledger().records).toMatchObject({ pending: 3, spooled: 0 });
    expect(outbox.atStake()).toEqual({ records: 3, unsafe: 0 });
    await outbox.shutdown(50);
    expect(outbox.ledger().records).toMatchObject({ pending: 0, spooled: 3 });
  });

  it('what finds no room is there already', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const outbox = startOutbox({ baseUrl: silent.origin, spoolDir, spoolMode: 'always', maxQueueRecords: 2 });
    void outbox.send(makeRecords(2), 0);
    await vi.waitFor(() => expect(silent.received).toHaveLength(2));
    expect(await outbox.send(makeRecords(2, 's'), 0)).toBe(true);
    expect(outbox.ledger().records).toMatchObject({ pending: 2, spooled: 2 });
    expect(readFiles(spoolDir, '.jsonl').trimEnd().split('\n')).toHaveLength(4);
  });

  it('a disk that cannot be written does not hold up delivery', async () => {
    const spoolDir = makeFolder();
    writeFileSync(spoolDir, '');
    const api = await startServer((_, response) => accept(response));
    const outbox = startOutbox({ baseUrl: api.origin, spoolDir, spoolMode: 'always' });
    expect(await outbox.send(makeRecords(10), 0)).toBe(true);
    expect(outbox.ledger().records).toMatchObject({ delivered: 10, dropped: {} });
    expect(warnings()).toContainEqual(expect.stringContaining(`the spool folder ${spoolDir} cannot be used`));
  });
});

describe('what cannot be spooled is lost, counted and said', () => {
  it('where the folder cannot be used', async () => {
    const spoolDir = join(makeFolder(), 'spool');
    mkdirSync(dirname(dirname(spoolDir)), { recursive: true });
    writeFileSync(dirname(spoolDir), '');
    const silent = await startServer(() => {});
    const reasons: string[] = [];
    const outbox = startOutbox({
      baseUrl: silent.origin,
      spoolDir,
      onDrop: (_, reason) => reasons.push(reason),
    });
    const sent = outbox.send(makeRecords(3), 0);
    await outbox.shutdown(50);
    expect(await sent).toBe(false);
    expect(outbox.ledger().records).toMatchObject({ dropped: { spool_failed: 3 }, spooled: 0, pending: 0 });
    expect(reasons).toEqual(Array(3).fill('spool_failed'));
    expect(warnings()).toContainEqual('a record was lost (spool_failed), 1 in all');
    expect(warnings()).toContainEqual(expect.stringContaining('cannot be used (ENOTDIR)'));
  });

  it('where no body can be made of it', async () => {
    const silent = await startServer(() => {});
    for (const spoolMode of ['overflow', 'always'] as const) {
      const outbox = startOutbox({
        baseUrl: silent.origin,
        spoolDir: makeFolder(),
        spoolMode,
        maxQueueRecords: 1,
      });
      void outbox.send([makeRecord('r1')], 0);
      await vi.waitFor(() => expect(outbox.ledger().bytes).toBeGreaterThan(0));
      const broken = {
        ...makeRecord('r2'),
        text: () => {
          throw new Error('content');
        },
      };
      expect(await outbox.send([broken], 0)).toBe(false);
      expect(outbox.ledger().records).toMatchObject({ dropped: { conversion: 1 }, pending: 1 });
    }
  });

  it('where the bound is reached: the oldest go, from spooled to dropped', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const outbox = startOutbox({
      baseUrl: silent.origin,
      spoolDir,
      maxSpoolBytes: 20_000,
      maxQueueRecords: 1,
    });
    void outbox.send([makeRecord('first')], 0);
    for (let n = 0; n < 60; n++) {
      expect(await outbox.send([makeRecord(`r${n}`, 300)], 0)).toBe(true);
      outbox.look();
    }
    const { dropped, spooled } = outbox.ledger().records;
    expect(dropped.spool_full).toBeGreaterThan(20);
    expect((dropped.spool_full ?? 0) + spooled).toBe(60);
    expect(warnings()).toContainEqual(expect.stringContaining('lost (spool_full)'));
    await outbox.shutdown(50);
    expect(await readIds(openTestSpool(spoolDir))).toHaveLength(outbox.ledger().records.spooled);
  });

  it('where older records of a process that has ended go: they enter the ledger as lost', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const first = startOutbox({ baseUrl: silent.origin, spoolDir });
    void first.send(
      Array.from({ length: 50 }, (_, n) => makeRecord(`old${n}`, 300)),
      0,
    );
    await first.shutdown(0);
    const second = startOutbox({
      baseUrl: silent.origin,
      spoolDir,
      maxSpoolBytes: 20_000,
      maxQueueRecords: 1,
    });
    void second.send([makeRecord('first')], 0);
    expect(await second.send([makeRecord('r1', 300)], 0)).toBe(true);
    second.look();
    expect(second.ledger().records).toMatchObject({ created: 52, dropped: { spool_full: 50 } });
  });
});

describe('a folder that somebody removes', () => {
  it.each([
    'overflow',
    'always',
  ] as const)('costs nothing that is in hand, and what was left in it is counted (%s)', async (spoolMode) => {
    const spoolDir = makeFolder();
    const outbox = startOutbox({
      ...fakeServer(() => ({ status: 503 })),
      spoolDir,
      spoolMode,
      maxQueueRecords: 3,
    });
    void outbox.send(makeRecords(5), 0);
    await outbox.flush(1_000);
    await vi.waitFor(() => expect(outbox.ledger().records).toMatchObject({ pending: 3, spooled: 2 }));
    rmSync(spoolDir, { recursive: true });
    await outbox.shutdown(1_000);
    outbox.look();
    expect(outbox.ledger().records).toMatchObject({ spooled: 3, dropped: { spool_failed: 2 }, pending: 0 });
    expect(await readIds(openTestSpool(spoolDir))).toHaveLength(3);
    expect(warnings().join()).toContain('ENOENT');
  });
});

describe('a rejected record', () => {
  it('is kept with the words of the API, counted as rejected, and the export succeeds', async () => {
    const spoolDir = makeFolder();
    const api = await startServer(({ body }, response) => {
      if (idOf(body) === 'r1') response.writeHead(422).end('{"message":"messages: is missing"}');
      else accept(response);
    });
    const reasons: string[] = [];
    const outbox = startOutbox({
      baseUrl: api.origin,
      spoolDir,
      spoolMode: 'always',
      onDrop: (_, reason) => reasons.push(reason),
    });
    expect(await outbox.send(makeRecords(3), 0)).toBe(true);
    expect(outbox.ledger().records).toMatchObject({ delivered: 2, rejected: 1, pending: 0, spooled: 0 });
    expect(reasons).toEqual(['rejected: messages: is missing']);
    await outbox.shutdown(1_000);
    expect(listFiles(spoolDir)).toEqual(['rejected']);
    const line = JSON.parse(readFiles(join(spoolDir, 'rejected'), '.jsonl'));
    expect(line).toMatchObject({
      id: 'r1',
      status: 422,
      message: 'messages: is missing',
      body: JSON.parse(makeRecord('r1').text()),
    });
    expect(warnings().join()).toContain('spoolDir/rejected');
    // Not sent again by itself.
    expect(await readIds(openTestSpool(spoolDir))).toEqual([]);
  });

  it('is on the disk at every moment, whenever a kill may come', async () => {
    const spoolDir = makeFolder();
    const earlier = openTestSpool(spoolDir);
    const kept = await earlier.append(makeRecord('r1'));
    if (kept.kind === 'kept') kept.entry.leave();
    await earlier.close(1_000);
    // A folder that takes its time to look through.
    mkdirSync(join(spoolDir, 'rejected'));
    for (let n = 100; n < 400; n++)
      writeFileSync(join(spoolDir, 'rejected', `20260101T000000${n}Z-aaaaaaaaaa-1.torn`), '');
    const api = await startServer((_, response) => response.writeHead(400).end('{"message":"no"}'));
    const outbox = startOutbox({ baseUrl: api.origin, spoolDir });
    await vi.waitFor(() => expect(api.received).toHaveLength(1), { timeout: 10_000, interval: 1 });
    const isIn = (dir: string) => readFiles(dir, '.jsonl').includes('"r1"');
    while (isIn(spoolDir)) await new Promise((resolve) => setImmediate(resolve));
    expect(isIn(join(spoolDir, 'rejected'))).toBe(true);
    expect(outbox.ledger().records).toMatchObject({ rejected: 1, pending: 0 });
  });

  it('that cannot be kept fails the export', async () => {
    const spoolDir = makeFolder();
    mkdirSync(spoolDir);
    writeFileSync(join(spoolDir, 'rejected'), '');
    const api = await startServer((_, response) => response.writeHead(400).end('{"message":"no"}'));
    const outbox = startOutbox({ baseUrl: api.origin, spoolDir });
    expect(await outbox.send(makeRecords(1), 0)).toBe(false);
    expect(outbox.ledger().records).toMatchObject({ rejected: 1, pending: 0 });
  });
});

describe('a record of the spool', () => {
  it('that the API has already, or rejects, is gone from it; one that fails stays', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const first = startOutbox({ baseUrl: silent.origin, spoolDir });
    void first.send(makeRecords(4), 0);
    await first.shutdown(0);
    const api = await startServer(({ body }, response) => {
      const status = { r0: 409, r1: 400, r2: 201 }[idOf(body)];
      if (status !== undefined) response.writeHead(status).end('{"message":"so"}');
    });
    const second = startOutbox({ baseUrl: api.origin, spoolDir });
    await vi.waitFor(() => expect(api.received).toHaveLength(4), 10_000);
    await vi.waitFor(() =>
      expect(second.ledger().records).toMatchObject({ delivered: 2, rejected: 1, pending: 1 }),
    );
    await second.shutdown(0);
    expect(second.ledger().records).toMatchObject({ created: 4, spooled: 1, pending: 0 });
    expect(await readIds(openTestSpool(spoolDir))).toEqual(['r3']);
    expect(readFiles(join(spoolDir, 'rejected'), '.jsonl')).toContain('"id":"r1"');
  });

  it('that is too large for the API is made smaller, as any other', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const first = startOutbox({ baseUrl: silent.origin, spoolDir });
    void first.send([makeRecord('r1', 400_000)], 0);
    await first.shutdown(0);
    const api = await startServer(({ body }, response) => {
      if (body.length > 300_000) response.writeHead(413).end();
      else accept(response);
    });
    const second = startOutbox({ baseUrl: api.origin, spoolDir });
    await vi.waitFor(() => expect(second.ledger().records.delivered).toBe(1), 10_000);
    expect(idOf(api.received.at(-1)?.body ?? '')).toBe('r1');
  });

  it('waits while somebody flushes, and does not hold that up', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const first = startOutbox({ baseUrl: silent.origin, spoolDir });
    void first.send(makeRecords(100), 0);
    await first.shutdown(0);
    const api = await startServer(({ body }, response) => {
      setTimeout(() => accept(response), idOf(body).startsWith('new') ? 100 : 0);
    });
    const second = startOutbox({ baseUrl: api.origin, spoolDir });
    void second.send([makeRecord('new')], 0);
    const flushed = second.flush(5_000);
    await flushed;
    expect(second.ledger().records.delivered).toBe(1);
    await vi.waitFor(() => expect(second.ledger().records.delivered).toBe(101), 10_000);
  });
});

describe('the ledger', () => {
  it('adds up at every moment, whatever server, bound and disk do', async () => {
    const answers = fc.constantFrom(201, 201, 201, 409, 400, 500, 503, 'ECONNRESET', 'hang');
    const moves = fc.oneof(
      { weight: 5, arbitrary: fc.record({ send: fc.nat(20), size: fc.nat(500) }) },
      { weight: 3, arbitrary: fc.record({ wait: fc.nat(20_000) }) },
      { weight: 1, arbitrary: fc.record({ flush: fc.nat(2_000) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(answers, { minLength: 1, maxLength: 12 }),
        fc.array(moves, { maxLength: 10 }),
        fc.constantFrom('overflow' as const, 'always' as const),
        fc.constantFrom(8_000, 10_000_000),
        async (script, steps, spoolMode, maxSpoolBytes) => {
          vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
          const spoolDir = makeFolder();
          const outbox = startOutbox({
            ...fakeServer((_, count) => {
              const answer = script[count % script.length] ?? 201;
              if (answer === 'hang') return { hang: true };
              return typeof answer === 'string' ? { error: answer } : { status: answer };
            }),
            spoolDir,
            spoolMode,
            maxSpoolBytes,
            maxQueueRecords: 15,
            timeoutMillis: 2_000,
            retryDeadlineMillis: 10_000,
            onRecord: () => outbox.look(),
            onDrop: () => outbox.look(),
          });
          /** Time goes on, and the disk with it. */
          const pass = async (millis: number): Promise<void> => {
            for (let slice = 0; slice < 4; slice++) {
              await vi.advanceTimersByTimeAsync(millis / 4);
              for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
              outbox.look();
            }
          };
          let made = 0;
          for (const step of steps) {
            if ('send' in step) {
              const records = Array.from({ length: step.send }, () => makeRecord(`r${made++}`, step.size));
              void outbox.send(records, 1_000).then(() => outbox.look());
            } else if ('flush' in step) void outbox.flush(step.flush).then(() => outbox.look());
            else await pass(step.wait);
            outbox.look();
          }
          let isOver = false;
          const stopping = outbox.shutdown(1_000).then(() => {
            isOver = true;
          });
          while (!isOver) await pass(100);
          await stopping;
          outbox.look();
          expect(outbox.ledger().records).toMatchObject({ created: made, pending: 0 });
          vi.useRealTimers();
          // The clock ran ahead of the disk.
          await vi.waitFor(() => expect(listFiles(spoolDir).join()).not.toContain('.lock'), 10_000);
          const ids = await readIds(openTestSpool(spoolDir));
          // What was being written when the time ran out counts as lost, and is there, too.
          expect(ids.length).toBeGreaterThanOrEqual(outbox.ledger().records.spooled);
          expect(new Set(ids).size).toBe(ids.length);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('tells of no content and no key, and neither do files names', async () => {
    const spoolDir = makeFolder();
    const silent = await startServer(() => {});
    const outbox = startOutbox({ baseUrl: silent.origin, spoolDir });
    void outbox.send([makeRecord('secret-id')], 0);
    await outbox.shutdown(0);
    expect(JSON.stringify([outbox.ledger(), warnings(), listFiles(spoolDir)])).not.toMatch(
      /secret-id|key-0123/,
    );
    expect(readFileSync(join(spoolDir, listFiles(spoolDir)[0] ?? ''), 'utf8')).not.toContain(KEY);
  });
});

it('a logger of the app that throws costs no record and no answer', async () => {
  emitWarning.mockImplementation(() => {
    throw new Error('logger is broken');
  });
  const spoolDir = makeFolder();
  writeFileSync(spoolDir, '');
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  onTestFinished(() => void process.off('unhandledRejection', unhandled));
  const api = await startServer(({ body }, response) => {
    if (idOf(body) === 'r0') response.writeHead(400).end();
  });
  const outbox = startOutbox({ baseUrl: api.origin, spoolDir });
  const sent = outbox.send(makeRecords(3), 0);
  await vi.waitFor(() => expect(api.received).toHaveLength(3));
  await outbox.shutdown(50);
  expect(await sent).toBe(false);
  expect(outbox.ledger().records).toMatchObject({ rejected: 1, dropped: { spool_failed: 2 }, pending: 0 });
  expect(unhandled).not.toHaveBeenCalled();
});
