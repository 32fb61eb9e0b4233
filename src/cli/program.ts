import { readFileSync } from 'node:fs';
import { plainText } from '../local/terminal-text.ts';
import { nearestOf } from '../nearest.ts';
import { type Command, type CommandIo, EXIT_FAILED, EXIT_OK, EXIT_USAGE, UsageError } from './command.ts';
import { convertCommand } from './convert-command.ts';
import { demoCommand } from './demo-command.ts';
import { doctorCommand } from './doctor-command.ts';
import { gatewayCommand } from './gateway-command.ts';
import { localCommand } from './local-command.ts';
import { replayCommand } from './replay-command.ts';

const PACKAGE_NAME = 'opentelemetry-exporter-freeplay';

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['demo', demoCommand],
  ['local', localCommand],
  ['convert', convertCommand],
  ['doctor', doctorCommand],
  ['gateway', gatewayCommand],
  ['replay', replayCommand],
]);

function programHelp(): string {
  const width = Math.max(...[...COMMANDS.keys()].map((name) => name.length));
  const list = [...COMMANDS].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `freeplay-otel: OpenTelemetry GenAI spans as Freeplay completion records

Usage: freeplay-otel COMMAND [OPTIONS]

Commands:
${list.join('\n')}

Options:
  --help     this text; after a command, its own
  --version  the version

Examples:
  freeplay-otel demo --open                 an agent's session in the browser, without an account
  freeplay-otel local --dir ./records       a completions server on this machine, records kept in a folder
  freeplay-otel convert spans.json --explain  which attribute each field of a record came from
  freeplay-otel doctor                      run in an app's folder: settings, reachability, versions, content capture
  freeplay-otel local --help                everything about one command

NO_COLOR=1 turns colours off, FORCE_COLOR=1 on. docs/cli.md describes options, output and exit codes of all commands.

Exit codes: 0 done or stopped by the user, 1 could not do it, 2 wrong arguments, 3 (convert) done in part`;
}

/** Runs one command line; resolves to the exit code and never rejects. */
export async function runProgram(argv: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...args] = argv;
  if (name === '--help' || name === '-h' || name === 'help') {
    const [asked] = optionsOf(args).filter((arg) => !arg.startsWith('-'));
    const command = asked === undefined ? undefined : COMMANDS.get(asked);
    if (asked !== undefined && command === undefined) return unknown(asked, io);
    io.out(command?.help ?? programHelp());
    return EXIT_OK;
  }
  if (name === '--version' || name === '-v') {
    io.out(packageVersion());
    return EXIT_OK;
  }
  if (name === undefined) {
    io.err(`freeplay-otel: no command given; ${known()}`);
    return EXIT_USAGE;
  }
  const command = COMMANDS.get(name);
  if (command === undefined) return unknown(name, io);
  if (optionsOf(args).some((arg) => arg === '--help' || arg === '-h')) {
    io.out(command.help);
    return EXIT_OK;
  }
  try {
    return await command.run(args, io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.err(`freeplay-otel ${name}: ${plainText(error.message)} (freeplay-otel ${name} --help)`);
      return EXIT_USAGE;
    }
    // A bug, so the place in the code matters.
    io.err(
      `freeplay-otel ${name}: internal error, please report it: ${error instanceof Error ? error.stack : String(error)}`,
    );
    return EXIT_FAILED;
  }
}

function known(): string {
  return `commands: ${[...COMMANDS.keys()].join(', ')} (freeplay-otel --help)`;
}

function unknown(name: string, io: CommandIo): number {
  const what = name.startsWith('-') ? 'option' : 'command';
  const meant = nearestOf(name.replace(/^-+/, ''), [...COMMANDS.keys()]);
  const hint = meant === undefined ? known() : `did you mean ${meant}? (freeplay-otel --help)`;
  io.err(`freeplay-otel: unknown ${what} ${JSON.stringify(plainText(name, 60))}; ${hint}`);
  return EXIT_USAGE;
}

/** Arguments before `--`. */
function optionsOf(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  return end === -1 ? args : args.slice(0, end);
}

/** Of the nearest package.json above that is ours: the same from `src`, from `dist` and from a test's build. */
function packageVersion(): string {
  for (let dir = new URL('.', import.meta.url); ; dir = new URL('..', dir)) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL('package.json', dir), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (name === PACKAGE_NAME && version !== undefined) return version;
    } catch {
      // No package.json here.
    }
    if (dir.pathname === new URL('..', dir).pathname) return 'unknown';
  }
}
