import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPaint, type Paint, padText, plainText, textWidth } from '../local/terminal-text.ts';
import { VERSION } from '../version.ts';
import { parseOptions } from './arguments.ts';
import { type Command, type CommandIo, EXIT_FAILED, EXIT_OK, UsageError } from './command.ts';
import { type Finding, SECTIONS } from './doctor/finding.ts';

const HELP = `freeplay-otel doctor: finds what keeps an app's model calls from being recorded

Looks at the environment, at the API (nothing is recorded), at what is installed, at samplers and limits, at whether
each instrumentation captures messages, and at the spool. Says what to do about each thing it finds.

Usage: freeplay-otel doctor [OPTIONS]

Options:
  --dir DIR        folder of the app (default: this one)
  --env FILE       read variables from a file, as node --env-file does; what is set already stays
  --load FILE      load the file that sets OpenTelemetry up (.mjs, .cjs, .js) in a process of its own, and look at what
                   it has registered: processors, exporters, sampler, limits. The process is ended at once.
  --offline        do not ask the API
  --json           print one line of JSON instead of text
  --help           this text

The key is never printed. What is posted to the API to try the key is a completion without messages, which it refuses.

Examples:
  freeplay-otel doctor
  freeplay-otel doctor --env .env --load dist/telemetry.js
  freeplay-otel doctor --dir services/chat --offline
  freeplay-otel doctor --json | jq '.checks[] | select(.status != "ok")'

Exit codes: 0 nothing is broken (there may be warnings), 1 something is, 2 wrong arguments`;

const OPTIONS = {
  dir: { type: 'string' },
  env: { type: 'string' },
  load: { type: 'string' },
  offline: { type: 'boolean' },
  json: { type: 'boolean' },
  inside: { type: 'string' },
} as const;

export const doctorCommand: Command = {
  summary: "finds what keeps an app's calls from being recorded",
  help: HELP,
  run: runDoctor,
};

interface DoctorArguments {
  readonly dir: string;
  readonly load: string | undefined;
  readonly offline: boolean;
  readonly json: boolean;
  /** In the process of `--load`. */
  readonly inside: string | undefined;
}

async function runDoctor(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args);
  if (given.inside !== undefined) {
    const { tellSetup } = await import('./doctor/inside-setup.ts');
    await tellSetup(given.inside);
    return EXIT_OK;
  }
  const findings = await examine(given, io);
  const count = (status: Finding['status']): number => findings.filter((one) => one.status === status).length;
  const [failures, warnings] = [count('fail'), count('warn')];
  if (given.json)
    io.out(
      JSON.stringify({
        version: VERSION,
        node: process.versions.node,
        dir: given.dir,
        ok: failures === 0,
        failures,
        warnings,
        checks: findings,
      }),
    );
  else for (const line of toLines(findings, failures, warnings, io)) io.out(line);
  return failures > 0 ? EXIT_FAILED : EXIT_OK;
}

async function examine({ dir, load, offline }: DoctorArguments, io: CommandIo): Promise<readonly Finding[]> {
  const [
    { checkSettings },
    { checkApi },
    installed,
    versions,
    patched,
    { checkSampling },
    capture,
    words,
    { checkSpool },
  ] = await Promise.all([
    import('./doctor/settings.ts'),
    import('./doctor/api.ts'),
    import('./doctor/installed.ts'),
    import('./doctor/versions.ts'),
    import('./doctor/patched.ts'),
    import('./doctor/sampling.ts'),
    import('./doctor/capture.ts'),
    import('./doctor/source-words.ts'),
    import('./doctor/spool.ts'),
  ]);
  const settings = checkSettings(io.env);
  const isBaseWrong = settings.some(({ id, status }) => id === 'settings.base' && status === 'fail');
  const api: readonly Finding[] =
    offline || isBaseWrong
      ? [
          {
            id: 'api.reachable',
            section: 'API',
            status: 'skip',
            subject: 'connection',
            finding: offline ? 'not tried (--offline)' : 'not tried: the API base is wrong',
          },
        ]
      : await checkApi(io.env, io.signal);
  const found = installed.findInstalled(
    dir,
    (name) => versions.isOfVersions(name) || patched.isOfPatched(name) || capture.isEmitter(name),
  );
  const sources = words.findSourceWords(dir, capture.captureWords());
  return [
    ...settings,
    ...api,
    ...versions.checkVersions(dir, found, process.versions.node),
    ...patched.checkPatched(found),
    ...checkSampling(io.env),
    ...capture.checkCapture(found, io.env, sources),
    ...(await checkSpool(io.env, dir)),
    ...(load === undefined ? [] : await examineSetup(load, dir, io)),
  ];
}

