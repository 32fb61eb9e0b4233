import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, onTestFinished, vi } from 'vitest';
import { completionIdOf, type FreeplayOptions, FreeplaySpanExporter } from '../../src/index.ts';
import { createFakeDispatcher } from '../delivery/support.ts';
import { chatAttributes, makeSpan, spanIdOf } from '../property/support.ts';
import { buildPackage, ROOT } from '../support/build-package.ts';
import { exportSpans, KEY } from './support.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

interface Told {
  readonly receipts: readonly {
    readonly kind: string;
    readonly id: string;
    readonly receipt: { readonly dialect: string; readonly spanIds: readonly string[] };
    readonly spans: readonly { readonly attributes: Record<string, unknown> }[];
  }[];
}

/** A local server that takes receipts, or answers them with this status. */
async function startLocal(status: number = 202, receiptMillis: number = 0) {
  const told: Told[] = [];
  const records: string[] = [];
  const keys = new Set<string | undefined>();
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    keys.add(request.headers.authorization);
    const isReceipts = request.url === '/api/local/receipts';
    if (isReceipts) told.push(JSON.parse(text));
    else records.push(text);
    if (isReceipts && receiptMillis > 0) await new Promise((resolve) => setTimeout(resolve, receiptMillis));
    response.writeHead(isReceipts ? status : 201).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { baseUrl: `http://127.0.0.1:${port}/api`, told, records, keys };
}

function createExporter(options: FreeplayOptions): FreeplaySpanExporter {
  const exporter = new FreeplaySpanExporter({ apiKey: KEY, projectId: 'p', records: 'genai', ...options });
  onTestFinished(() => exporter.shutdown());
  return exporter;
}

const chat = (n: number) =>
  makeSpan({
    spanId: spanIdOf(n),
    name: 'chat gpt-4o',
    scope: 'app',
    attributes: chatAttributes({ question: `question ${n}`, answer: `answer ${n}` }),
  });

let emitWarning: MockInstance<typeof process.emitWarning>;

beforeEach(() => {
  emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});

afterEach(() => {
  vi.restoreAllMocks();
});

const warnings = (): readonly string[] => emitWarning.mock.calls.map(([message]) => String(message));

describe('development mode', () => {
  it('sends receipt and span of each record along, with the key, before a flush resolves', async () => {
    const local = await startLocal();
    const exporter = createExporter({ baseUrl: local.baseUrl, development: true });
    await exportSpans(exporter, [chat(1), chat(2)]);
    await exporter.forceFlush();
    const receipts = local.told.flatMap((one) => one.receipts);
    expect(receipts.map(({ kind, id }) => [kind, id])).toEqual(
      [1, 2].map((n) => ['completion', completionIdOf({ traceId: TRACE, spanId: spanIdOf(n) })]),
    );
    expect(receipts[0]?.receipt.spanIds).toEqual([spanIdOf(1)]);
    expect(JSON.stringify(receipts[0]?.spans[0]?.attributes)).toContain('question 1');
    expect([...local.keys]).toEqual([`Bearer ${KEY}`]);
    expect(local.records).toHaveLength(2);
  });

  it('is off unless it is asked for', async () => {
    const local = await startLocal();
    const exporter = createExporter({ baseUrl: local.baseUrl });
    await exportSpans(exporter, [chat(1)]);
    await exporter.forceFlush();
    expect([local.records.length, local.told.length]).toEqual([1, 0]);
  });

  it.each<[name: string, options: FreeplayOptions]>([
    ['captureContent is off', { captureContent: false }],
    ['a mask is set', { mask: 'secrets' }],
  ])('keeps spans to itself where %s', async (_, options) => {
    const local = await startLocal();
    const exporter = createExporter({ baseUrl: local.baseUrl, development: true, ...options });
    await exportSpans(exporter, [chat(1)]);
    await exporter.forceFlush();
    const [told] = local.told;
    expect(told?.receipts[0]?.spans).toEqual([]);
    expect(told?.receipts[0]?.receipt.dialect).toBeTypeOf('string');
    expect(JSON.stringify(told)).not.toContain('question 1');
  });

  it('sends nothing to an API on another machine, and says so', async () => {
    const { dispatcher, requests } = createFakeDispatcher(() => ({ status: 201 }));
    const exporter = createExporter({
      baseUrl: 'https://api.example.test/api',
      development: true,
      dispatcher,
    });
    await exportSpans(exporter, [chat(1)]);
    await exporter.forceFlush();
    expect(requests.map((one) => one.path)).toEqual([expect.stringMatching(/completions$/)]);
    expect(warnings().join()).toMatch(/development mode is for/);
  });

  it('costs no record when the server knows nothing of receipts', async () => {
    const local = await startLocal(404);
    const exporter = createExporter({ baseUrl: local.baseUrl, development: true });
    await exportSpans(exporter, [chat(1)]);
    await exportSpans(exporter, [chat(2)]);
    await exporter.shutdown();
    expect(exporter.ledger().records).toMatchObject({ created: 2, delivered: 2 });
    expect(warnings().filter((text) => text.includes('receipts'))).toHaveLength(1);
  });

  it('splits what is too much for one request', async () => {
    const local = await startLocal();
    const exporter = createExporter({ baseUrl: local.baseUrl, development: true });
    const long = 'x'.repeat(1_500_000);
    const spans = [1, 2, 3, 4].map((n) =>
      makeSpan({
        spanId: spanIdOf(n),
        name: 'chat',
        scope: 'app',
        attributes: chatAttributes({ question: long, answer: 'a' }),
      }),
    );
    await exportSpans(exporter, spans);
    await exporter.forceFlush();
    expect(local.told.length).toBeGreaterThan(1);
    expect(local.told.flatMap((one) => one.receipts)).toHaveLength(4);
  });

  it.each(['forceFlush', 'shutdown'])('keeps a process that awaits %s until receipts are there', {
    timeout: 60_000,
  }, async (method) => {
    const cache = join(ROOT, 'node_modules', '.cache');
    mkdirSync(cache, { recursive: true });
    const library = mkdtempSync(join(cache, 'development-test-'));
    onTestFinished(() => rmSync(library, { recursive: true, force: true }));
    await buildPackage(['src/index.ts'], library);
    const { baseUrl, told } = await startLocal(202, 400);
    const options = { apiKey: KEY, projectId: 'p', baseUrl, development: true };
    const app = `
      import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
      import { FreeplaySpanProcessor } from ${JSON.stringify(join(library, 'index.mjs'))};
      const processor = new FreeplaySpanProcessor(${JSON.stringify(options)});
      const provider = new BasicTracerProvider({ spanProcessors: [processor] });
      provider.getTracer('app').startSpan('chat', { attributes: ${JSON.stringify(chatAttributes({ question: 'q', answer: 'a' }))} }).end();
      await processor.${method}();
      console.log('done');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', app], {
      cwd: library,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text;
    });
    // 13: an await at the top level that never ended.
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(out).toBe('done\n');
    expect(told).toHaveLength(1);
  });
});
