/** Every view, light and dark, wide and narrow: it fits, it is accessible, and it asks nobody else for anything. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser, openPage } from './support/browser.ts';
import {
  type BuiltPackage,
  buildWholePackage,
  postCompletion,
  type RunningServer,
} from './support/inspector.ts';
import { fillScene, postTraffic } from './support/scene.ts';

/** `SCREENSHOTS=docs/images npm run test:e2e -- views`: a picture of each view, for the docs and for whoever changes the page. */
const PICTURES = process.env.SCREENSHOTS;
/** Run as a script of the debugger's, which the page's policy does not concern. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let built: BuiltPackage;
let server: RunningServer;
let empty: RunningServer;
let browser: Browser;
const places = new Map<string, string>();

beforeAll(async () => {
  built = await buildWholePackage();
  [server, empty, browser] = await Promise.all([built.start(), built.start(), launchBrowser()]);
  await postTraffic(server, 120);
  await fillScene(server);
  await postLongNames();
  await built.demo(server);
  await findPlaces();
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await Promise.all([server?.stop(), empty?.stop()]);
  built?.remove();
});

interface Row {
  readonly id: string;
  readonly session: string;
  readonly trace: string;
}

const LONG = 'c0de1000-0000-4000-8000-000000000000';

/** A deployment of many syllables, and a tool that is described at length. */
async function postLongNames(): Promise<void> {
  const model = 'gpt-4o-of-a-deployment-with-a-name-that-does-not-end-2026-01-01';
  const description = 'Looks up what is known of a customer. '.repeat(8);
  await postCompletion(server, LONG, {
    completion_id: LONG,
    messages: [
      { role: 'user', content: 'Who is Ana?' },
      { role: 'assistant', content: 'A customer.' },
    ],
    call_info: { model, provider: 'openai' },
    tool_schema: [{ type: 'function', function: { name: 'lookup', description } }],
  });
}

async function ask<T>(path: string): Promise<T> {
  return (await fetch(`${server.url}/api/view/${path}`)).json() as Promise<T>;
}

async function findPlaces(): Promise<void> {
  const { rows } = await ask<{ rows: Row[] }>('completions?agent=trip-planner');
  const asking = rows.at(-1)!;
  const trace = await ask<{ nodes: { id: string; kind: string }[] }>(`traces/${asking.trace}`);
  const tool = trace.nodes.find(({ kind }) => kind === 'tool')!;
  const agent = trace.nodes.find(({ kind }) => kind === 'agent')!;
  const failed = (await ask<{ rows: Row[] }>('completions?error=true&text=rate')).rows[0]!;
  const records = (await (
    await fetch(`${server.url}/api/local/records`, { headers: { authorization: 'Bearer any' } })
  ).json()) as { id: string; body: object }[];
  const reasoning = records.find(({ body }) => JSON.stringify(body).includes('"reasoning_content"'))!;
  for (const [name, path] of [
    ['sessions', '/'],
    ['completions', '/completions'],
    ['charts', '/charts'],
    ['session', `/sessions/${asking.session}`],
    ['trace', `/traces/${asking.trace}`],
    ['completion', `/completions/${rows[1]!.id}`],
    ['completion-json', `/completions/${asking.id}?tab=json`],
    ['completion-receipt', `/completions/${asking.id}?tab=receipt`],
    ['completion-spans', `/completions/${asking.id}?tab=spans`],
    ['completion-reasoning', `/completions/${reasoning.id}`],
    ['completion-long-names', `/completions/${LONG}`],
    ['completion-failed', `/completions/${failed.id}`],
    ['tool', `/records/${tool.id}`],
    ['agent', `/records/${agent.id}`],
    ['compare', `/compare?a=${asking.id}&b=${rows[0]!.id}`],
    ['nothing', '/completions?text=there+is+no+such+text'],
  ] as const)
    places.set(name, path);
}

/** What is there once a view has everything it asked for. */
const READY = {
  sessions: '.rows .row',
  completions: '.rows .row',
  charts: '.chart svg',
  session: '.card:nth-of-type(3) .waterfall .row',
  trace: '.waterfall .row',
  completion: '.message.reply',
  'completion-json': '.posted .json',
  'completion-receipt': '.receipt table',
  'completion-spans': '.span .attributes',
  'completion-reasoning': '.reasoning',
  'completion-long-names': '.folded',
  'completion-failed': '.error-box',
  tool: '.io .json',
  agent: '.io .waterfall .row',
  compare: '.pair',
  nothing: '.notice-title',
  empty: '.setup',
};

describe.each([
  { shape: 'wide', width: 1280, height: 800 },
  { shape: 'phone', width: 400, height: 800 },
])('$shape', ({ shape, width, height }) => {
  it.each(Object.entries(READY))('%s', async (name, ready) => {
    const url = name === 'empty' ? empty.url : `${server.url}${places.get(name)}`;
    const { page, problems, close } = await openPage(browser, url, { width, height });
    try {
      await page.goto(url);
      await page.locator('.connection.live').waitFor();
      await page.locator(ready).first().waitFor();
      await page.evaluate(AXE);
      for (const colours of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: colours });
        if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}-${shape}-${colours}.png`) });
        expect(await violations(page), colours).toEqual([]);
      }
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      expect(await brokenWords(page)).toEqual([]);
      expect(problems).toEqual([]);
    } finally {
      await close();
    }
  });
});

/** Short words that found so little room that they stand on several lines. */
async function brokenWords(page: Page): Promise<readonly string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('body *')]
      .filter(
        ({ childElementCount, textContent }) => childElementCount === 0 && /^\S{2,12}$/.test(textContent),
      )
      .filter((element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1;
      })
      .map(({ textContent }) => textContent),
  );
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

/** What axe finds serious or critical. */
async function violations(page: Page): Promise<readonly string[]> {
  const result = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResult> } }).axe.run(),
  );
  return result.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes
        .slice(0, 4)
        .map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary?.slice(0, 200)}`),
    );
}
