import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Lineage } from '../lineage/lineage.ts';
import { plainText } from '../local/terminal-text.ts';
import type { FreeplayRecord } from '../record/record.ts';
import { parseOptions } from './arguments.ts';
import { type Command, type CommandIo, EXIT_FAILED, EXIT_OK, EXIT_PARTLY, UsageError } from './command.ts';
import type { HeldTrace } from './convert/traces.ts';
import { createProgress } from './progress.ts';

const HELP = `freeplay-otel convert: spans of a file as completion records, and how they came about

Reads OTLP/JSON (one request, or JSON lines of them as the Collector's file exporter writes), captured spans
({"spans": […], "logs": […]}), and spans one by one or in a list, as in-memory and console exporters give them.
Prints the records that the library would send; nothing is sent.

Usage: freeplay-otel convert FILE [OPTIONS]

  FILE             a file, or - for standard input

Options:
  --explain        a report instead: each span as a tree, the dialect that read it, its record, the attribute that
                   each field came from, what was guessed or cut, and the setting that turns on what is missing
  --full           with --explain: the whole body of each record
  --records WHICH  all, genai (no plain traces, no groups) or completions (default all)
  --project ID     project in the records' paths (default FREEPLAY_PROJECT_ID, else no-project)
  --no-content     structure without content, as captureContent: false does
  --json           with --explain: JSON lines {"record", "role", "sources", "recognisedBy", "capped"}
  --help           this text

Without --explain each record is one line of JSON: {"kind", "id", "sessionId", "path", "body", "receipt"}.

Examples:
  freeplay-otel convert traces.json --explain | less -R
  freeplay-otel convert traces.jsonl --records completions | jq .body.call_info.model
  freeplay-otel convert traces.json --explain --json | jq '.sources["messages.0"]'
  kubectl exec collector -- cat /data/traces.jsonl | freeplay-otel convert - > records.jsonl

A trace is resolved as a whole, so its spans are held until the file has ended: at most 200,000 spans or 256 MiB of
text. Beyond that the traces unheard of for longest go first, and what comes of them later is resolved as the
exporter would. NO_COLOR turns colours off, FORCE_COLOR=1 on in a pipe.

Exit codes: 0 everything was read, 1 the file cannot be read, nothing in it was recognised, or it was stopped,
2 wrong arguments, 3 some of it could not be read`;

