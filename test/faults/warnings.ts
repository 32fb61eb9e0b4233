/** Everything that is said to a person while a test file runs. */
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, vi } from 'vitest';

const heard: string[] = [];
const unhandled: unknown[] = [];
let stop = (): void => {};

/** What was said so far, with its code. */
export function warnings(code: string = ''): readonly string[] {
  return heard.filter((text) => text.includes(code));
}

/**
 * To be called once in a test file: listens where the app would.
 *
 * @param where `process`: an app without a diag logger. `diag`: one with, at a level that shows everything.
 */
export function listenForWarnings(where: 'process' | 'diag' = 'process'): void {
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
  beforeAll(() => {
    process.on('unhandledRejection', onUnhandled);
    if (where === 'diag') {
      const say = (...parts: unknown[]): void => void heard.push(parts.map(String).join(' '));
      diag.setLogger({ error: say, warn: say, info: say, debug: say, verbose: say }, DiagLogLevel.ALL);
      stop = () => diag.disable();
    } else {
      const spy = vi.spyOn(process, 'emitWarning').mockImplementation((warning, options) => {
        heard.push(`${String(warning)} [${JSON.stringify(options)}]`);
      });
      stop = () => spy.mockRestore();
    }
  });
  afterAll(() => {
    stop();
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });
}
