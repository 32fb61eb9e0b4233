import { readFileSync } from 'node:fs';
import { defineConfig, type UserConfig } from 'tsdown';
import { esmBuild, licencesOfBundled, SHARED } from './build.config.ts';

// The library is dual (docs/decisions/0001); programs are ESM only; the page is one file for browsers.
const library = ['src/index.ts', 'src/register.ts'];

const config: UserConfig[] = [
  { ...SHARED, entry: library, outDir: 'dist', format: ['cjs'], dts: true },
  { ...SHARED, entry: library, outDir: 'dist', format: ['esm'], dts: { emitDtsOnly: true }, clean: false },
  // In one build with the library, whose files they share: each build leaves out what it does not use itself.
  { ...esmBuild([...library, 'src/cli/main.ts'], 'dist'), clean: false },
  {
    entry: { 'inspector/inspector': 'src/inspector/main.tsx' },
    tsconfig: 'src/inspector/tsconfig.json',
    outDir: 'dist',
    platform: 'browser',
    target: ['chrome123', 'firefox125', 'safari17.5'],
    format: ['esm'],
    dts: false,
    clean: false,
    minify: true,
    outExtensions: () => ({ js: '.js' }),
    plugins: [inspectorFiles(), licencesOfBundled('inspector/LICENSES.txt')],
  },
];

export default defineConfig(config) as UserConfig[];

interface Emitter {
  emitFile(file: { type: 'asset'; fileName: string; source: string }): unknown;
}

/** A bundler plugin: page and style sheet. */
function inspectorFiles(): { name: string; generateBundle(this: Emitter): void } {
  return {
    name: 'inspector-files',
    generateBundle(): void {
      const emit = (fileName: string, source: string): void => {
        this.emitFile({ type: 'asset', fileName: `inspector/${fileName}`, source });
      };
      emit('index.html', read('src/inspector/index.html'));
      emit('inspector.css', withoutComments(read('src/inspector/inspector.css')));
    },
  };
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'utf8');
}

/** Comments, indentation and line ends: no string of ours holds any of these. */
function withoutComments(css: string): string {
  return css
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\n\s*/g, '\n')
    .replace(/ *([{};,>]) *\n?/g, '$1')
    .trim();
}
