import { fileURLToPath } from 'node:url';
import { build } from 'tsdown';
import { esmBuild } from '../../build.config.ts';

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));

/** The package as it is published, without types, built into a folder of the test's own: no test needs `dist`, and none races a build. */
export async function buildPackage(entry: readonly string[], outDir: string): Promise<void> {
  await build({ ...esmBuild(entry, outDir), cwd: ROOT, config: false, logLevel: 'silent' });
}
