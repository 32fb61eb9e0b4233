/** Programs under test: started, watched, ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'vitest';

export type Finisher = Pick<TestContext, 'onTestFinished'>;

/** What a program may have printed at most before the beginning is forgotten. */
const MAX_OUTPUT_CHARS = 1_000_000;

export interface Program {
  readonly child: ChildProcess;
  /** Both streams, as they came. */
  readonly output: () => string;
  /** Resolves once the output has it; rejects if the program ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  /** Resolves when it has ended. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string>;
}

/** Killed with the test, if it still runs. */
export function startProgram(
  context: Finisher,
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Program {
  const child = spawn(file, args, { env: { ...cleanEnv(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-MAX_OUTPUT_CHARS);
      for (const check of waiting) check();
    });
  }
  const ended = new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const kill = (signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string> => {
    child.kill(signal);
    return ended;
  };
  context.onTestFinished(() => void kill('SIGKILL'));
  const printed = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const match = pattern.exec(output);
        if (match === null) return;
        waiting.delete(check);
        resolve(match);
      };
      waiting.add(check);
      check();
      void ended.then((code) => {
        if (waiting.delete(check))
          reject(new Error(`${file} ended with ${code} before printing ${pattern}:\n${output}`));
      });
    });
  return { child, output: () => output, printed, ended, kill };
}

/** Ours, without what a developer may have set for the programs. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(OTEL_|FREEPLAY_|OPENAI_|ANTHROPIC_)/.test(name)),
  );
}

/** Ports that were free a moment ago, for programs that cannot say which one they took. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Removed with the test. */
export function makeFolder(context: Finisher): string {
  const folder = mkdtempSync(join(tmpdir(), 'freeplay-collector-'));
  context.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Resolves when it holds; rejects, with the reason, when it has not for so long. */
export async function until(
  holds: () => boolean,
  limitMillis: number,
  reason: () => string = String,
): Promise<void> {
  const start = performance.now();
  while (!holds()) {
    if (performance.now() - start > limitMillis) throw new Error(`not within ${limitMillis} ms: ${reason()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
