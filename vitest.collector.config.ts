import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** `npm run test:collector`: what takes a Collector, a broker or other languages, one file at a time. */
const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/collector/**/*.test.ts'],
    globalSetup: 'test/collector/global-setup.ts',
    fileParallelism: false,
    chaiConfig: { truncateThreshold: 2_000 },
    // Several processes start in each test.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});

export default config;
