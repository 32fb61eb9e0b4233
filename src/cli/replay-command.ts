import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { plainText } from '../local/terminal-text.ts';
import type { Inventory } from '../spool/inventory.ts';
import { parseOptions } from './arguments.ts';
import { type Command, type CommandIo, EXIT_FAILED, EXIT_OK, UsageError } from './command.ts';
import { createProgress } from './progress.ts';
import type { ReplayReport } from './replay-spool.ts';

const HELP = `freeplay-otel replay: sends the records of a spool folder

The library spools what it cannot deliver (option spoolDir) and sends it at its next start. This does it now.
A record that the API has already is not recorded twice. What cannot be delivered stays in the folder. Files that
a running process holds are left to it. Nothing is too old for this command.

Usage: freeplay-otel replay [DIR] [OPTIONS]

  DIR           the spool folder (default FREEPLAY_SPOOL_DIR)

Options:
  --rejected    send what the API has rejected once more (DIR/rejected), after what it complained of is put right
  --dry-run     say what is there, send and change nothing
  --project ID  send only records of this project
  --url URL     API base (default FREEPLAY_API_BASE, else https://app.freeplay.ai/api)
  --key KEY     API key (default FREEPLAY_API_KEY, which the list of processes does not show)
  --json        print one line of JSON instead of text
  --help        this text

Examples:
  freeplay-otel replay ./spool
  freeplay-otel replay ./spool --dry-run
  freeplay-otel replay ./spool --rejected
  freeplay-otel replay ./spool --json | jq .left

Ctrl-C (SIGINT) and SIGTERM stop it; what was not sent stays. Gives up when nothing gets through for 30 seconds.

Exit codes: 0 all is sent, 1 something is left (failing, rejected, held by a running process, unreadable) or the
folder cannot be read, 2 wrong arguments`;