const OPTIONS = {
  explain: { type: 'boolean' },
  full: { type: 'boolean' },
  records: { type: 'string' },
  project: { type: 'string' },
  'no-content': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

export const convertCommand: Command = {
  summary: 'turns spans of a file into records, and explains them',
  help: HELP,
  run: runConvert,
};

type Which = 'all' | 'genai' | 'completions';

interface ConvertArguments {
  readonly file: string;
  readonly explain: boolean;
  readonly full: boolean;
  readonly json: boolean;
  readonly records: Which;
  readonly projectId: string | undefined;
  readonly captureContent: boolean;
}

interface Counts {
  spans: number;
  logs: number;
  traces: number;
  records: number;
  unread: number;
  malformed: number;
  /** Values of the file that were understood, whatever was in them. */
  values: number;
  pieces: number;
}

/** Said one by one; what comes after is counted. */
const MAX_PROBLEMS = 5;
/** Longer is felt when somebody wants it to stop. */
const TURN_MILLIS = 50;

async function runConvert(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args, io);
  const name = given.file === '-' ? 'standard input' : plainText(given.file);
  const [{ readJsonValues }, { EXPECTED, recognise }, { createTraceHolder }] = await Promise.all([
    import('./convert/json-values.ts'),
    import('./convert/recognise.ts'),
    import('./convert/traces.ts'),
  ]);
  const counts: Counts = {
    spans: 0,
    logs: 0,
    traces: 0,
    records: 0,
    unread: 0,
    malformed: 0,
    values: 0,
    pieces: 0,
  };
  const printer = await createPrinter(given, io, counts);
  const holder = createTraceHolder();
  const progress = createProgress(process.stderr);
  /** Kept back until something was recognised: of a file of another kind one line says enough. */
  const complaints: string[] = [];
  let problems = 0;
  const complain = (line: number, message: string): void => {
    if (++problems <= MAX_PROBLEMS)
      complaints.push(`freeplay-otel convert: ${name}, line ${line}: ${plainText(message, 240)}`);
    if (counts.values > 0) tell();
  };
  const tell = (atMost: number = MAX_PROBLEMS): void => {
    if (complaints.length > 0) progress.clear();
    for (const line of complaints.splice(0).slice(0, atMost)) io.err(line);
  };
  const stopped = (): number => {
    progress.clear();
    io.err(`freeplay-otel convert: stopped, ${counts.traces.toLocaleString('en-US')} traces were converted`);
    return EXIT_FAILED;
  };
  try {
    for await (const found of readJsonValues(chunksOf(given.file))) {
      if (io.signal.aborted) return stopped();
      if (found.kind === 'problem') {
        counts.unread++;
        complain(found.line, found.message);
        continue;
      }
      const { spans, logs, unread, malformed, reason } = recognise(found.value);
      if (unread === 0 || spans.length + logs.length > 0) counts.values++;
      if (unread > 0)
        complain(
          found.line,
          spans.length + logs.length > 0 ? `cannot read ${reason}` : `expected ${EXPECTED}; found ${reason}`,
        );
      counts.unread += unread;
      counts.malformed += malformed;
      counts.spans += spans.length;
      counts.logs += logs.length;
      holder.add(spans, logs, found.length);
      progress.show(`${counts.spans.toLocaleString('en-US')} spans read`);
      for (const trace of holder.overflow()) if (!(await printer.print(trace))) return EXIT_OK;
    }
    const { spans } = counts;
    let turned = performance.now();
    for (const trace of holder.rest()) {
      // Into a file nothing is waited for, and no signal would come through.
      if (performance.now() - turned > TURN_MILLIS) {
        await new Promise((resolve) => setImmediate(resolve));
        turned = performance.now();
      }
      if (io.signal.aborted) return stopped();
      progress.show(
        `${counts.traces.toLocaleString('en-US')} traces of ${spans.toLocaleString('en-US')} spans converted`,
      );
      if (!(await printer.print(trace))) return EXIT_OK;
    }
    printer.end();
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    progress.clear();
    io.err(`freeplay-otel convert: ${name} ${WORDS[code] ?? `cannot be read (${code})`}`);
    return EXIT_FAILED;
  } finally {
    progress.clear();
  }
  if (counts.values === 0) {
    tell(1);
    if (problems === 0) io.err(`freeplay-otel convert: ${name} is empty: expected ${EXPECTED}`);
    else if (problems > 1) io.err(`freeplay-otel convert: nothing in ${name} is ${EXPECTED}`);
    return EXIT_FAILED;
  }
  tell();
  for (const line of conclusions(counts, problems)) io.err(`freeplay-otel convert: ${line}`);
  return counts.unread > 0 ? EXIT_PARTLY : EXIT_OK;
}

/** What a person has to know and does not see in the output. */
function conclusions(
  { spans, logs, records, unread, malformed, values, pieces }: Counts,
  problems: number,
): readonly string[] {
  return [
    problems > MAX_PROBLEMS && `and ${problems - MAX_PROBLEMS} more lines like these`,
    values > 0 && unread > 0 && `could not read ${unread} of it; spans that could be read: ${spans}`,
    malformed > 0 &&
      `attributes, events or times that are not what OTLP says, and were left out: ${malformed}`,
    pieces > 0 && `pieces of traces that lie too far apart in the file to be resolved as a whole: ${pieces}`,
    spans > 0 && records === 0 && `none of its spans is GenAI (${spans}): nothing to record`,
    values > 0 &&
      spans === 0 &&
      (logs > 0
        ? 'there are log events and no spans: nothing to record'
        : 'no spans in it: nothing to record'),
  ].filter((line) => line !== false);
}

interface Printer {
  /** False once nobody reads the output any more. */
  print(trace: HeldTrace): Promise<boolean>;
  end(): void;
}

