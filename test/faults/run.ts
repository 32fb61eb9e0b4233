/** One run of the exporter or the processor: what it was given, what it said, and whether every record is accounted for. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { BasicTracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, expect, type TestContext, vi } from 'vitest';
import {
  completionIdOf,
  type FreeplayOptions,
  FreeplaySpanExporter,
  FreeplaySpanProcessor,
  type Ledger,
  traceIdOf,
} from '../../src/index.ts';
import type { Book } from './book.ts';
import type { FaultServer } from './fault-server.ts';
import { warnings } from './warnings.ts';

/** The two ways in. */
export const WAYS = ['processor', 'exporter'] as const;
export type Way = (typeof WAYS)[number];

/** For a loaded machine; the limits themselves are tested with a clock of our own, where nothing is slow. */
const MARGIN_MILLIS = 1_500;

/** What has become of the records, by count; what is left out is 0. */
export interface Fate {
  readonly delivered?: number;
  readonly rejected?: number;
  readonly spooled?: number;
  readonly dropped?: Readonly<Record<string, number>>;
}

type Limits = 'shutdownTimeoutMillis' | 'flushTimeoutMillis' | 'maxQueueBytes';

export interface RunOptions extends Omit<FreeplayOptions, Limits> {
  readonly way?: Way;
  readonly shutdownTimeoutMillis?: number;
  readonly flushTimeoutMillis?: number;
  readonly maxQueueBytes?: number;
}

export interface Run {
  readonly book: Book;
  /** Words in every question of this run, and the default key: neither is ever to be logged. */
  readonly content: string;
  readonly secret: string;
  /** Ids of all records that must come of `work` so far. */
  readonly expected: ReadonlySet<string>;
  /** What `onDrop` was told, by id. */
  readonly losses: ReadonlyMap<string, readonly string[]>;
  /** What the exporter answered, in order. */
  readonly codes: readonly number[];
  readonly limits: { readonly shutdownTimeoutMillis: number; readonly flushTimeoutMillis: number };
  /**
   * Makes real spans: model calls, every third one below an agent.
   *
   * @param text of each question. @default a short one
   * @returns ids of the records
   */
  work(count: number, text?: string, projectId?: string): readonly string[];
  ledger(): Ledger;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
  /** Checks what must hold at any moment. */
  look(): void;
  /** Checks what must hold at the end, after a shutdown. */
  expectAccounted(fate: Fate): void;
}

