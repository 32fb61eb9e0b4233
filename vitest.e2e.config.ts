import { defineConfig, type ViteUserConfig } from 'vitest/config';

// In a real browser (`npm run test:e2e`), apart from the other tests: it needs Chromium.
const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/e2e/**/*.e2e.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});

export default config;