async function createPrinter(given: ConvertArguments, io: CommandIo, counts: Counts): Promise<Printer> {
  const [{ createDataConverter, joinLogs }, { explainSpans }, { reportTrace }] = await Promise.all([
    import('../explain/convert-data.ts'),
    import('../explain/explain.ts'),
    import('./convert/report.ts'),
  ]);
  const { records, projectId, captureContent } = given;
  const options = { records, projectId, captureContent };
  const converter = createDataConverter(options);
  /** Remembers traces that come in pieces. */
  let lineage: Lineage | undefined;

  function out(record: FreeplayRecord): void {
    counts.records++;
    io.out(JSON.stringify(record));
  }

  function explain({ traceId, spans, logs }: HeldTrace): void {
    const found = explainSpans(spans, { logs }, converter);
    counts.records += found.length;
    if (given.json) for (const one of found) io.out(JSON.stringify(one));
    else {
      const reads = joinLogs(spans, logs).map((item) => converter.read(item));
      const look = { colour: io.colour, width: io.width, full: given.full, records };
      for (const line of reportTrace(traceId, reads, found, look)) io.out(line);
    }
  }

  return {
    async print(trace) {
      counts.traces++;
      if (trace.isPiece) counts.pieces++;
      if (given.explain) explain(trace);
      else {
        const reads = joinLogs(trace.spans, trace.logs).map((item) => converter.read(item));
        if (trace.isPiece) lineage ??= converter.openLineage();
        const plans = trace.isPiece && lineage ? lineage.resolve(reads, false) : converter.plan(reads);
        for (const plan of plans) out(converter.build(plan));
      }
      return io.room();
    },
    end() {
      for (const plan of lineage?.settle() ?? []) out(converter.build(plan));
    },
  };
}

async function* chunksOf(file: string): AsyncGenerator<string> {
  const stream = file === '-' ? process.stdin : createReadStream(file);
  const text = (await isPacked(stream)) ? unpacked(stream) : stream;
  text.setEncoding('utf8');
  for await (const chunk of text) yield chunk as string;
}

const GZIP = Buffer.from([0x1f, 0x8b]);

/** By its first bytes: files that log rotation or an export has packed. */
async function isPacked(stream: Readable): Promise<boolean> {
  await once(stream, 'readable');
  const head: Buffer | null = stream.read();
  if (head) stream.unshift(head);
  return head?.subarray(0, GZIP.length).equals(GZIP) ?? false;
}

function unpacked(stream: Readable): Readable {
  return pipeline(stream, createGunzip(), () => {}); // an error comes out where it is read
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a folder: give a file',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  Z_BUF_ERROR: 'is packed in gzip, and ends too early',
  Z_DATA_ERROR: 'is packed in gzip, and damaged',
};

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  // Those of the file system and of unpacking alone: any other error is a bug, and its place matters.
  return typeof code === 'string' && /^(E[A-Z0-9]+|Z_[A-Z]+_ERROR)$/.test(code) ? code : undefined;
}

const WHICH: readonly string[] = ['all', 'genai', 'completions'] satisfies readonly Which[];

function readArguments(args: readonly string[], { env }: CommandIo): ConvertArguments {
  const { values, positionals } = parseOptions({ args: [...args], options: OPTIONS, allowPositionals: true });
  const [file, extra] = positionals;
  if (file === undefined || file === '') throw new UsageError('no FILE given (- is standard input)');
  if (extra !== undefined) throw new UsageError(`one FILE, not also ${JSON.stringify(extra)}`);
  const { records = 'all', project, explain = false, full = false, json = false } = values;
  if (!WHICH.includes(records))
    throw new UsageError(
      `--records ${JSON.stringify(records.slice(0, 40))} is none of all, genai, completions`,
    );
  if (project?.trim() === '') throw new UsageError('--project must not be empty');
  if (full && !explain) throw new UsageError('--full goes with --explain');
  if (full && json) throw new UsageError('--json has the whole body anyway: leave --full out');
  return {
    file,
    explain,
    full,
    json,
    records: records as Which,
    projectId: project ?? env.FREEPLAY_PROJECT_ID,
    captureContent: values['no-content'] !== true,
  };
}
