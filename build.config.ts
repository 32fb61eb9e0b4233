/** How the sources are built, and how packages that the programs bring along are laid out in the build. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { UserConfig } from 'tsdown';

/** Anything below a folder called `node_modules` is left out by `npm pack`. */
const FOLDER = 'bundled';

/** CommonJS packages would get its CommonJS form, which trips over the names that the bundler gives. */
const BUNDLED_ALIAS: Record<string, string> = {
  '@opentelemetry/semantic-conventions': fileURLToPath(
    new URL('node_modules/@opentelemetry/semantic-conventions/dist/index.mjs', import.meta.url),
  ),
};

export const SHARED: UserConfig = {
  root: 'src',
  platform: 'node',
  target: 'node20.18',
  unbundle: true,
  sourcemap: false,
  fixedExtension: true,
};

/** Modules as they are published, without their types. */
export function esmBuild(entry: readonly string[], outDir: string): UserConfig {
  return {
    ...SHARED,
    entry: [...entry],
    outDir,
    format: ['esm'],
    dts: false,
    alias: BUNDLED_ALIAS,
    outputOptions: nameBundled,
    plugins: [licencesOfBundled()],
  };
}

type OutputOptions = Extract<UserConfig['outputOptions'], (...args: never) => unknown>;

const nameBundled: OutputOptions = (options) => ({
  ...options,
  entryFileNames: ({ name }) => `${name.replaceAll('node_modules/', `${FOLDER}/`)}.mjs`,
});

type Plugin = Extract<NonNullable<UserConfig['plugins']>, { name: string }>;

/** Their licences ask to be passed on with them. */
export function licencesOfBundled(fileName: string = `${FOLDER}/LICENSES.txt`): Plugin {
  return {
    name: 'licences-of-bundled',
    generateBundle(_, bundle) {
      const folders = new Set(
        Object.values(bundle).flatMap((one) =>
          one.type === 'chunk' ? one.moduleIds.flatMap((id) => packageFolder(id) ?? []) : [],
        ),
      );
      if (folders.size === 0) return;
      const byText = new Map<string, string[]>();
      for (const folder of [...folders].sort()) {
        const { title, text } = describe(folder);
        byText.set(text, [...(byText.get(text) ?? []), title]);
      }
      const source = [...byText].map(([text, titles]) => [...titles, '', text].join('\n')).join('\n\n');
      this.emitFile({ type: 'asset', fileName, source });
    },
  };
}

function packageFolder(moduleId: string): string | undefined {
  return /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(moduleId.replaceAll('\\', '/'))?.[0];
}

function describe(folder: string): { readonly title: string; readonly text: string } {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file));
  const text = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n\n');
  return { title: `${name} ${version} (${license})`, text };
}
