/** Debian's Chromium, and what a test wants to know of everything that happens in it. */
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface Watched {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Requests to any other host, errors of scripts, violations of the content security policy, dialogs. */
  readonly problems: readonly string[];
  close(): Promise<void>;
}

interface WatchOptions {
  readonly width?: number;
  readonly height?: number;
  readonly colours?: 'light' | 'dark';
}

/** A page of its own, with an eye on everything it must not do. */
export async function openPage(browser: Browser, url: string, options: WatchOptions = {}): Promise<Watched> {
  const { width = 1280, height = 800, colours = 'light' } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: colours,
    reducedMotion: 'reduce',
    locale: 'en-GB',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const problems: string[] = [];
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`CSP ${violatedDirective} ${blockedURI}`),
    );
  });
  const page = await context.newPage();
  const { origin } = new URL(url);
  context.on('request', (request) => {
    const target = request.url();
    if (!target.startsWith(`${origin}/`) && !/^(data|blob):/.test(target))
      problems.push(`request to ${target}`);
  });
  context.on('page', (opened) => {
    if (opened !== page) problems.push(`opened ${opened.url()}`);
  });
  page.on('pageerror', (error) => problems.push(`error ${error.message}`));
  page.on('dialog', (dialog) => {
    problems.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    // What the browser says itself of an answer with 4xx is the answer's business.
    if (message.type() === 'error' && !/^Failed to load resource/.test(message.text()))
      problems.push(`console ${message.text()}`);
  });
  return { page, context, problems, close: () => context.close() };
}
