import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type BuiltCli, buildCli, type Run, runCli } from './build-cli.ts';

export interface Cli {
  /** Path of the program; there from the first test on. */
  readonly main: string;
  /** Runs it; what still runs after a test is killed. */
  run(args: readonly string[], env?: NodeJS.ProcessEnv): Run;
  /** An empty folder, gone after the test. */
  makeFolder(): string;
}

/** The built command for the tests of a file. */
export function useCli(): Cli {
  let cli: BuiltCli;
  const running: Run[] = [];
  const folders: string[] = [];
  beforeAll(async () => {
    cli = await buildCli();
  }, 60_000);
  afterAll(() => cli.remove());
  afterEach(async () => {
    for (const { child, ended } of running.splice(0)) {
      child.kill('SIGKILL');
      await ended;
    }
    for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
  });
  return {
    get main() {
      return cli.main;
    },
    run(args, env) {
      const started = runCli(cli.main, args, env);
      running.push(started);
      return started;
    },
    makeFolder() {
      const dir = mkdtempSync(join(tmpdir(), 'freeplay-cli-'));
      folders.push(dir);
      return dir;
    },
  };
}