export function startRun(
  context: Pick<TestContext, 'onTestFinished'>,
  { book, baseUrl }: Pick<FaultServer, 'book' | 'baseUrl'>,
  { way = 'processor', ...options }: RunOptions = {},
): Run {
  const content = `words-of-customer-${randomId(8)}`;
  const secret = `sk-${randomId(8)}`;
  const expected = new Set<string>();
  const created: string[] = [];
  const losses = new Map<string, string[]>();
  const codes: number[] = [];
  /** With which exports failed: the SDK logs them. */
  const errors: string[] = [];
  let exports = 0;
  const settings = {
    apiKey: secret,
    projectId: 'p1',
    baseUrl,
    flushOnExit: false,
    flushDelayMillis: 0,
    mergeWaitMillis: 0,
    timeoutMillis: 5_000,
    retryDeadlineMillis: 60_000,
    shutdownTimeoutMillis: 2_000,
    flushTimeoutMillis: 10_000,
    maxQueueRecords: 10_000,
    maxQueueBytes: 67_108_864,
    ...options,
  };
  const hooks: FreeplayOptions = {
    onRecord: ({ id }) => {
      created.push(id);
      look();
    },
    onDrop: ({ id }, reason) => {
      losses.set(id, [...(losses.get(id) ?? []), reason]);
      look();
    },
  };
  const ended: ReadableSpan[] = [];
  const subject =
    way === 'processor'
      ? new FreeplaySpanProcessor({ ...settings, ...hooks })
      : new FreeplaySpanExporter({ ...settings, ...hooks });
  // The exporter gets what `work` made as one batch, as a batch processor would give it.
  const collector = {
    onStart: () => {},
    onEnd: (span: ReadableSpan) => void ended.push(span),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
  const provider = new BasicTracerProvider({
    idGenerator: { generateTraceId: () => randomId(16), generateSpanId: () => randomId(8) },
    spanProcessors: [subject instanceof FreeplaySpanProcessor ? (subject as never) : collector],
  });
  const tracer = provider.getTracer('faults');
  context.onTestFinished(() => subject.shutdown());

  function work(count: number, text = '', projectId?: string): readonly string[] {
    const ids: string[] = [];
    const expect = (id: string): void => {
      ids.push(id);
      expected.add(id);
    };
    for (let n = 0; n < count; n++) {
      const attributes = chatAttributes(`${content} ${expected.size} ${text}`, projectId);
      if (n % 3 === 2) {
        const agent = tracer.startSpan('invoke_agent helper', {
          attributes: { 'gen_ai.operation.name': 'invoke_agent', ...routeTo(projectId) },
        });
        const call = tracer.startSpan('chat', { attributes }, trace.setSpan(ROOT_CONTEXT, agent));
        expect(traceIdOf(agent.spanContext().traceId));
        expect(completionIdOf(call.spanContext()));
        call.end();
        agent.end();
      } else {
        const call = tracer.startSpan('chat', { attributes });
        expect(completionIdOf(call.spanContext()));
        call.end();
      }
    }
    if (subject instanceof FreeplaySpanExporter) {
      exports += 1;
      subject.export(ended.splice(0), ({ code, error }) => {
        codes.push(code);
        if (error) errors.push(error.message);
      });
    }
    return ids;
  }

  function look(): void {
    const { records, bytes } = subject.ledger();
    const lost = sum(Object.values(records.dropped));
    expect(records.delivered + records.rejected + lost + records.spooled + records.pending).toBe(
      records.created,
    );
    for (const count of [records.delivered, records.rejected, records.spooled, records.pending, bytes])
      expect(count).toBeGreaterThanOrEqual(0);
    // Nobody counts a record that was never made, nor a delivery that never was.
    expect(records.created).toBeLessThanOrEqual(expected.size);
    expect(created.length).toBeLessThanOrEqual(records.created);
    expect(records.delivered).toBeLessThanOrEqual(book.recorded.size);
    expect(losses.size).toBeLessThanOrEqual(records.rejected + lost);
    expect(bytes).toBeLessThanOrEqual(settings.maxQueueBytes);
  }

  function expectAccounted(fate: Fate): void {
    look();
    const { records, bytes } = subject.ledger();
    const spooled = options.spoolDir === undefined ? [] : readSpool(options.spoolDir).ids;
    expect(created.toSorted()).toEqual([...expected].sort());
    for (const id of expected) {
      const reasons = losses.get(id) ?? [];
      // Once on the server, or once told to be lost, or in the spool. More than one only where its success could not be told.
      if (book.told.has(id)) expect([id, reasons]).toEqual([id, []]);
      else if (!spooled.includes(id)) expect([id, reasons.length]).toEqual([id, 1]);
      else expect([id, reasons]).toEqual([id, []]);
    }
    expect(book.repeated).toEqual([]);
    expect(book.complaints).toEqual([]);

    const dropped: Record<string, number> = {};
    let rejected = 0;
    for (const reason of [...losses.values()].flat()) {
      if (reason.startsWith('rejected: ')) rejected += 1;
      else dropped[reason] = (dropped[reason] ?? 0) + 1;
    }
    expect({ rejected: records.rejected, dropped: records.dropped }).toEqual({ rejected, dropped });
    expect(records).toEqual({
      created: expected.size,
      delivered: fate.delivered ?? 0,
      rejected: fate.rejected ?? 0,
      dropped: fate.dropped ?? {},
      spooled: fate.spooled ?? 0,
      pending: 0,
    });
    expect(bytes).toBe(0);
    expect(spooled).toHaveLength(records.spooled);
    expect(codes).toHaveLength(exports);

    const logged = [...warnings(), ...errors];
    const said = [...logged, ...[...losses.values()].flat(), JSON.stringify(subject.ledger())];
    expect(said.filter((text) => text.includes(secret))).toEqual([]);
    expect(logged.filter((text) => text.includes(content))).toEqual([]);
  }

  book.watch(look);
  return {
    book,
    content,
    secret,
    expected,
    losses,
    codes,
    limits: settings,
    work,
    ledger: () => subject.ledger(),
    forceFlush: () => subject.forceFlush(),
    shutdown: () => subject.shutdown(),
    look,
    expectAccounted,
  };
}

/** Ids of what waits in a spool, and its lines; read as `docs/decisions/0006-spool-format.md` says, by no code of the library. */
export function readSpool(dir: string): {
  readonly ids: readonly string[];
  readonly lines: readonly string[];
} {
  const names = existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.jsonl')) : [];
  const lines = names.flatMap((name) => {
    const marks = join(dir, `${name.split('.')[0]}.done`);
    const settled = new Set(
      existsSync(marks)
        ? linesOf(marks).flatMap((line) => (JSON.parse(line) as { done: readonly number[] }).done)
        : [],
    );
    return linesOf(join(dir, name)).filter((line) => !settled.has((JSON.parse(line) as { n: number }).n));
  });
  return { ids: lines.map((line) => (JSON.parse(line) as { id: string }).id), lines };
}

function linesOf(path: string): readonly string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

/** Waits until every record that was made has come to its end. */
export async function settled(run: Run, withinMillis: number = 15_000): Promise<void> {
  await vi.waitFor(
    () => {
      const { created, pending } = run.ledger().records;
      expect([created, pending]).toEqual([run.expected.size, 0]);
    },
    { timeout: withinMillis, interval: 10 },
  );
}

/** Shuts down, within its limit, and checks that everything is accounted for and every connection closed. */
export async function finish(run: Run, server: Pick<FaultServer, 'open'>, fate: Fate): Promise<void> {
  const start = performance.now();
  await run.shutdown();
  expect(performance.now() - start).toBeLessThan(run.limits.shutdownTimeoutMillis + MARGIN_MILLIS);
  run.expectAccounted(fate);
  await vi.waitFor(() => expect(server.open()).toBe(0), { timeout: 5_000 });
}

/**
 * For the whole of a test file: full jitter is always at this share of its range, so that tests take as long each time. On real sockets
 * near its low end, so that retries take moments. Two in a row still differ, for names that are made of them.
 */
export function holdJitterAt(share: number): void {
  let restore = (): void => {};
  let count = 0;
  beforeAll(() => {
    const spy = vi.spyOn(Math, 'random').mockImplementation(() => share + (count++ % 1_000) * 1e-6);
    restore = () => spy.mockRestore();
  });
  afterAll(() => restore());
}

function chatAttributes(question: string, projectId: string | undefined): Record<string, string> {
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.input.messages': messages('user', question),
    'gen_ai.output.messages': messages('assistant', 'That.'),
    ...routeTo(projectId),
  };
}

function messages(role: string, content: string): string {
  const message = { role, parts: [{ type: 'text', content }] };
  return JSON.stringify([role === 'assistant' ? { ...message, finish_reason: 'stop' } : message]);
}

function routeTo(projectId: string | undefined): Record<string, string> {
  return projectId === undefined ? {} : { 'freeplay.project.id': projectId };
}

/** Not by `Math.random`, which these tests hold still. */
function randomId(size: number): string {
  return randomBytes(size).toString('hex');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
