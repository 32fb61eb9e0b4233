import { spawn } from 'node:child_process';

/** How each system opens an address in the browser that its user has chosen. */
const COMMANDS: Readonly<Partial<Record<NodeJS.Platform, readonly [command: string, ...args: string[]]>>> = {
  darwin: ['open'],
  // Empty: the title of a window, which `start` takes the first quoted argument for.
  win32: ['cmd', '/c', 'start', '""'],
};

/** As well as it can be done: there may be no browser, or nobody in front of it. The address is printed anyway. */
export function openInBrowser(url: string): void {
  const [command, ...args] = COMMANDS[process.platform] ?? ['xdg-open'];
  try {
    const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
    child.on('error', () => {});
    child.unref();
  } catch {
    // As above.
  }
}
