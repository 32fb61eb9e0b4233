import { fileURLToPath } from 'node:url';
import { build } from 'tsdown';
import { BUNDLED_ALIAS, licencesOfBundled, nameBundled } from '../../bundled.config.ts';

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));

/** The package as it is published, without types, built into a folder of the test's own: no test needs `dist`, and none races a build. */
export async function buildPackage(entry: readonly string[], outDir: string): Promise<void> {
  await build({
    cwd: ROOT,
    config: false,
    entry: [...entry],
    root: 'src',
    outDir,
    platform: 'node',
    target: 'node20.18',
    format: ['esm'],
    unbundle: true,
    fixedExtension: true,
    dts: false,
    alias: BUNDLED_ALIAS,
    outputOptions: nameBundled,
    plugins: [licencesOfBundled()],
    logLevel: 'silent',
  });
}
