import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPackage, ROOT } from './support/build-package.ts';

const RUN_TIMEOUT_MILLIS = 30_000;

let project: string;

// A copy of the package as a user has it: built, and found by its name. Below node_modules, where its dependencies are in reach.
beforeAll(async () => {
  const cache = join(ROOT, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  project = mkdtempSync(join(cache, 'demo-test-'));
  cpSync(join(ROOT, 'package.json'), join(project, 'package.json'));
  cpSync(join(ROOT, 'examples'), join(project, 'examples'), { recursive: true });
  await buildPackage(['src/index.ts', 'src/cli/main.ts'], join(project, 'dist'));
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('the demo', () => {
  let run: Run;
  let tree: readonly TreeLine[];

  beforeAll(async () => {
    run = await runExample('demo/main.mjs');
    tree = treeOf(run.stdout);
  }, RUN_TIMEOUT_MILLIS);

  it('ends by itself, exit code 0, with nothing on stderr', () => {
    expect(run.stderr).toBe('');
    expect(run.code).toBe(0);
  });

  it('prints one session with three traces', () => {
    expect(run.stdout).toMatch(
      /^session [0-9a-f-]{36}\n3 traces · 12 completions · 3 tool calls · 1 failed · 1,994 → 421 tokens · /m,
    );
    expect(tree.filter(({ depth }) => depth === 0).map(({ label, name }) => `${label} ${name}`)).toEqual([
      expect.stringMatching(/^trace POST \/concierge [0-9a-f]{8}$/),
      expect.stringMatching(/^trace POST \/concierge\/dinner [0-9a-f]{8}$/),
      expect.stringMatching(/^trace POST \/concierge\/photo [0-9a-f]{8}$/),
    ]);
  });

  it('shows calls side by side, one of them turned away and tried again, and one that thinks', () => {
    const start = tree.findIndex(({ name }) => name.startsWith('POST /concierge/dinner'));
    const calls = tree.slice(start, start + 10).filter(({ label }) => label === 'completion');
    expect(calls.map(({ name, tokens }) => `${name} ${tokens}`).sort()).toEqual([
      'deepseek-reasoner 51 → 92',
      'gpt-4o-2024-08-06 230 → 38',
      'gpt-4o-mini-2024-07-18 51 → 21',
      'mistral-small-2506 51 → 26',
      'mistral-small-latest ',
    ]);
    expect(tree.find(({ name }) => name === 'mistral-small-latest')?.words).toMatch(
      /^failed: AI_APICallError: Service tier/,
    );
  });

  it('hangs the calls of the agent below it, and each tool below the call that asked for it', () => {
    const start = tree.findIndex(({ name }) => name === 'trip-planner');
    const end = tree.findIndex(({ depth }, index) => index > start && depth <= 1);
    expect(tree.slice(start, end).map(({ words, ...line }) => line)).toEqual([
      { depth: 1, label: 'agent', name: 'trip-planner', tokens: '' },
      { depth: 2, label: 'completion', name: 'gpt-4o-2024-08-06', tokens: '297 → 53' },
      { depth: 3, label: 'tool', name: 'get_weather', tokens: '' },
      { depth: 3, label: 'tool', name: 'find_hotels', tokens: '' },
      { depth: 2, label: 'completion', name: 'gpt-4o-2024-08-06', tokens: '413 → 20' },
      { depth: 3, label: 'tool', name: 'hold_room', tokens: '' },
      { depth: 2, label: 'completion', name: 'gpt-4o-2024-08-06', tokens: '456 → 40' },
    ]);
  });

  it('shows the first words of calls whose content is only in log events', () => {
    expect(
      tree
        .filter(({ name, depth }) => name === 'gpt-4o-mini-2024-07-18' && depth === 1)
        .map(({ depth, tokens, words }) => [depth, tokens, words.slice(0, 16)]),
    ).toEqual([
      [1, '47 → 28', '{"city":"Lisbon"'],
      [1, '55 → 26', '- Light jacket f'],
    ]);
  });

  it('records the call that LangChain and the openai client both report once', () => {
    const calls = tree.filter(({ label, name }) => label === 'completion' && name.startsWith('gpt-4.1-mini'));
    expect(calls.map(({ tokens, words }) => [tokens, words.slice(0, 9)])).toEqual([['72 → 25', 'Dear Ana,']]);
    expect(tree.find(({ name }) => name === 'confirmation-letter')).toMatchObject({
      depth: 1,
      label: 'trace',
    });
    expect(run.stdout).toContain('Reported by two instrumentations at once, and recorded once: 1.');
  });

  it('prints the ledger, in which everything that was made was delivered', () => {
    const created = /^ {2}records .*created (\d+)/m.exec(run.stdout)?.[1];
    expect(Number(created)).toBe(tree.length);
    expect(run.stdout).toMatch(
      new RegExp(`^ {2}records .*delivered ${created} +rejected 0 +dropped 0 +spooled 0 +pending 0$`, 'm'),
    );
    expect(run.stdout).toContain('Model calls served: 12, completions recorded: 12.');
  });

  it('says how to look at it in the browser', () => {
    expect(run.stdout).toMatch(/\nTo look at this session in the browser: npm run demo -- --open\n$/);
  });

  it('leaves the other exporter on the provider every span', () => {
    const seen = /^ {2}spans +seen (\d+)/m.exec(run.stdout)?.[1];
    expect(seen).toBe('28');
    expect(run.stdout).toContain(`The other exporter on the provider received ${seen} spans.`);
  });
});

describe('the demo with --open', () => {
  it('leaves the page and the session up until it is told to stop', {
    timeout: RUN_TIMEOUT_MILLIS,
  }, async () => {
    // Where no browser can be found, so that none opens.
    const child = spawn(process.execPath, [join(project, 'examples/demo/main.mjs'), '--open'], {
      env: { ...environment(), PATH: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text;
        const found = /The session is at (http\S+)\n/.exec(out)?.[1];
        if (found !== undefined) resolve(found);
      });
      child.once('close', () => reject(new Error(out)));
    });
    const { origin, pathname } = new URL(address);
    const view = await fetch(`${origin}/api/view${pathname}`);
    expect(view.status).toBe(200);
    expect(await view.json()).toMatchObject({ completions: 12, errors: 1, traceList: { length: 3 } });
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  });
});

describe('the examples', () => {
  it.each(['node-sdk', 'vercel-otel', 'vercel-ai', 'openai-log-events', 'custom-dialect'])(
    '%s runs and shows what it recorded',
    async (name) => {
      const { code, stdout, stderr } = await runExample(`${name}.mjs`);
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(treeOf(stdout).some(({ label }) => label === 'completion')).toBe(true);
    },
    RUN_TIMEOUT_MILLIS,
  );
});

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(FREEPLAY_|OTEL_|NODE_OPTIONS$|FORCE_COLOR$)/.test(name),
    ),
  );
}

function runExample(file: string): Promise<Run> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(project, 'examples', file)],
      { env: environment(), timeout: RUN_TIMEOUT_MILLIS },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

interface TreeLine {
  readonly depth: number;
  readonly label: string;
  readonly name: string;
  /** `read → written`, empty where none are shown. */
  readonly tokens: string;
  readonly words: string;
}

const TREE_LINE =
  /^(?<branches>[│├└─ ]*─ )(?<label>\w+) (?<name>\S.*?) +(?<tokens>[\d,]+ → [\d,]+)? +[\d.,]+ m?s {2}(?<words>.*)$/;

function treeOf(stdout: string): TreeLine[] {
  return stdout.split('\n').flatMap((line) => {
    const {
      branches = '',
      label = '',
      name = '',
      tokens = '',
      words = '',
    } = TREE_LINE.exec(line)?.groups ?? {};
    return label === '' ? [] : [{ depth: branches.length / 3 - 1, label, name, tokens, words }];
  });
}
