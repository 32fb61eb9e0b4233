/** The page as a person uses it, in a real browser, against the command as it is published. */
import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser, openPage, type Watched } from './support/browser.ts';
import {
  type BuiltPackage,
  buildWholePackage,
  exportScenario,
  postCompletion,
  type RunningServer,
} from './support/inspector.ts';

let built: BuiltPackage;
let browser: Browser;
/** With the demo's session, for tests that change nothing. */
let demoServer: RunningServer;
const opened: Watched[] = [];
const servers: RunningServer[] = [];

beforeAll(async () => {
  [built, browser] = await Promise.all([buildWholePackage(), launchBrowser()]);
  demoServer = await built.start();
  await built.demo(demoServer);
});

afterEach(async () => {
  const problems = opened.flatMap((one) => one.problems);
  await Promise.all(opened.splice(0).map((one) => one.close()));
  await Promise.all(servers.splice(0).map((one) => one.stop()));
  expect(problems).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  await demoServer?.stop();
  built?.remove();
});

async function start(...args: readonly string[]): Promise<RunningServer> {
  const server = await built.start(...args);
  servers.push(server);
  return server;
}

async function open(server: RunningServer, path: string = '/'): Promise<Page> {
  const watched = await openPage(browser, server.url);
  opened.push(watched);
  await watched.page.goto(server.url + path);
  return watched.page;
}

interface Stored {
  readonly id: string;
  readonly kind: string;
  readonly session: string;
  readonly body: { readonly [key: string]: unknown };
}

async function recordsOf({ url }: RunningServer): Promise<readonly Stored[]> {
  const response = await fetch(`${url}/api/local/records`, { headers: { authorization: 'Bearer any' } });
  return (await response.json()) as Stored[];
}

/** Of the demo's planning agent: its first call asks for tools, its second has their results. */
async function plannerCalls(server: RunningServer): Promise<readonly Stored[]> {
  const calls = (await recordsOf(server)).filter(
    ({ kind, body }) => kind === 'completion' && body.tool_schema,
  );
  return calls.sort((a, b) => (a.body.messages as unknown[]).length - (b.body.messages as unknown[]).length);
}

const words = async (page: Page, selector: string): Promise<readonly string[]> =>
  (await page.locator(selector).allInnerTexts()).map((text) => text.replace(/\s+/g, ' ').trim());

