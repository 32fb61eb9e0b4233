import { defineConfig, type UserConfig } from 'tsdown';

const shared = {
  platform: 'node',
  target: 'node20.18',
  outDir: 'dist',
  unbundle: true,
  sourcemap: false,
} as const;

// The library is dual (docs/decisions/0001); programs are ESM only.
const config: UserConfig[] = [
  {
    ...shared,
    entry: ['src/index.ts', 'src/register.ts'],
    format: ['esm', 'cjs'],
    dts: true,
    fixedExtension: true,
  },
  {
    ...shared,
    entry: ['src/cli/main.ts'],
    root: 'src',
    format: ['esm'],
    dts: false,
    clean: false,
    fixedExtension: true,
  },
];

export default defineConfig(config) as UserConfig[];
