/** Arguments as every command reads them; a wrong one is a `UsageError` of one line that names it. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { nearestOf } from '../nearest.ts';
import { UsageError } from './command.ts';

/** Options that are not listed, and arguments where none are allowed, are wrong. */
export function parseOptions<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    // Node adds advice in further sentences; the first one names the argument.
    const message = error instanceof Error ? error.message : String(error);
    const said = message.split(/\n|\. (?=[A-Z])/)[0] ?? message;
    const unknown = /^Unknown option '--([\w-]+)/.exec(said)?.[1];
    const meant = unknown && nearestOf(unknown, [...Object.keys(config.options ?? {}), 'help']);
    throw new UsageError(meant ? `${said}; did you mean --${meant}?` : said);
  }
}

/** 0 to 65535. */
export function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535))
    throw new UsageError(`--port ${JSON.stringify(text.slice(0, 40))} is not a port: 0 to 65535`);
  return port;
}