describe('the demo', () => {
  it('appears live, and each level shows what the model server got and gave', async () => {
    const server = await start();
    const page = await open(server);
    await page.getByRole('heading', { name: 'Nothing is recorded yet' }).waitFor();
    expect(await page.locator('.setup').innerText()).toContain(`export FREEPLAY_API_BASE=${server.url}/api`);
    await page.getByText('live', { exact: true }).waitFor();
    await page.evaluate(() => Object.assign(window, { isSamePage: true }));

    await built.demo(server);
    await page.locator('.rows-sessions a', { hasText: 'A weekend in Lisbon for two' }).waitFor();
    const count = (await recordsOf(server)).filter(({ kind }) => kind === 'completion').length;
    await page.locator('.cell-counts').getByText(`${count} completions`).waitFor();
    expect(await words(page, '.rows-sessions a')).toEqual([expect.stringMatching(/ trip-planner /)]);

    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /^Session/ }).waitFor();
    const concierge = '.card:has(h2 :text-is("POST /concierge"))';
    await page.locator(`${concierge} .waterfall .row`).nth(13).waitFor();
    expect(await words(page, `${concierge} .waterfall .step-name`)).toEqual([
      'POST /concierge',
      'gpt-4o-mini-2024-07-18',
      'trip-planner',
      'gpt-4o-2024-08-06',
      'get_weather',
      'find_hotels',
      'gpt-4o-2024-08-06',
      'hold_room',
      'gpt-4o-2024-08-06',
      'gpt-4o-mini-2024-07-18',
      'confirmation-letter',
      'gpt-4.1-mini-2025-04-14',
      'StrOutputParser',
      'chat gpt-4.1-mini',
    ]);
    expect(
      (await words(page, `${concierge} .waterfall .tokens`)).map((text) => text.replace('tokens ', '')),
    ).toEqual(['47 → 28', '297 → 53', '413 → 20', '456 → 40', '55 → 26', '72 → 25']);

    await page.locator('.waterfall a', { hasText: 'calls hold_room' }).click();
    await page.getByRole('heading', { name: /Completion gpt-4o-2024-08-06/ }).waitFor();
    expect(await words(page, '.message .role')).toEqual(['System', 'User', 'Assistant', 'Reply']);
    const [system, user, asking, reply] = await page.locator('.message').all();
    expect(await system!.innerText()).toContain(
      'You are a travel concierge. Plan the trip with the tools at hand.',
    );
    expect(await user!.innerText()).toMatch(/city: Lisbon\s+from: 2025-05-16/);
    expect(await asking!.innerText()).toContain('Let me look at the weather and at hotels.');
    // Each call with its arguments and, in the same place, its result.
    const [weather, hotels] = await asking!.locator('.call').all();
    expect((await weather!.innerText()).replace(/\s+/g, ' ')).toMatch(
      /get_weather call_\S+ arguments .*date: 2025-05-16 result #4 .*sky: sunny celsius: 23/,
    );
    expect((await hotels!.innerText()).replace(/\s+/g, ' ')).toMatch(
      /find_hotels .*max_eur: 400 .*Casa do Bairro/,
    );
    expect((await reply!.innerText()).replace(/\s+/g, ' ')).toMatch(
      /hold_room call_\S+ ran in \d+ ms arguments/,
    );

    const facts = (await page.locator('.facts').innerText()).replace(/\s+/g, ' ');
    expect(facts).toMatch(/Usage prompt 413 .*completion 20 /);
    expect(facts).toMatch(/Parameters temperature 0\.3/);
    expect(facts).toMatch(/Tools offered \(3\) get_weather Weather forecast for a city find_hotels/);
    expect(facts).toMatch(/user\.id ana service\.name travel-concierge/);
    expect(facts).toMatch(/finish reason tool-calls|finish reason tool_calls/);

    const record = (await plannerCalls(server))[1]!;
    await page.getByRole('tab', { name: 'JSON' }).click();
    await page.getByText('Exact text').click();
    expect(await page.locator('.posted .pre').innerText()).toBe(JSON.stringify(record.body));
    await page.getByRole('tab', { name: 'Receipt' }).click();
    expect((await page.locator('.receipt').innerText()).replace(/\s+/g, ' ')).toMatch(
      /dialect vercel-ai .*call_info\.usage\S* \S*ai\.usage/,
    );
    await page.getByRole('tab', { name: 'Spans' }).click();
    expect(await page.locator('.span').innerText()).toMatch(
      /ai\.generateText\.doGenerate[\s\S]*ai\.prompt\.messages/,
    );

    await page.keyboard.press('1');
    await page.getByRole('link', { name: /ran in/ }).click();
    await page.getByRole('heading', { name: /Tool hold_room/ }).waitFor();
    expect((await page.locator('.io').first().innerText()).replace(/\s+/g, ' ')).toMatch(
      /Input .*hotel: Casa do Bairro/,
    );
    expect(await page.evaluate(() => 'isSamePage' in window)).toBe(true);
  });

  it('has deep links that work both ways, and Escape goes up', async () => {
    const server = demoServer;
    const call = (await plannerCalls(server))[0]!;
    const { provider_info: info } = call.body.call_info as { provider_info: { otel: { trace_id: string } } };

    const page = await open(server, `/completions/${call.id.toUpperCase()}`);
    await page.getByRole('heading', { name: /Completion gpt-4o/ }).waitFor();
    await page.locator('.crumbs a', { hasText: 'trip-planner' }).waitFor();
    const up = async (path: RegExp): Promise<void> => {
      await page.keyboard.press('Escape');
      await page.waitForURL(path);
    };
    await up(/\/records\//);
    await page.getByRole('heading', { name: /Agent trip-planner/ }).waitFor();
    await up(new RegExp(`/traces/${info.otel.trace_id}$`));
    await page.getByRole('heading', { name: /Trace POST/ }).waitFor();
    await up(new RegExp(`/sessions/${call.session}$`));
    await page.getByRole('heading', { name: /^Session/ }).waitFor();
    await up(/:\d+\/$/);
    await page.locator('.rows-sessions a').waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: /^Session/ }).waitFor();

    await page.goto(`${server.url}/traces/${info.otel.trace_id}`);
    await page.locator('.waterfall a', { hasText: 'trip-planner' }).waitFor();
    await page.goto(`${server.url}/sessions/${call.session}`);
    await page.locator('.waterfall a', { hasText: 'trip-planner' }).waitFor();
    await page.goto(`${server.url}/completions/00000000-0000-4000-8000-000000000000`);
    await page.getByText('There is no such completion here.').waitFor();
  });

  it('is copied as what it is: link, JSON, cURL, a request to OpenAI', async () => {
    const server = demoServer;
    const call = (await plannerCalls(server))[1]!;
    const page = await open(server, `/completions/${call.id}`);
    const copy = async (item: string): Promise<string> => {
      await page.getByRole('button', { name: 'Copy', exact: true }).click();
      await page.getByRole('menuitem', { name: item }).click();
      await page.getByText(/^Copied/).waitFor();
      return page.evaluate(() => navigator.clipboard.readText());
    };
    expect(await copy('Link')).toBe(`${server.url}/completions/${call.id}`);
    expect(await copy('JSON as it was posted')).toBe(JSON.stringify(call.body));
    expect(await copy('cURL')).toMatch(
      new RegExp(`^curl -X POST '${server.url}/api/v2/projects/[^']+/sessions/${call.session}/completions'`),
    );
    const request = JSON.parse(await copy('OpenAI request'));
    expect(request).toMatchObject({ model: 'gpt-4o', temperature: 0.3 });
    expect(request.messages.map(({ role }: { role: string }) => role)).toEqual([
      'system',
      'user',
      'assistant',
      'tool',
      'tool',
    ]);
    expect(request.tools.map((tool: { function: { name: string } }) => tool.function.name)).toEqual([
      'get_weather',
      'find_hotels',
      'hold_room',
    ]);
  });

  it('exports a session as a file', async () => {
    const server = demoServer;
    const [{ session }] = (await recordsOf(server)) as [Stored];
    const page = await open(server, `/sessions/${session}`);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Export' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe(`session-${session}.json`);
    const { records } = JSON.parse(await readFile(await download.path(), 'utf8'));
    expect(records).toHaveLength((await recordsOf(server)).length);
  });
});

