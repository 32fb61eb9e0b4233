import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const SCRIPT = join(import.meta.dirname, '..', 'prepare.mjs');
const EXIT_MISSING = 3;

export type Tool = 'collector' | 'kafka' | 'python' | 'go';

/** Where it is, after having made it if need be. `undefined`, and a loud word, if that takes a program that is not installed. */
export function prepareIfPossible(tool: Tool): string | undefined {
  const { status, stdout } = spawnSync(process.execPath, [SCRIPT, tool], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status === 0) return stdout.trim();
  if (status !== EXIT_MISSING) throw new Error(`${tool} could not be made ready`);
  console.warn(`\n*** NOT TESTED, for it could not be made ready: ${tool} ***\n`);
  return undefined;
}

export function prepare(tool: Tool): string {
  const path = prepareIfPossible(tool);
  if (path === undefined) throw new Error(`${tool} could not be made ready`);
  return path;
}
