import { parseArgs } from 'node:util';
import type { DescribeOptions } from '../local/describe.ts';
import type { LocalServer, RefusedRequest } from '../local/server.ts';
import type { StoredRecord } from '../local/store.ts';
import { type Command, type CommandIo, EXIT_FAILED, EXIT_OK, UsageError } from './command.ts';

/** A v4 UUID that says by itself that no real project is meant; the local server takes every v4 UUID. */
const EXAMPLE_PROJECT_ID = '10ca1000-0000-4000-8000-000000000000';

const HELP = `freeplay-otel local: a completions server on this machine

Checks every record as strictly as the API contract does, keeps it, and prints a line for it.

Usage: freeplay-otel local [OPTIONS]

Options:
  --port PORT  port to listen on, 0 = any free one (default 4830)
  --host HOST  address to listen on (default 127.0.0.1; any other than loopback opens it to the network)
  --dir DIR    folder for the database; without it records are in memory and gone at the end
  --key KEY    bearer key to ask for; without it any non-empty key is let in
  --quiet      print nothing but the line that says where it listens
  --json       print JSON lines: {"event":"listening"|"recorded"|"updated"|"refused", …}
  --help       this text

Examples:
  freeplay-otel local
  freeplay-otel local --port 0 --dir ./records
  freeplay-otel local --json | jq 'select(.event == "recorded").body.call_info.model'
  curl -H 'Authorization: Bearer any' 'http://127.0.0.1:4830/api/local/records?limit=10'

Stops on Ctrl-C (SIGINT) and SIGTERM. NO_COLOR turns colours off.

Exit codes: 0 stopped by the user, 1 could not start (port or folder in use), 2 wrong arguments`;

interface LocalArguments {
  readonly port: number;
  readonly host: string;
  readonly dir: string | undefined;
  readonly key: string | undefined;
  readonly quiet: boolean;
  readonly json: boolean;
}

export const localCommand: Command = {
  summary: 'a completions server on this machine that checks, keeps and shows records',
  help: HELP,
  run: runLocal,
};

async function runLocal(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args);
  // Loaded only now: help and wrong arguments need no server.
  const [{ startLocalServer }, { LocalServerError }, { describeRecord }, { createPaint, plainText }] =
    await Promise.all([
      import('../local/server.ts'),
      import('../local/store.ts'),
      import('../local/describe.ts'),
      import('../local/terminal-text.ts'),
    ]);
  const look: DescribeOptions = { colour: io.colour, width: io.width };
  const paint = createPaint(io.colour);
  const onRecord = (record: StoredRecord, event: string): void => {
    if (given.json) io.out(JSON.stringify({ event, ...record }));
    else
      io.out(
        event === 'updated' ? `${describeRecord(record, look)} (updated)` : describeRecord(record, look),
      );
  };
  const onRefuse = ({ status, method, path, message }: RefusedRequest): void => {
    if (given.json) io.out(JSON.stringify({ event: 'refused', status, method, path, message }));
    else
      io.out(
        `${paint('red', `refused ${status}`)} ${plainText(method, 10)} ${shortPath(plainText(path))}: ${plainText(message)}`,
      );
  };
  let server: LocalServer;
  try {
    server = await startLocalServer({
      port: given.port,
      host: given.host,
      dir: given.dir,
      key: given.key,
      ...(!given.quiet && { onRecord, onRefuse }),
      onDrop: createDropWarning(io),
    });
  } catch (error) {
    if (!(error instanceof LocalServerError)) throw error;
    io.err(`freeplay-otel local: ${plainText(error.message)}`);
    return EXIT_FAILED;
  }
  announce(server, given, io);
  await aborted(io.signal);
  await server.close();
  return EXIT_OK;
}

function readArguments(args: readonly string[]): LocalArguments {
  let values: { port?: string; host?: string; dir?: string; key?: string; quiet?: boolean; json?: boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        dir: { type: 'string' },
        key: { type: 'string' },
        quiet: { type: 'boolean' },
        json: { type: 'boolean' },
      },
      strict: true,
      allowPositionals: false,
    }));
  } catch (error) {
    // Node adds advice in further sentences; the first one names the argument.
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(message.split(/\n|\. (?=[A-Z])/)[0] ?? message);
  }
  for (const name of ['host', 'dir', 'key'] as const) {
    if (values[name] !== undefined && values[name].trim() === '')
      throw new UsageError(`--${name} must not be empty`);
  }
  return {
    port: readPort(values.port),
    host: values.host ?? '127.0.0.1',
    dir: values.dir,
    key: values.key,
    quiet: values.quiet ?? false,
    json: values.json ?? false,
  };
}

function readPort(text: string | undefined): number {
  if (text === undefined) return 4830;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535))
    throw new UsageError(`--port ${JSON.stringify(text.slice(0, 40))} is not a port: 0 to 65535`);
  return port;
}

function announce({ url, store, notice, degraded }: LocalServer, given: LocalArguments, io: CommandIo): void {
  const listening = `listening on ${url}`;
  // The text is in the JSON too, so that whoever waits for the line finds it either way.
  io.out(
    given.json
      ? JSON.stringify({ event: 'listening', url, location: store.location, message: listening })
      : listening,
  );
  if (degraded) io.err(`freeplay-otel local: ${notice}`);
  if (!isLoopbackUrl(url)) {
    const open = given.key === undefined ? ' and any key is let in (--key)' : '';
    io.err(`freeplay-otel local: reachable from the network${open}`);
  }
  if (given.quiet || given.json) return;
  if (!degraded) io.out(notice ?? `records are kept in ${store.location}`);
  const key = given.key === undefined ? 'any' : '<your --key>';
  io.out('point an exporter at it:');
  io.out(`  FREEPLAY_API_BASE=${url}/api FREEPLAY_API_KEY=${key} FREEPLAY_PROJECT_ID=${EXAMPLE_PROJECT_ID}`);
}

/** `…/sessions/3c90c3cc/completions`: what tells requests apart, and nothing longer. */
function shortPath(path: string): string {
  return path
    .slice(0, 300)
    .replace(/^(\/api)?\/v2\/projects\/[^/]+/, '…')
    .replace(/([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, '$1');
}

function isLoopbackUrl(url: string): boolean {
  return /^http:\/\/(localhost|127(\.\d+){3}|\[::1\]):\d+$/.test(url);
}

/** At most once a minute, with the total. */
function createDropWarning(io: CommandIo): (total: number) => void {
  let lastWarning = Number.NEGATIVE_INFINITY;
  return (total) => {
    const now = performance.now();
    if (now - lastWarning < 60_000) return;
    lastWarning = now;
    io.err(
      `freeplay-otel local: memory is full, the oldest records are let go (${total} so far); --dir DIR keeps all`,
    );
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