describe('search and filters', () => {
  it('are in the address, and work from there as from the controls', async () => {
    const server = await start();
    await exportScenario(server, 'elastic-openai/error-429-exhausted');
    await exportScenario(server, 'anthropic-sdk/tool-loop-content');
    await built.demo(server);
    const page = await open(server, '/completions');
    await page.locator('.rows-completions a').nth(7).waitFor();

    await page.keyboard.press('/');
    await page.keyboard.type('SARDINES');
    await page.waitForURL(/text=SARDINES/);
    await expect.poll(() => words(page, '.rows-completions .row-title')).toHaveLength(2);
    await page.reload();
    await page.locator('.rows-completions a').first().waitFor();
    expect(await page.locator('#search').inputValue()).toBe('SARDINES');
    expect(await page.locator('.rows-completions a').count()).toBe(2);

    await page.getByRole('button', { name: 'Clear filters' }).click();
    await page.getByLabel('Agent', { exact: true }).selectOption('trip-planner');
    await expect.poll(() => words(page, '.rows-completions .row-title')).toHaveLength(3);
    await page.getByLabel('Agent', { exact: true }).selectOption('');
    await page.getByLabel('Outcome').selectOption('true');
    await page.locator('.rows-completions .tag.error').first().waitFor();
    await expect.poll(() => page.locator('.rows-completions li:not(:has(.tag.error))').count()).toBe(0);
    await page.getByRole('link', { name: 'Charts' }).click();
    expect(page.url()).toContain('error=true');

    await page.goto(`${server.url}/?model=no-such-model`);
    await page.getByText('No sessions match.').waitFor();
  });

  it('lead from anywhere to the list', async () => {
    const server = demoServer;
    const [call] = await plannerCalls(server);
    const page = await open(server, `/completions/${call!.id}`);
    await page.getByRole('heading', { name: /Completion gpt-4o/ }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('packing list');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/completions\?text=packing\+list/);
    await expect.poll(() => page.locator('.rows-completions a').count()).toBe(1);
  });
});