async function examineSetup(file: string, dir: string, io: CommandIo): Promise<readonly Finding[]> {
  const { checkSetup } = await import('./doctor/setup.ts');
  return checkSetup(fileURLToPath(new URL('./main.mjs', import.meta.url)), file, dir, io.signal);
}

const MARKS: Readonly<Record<Finding['status'], readonly [sign: string, style: Parameters<Paint>[0]]>> = {
  ok: ['✓', 'green'],
  warn: ['!', 'yellow'],
  fail: ['✗', 'red'],
  skip: ['-', 'dim'],
};
/** As long as the name of this package. */
const MAX_SUBJECT_WIDTH = 31;

function toLines(
  findings: readonly Finding[],
  failures: number,
  warnings: number,
  { colour, width }: CommandIo,
): readonly string[] {
  const paint = createPaint(colour);
  const lines = [
    `${paint('bold', 'freeplay-otel doctor')} ${paint('dim', `${VERSION}, node ${process.versions.node}`)}`,
  ];
  const subjectWidth = Math.min(
    MAX_SUBJECT_WIDTH,
    Math.max(...findings.map(({ subject }) => textWidth(subject))),
  );
  for (const section of SECTIONS) {
    const here = findings.filter((one) => one.section === section);
    if (here.length === 0) continue;
    lines.push('', paint('bold', section));
    for (const { status, subject, finding, fix } of here) {
      const [sign, style] = MARKS[status];
      const indent = subjectWidth + 6;
      const room = Math.max(40, width - indent);
      const shown = status === 'ok' || status === 'skip' ? paint('dim', finding) : finding;
      const lead = `  ${paint(style, sign)} `;
      const name = plainText(subject);
      const isLong = textWidth(name) > subjectWidth;
      // A name that does not fit has a line of its own: with its end cut off it might be any of several packages.
      if (isLong) lines.push(lead + name);
      wrapText(finding, room).forEach((line, i, all) => {
        const before = i === 0 && !isLong ? `${lead}${padText(name, subjectWidth)}  ` : ' '.repeat(indent);
        lines.push(before + (all.length === 1 ? shown : line));
      });
      if (fix !== undefined)
        wrapText(fix, room - 2).forEach((line, i) => {
          lines.push(`${' '.repeat(indent)}${paint('cyan', `${i === 0 ? '→' : ' '} ${line}`)}`);
        });
    }
  }
  lines.push('', verdict(failures, warnings, paint));
  return lines;
}

function verdict(failures: number, warnings: number, paint: Paint): string {
  const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
  if (failures > 0)
    return paint(
      'red',
      `${counted(failures, 'failure')}${warnings > 0 ? `, ${counted(warnings, 'warning')}` : ''}`,
    );
  return warnings > 0
    ? paint('yellow', `Nothing is broken; ${counted(warnings, 'warning')}`)
    : paint('green', 'All is well');
}

/** At blanks; a word that is too long stays whole. */
function wrapText(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && textWidth(line) + 1 + textWidth(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function readArguments(args: readonly string[]): DoctorArguments {
  const { values } = parseOptions({ args: [...args], options: OPTIONS });
  for (const name of ['dir', 'load', 'env'] as const)
    if (values[name]?.trim() === '') throw new UsageError(`--${name} must not be empty`);
  const dir = resolve(values.dir ?? '.');
  if (values.inside === undefined && !isDirectory(dir))
    throw new UsageError(`--dir ${JSON.stringify(values.dir)} is no folder`);
  if (values.load !== undefined && !existsSync(resolve(dir, values.load)))
    throw new UsageError(`--load ${JSON.stringify(values.load)} is not there (looked for in ${dir})`);
  const file = values.env;
  if (file !== undefined) loadVariables(file);
  return {
    dir,
    load: values.load,
    offline: values.offline ?? false,
    json: values.json ?? false,
    inside: values.inside,
  };
}

function loadVariables(file: string): void {
  try {
    process.loadEnvFile(file);
  } catch (error) {
    const { code } = error as { code?: string };
    throw new UsageError(`--env ${JSON.stringify(file)} cannot be read (${code ?? 'unknown'})`);
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
