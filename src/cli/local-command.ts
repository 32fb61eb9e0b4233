import type { DescribeOptions } from '../local/describe.ts';
import type { RefusedRequest } from '../local/handle-request.ts';
import type { LocalServer } from '../local/server.ts';
import type { StoredRecord } from '../local/store.ts';
import type { FaultSettings } from '../local/view-types.ts';
import { isLoopback } from '../loopback.ts';
import { parseOptions, readPort } from './arguments.ts';
import { aborted, type Command, type CommandIo, EXIT_FAILED, EXIT_OK, UsageError } from './command.ts';
import { PROBE_SESSION_ID } from './doctor/finding.ts';
import { openInBrowser } from './open-browser.ts';

/** A v4 UUID that says by itself that no real project is meant; the local server takes every v4 UUID. */
const EXAMPLE_PROJECT_ID = '10ca1000-0000-4000-8000-000000000000';

const HELP = `freeplay-otel local: a completions server on this machine, with a page to look into its records

Checks every record as strictly as the API contract does, keeps it, prints a line for it, and shows it in the browser:
sessions, traces as waterfalls, completions with their messages, search, totals, latency and tokens.

Usage: freeplay-otel local [OPTIONS]

Options:
  --port PORT  port to listen on, 0 = any free one (default 4830)
  --host HOST  address to listen on (default 127.0.0.1; any other than loopback opens it to the network)
  --dir DIR    folder for the database; without it records are in memory and gone at the end
  --keep N     at most N records, the oldest out first (default 300000 in a folder, 100000 in memory)
  --key KEY    bearer key to ask for; without it any non-empty key is let in, and the page asks for none
  --open       open the page in the browser
  --quiet      print nothing but the line that says where it listens
  --json       print JSON lines: {"event":"listening"|"recorded"|"updated"|"refused", …}
  --help       this text

To see how an app takes failures, of requests that record:
  --fail PERCENT         this share fails (default 0)
  --fail-status STATUS   with this status, 400 to 599 (default 503)
  --retry-after SECONDS  and with this Retry-After (default none)
  --latency MILLIS       every answer waits so long (default 0)
The page changes them while the server runs.

Examples:
  freeplay-otel local --open
  freeplay-otel local --port 0 --dir ./records
  freeplay-otel local --fail 20 --fail-status 429 --retry-after 2 --latency 250
  freeplay-otel local --json | jq 'select(.event == "recorded").body.call_info.model'
  curl -H 'Authorization: Bearer any' 'http://127.0.0.1:4830/api/local/records?limit=10'

Stops on Ctrl-C (SIGINT) and SIGTERM. NO_COLOR turns colours off.

Exit codes: 0 stopped by the user, 1 could not start (port or folder in use), 2 wrong arguments`;

interface LocalArguments {
  readonly port: number;
  readonly host: string;
  readonly dir: string | undefined;
  readonly key: string | undefined;
  readonly keep: number | undefined;
  readonly faults: FaultSettings;
  readonly open: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
}

export const localCommand: Command = {
  summary: 'a completions server on this machine, and a page that shows its records',
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
    else if (status === 400 && path.includes(PROBE_SESSION_ID))
      io.out(paint('dim', 'freeplay-otel doctor asked: key and project are taken'));
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
      keep: given.keep,
      faults: given.faults,
      ...(!given.quiet && { onRecord, onRefuse }),
      onDrop: createDropWarning(given, io),
    });
  } catch (error) {
    if (!(error instanceof LocalServerError)) throw error;
    io.err(`freeplay-otel local: ${plainText(error.message)}`);
    return EXIT_FAILED;
  }
  announce(server, given, io);
  if (given.open) openInBrowser(server.url);
  await aborted(io.signal);
  await server.close();
  return EXIT_OK;
}

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  dir: { type: 'string' },
  key: { type: 'string' },
  keep: { type: 'string' },
  fail: { type: 'string' },
  'fail-status': { type: 'string' },
  'retry-after': { type: 'string' },
  latency: { type: 'string' },
  open: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

function readArguments(args: readonly string[]): LocalArguments {
  const { values } = parseOptions({ args: [...args], options: OPTIONS });
  for (const name of ['host', 'dir', 'key'] as const) {
    if (values[name] !== undefined && values[name].trim() === '')
      throw new UsageError(`--${name} must not be empty`);
  }
  const { host = '127.0.0.1', dir, key, keep, open, quiet, json } = values;
  const retryAfter = values['retry-after'];
  return {
    port: readPort(values.port ?? '4830'),
    host,
    dir,
    key,
    keep: keep === undefined ? undefined : readNumber('keep', keep, 1, 10_000_000),
    faults: {
      percent: readNumber('fail', values.fail ?? '0', 0, 100, /^\d{1,3}(\.\d{1,3})?$/),
      status: readNumber('fail-status', values['fail-status'] ?? '503', 400, 599),
      latencyMillis: readNumber('latency', values.latency ?? '0', 0, 60_000),
      ...(retryAfter !== undefined && {
        retryAfterSeconds: readNumber('retry-after', retryAfter, 0, 86_400),
      }),
    },
    open,
    quiet,
    json,
  };
}

function readNumber(name: string, text: string, least: number, most: number, form = /^\d{1,8}$/): number {
  const value = form.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new UsageError(
      `--${name} ${JSON.stringify(text.slice(0, 40))} is not a number from ${least} to ${most}`,
    );
  return value;
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
  if (!isLoopback(new URL(url).hostname)) {
    const open = given.key === undefined ? ' and any key is let in (--key)' : '';
    io.err(`freeplay-otel local: reachable from the network${open}`);
  }
  if (given.quiet || given.json) return;
  if (!degraded) io.out(notice ?? `records are kept in ${store.location}`);
  const { percent, status, latencyMillis } = given.faults;
  if (percent > 0) io.out(`${percent} % of the requests that record fail with ${status} (--fail)`);
  if (latencyMillis > 0) io.out(`every answer to them waits ${latencyMillis} ms (--latency)`);
  const key = given.key === undefined ? 'any' : "'<your --key>'";
  io.out(`look at them in the browser: ${url}/`);
  io.out('point an exporter at it, in development mode to see where each field came from:');
  io.out(
    `  export FREEPLAY_API_BASE=${url}/api FREEPLAY_API_KEY=${key} FREEPLAY_PROJECT_ID=${EXAMPLE_PROJECT_ID} FREEPLAY_DEVELOPMENT=true`,
  );
}

/** `…/sessions/3c90c3cc/completions`: what tells requests apart, and nothing longer. */
function shortPath(path: string): string {
  return path
    .slice(0, 300)
    .replace(/^(\/api)?\/v2\/projects\/[^/]+/, '…')
    .replace(/([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, '$1');
}

/** At most once a minute, with the total. */
function createDropWarning({ dir, keep }: LocalArguments, io: CommandIo): (total: number) => void {
  const more =
    dir === undefined && keep === undefined ? '--dir DIR or --keep N keeps more' : '--keep N keeps more';
  let lastWarning = Number.NEGATIVE_INFINITY;
  return (total) => {
    const now = performance.now();
    if (now - lastWarning < 60_000) return;
    lastWarning = now;
    io.err(
      `freeplay-otel local: as many records as are to be kept, the oldest are let go (${total} so far); ${more}`,
    );
  };
}
