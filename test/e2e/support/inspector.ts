/** The command as it is published, with its page, and what is recorded there. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'tsdown';
import { FreeplaySpanExporter } from '../../../src/index.ts';
import { type Run, runCli } from '../../cli/build-cli.ts';
import { type CapturedLog, type CapturedSpan, scenarioNamed } from '../../contract/support/corpus.ts';
import { toSdkLog, toSdkSpan } from '../../contract/support/sdk-shapes.ts';
import { ROOT } from '../../support/build-package.ts';

export const PROJECT_ID = '10ca1000-0000-4000-8000-000000000000';

export interface BuiltPackage {
  /** Starts `freeplay-otel local` on a free port. */
  start(...args: readonly string[]): Promise<RunningServer>;
  /** Runs a real agent, `npm run demo`, against a server. */
  demo(server: RunningServer, key?: string): Promise<void>;
  remove(): void;
}

export interface RunningServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** A copy of the package as a user has it, below node_modules, where its dependencies are in reach. */
export async function buildWholePackage(): Promise<BuiltPackage> {
  const cache = join(ROOT, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const project = mkdtempSync(join(cache, 'e2e-test-'));
  cpSync(join(ROOT, 'package.json'), join(project, 'package.json'));
  cpSync(join(ROOT, 'examples'), join(project, 'examples'), { recursive: true });
  await build({ cwd: ROOT, outDir: join(project, 'dist'), logLevel: 'silent' });
  const running = new Set<Run>();
  return {
    async start(...args) {
      const run = runCli(join(project, 'dist', 'cli', 'main.mjs'), ['local', '--port', '0', ...args]);
      running.add(run);
      const [, url] = await run.printed(/listening on (http:\/\/[^\s"]+)/);
      return {
        url: url!,
        async stop() {
          running.delete(run);
          run.child.kill('SIGTERM');
          await run.ended;
        },
      };
    },
    async demo(server, key = 'any') {
      await promisify(execFile)(process.execPath, ['examples/demo/main.mjs'], {
        cwd: project,
        timeout: 60_000,
        env: { ...process.env, ...settings(server, key) },
      });
    },
    remove() {
      for (const { child } of running) child.kill('SIGKILL');
      rmSync(project, { recursive: true, force: true });
    },
  };
}

function settings({ url }: RunningServer, key: string): NodeJS.ProcessEnv {
  return {
    FREEPLAY_API_BASE: `${url}/api`,
    FREEPLAY_API_KEY: key,
    FREEPLAY_PROJECT_ID: PROJECT_ID,
    FREEPLAY_DEVELOPMENT: 'true',
  };
}

/** Spans that real libraries emitted, through the exporter in development mode; moved to end at `endMillis` where that is given. */
export async function exportScenario(
  { url }: RunningServer,
  name: string,
  endMillis?: number,
): Promise<void> {
  const { spans, logs } = scenarioNamed(name);
  const last = spans.reduce(
    (latest, { endTimeUnixNano: end }) => (BigInt(end) > latest ? BigInt(end) : latest),
    0n,
  );
  const shift = endMillis === undefined ? 0n : BigInt(Math.round(endMillis)) * 1_000_000n - last;
  const exporter = new FreeplaySpanExporter({
    apiKey: 'any',
    projectId: PROJECT_ID,
    baseUrl: `${url}/api`,
    development: true,
  });
  for (const log of logs) exporter.logRecordProcessor.onEmit(toSdkLog(log as CapturedLog));
  await new Promise<void>((resolve, reject) => {
    exporter.export(
      spans.map((span) => toSdkSpan(moved(span, shift))),
      ({ code, error }) => (code === 0 ? resolve() : reject(error ?? new Error('not exported'))),
    );
  });
  await exporter.shutdown();
}

function moved(span: CapturedSpan, shift: bigint): CapturedSpan {
  const move = (nanos: string): string => String(BigInt(nanos) + shift);
  return {
    ...span,
    startTimeUnixNano: move(span.startTimeUnixNano),
    endTimeUnixNano: move(span.endTimeUnixNano),
    events: span.events.map((event) => ({
      ...event,
      ...(event.timeUnixNano === undefined ? {} : { timeUnixNano: move(event.timeUnixNano) }),
    })),
  };
}

/** Posts a completion record as any client would. */
export async function postCompletion(
  { url }: RunningServer,
  session: string,
  body: Readonly<Record<string, unknown>>,
): Promise<void> {
  const response = await fetch(`${url}/api/v2/projects/${PROJECT_ID}/sessions/${session}/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
}
