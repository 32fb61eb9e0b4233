import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // What takes a Collector and other languages has vitest.collector.config.ts.
    exclude: ['test/compat/**', 'test/collector/**', '**/node_modules/**'],
    chaiConfig: { truncateThreshold: 2_000 },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});

export default config;