const SCRIPT = `<script>document.title='owned'</script><img src=x onerror="document.title='owned'">`;
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

describe('hostile content', () => {
  it('is shown as text: nothing runs, nothing is asked for, nothing is hidden', async () => {
    const server = await start();
    const id = '11111111-1111-4111-8111-111111111111';
    const huge = 'x'.repeat(300_000);
    await postCompletion(server, '22222222-2222-4222-8222-222222222222', {
      completion_id: id,
      messages: [
        { role: 'system', content: SCRIPT },
        {
          role: 'user',
          content: [
            { type: 'text', text: `access \u202eevil\u202c \u0000\u001b[31m zero\u200bwidth \u{e0041}` },
            { type: 'image_url', image_url: { url: 'https://tracker.example/pixel.png' } },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,bm90IGFuIGltYWdl' } },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
            { type: 'image_url', image_url: { url: `javascript:document.title='owned'` } },
            { type: 'image_url', image_url: { url: `data:text/html,${SCRIPT}` } },
            { type: 'file', file: { filename: SCRIPT, file_data: `data:text/html,${SCRIPT}` } },
          ],
        },
        {
          role: 'assistant',
          content: `# Title\n\n[click](javascript:document.title='owned') [out](https://evil.example/"x) ![i](https://tracker.example/i.png) **bold**\n\n${SCRIPT}\n\n| a | b |\n|---|---|\n| <b>1</b> | \`2\` |`,
          tool_calls: [
            { id: SCRIPT, type: 'function', function: { name: SCRIPT, arguments: `{"a":${SCRIPT}` } },
          ],
        },
        { role: 'tool', tool_call_id: SCRIPT, content: huge },
        { role: 'assistant', content: SCRIPT, reasoning_content: SCRIPT },
      ],
      session_info: { custom_metadata: { [SCRIPT]: SCRIPT, 'session.id': `\u202e${SCRIPT}` } },
      call_info: {
        model: SCRIPT,
        provider: SCRIPT,
        provider_info: { error: { type: SCRIPT, message: SCRIPT, stack: SCRIPT } },
      },
    });
    const page = await open(server, `/completions/${id}`);
    await page.locator('.message.reply').waitFor();
    await page.locator('.reasoning summary').click();
    await page.getByText('An image that cannot be shown').waitFor();

    const [system, user, assistant] = await page.locator('.message').all();
    expect(await system!.innerText()).toContain(SCRIPT);
    const hidden = await user!.locator('.hidden-character').allInnerTexts();
    expect(hidden).toEqual(['U+202E', 'U+202C', 'U+0000', 'U+001B', 'U+200B', 'U+E0041']);
    expect(await user!.locator('img').count()).toBe(1);
    expect(await user!.innerText()).toContain('https://tracker.example/pixel.png');
    expect(await user!.innerText()).toContain('not shown: it is on another host');

    expect(await assistant!.innerText()).toContain(SCRIPT);
    expect(await assistant!.innerText()).toContain("[click](javascript:document.title='owned')");
    expect(await assistant!.locator('.markdown strong').innerText()).toBe('bold');
    expect(await assistant!.locator('td').allInnerTexts()).toEqual(['<b>1</b>', '2']);
    for (const link of await page.locator('main a[href^=http]').all()) {
      expect(await link.getAttribute('rel')).toBe('noopener noreferrer nofollow');
      expect(await link.getAttribute('target')).toBe('_blank');
    }
    expect(await page.locator('main a[href^="javascript:"]').count()).toBe(0);

    // A text of hundreds of thousands of letters is folded.
    const result = page.locator('.call-body');
    expect((await result.innerText()).length).toBeLessThan(10_000);
    await result.getByRole('button', { name: /^Show/ }).click();
    expect((await result.innerText()).length).toBeGreaterThan(150_000);

    for (const path of [
      '/',
      '/completions',
      '/charts',
      `/completions/${id}?tab=json`,
      `/compare?a=${id}&b=${id}`,
    ]) {
      await page.goto(server.url + path);
      await page
        .locator('main :is(.row, .legend, .json, .compare-facts)')
        .getByText('<script>')
        .first()
        .waitFor();
      expect(await page.title()).not.toBe('owned');
    }
    expect(await page.locator('main script, main [onerror], main [style*=url]').count()).toBe(0);
  });

  it('of a thousand messages and deep JSON is folded', async () => {
    const server = await start();
    const id = '33333333-3333-4333-8333-333333333333';
    const messages = Array.from({ length: 1_000 }, (_, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content: `message ${index} ${'['.repeat(50)}`,
    }));
    const deep = `${'['.repeat(90)}1${']'.repeat(90)}`;
    messages.push({ role: 'user', content: deep }, { role: 'assistant', content: '> '.repeat(2_000) });
    await postCompletion(server, '22222222-2222-4222-8222-222222222222', { completion_id: id, messages });
    const page = await open(server, `/completions/${id}`);
    await page.locator('.message.reply').waitFor();
    expect(await page.locator('.message').count()).toBe(15);
    await page.getByRole('button', { name: /Show the 987 messages between/ }).click();
    await expect.poll(() => page.locator('.message').count()).toBe(1_002);
  });
});

