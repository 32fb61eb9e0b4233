/** What a run needs: the contenders' packages, and a build of the sources of its own, so that it never measures an old one. */
import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'tsdown';

const HERE = import.meta.dirname;
const BUILT = join(HERE, 'node_modules', '.built');

/** Installs what the lock file names, unless that has been done. */
export async function installContenders() {
  const lock = join(HERE, 'package-lock.json');
  const installed = join(HERE, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  await promisify(execFile)('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: HERE });
}

/** @returns {Promise<string>} file URL of the package's entry */
export async function buildPackage() {
  await build({ config: join(HERE, 'tsdown.config.ts'), logLevel: 'error' });
  return pathToFileURL(join(BUILT, 'index.mjs')).href;
}