const OPTIONS = {
  rejected: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  project: { type: 'string' },
  url: { type: 'string' },
  key: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const replayCommand: Command = {
  summary: 'sends the records that the library has spooled',
  help: HELP,
  run: runReplay,
};

interface ReplayArguments {
  readonly dir: string;
  readonly rejected: boolean;
  readonly dryRun: boolean;
  readonly projectId: string | undefined;
  readonly json: boolean;
  readonly config: Config;
}

async function runReplay(args: readonly string[], io: CommandIo): Promise<number> {
  const given = await readArguments(args);
  const problem = await checkFolder(given.dir);
  if (problem !== undefined) {
    io.err(`freeplay-otel replay: ${plainText(given.dir)} ${problem}`);
    return EXIT_FAILED;
  }
  try {
    return given.dryRun ? await describe(given, io) : await send(given, io);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    io.err(`freeplay-otel replay: ${plainText(given.dir)} cannot be read (${code})`);
    return EXIT_FAILED;
  }
}

async function send(given: ReplayArguments, io: CommandIo): Promise<number> {
  const [{ takeInventory }, { replaySpool }] = await Promise.all([
    import('../spool/inventory.ts'),
    import('./replay-spool.ts'),
  ]);
  const { dir, rejected, projectId, config } = given;
  const folder = rejected ? join(dir, 'rejected') : dir;
  const total = wantedOf(await takeInventory(folder), projectId);
  const progress = createProgress(process.stderr);
  const report = await replaySpool({
    dir,
    rejected,
    projectId,
    baseUrl: config.baseUrl,
    apiKey: () => config.apiKey?.reveal() ?? '',
    signal: io.signal,
    onProgress: ({ delivered, rejected: refused }) =>
      progress.show(`${delivered + refused} of ${total} records sent`),
  });
  progress.clear();
  const after = await takeInventory(folder);
  const left = wantedOf(after, projectId);
  if (given.json) io.out(JSON.stringify(toJson(given, report, left, after)));
  else for (const line of toLines(given, report, left, after)) io.out(line);
  for (const code of report.failures)
    io.err(`freeplay-otel replay: the file system refused something in ${plainText(dir)} (${code})`);
  const isClean = left === 0 && report.rejected === 0 && report.failures.size === 0 && !hasRest(after);
  return isClean ? EXIT_OK : EXIT_FAILED;
}

async function describe(given: ReplayArguments, io: CommandIo): Promise<number> {
  const { takeInventory } = await import('../spool/inventory.ts');
  const folder = given.rejected ? join(given.dir, 'rejected') : given.dir;
  const found = await takeInventory(folder);
  if (given.json) {
    const { projects, rejections, ...counts } = found;
    const all = { projects: Object.fromEntries(projects), rejections: Object.fromEntries(rejections) };
    io.out(JSON.stringify({ event: 'found', dir: folder, ...counts, ...all }));
    return EXIT_OK;
  }
  const { records, bytes, oldest } = found;
  if (oldest === undefined) io.out(`nothing to send in ${plainText(folder)}`);
  else {
    io.out(
      `${count(records, 'record')} to send, ${bytes} bytes, the oldest of ${new Date(oldest).toISOString()}`,
    );
    for (const [projectId, n] of found.projects) io.out(`  ${n} of project ${plainText(projectId)}`);
    for (const line of grouped(found.rejections)) io.out(line);
  }
  for (const line of restLines(found)) io.out(line);
  return EXIT_OK;
}

function toJson(
  { dir, rejected, projectId }: ReplayArguments,
  report: ReplayReport,
  left: number,
  { held, unreadable, torn, foreign }: Inventory,
): object {
  const { delivered, alreadyThere, stopped, lastError } = report;
  return {
    event: 'replayed',
    dir,
    ...(rejected && { from: 'rejected' }),
    ...(projectId !== undefined && { projectId }),
    delivered,
    alreadyThere,
    rejected: report.rejected,
    rejections: Object.fromEntries(report.rejections),
    left,
    ...(left > 0 && lastError !== undefined && { lastError }),
    ...(stopped !== undefined && { stopped }),
    held,
    unreadable,
    torn,
    foreign,
  };
}

function toLines(
  { dir, rejected }: ReplayArguments,
  report: ReplayReport,
  left: number,
  after: Inventory,
): readonly string[] {
  const { delivered, alreadyThere, stopped, lastError } = report;
  const lines: string[] = [];
  if (delivered > 0) {
    const before = alreadyThere > 0 ? `, ${alreadyThere} of them were there already` : '';
    lines.push(`${count(delivered, 'record')} delivered${before}`);
  }
  if (report.rejected > 0) {
    const where = rejected ? 'still in' : 'moved to';
    lines.push(`${count(report.rejected, 'record')} rejected, ${where} ${plainText(join(dir, 'rejected'))}:`);
    lines.push(...grouped(report.rejections));
  }
  const failing = rejected ? left - report.rejected : left;
  if (failing > 0) {
    const why = stopped === 'signal' ? 'stopped' : plainText(lastError ?? 'not sent');
    lines.push(`${count(failing, 'record')} not delivered, still there (${why})`);
  }
  if (lines.length === 0)
    lines.push(`nothing to send in ${plainText(rejected ? join(dir, 'rejected') : dir)}`);
  return [...lines, ...restLines(after)];
}

/** What is not for this command. */
function restLines({ held, unreadable, torn, foreign }: Inventory): readonly string[] {
  const pids = held.pids.length === 0 ? '' : ` (pid ${held.pids.join(', ')})`;
  return [
    held.files > 0 &&
      `${count(held.records, 'record')} in ${count(held.files, 'file')} left to the running process that holds them${pids}`,
    unreadable > 0 && `${count(unreadable, 'line')} cannot be read: torn by a kill in the middle of a write`,
    torn > 0 &&
      `${count(torn, 'file')} with such lines set aside (*.torn): delete them when you have looked at them`,
    foreign > 0 && `${count(foreign, 'file')} not the spool's, left alone`,
  ].filter((line) => line !== false);
}

/** The most frequent first. */
function grouped(counts: ReadonlyMap<string, number>): readonly string[] {
  const all = [...counts].sort(([, one], [, other]) => other - one);
  const shown = all.slice(0, MAX_GROUPS).map(([words, n]) => `  ${n} × ${plainText(words)}`);
  return all.length > MAX_GROUPS ? [...shown, `  and ${all.length - MAX_GROUPS} other answers`] : shown;
}

const MAX_GROUPS = 20;

function wantedOf({ records, projects }: Inventory, projectId: string | undefined): number {
  return projectId === undefined ? records : (projects.get(projectId) ?? 0);
}

function hasRest({ held, unreadable, torn }: Inventory): boolean {
  return held.records > 0 || unreadable > 0 || torn > 0;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

async function checkFolder(dir: string): Promise<string | undefined> {
  try {
    return (await stat(dir)).isDirectory() ? undefined : 'is not a folder';
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read (${codeOf(error) ?? 'unknown'})`;
  }
}

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

async function readArguments(args: readonly string[]): Promise<ReplayArguments> {
  const { values, positionals } = parseOptions({ args: [...args], options: OPTIONS, allowPositionals: true });
  for (const name of ['project', 'url', 'key'] as const)
    if (values[name] !== undefined && values[name].trim() === '')
      throw new UsageError(`--${name} must not be empty`);
  const [dir, extra] = positionals;
  if (extra !== undefined) throw new UsageError(`one DIR, not also ${JSON.stringify(extra)}`);
  const config = await readConfig(values.url, values.key);
  const folder = dir ?? config.spoolDir;
  if (folder === undefined || folder === '')
    throw new UsageError('no folder given: DIR, or FREEPLAY_SPOOL_DIR in the environment');
  const dryRun = values['dry-run'] ?? false;
  if (config.apiKey === undefined && !dryRun)
    throw new UsageError('no API key given: --key, or FREEPLAY_API_KEY in the environment');
  return {
    dir: folder,
    rejected: values.rejected ?? false,
    dryRun,
    projectId: values.project,
    json: values.json ?? false,
    config,
  };
}

/** A wrong value in the environment is a warning to an app; whoever types a command wants to know now. */
async function readConfig(baseUrl: string | undefined, apiKey: string | undefined): Promise<Config> {
  const [{ resolveConfig }, { FreeplayOptionError }] = await Promise.all([
    import('../config.ts'),
    import('../errors.ts'),
  ]);
  try {
    const { config, warnings } = resolveConfig({ baseUrl, apiKey });
    const wrong = warnings.find((warning) => warning.startsWith('FREEPLAY_API_BASE'));
    if (wrong !== undefined && baseUrl === undefined) throw new UsageError(wrong.replace(/:.*/, ''));
    return config;
  } catch (error) {
    if (error instanceof FreeplayOptionError) throw new UsageError('--url is not an http or https URL');
    throw error;
  }
}
