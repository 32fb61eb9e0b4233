/**
 * Whole records of chosen scenarios, bodies and receipts, as files to be read by a reviewer. After a change that is meant:
 * `npx vitest run test/contract/golden.test.ts -u`, and read the difference.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertSpans } from '../../src/index.ts';
import { loadScenario, SCENARIO_FILES } from './support/corpus.ts';
import { toSdkLog, toSdkSpan } from './support/sdk-shapes.ts';

/** The scenario of a source that shows most; where none of these is there, its first. */
const TELLING = [/tool-loop|tools-round-trip|agent-tools/, /tool/, /chat|generate|message/];

/** Beside the one of each source. */
const MORE = new Set([
  'vercel-ai-5/error-500',
  'vercel-ai-6/output-object',
  'openinference/openai-vision',
  'openinference/openai-multiple-choices',
  'openinference/openai-reasoning-cached-usage',
  'traceloop/anthropic-thinking-cache',
  'mixed/two-services',
  'mixed/unfinished-root',
]);

const CHOSEN = [...new Set(SCENARIO_FILES.map((file) => file.source))].flatMap((source) => {
  const files = SCENARIO_FILES.filter((file) => file.source === source);
  const telling = TELLING.map((pattern) => files.find((file) => pattern.test(file.name))).find(
    (file) => file,
  );
  return [telling ?? files[0], ...files.filter((file) => MORE.has(file.name))].filter(
    (file) => file !== undefined,
  );
});

describe('golden records', () => {
  it.each(CHOSEN)('$name', async (file) => {
    const scenario = loadScenario(file);
    const records = convertSpans(
      scenario.spans.map((span) => toSdkSpan(span)),
      { projectId: 'project-1', logs: scenario.logs.map(toSdkLog) },
    );
    await expect(`${JSON.stringify(records, null, 2)}\n`).toMatchFileSnapshot(
      join(import.meta.dirname, 'golden', `${file.name.replaceAll('/', '.')}.json`),
    );
  });
});
