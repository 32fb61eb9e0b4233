/** Real libraries under their real instrumentation through the processor, in one process and across two, and its examples. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPackage, ROOT } from '../support/build-package.ts';

const RUN_TIMEOUT_MILLIS = 30_000;

let project: string;

// A copy of the package as a user has it: built, and found by its name. Below node_modules, where its dependencies are in reach.
beforeAll(async () => {
  const cache = join(ROOT, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  project = mkdtempSync(join(cache, 'live-test-'));
  cpSync(join(ROOT, 'package.json'), join(project, 'package.json'));
  cpSync(join(ROOT, 'examples'), join(project, 'examples'), { recursive: true });
  cpSync(join(ROOT, 'test', 'processor', 'live'), join(project, 'live'), { recursive: true });
  await buildPackage(['src/index.ts', 'src/cli/main.ts'], join(project, 'dist'));
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe("the demo's libraries in one process", () => {
  it.each([
    ['converted in one piece', 60_000],
    ['converted while the request runs', 40],
  ])(
    'give one tree, %s',
    async (_, flushDelayMillis) => {
      const { code, stdout, stderr } = await run('live/one-process.mjs', String(flushDelayMillis));
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(treeOf(stdout)).toEqual([
        'trace POST /concierge',
        '  completion gpt-4o-mini-2024-07-18',
        '  agent trip-planner',
        '    completion gpt-4o-2024-08-06',
        '      tool get_weather',
        '      tool find_hotels',
        '    completion gpt-4o-2024-08-06',
        '      tool hold_room',
        '    completion gpt-4o-2024-08-06',
        '  completion gpt-4o-mini-2024-07-18',
        '  trace confirmation-letter',
        '    completion gpt-4.1-mini-2025-04-14',
        '    trace StrOutputParser',
        '  trace chat gpt-4.1-mini', // what the openai client reports of the call that LangChain made
      ]);
      expect(stdout.match(/^session /gm)).toHaveLength(1);
      expect(stdout).toMatch(/^1 trace · 6 completions · 3 tool calls · /m);
      expect(stdout).toMatch(/delivered (\d+) +rejected 0 +dropped 0 +spooled 0 +pending 0$/m);
      const facts = JSON.parse(/^\{.*\}$/m.exec(stdout)?.[0] ?? '{}') as Record<string, number>;
      expect(facts).toMatchObject({ served: 6, handle: 6, stampsWithoutRecord: 0, users: 1, spans: 15 });
      expect(facts.stamped).toBeGreaterThanOrEqual(6);
      if (flushDelayMillis < 100) expect(facts.early).toBeGreaterThan(0);
      else expect(facts.early).toBe(0);
    },
    RUN_TIMEOUT_MILLIS,
  );
});

describe('two processes', () => {
  it(
    'that pass on trace context and baggage give one session and one tree',
    async () => {
      const { code, stdout, stderr } = await run('examples/multi-service.mjs');
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(stdout.match(/^session /gm)).toHaveLength(1);
      expect(stdout).toMatch(/^1 trace · 2 completions · /m);
      expect(treeOf(stdout)).toEqual([
        'trace POST /trip',
        '  agent guide',
        '    completion gpt-4o-mini-2024-07-18',
        '  trace POST /pack',
        '    agent packer',
        '      completion gpt-4.1-mini-2025-04-14',
      ]);
    },
    RUN_TIMEOUT_MILLIS,
  );
});

describe('the examples', () => {
  it(
    'dashboard-correlation: links both ways',
    async () => {
      const { code, stdout, stderr } = await run('examples/dashboard-correlation.mjs');
      expect(stderr).toBe('');
      expect(code).toBe(0);
      const stamps = [
        ...stdout.matchAll(/^ {2}span (\w{16}) .* → https:\/\/freeplay\.example\/records\/(\S+)$/gm),
      ];
      const links = [
        ...stdout.matchAll(/^ {2}completion (\S+) → http:\S+\/trace\/\w{32}\?uiFind=(\w{16})$/gm),
      ];
      expect(stamps).toHaveLength(2);
      expect(links.map(([, id, spanId]) => [spanId, id]).sort()).toEqual(
        stamps.map(([, spanId, id]) => [spanId, id]).sort(),
      );
      expect(stdout.match(/^ {4}there: ai\.generateText\.doGenerate$/gm)).toHaveLength(2);
    },
    RUN_TIMEOUT_MILLIS,
  );

  it(
    'express-sessions: a session for each conversation, not for each request',
    async () => {
      const { code, stdout, stderr } = await run('examples/express-sessions.mjs');
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(stdout.match(/^session /gm)).toHaveLength(2);
      expect(treeOf(stdout).filter((line) => line.startsWith('trace POST /ask'))).toHaveLength(3);
      expect(stdout).toMatch(/^2 traces · 2 completions · /m);
      expect(stdout).toMatch(/^1 trace · 1 completion · /m);
    },
    RUN_TIMEOUT_MILLIS,
  );

  it(
    'serverless: nothing is in hand when the function freezes',
    async () => {
      const { code, stdout, stderr } = await run('examples/serverless.mjs');
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(stdout).toMatch(/^Lambda .* frozen with 3 delivered, 0 pending$/m);
      expect(stdout).toMatch(/^Vercel .* frozen with 6 delivered, 0 pending$/m);
    },
    RUN_TIMEOUT_MILLIS,
  );
});

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, ...args: readonly string[]): Promise<Run> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(FREEPLAY_|OTEL_|NODE_OPTIONS$|FORCE_COLOR$)/.test(name),
    ),
  );
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(project, file), ...args],
      { env, timeout: RUN_TIMEOUT_MILLIS },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

/** The printed tree: two blanks for each level, kind and name. Of a trace the name only, its short id differs each time. */
function treeOf(stdout: string): string[] {
  const line = /^(?<branches>[│├└─ ]*─ )(?<label>\w+) (?<name>\S.*?)(?: [0-9a-f]{8})? {2,}/;
  return stdout.split('\n').flatMap((text) => {
    const { branches = '', label, name } = line.exec(text)?.groups ?? {};
    return label === undefined ? [] : [`${'  '.repeat(branches.length / 3 - 1)}${label} ${name}`];
  });
}