describe('the connection', () => {
  it('that breaks is told of and made anew, and what was missed is shown', async () => {
    const server = await built.start();
    const page = await open(server);
    await page.getByText('live', { exact: true }).waitFor();
    await server.stop();
    await page.getByText('disconnected').waitFor();
    const again = await start('--port', new URL(server.url).port);
    await exportScenario(again, 'langfuse/openai-chat');
    await page.getByText('live', { exact: true }).waitFor();
    await page.locator('.rows-sessions a', { hasText: 'What is the capital of France?' }).waitFor();
  });

  it('needs the key of a server that has one; the tab keeps it, and nothing else does', async () => {
    const server = await start('--key', 'a-good-key');
    await built.demo(server, 'a-good-key');
    const page = await open(server);
    await page.getByRole('heading', { name: 'This server asks for its key' }).waitFor();
    expect(await page.locator('main').innerText()).not.toContain('Lisbon');
    await page.getByLabel('Key').fill('a-bad-key');
    await page.keyboard.press('Enter');
    await page.getByText('The server refused that key.').waitFor();
    await page.getByLabel('Key').fill('a-good-key');
    await page.keyboard.press('Enter');
    await page.locator('.rows-sessions a', { hasText: 'Lisbon' }).waitFor();
    await page.getByText('live', { exact: true }).waitFor();
    await page.reload();
    await page.locator('.rows-sessions a', { hasText: 'Lisbon' }).waitFor();
    expect(await page.evaluate(() => JSON.stringify(localStorage) + document.cookie)).not.toContain(
      'a-good-key',
    );
  });
});

