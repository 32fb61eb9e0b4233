/** The build that is measured: from the sources, without declarations, CommonJS and the page. */
import { join } from 'node:path';
import { defineConfig, type UserConfig } from 'tsdown';
import { BUNDLED_ALIAS, nameBundled } from '../bundled.config.ts';

const config: UserConfig = {
  cwd: join(import.meta.dirname, '..'),
  // The second is no entry of the package: the program `freeplay-otel local` is made of it. The last is the program.
  entry: ['src/index.ts', 'src/local/server.ts', 'src/cli/main.ts'],
  root: 'src',
  // In `node_modules`, so that the build and its contenders share one undici and one `@opentelemetry/api`.
  outDir: 'bench/node_modules/.built',
  platform: 'node',
  target: 'node20.18',
  format: ['esm'],
  unbundle: true,
  fixedExtension: true,
  dts: false,
  alias: BUNDLED_ALIAS,
  outputOptions: nameBundled,
};

export default defineConfig(config) as UserConfig;
