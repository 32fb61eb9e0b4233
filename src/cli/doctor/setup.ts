/** What an app really sets up: its set-up file is loaded in a process of its own, which is asked and then ended. */
import { fork } from 'node:child_process';
import { plainText } from '../../local/terminal-text.ts';
import { type BatchLimits, judgeBatches } from './batches.ts';
import type { Finding } from './finding.ts';

const section = 'Setup';
const TIMEOUT_MILLIS = 20_000;

/** What the process with the set-up sends back. */
export type SetupReport =
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'none' }
  | {
      readonly kind: 'found';
      /** `undefined`: this SDK does not show it. */
      readonly sampler: string | undefined;
      readonly attributeValueLengthLimit: number | undefined;
      readonly processors: readonly SetupProcessor[];
      /** Whose log record processors the logger provider has; `unknown`: this SDK does not show them. */
      readonly logs: 'none' | 'ours' | 'others' | 'unknown';
    };

export interface SetupProcessor {
  readonly name: string;
  /** It records with Freeplay: our processor, or one that holds our exporter. */
  readonly isOurs: boolean;
  readonly exporter?: string | undefined;
  readonly limits?: BatchLimits | undefined;
}

/** @param main the program itself, which is run again with the hidden option */
export async function checkSetup(
  main: string,
  file: string,
  cwd: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const report = await loadSetup(main, file, cwd, signal);
  const shown = plainText(file, 100);
  const about = { id: 'setup.load', section, subject: shown } as const;
  if (report.kind === 'failed')
    return [
      {
        ...about,
        status: 'fail',
        finding: `cannot be loaded: ${plainText(report.message, 300)}`,
        fix: 'give the file that sets OpenTelemetry up, as node would run it (TypeScript: the built file)',
      },
    ];
  if (report.kind === 'none')
    return [
      {
        ...about,
        status: 'fail',
        finding: 'registers no tracer provider: libraries get spans that record nothing',
        fix: 'sdk.start(), or provider.register()',
      },
    ];
  return [...processorFindings(report), samplerFinding(report), ...limitFindings(report), logFinding(report)];
}

type Found = Extract<SetupReport, { kind: 'found' }>;

function processorFindings({ processors }: Found): readonly Finding[] {
  const about = { id: 'setup.processors', section, subject: 'processors' } as const;
  const ours = processors.filter(({ isOurs }) => isOurs);
  const names = processors
    .map(({ name, exporter }) => (exporter === undefined ? name : `${name}(${exporter})`))
    .join(', ');
  const shown = plainText(names, 200);
  const found: Finding[] = [];
  if (ours.length === 0)
    found.push({
      ...about,
      status: 'fail',
      finding:
        processors.length === 0
          ? 'the tracer provider has no span processors'
          : `none of the span processors is Freeplay's: ${shown}`,
      fix: 'spanProcessors: […, new FreeplaySpanProcessor()]',
    });
  else if (ours.length > 1)
    found.push({
      ...about,
      status: 'fail',
      finding: `Freeplay is there ${ours.length} times: ${shown}`,
      fix: 'keep one of them, the processor rather than the exporter',
    });
  else found.push({ ...about, status: 'ok', finding: shown });
  for (const { name, limits } of ours) {
    const problems = limits === undefined ? [] : judgeBatches(limits);
    if (problems.length > 0)
      found.push({
        id: 'setup.batches',
        section,
        status: 'warn',
        subject: 'batches',
        finding: `of the ${plainText(name, 60)}: ${problems.join('; ')}`,
        fix: 'raise its limits, or use FreeplaySpanProcessor, which needs none of them',
      });
  }
  return found;
}

function samplerFinding({ sampler }: Found): Finding {
  const about = { id: 'setup.sampler', section, subject: 'sampler' } as const;
  if (sampler === undefined)
    return { ...about, status: 'skip', finding: 'this SDK does not show its sampler' };
  const shown = plainText(
    sampler.replace(/^ParentBased\{root=(.*), remoteParentSampled=.*$/, 'ParentBased{$1}'),
    160,
  );
  const fix = 'sample everything in the app, and let a Collector sample for the other backends';
  const ratio = /TraceIdRatioBased\{([\d.e-]+)\}/.exec(sampler)?.[1];
  if (ratio !== undefined && Number(ratio) < 1)
    return {
      ...about,
      status: 'warn',
      finding: `${shown}: about ${Number((Number(ratio) * 100).toPrecision(3))} % of all calls are recorded`,
      fix,
    };
  if (/^(ParentBased\{root=)?AlwaysOffSampler/.test(sampler))
    return { ...about, status: 'fail', finding: `${shown}: nothing is recorded`, fix };
  if (/^(ParentBased\{root=)?AlwaysOnSampler/.test(sampler) || ratio !== undefined)
    return { ...about, status: 'ok', finding: shown };
  return { ...about, status: 'warn', finding: `${shown}: what it leaves out is not recorded`, fix };
}

function limitFindings({ attributeValueLengthLimit: limit }: Found): readonly Finding[] {
  if (limit === undefined || limit >= 65_536) return [];
  return [
    {
      id: 'setup.attribute-length',
      section,
      status: 'warn',
      subject: 'attributes',
      finding: `spanLimits.attributeValueLengthLimit is ${limit}: longer messages are cut off`,
      fix: 'leave it out, or set it to 65536 and more',
    },
  ];
}

const LOGS: Readonly<Record<Found['logs'], string>> = {
  none: 'no logger provider: messages that an instrumentation puts into log events are not seen',
  ours: 'logRecordProcessor is on the logger provider',
  others:
    'logRecordProcessor is not on the logger provider: messages that an instrumentation puts into log events are not seen',
  unknown: 'a logger provider is registered; messages in log events need logRecordProcessor on it',
};

function logFinding({ logs }: Found): Finding {
  return {
    id: 'setup.logs',
    section,
    // Most apps have no instrumentation that does so.
    status: 'ok',
    subject: 'log events',
    finding: LOGS[logs],
    ...(logs === 'others' && { fix: 'logRecordProcessors: […, freeplay.logRecordProcessor]' }),
  };
}

function loadSetup(main: string, file: string, cwd: string, signal: AbortSignal): Promise<SetupReport> {
  return new Promise((resolve) => {
    const child = fork(main, ['doctor', '--inside', file], {
      cwd,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Neither a debugger's port nor a preload of this process is meant for it.
      execArgv: [],
    });
    let errors = '';
    const end = (report: SetupReport): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      // What it has set up must send nothing.
      child.kill('SIGKILL');
      resolve(report);
    };
    const stop = (): void => end({ kind: 'failed', message: 'stopped' });
    const timer = setTimeout(
      () => end({ kind: 'failed', message: `it takes longer than ${TIMEOUT_MILLIS / 1000} s` }),
      TIMEOUT_MILLIS,
    );
    signal.addEventListener('abort', stop, { once: true });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-4_000);
    });
    child.once('message', (report) => end(report as SetupReport));
    child.once('error', (error) => end({ kind: 'failed', message: error.message }));
    child.once('exit', (code) => {
      const [line] = errors.split('\n').filter((one) => /error/i.test(one));
      end({ kind: 'failed', message: line ?? `it ended the process (exit code ${code})` });
    });
  });
}