describe('the page', () => {
  it('compares two completions', async () => {
    const server = demoServer;
    const page = await open(server, '/completions?agent=trip-planner');
    await page.locator('.rows-completions input').nth(2).waitFor();
    await page.locator('.rows-completions input').nth(2).check();
    await page.locator('.rows-completions input').nth(1).check();
    await page.getByRole('button', { name: 'Compare the two' }).click();
    await page.getByRole('heading', { name: 'Compare two completions' }).waitFor();
    expect((await page.locator('.compare-facts').innerText()).replace(/\s+/g, ' ')).toMatch(
      /tokens read 297 413 tokens written 53 20/,
    );
    expect(await words(page, '.pair.same .role')).toEqual(['System', 'User', 'Assistant']);
    expect(await page.locator('.pair:not(.same)').count()).toBe(3);

    const [a, b] = await plannerCalls(server);
    await page.goto(`${server.url}/completions/${a!.id}`);
    await page.getByRole('button', { name: 'Compare', exact: true }).click();
    await page.goto(`${server.url}/completions/${b!.id}`);
    await page.getByRole('button', { name: 'Compare with the picked one' }).click();
    await page.waitForURL(`**/compare?a=${a!.id}&b=${b!.id}`);
  });

  it('sets the server to fail, and says so until it stops', async () => {
    const server = await start();
    const page = await open(server);
    await page.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Pretend to fail' }).click();
    await page.getByLabel('Requests that fail').fill('100');
    await page.getByLabel('Answered with').selectOption('429');
    await page.getByLabel('Retry-After of failing answers').fill('7');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('100 % of recording requests are answered with 429').waitFor();
    const response = await fetch(
      `${server.url}/api/v2/projects/10ca1000-0000-4000-8000-000000000000/sessions/22222222-2222-4222-8222-222222222222/completions`,
      {
        method: 'POST',
        headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
        body: JSON.stringify({ messages: [{ role: 'user', content: 'x' }] }),
      },
    );
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7']);
    await page.getByRole('button', { name: 'Change', exact: true }).click();
    await page.getByRole('button', { name: 'Stop failing' }).click();
    await page.getByText('The server pretends to fail:').waitFor({ state: 'detached' });
  });

  it('deletes everything after asking', async () => {
    const server = await start();
    await built.demo(server);
    const page = await open(server);
    await page.locator('.rows-sessions a').waitFor();
    const openDialog = async (): Promise<void> => {
      await page.getByRole('button', { name: 'More' }).click();
      await page.getByRole('menuitem', { name: /^Delete all/ }).click();
    };
    await openDialog();
    await page.getByRole('button', { name: 'Keep them' }).click();
    const { length } = await recordsOf(server);
    expect(length).toBeGreaterThan(10);
    await openDialog();
    await page.getByRole('dialog').getByText(`${length} records in`).waitFor();
    await page.getByRole('button', { name: 'Delete all' }).click();
    await page.getByRole('heading', { name: 'Nothing is recorded yet' }).waitFor();
    expect(await recordsOf(server)).toHaveLength(0);
  });

  it('is walked through with the keyboard alone', async () => {
    const server = demoServer;
    const page = await open(server, '/completions');
    await page.locator('.rows-completions a').nth(5).waitFor();
    const focused = () => page.evaluate(() => (document.activeElement as HTMLAnchorElement | null)?.pathname);
    const paths = await page
      .locator('.rows-completions a')
      .evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).pathname));
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    expect(await focused()).toBe(paths[1]);
    await page.keyboard.press('Enter');
    await page.waitForURL(`**${paths[1]}`);
    await page.locator('.message').first().waitFor();
    await page.locator('[data-neighbour=before]').waitFor();
    await page.keyboard.press('[');
    await page.waitForURL((url) => url.pathname !== paths[1]);
    await page.goBack();
    await page.goBack();
    await page.locator('.rows-completions a').nth(5).waitFor();
    expect(await focused()).toBe(paths[1]);
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('keeps the colours one chooses', async () => {
    const server = await start();
    const page = await open(server);
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await background();
    const button = page.getByRole('button', { name: /^Colours/ });
    await button.click();
    await button.click();
    await expect.poll(background).not.toBe(light);
    const dark = await background();
    await page.reload();
    await button.waitFor();
    await expect.poll(background).toBe(dark);
  });
});
