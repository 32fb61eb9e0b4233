import { randomUUID } from 'node:crypto';
import type { LocalServer } from '../local/server.ts';
import { plainText } from '../local/terminal-text.ts';
import type { FreeplayRecord } from '../record/record.ts';
import { parseOptions, readPort } from './arguments.ts';
import { aborted, type Command, type CommandIo, EXIT_FAILED, EXIT_OK } from './command.ts';
import { openInBrowser } from './open-browser.ts';

const HELP = `freeplay-otel demo: an agent's session on a local server, to look at

Starts the server of "freeplay-otel local" in memory and plays a recorded run into it: an agent with tools, parallel
calls, a stream, reasoning, cached tokens, a picture, a call that failed and was tried again. The run was recorded with
real libraries (openai, Vercel AI SDK, LangChain) under their real instrumentation, against a stand-in for the models;
ids and times are new, and everything from the spans on is the library at work. Needs no network and no account.

Usage: freeplay-otel demo [OPTIONS]

Options:
  --open       open the page in the browser, play the run at the speed it had, and stay until Ctrl-C
  --port PORT  port to listen on, 0 = any free one (default 0; with --open 4830 if it is free)
  --json       print JSON lines: {"event":"listening"|"played", …}
  --help       this text

Examples:
  freeplay-otel demo
  freeplay-otel demo --open
  freeplay-otel demo --json | jq 'select(.event == "played").completions'

Stops on Ctrl-C (SIGINT) and SIGTERM. NO_COLOR turns colours off.

Exit codes: 0 done or stopped by the user, 1 could not start (port in use) or records are missing, 2 wrong arguments`;

const OPTIONS = { open: { type: 'boolean' }, port: { type: 'string' }, json: { type: 'boolean' } } as const;

export const demoCommand: Command = {
  summary: "an agent's session on a local server, to look at",
  help: HELP,
  run: runDemo,
};

/** The local server takes every v4 UUID; this one says what it is. */
const PROJECT_ID = 'de300000-0000-4000-8000-000000000000';
const KEY = 'demo';
const FAST = 20;

interface DemoArguments {
  readonly open: boolean;
  readonly port: number | undefined;
  readonly json: boolean;
}

async function runDemo(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args);
  forgetSettings(io);
  const { LocalServerError } = await import('../local/store.ts');
  let server: LocalServer;
  try {
    server = await startServer(given);
  } catch (error) {
    if (!(error instanceof LocalServerError)) throw error;
    io.err(`freeplay-otel demo: ${plainText(error.message)}`);
    return EXIT_FAILED;
  }
  try {
    return await play(server, given, io);
  } finally {
    await server.close();
  }
}

/** Those of the user's app are not meant for this: a spool would be emptied into the demo, a proxy would be asked for this machine. */
function forgetSettings({ env }: CommandIo): void {
  for (const name of Object.keys(env)) if (/^(FREEPLAY_|OTEL_|https?_proxy$)/i.test(name)) delete env[name];
}

/** Where people look for it, if nothing else is there. */
async function startServer({ open, port }: DemoArguments): Promise<LocalServer> {
  const { DEFAULT_PORT, startLocalServer } = await import('../local/server.ts');
  const start = (chosen: number): Promise<LocalServer> => startLocalServer({ port: chosen });
  if (port !== undefined || !open) return start(port ?? 0);
  return start(DEFAULT_PORT).catch(() => start(0));
}

async function play(server: LocalServer, { open, json }: DemoArguments, io: CommandIo): Promise<number> {
  const [{ playRun, RECORDED_RUN }, { FreeplaySpanProcessor }] = await Promise.all([
    import('./demo/play.ts'),
    import('../processor/span-processor.ts'),
  ]);
  const sessionId = randomUUID();
  const page = `${server.url}/sessions/${sessionId}`;
  const listening = `listening on ${server.url}`;
  io.out(
    json ? JSON.stringify({ event: 'listening', url: server.url, page, message: listening }) : listening,
  );
  if (!json) {
    io.out(
      'plays a recorded run of real libraries (openai, Vercel AI SDK, LangChain), with ids and times of now',
    );
    if (open) io.out(`the session: ${page}`);
  }
  if (open) openInBrowser(page);
  const records: FreeplayRecord[] = [];
  const processor = new FreeplaySpanProcessor({
    baseUrl: `${server.url}/api`,
    apiKey: KEY,
    projectId: PROJECT_ID,
    development: true,
    flushDelayMillis: 200,
    onRecord: (record) => records.push(record),
  });
  await playRun({ run: RECORDED_RUN, processor, sessionId, speed: open ? 1 : FAST, signal: io.signal });
  await processor.shutdown();
  if (io.signal.aborted) return EXIT_OK;
  const { created, delivered } = processor.ledger().records;
  const { renderTree } = await import('../local/describe.ts');
  const completions = records.filter(({ kind }) => kind === 'completion').length;
  if (json)
    io.out(
      JSON.stringify({ event: 'played', session: sessionId, page, records: created, delivered, completions }),
    );
  else {
    io.out('');
    io.out(renderTree(records, { colour: io.colour, width: io.width }));
    io.out('');
    io.out(
      open
        ? `${delivered} records are at ${page} until Ctrl-C`
        : `${delivered} records were recorded and checked, and are gone now. To look at them: freeplay-otel demo --open`,
    );
  }
  if (delivered !== created) {
    io.err(`freeplay-otel demo: only ${delivered} of ${created} records have arrived`);
    return EXIT_FAILED;
  }
  if (open) await aborted(io.signal);
  return EXIT_OK;
}

function readArguments(args: readonly string[]): DemoArguments {
  const { open = false, json = false, port } = parseOptions({ args: [...args], options: OPTIONS }).values;
  return { open, json, port: port === undefined ? undefined : readPort(port) };
}
