import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startServer } from '../delivery/support.ts';
import { buildPackage, ROOT } from '../support/build-package.ts';

const COUNT = 20;

let folder: string;
let app: string;

beforeAll(async () => {
  const cache = join(ROOT, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(join(cache, 'exit-test-'));
  await buildPackage(['src/index.ts'], join(folder, 'dist'));
  app = join(folder, 'app.mjs');
  // An app that neither flushes nor shuts down.
  writeFileSync(
    app,
    `import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { FreeplaySpanProcessor } from './dist/index.mjs';
const processor = new FreeplaySpanProcessor({ apiKey: 'k', projectId: 'p', baseUrl: process.argv[2], flushTimeoutMillis: 1000 });
const tracer = new NodeTracerProvider({ spanProcessors: [processor] }).getTracer('app');
for (let i = 0; i < Number(process.argv[3]); i++) tracer.startSpan('chat', { attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm' } }).end();
`,
  );
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(baseUrl: string, count: number = COUNT): Promise<{ code: unknown; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [app, baseUrl, String(count)], { timeout: 20_000 }, (error, _out, err) =>
      resolve({ code: error?.code ?? 0, err }),
    );
  });
}

it('delivers what is in hand when an app just ends', async () => {
  const api = await startServer((_, response) => response.writeHead(201).end('{}'));
  const { code } = await run(api.origin);
  expect(code).toBe(0);
  expect(api.received).toHaveLength(COUNT);
});

it('ends, and says what was lost, where the API is down', async () => {
  const { code, err } = await run('http://127.0.0.1:9');
  expect(code).toBe(0);
  expect(err).toContain(`${COUNT} records were not delivered before the process ended`);
});

it('ends as soon with a thousand calls, which wait for conversion', async () => {
  const before = performance.now();
  const { code } = await run('http://127.0.0.1:9', 1_000);
  expect(code).toBe(0);
  expect(performance.now() - before).toBeLessThan(8_000);
});
