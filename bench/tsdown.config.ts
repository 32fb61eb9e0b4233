/** The build that is measured: from the sources, without declarations, CommonJS and the page. */
import { join } from 'node:path';
import { defineConfig, type UserConfig } from 'tsdown';
import { esmBuild } from '../build.config.ts';

// The second is no entry of the package: the program `freeplay-otel local` is made of it. The last is the program.
const ENTRIES = ['src/index.ts', 'src/local/server.ts', 'src/cli/main.ts'];

export default defineConfig({
  // In `node_modules`, so that the build and its contenders share one undici and one `@opentelemetry/api`.
  ...esmBuild(ENTRIES, 'bench/node_modules/.built'),
  cwd: join(import.meta.dirname, '..'),
}) as UserConfig;
