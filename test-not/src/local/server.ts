import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isUuidV4 } from './contract.ts';
import { checkedIds, ENDPOINTS, type RecordEvent } from './endpoints.ts';
import { openStore } from './open-store.ts';
import {
  type Answer,
  type BodyBudget,
  hostRefusal,
  isLoopback,
  keyRefusal,
  readJsonBody,
  refusal,
} from './request.ts';
import type { OpenDatabase } from './sqlite-store.ts';
import { LocalServerError, type RecordStore, type StoredRecord } from './store.ts';

export interface LocalServerOptions {
  /** 0: any free one. @default 4830 */
  readonly port?: number | undefined;
  /** Address to listen on; every other than loopback opens the server to the network. @default '127.0.0.1' */
  readonly host?: string | undefined;
  /** Folder for the database; left out, or without libsql, records are kept in memory. */
  readonly dir?: string | undefined;
  /** The bearer key to ask for; left out, any non-empty key is let in. */
  readonly key?: string | undefined;
  /** After a record was stored, or changed by an update or patch. Must not throw; what it throws is swallowed. */
  readonly onRecord?: ((record: StoredRecord, event: RecordEvent) => void) | undefined;
  /** After a request was refused or failed (status 400 and up). */
  readonly onRefuse?: ((refused: RefusedRequest) => void) | undefined;
  /** When the store in memory had to let go of its oldest records, with the total so far. */
  readonly onDrop?: ((total: number) => void) | undefined;
  /** How libsql is loaded; for tests of its absence. */
  readonly loadDatabase?: (() => Promise<OpenDatabase>) | undefined;
}

export interface RefusedRequest {
  readonly status: number;
  readonly method: string;
  readonly path: string;
  readonly message: string;
}

export interface LocalServer {
  /** `http://HOST:PORT`; exporters are pointed at `${url}/api`. */
  readonly url: string;
  readonly port: number;
  readonly store: RecordStore;
  /** What the user should know about where records are kept. */
  readonly notice: string | undefined;
  /** A folder was asked for, and libsql could not be loaded. */
  readonly degraded: boolean;
  /** Answers what is being worked on, then closes the store. Idempotent. */
  close(): Promise<void>;
}

export const DEFAULT_PORT = 4830;
export const DEFAULT_HOST = '127.0.0.1';

const HEADERS_TIMEOUT_MILLIS = 10_000;
const REQUEST_TIMEOUT_MILLIS = 60_000;
/** Longer than clients keep idle connections, so that it is they who close them and no request meets a closing one. */
const KEEP_ALIVE_TIMEOUT_MILLIS = 65_000;
const CLOSE_TIMEOUT_MILLIS = 2_000;
const MAX_CONNECTIONS = 1_024;
/** Small, since one body may have 20 MB. */
const LIST_PAGE = 50;

/**
 * Starts the embedded completions server.
 *
 * @example
 * const server = await startLocalServer({ port: 0 });
 * new FreeplaySpanExporter({ baseUrl: `${server.url}/api`, apiKey: 'any', projectId });
 *
 * @throws {LocalServerError} if the folder or the port cannot be used.
 */
export async function startLocalServer(options: LocalServerOptions = {}): Promise<LocalServer> {
  if (options.key === '') throw new LocalServerError('BAD_OPTION', 'key must not be empty');
  const { store, notice, degraded } = await openStore(options.dir, options.loadDatabase, options.onDrop);
  const budget: BodyBudget = { bytes: 0 };
  let loopbackOnly = true;
  const server = createServer((request, response) => {
    void handle(request, response, { store, options, budget, loopbackOnly });
  });
  server.headersTimeout = HEADERS_TIMEOUT_MILLIS;
  server.requestTimeout = REQUEST_TIMEOUT_MILLIS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MILLIS;
  server.maxConnections = MAX_CONNECTIONS;
  const host = options.host ?? DEFAULT_HOST;
  let address: AddressInfo;
  try {
    address = await listen(server, options.port ?? DEFAULT_PORT, host);
  } catch (error) {
    store.close();
    throw error;
  }
  loopbackOnly = isLoopback(address.address);
  let closing: Promise<void> | undefined;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    store,
    notice,
    degraded,
    close(): Promise<void> {
      closing ??= shutDown(server).finally(() => store.close());
      return closing;
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(toListenError(error, port, host));
    server.once('error', fail);
    server.listen({ port, host, exclusive: true }, () => {
      server.off('error', fail);
      // A server that runs must not end because accepting one connection failed (EMFILE).
      server.on('error', () => {});
      resolve(server.address() as AddressInfo);
    });
  });
}

function toListenError(error: NodeJS.ErrnoException, port: number, host: string): LocalServerError {
  const options = { cause: error };
  if (error.code === 'EADDRINUSE') {
    const text = `port ${port} on ${host} is in use: stop what listens there or choose another with --port (0 = any free one)`;
    return new LocalServerError('PORT_IN_USE', text, options);
  }
  return new LocalServerError(
    'CANNOT_LISTEN',
    `cannot listen on ${host} port ${port}: ${error.code ?? error.message}`,
    options,
  );
}

async function shutDown(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MILLIS);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}

interface Serving {
  readonly store: RecordStore;
  readonly options: LocalServerOptions;
  readonly budget: BodyBudget;
  readonly loopbackOnly: boolean;
}

