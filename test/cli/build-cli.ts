import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildPackage, ROOT } from '../support/build-package.ts';

export interface BuiltCli {
  readonly main: string;
  remove(): void;
}

/** The command as it is published, built into a folder from which the dependencies are found. */
export async function buildCli(): Promise<BuiltCli> {
  const cache = join(ROOT, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const outDir = mkdtempSync(join(cache, 'cli-test-'));
  await buildPackage(['src/cli/main.ts'], outDir);
  return {
    main: join(outDir, 'cli', 'main.mjs'),
    remove: () => rmSync(outDir, { recursive: true, force: true }),
  };
}

export interface Run {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  /** Resolves with the match once standard output has it. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string | null>;
}

export function runCli(main: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Run {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    for (const check of waiting) check();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<number | string | null>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  const printed = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const match = pattern.exec(out);
        if (match === null) return;
        waiting.delete(check);
        resolve(match);
      };
      waiting.add(check);
      check();
      void ended.then((code) =>
        reject(new Error(`ended with ${code} before printing ${pattern}: ${out}${err}`)),
      );
    });
  return { child, out: () => out, err: () => err, printed, ended };
}
