/** What a run needs: the contenders' packages, and a build of the sources of its own, so that it never measures an old one. */
import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'tsdown';

const HERE = import.meta.dirname;
/** In `node_modules`, so that the build and its contenders share one undici and one `@opentelemetry/api`. */
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
  await build({
    cwd: join(HERE, '..'),
    config: false,
    // The second is no entry of the package: the program `freeplay-otel local` is made of it. The last is the program.
    entry: ['src/index.ts', 'src/local/server.ts', 'src/cli/main.ts'],
    root: 'src',
    outDir: BUILT,
    platform: 'node',
    target: 'node20.18',
    format: ['esm'],
    unbundle: true,
    fixedExtension: true,
    dts: false,
    logLevel: 'error',
  });
  return pathToFileURL(join(BUILT, 'index.mjs')).href;
}