/** Never rejects: there is nobody to catch it. */
async function handle(request: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  response.on('error', () => {});
  let given: Answer | undefined;
  try {
    given = await answer(request, response, serving);
  } catch (error) {
    // The client went away while it was sending: nobody is left to answer.
    if (request.destroyed && !request.complete) return;
    given = refusal(500, `the server failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (given === undefined) return;
  if (given.status >= 400) quietly(() => serving.options.onRefuse?.(toRefused(request, given)));
  if (response.headersSent) {
    // A listing that broke off: an end would make it look whole.
    response.destroy();
    return;
  }
  send(response, given);
}

function toRefused(request: IncomingMessage, { status, json }: Answer): RefusedRequest {
  const message = String((json as { message?: unknown }).message);
  return { status, method: request.method ?? '', path: request.url ?? '', message };
}

function send(response: ServerResponse, { status, json, headers, close }: Answer): void {
  const body = JSON.stringify(json);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
    ...(close && { connection: 'close' }),
  });
  response.end(body);
}

/** The five steps of every request: host, path and method, key, ids, body. `undefined`: the response was written already. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  serving: Serving,
): Promise<Answer | undefined> {
  const strange = hostRefusal(request, serving.loopbackOnly);
  if (strange !== undefined) return strange;
  const target = request.url ?? '/';
  const [path = '/', query = ''] = splitOnce(target, '?');
  const read = READS.get(path);
  if (read !== undefined) {
    if (request.method !== 'GET') return methodRefusal(['GET']);
    return (
      keyRefusal(request, serving.options.key) ?? (await read(new URLSearchParams(query), response, serving))
    );
  }
  const apiPath = path.startsWith('/api/') ? path.slice('/api'.length) : path;
  const fitting = ENDPOINTS.filter(({ pattern }) => pattern.test(apiPath));
  if (fitting.length === 0) return refusal(404, UNKNOWN_PATH);
  const endpoint = fitting.find(({ method }) => method === request.method);
  if (endpoint === undefined) return methodRefusal(fitting.map(({ method }) => method));
  const noEntry = keyRefusal(request, serving.options.key);
  if (noEntry !== undefined) return noEntry;
  const ids = checkedIds(endpoint.pattern.exec(apiPath)?.groups ?? {});
  if ('status' in ids) return ids;
  const incoming = await readJsonBody(request, serving.budget);
  if (!incoming.ok) return incoming.answer;
  const onRecord = (record: StoredRecord, event: RecordEvent): void =>
    quietly(() => serving.options.onRecord?.(record, event));
  return endpoint.answer(
    { ids, body: incoming.value, json: incoming.json, path: apiPath },
    { store: serving.store, onRecord },
  );
}

const UNKNOWN_PATH =
  'nothing is at this path: completions are posted to /api/v2/projects/{project_id}/sessions/{session_id}/completions';

function methodRefusal(allowed: readonly string[]): Answer {
  return refusal(405, `this path takes ${allowed.join(' or ')}`, { allow: [...new Set(allowed)].join(', ') });
}

type Read = (
  query: URLSearchParams,
  response: ServerResponse,
  serving: Serving,
) => Promise<Answer | undefined>;

const READS: ReadonlyMap<string, Read> = new Map<string, Read>([
  ['/api/local/records', listRecords],
  ['/api/local/annotations', async (_, __, { store }) => ({ status: 200, json: store.annotations() })],
]);

/** Written page by page: all records together may be larger than memory. */
async function listRecords(
  query: URLSearchParams,
  response: ServerResponse,
  { store }: Serving,
): Promise<Answer | undefined> {
  for (const name of query.keys()) {
    if (!['session', 'trace', 'limit', 'after'].includes(name))
      return refusal(400, `${name.slice(0, 60)}: unknown parameter`);
  }
  const session = query.get('session')?.toLowerCase();
  const trace = query.get('trace')?.toLowerCase();
  if (session !== undefined && !isUuidV4(session))
    return refusal(400, 'session: is not a valid uuid4 format.');
  if (trace !== undefined && !isUuidV4(trace)) return refusal(400, 'trace: is not a valid uuid4 format.');
  const limit = wholeNumber(query.get('limit'), Number.MAX_SAFE_INTEGER);
  const start = wholeNumber(query.get('after'), 0);
  if (limit === undefined) return refusal(400, 'limit: is not a whole number');
  if (start === undefined) return refusal(400, 'after: is not a whole number');

  let left = limit;
  let after = start;
  let separator = '[';
  // The first page before the headers, so that a failing store can still be told.
  for (;;) {
    const size = Math.min(LIST_PAGE, left);
    const page = size === 0 ? [] : store.list({ session, trace, after, limit: size });
    if (!response.headersSent) {
      response.writeHead(200, {
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      });
    }
    for (const record of page) {
      if (!(await write(response, `${separator}${JSON.stringify(record)}`))) return undefined;
      separator = ',\n';
      after = record.seq;
    }
    left -= page.length;
    if (page.length < size || left <= 0) break;
  }
  response.end(separator === '[' ? '[]' : ']');
  return undefined;
}

/** Waits for the client to have taken it; false if the client is gone. */
async function write(response: ServerResponse, text: string): Promise<boolean> {
  if (response.destroyed) return false;
  if (response.write(text)) return true;
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off('drain', settle);
      response.off('close', settle);
      resolve(!response.destroyed);
    };
    response.on('drain', settle);
    response.on('close', settle);
  });
}

function wholeNumber(text: string | null, fallback: number): number | undefined {
  if (text === null) return fallback;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** A callback of the user's must not cost an answer. */
function quietly(callback: () => void): void {
  try {
    callback();
  } catch {
    // Nothing of ours is broken, and there is no logger here to tell.
  }
}
