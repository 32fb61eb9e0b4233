import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { listenProblem } from '../listen-problem.ts';
import { isLoopback } from '../loopback.ts';
import type { RecordEvent } from './endpoints.ts';
import { createEventHub } from './event-hub.ts';
import { type ExplainRecord, explainRecord } from './explain-record.ts';
import { createFaults, NO_FAULTS } from './faults.ts';
import { handleRequest, type RefusedRequest, type Serving } from './handle-request.ts';
import { openStore, type StoreOptions } from './open-store.ts';
import { inspectorFolder } from './static-files.ts';
import { LocalServerError, type RecordStore, type StoredRecord } from './store.ts';
import type { FaultSettings } from './view-types.ts';

export interface LocalServerOptions extends StoreOptions {
  /** 0: any free one. @default 4830 */
  readonly port?: number | undefined;
  /** Address to listen on; every other than loopback opens the server to the network. @default '127.0.0.1' */
  readonly host?: string | undefined;
  /** The bearer key to ask for; left out, any non-empty key is let in. */
  readonly key?: string | undefined;
  /** After a record was stored, or changed by an update or patch. Must not throw; what it throws is swallowed. */
  readonly onRecord?: ((record: StoredRecord, event: RecordEvent) => void) | undefined;
  /** After a request was refused or failed (status 400 and up). */
  readonly onRefuse?: ((refused: RefusedRequest) => void) | undefined;
  /** How it pretends to fail, to begin with. @default it does not */
  readonly faults?: FaultSettings | undefined;
  /** Folder of the page. @default beside the built files of this program */
  readonly inspectorDir?: string | undefined;
  /** Where the fields of a record came from; asked when a record with spans is looked at. */
  readonly explain?: ExplainRecord | undefined;
}

export interface LocalServer {
  /** `http://HOST:PORT`: the page; exporters are pointed at `${url}/api`. */
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
  const { store, notice, degraded } = await openStore(options);
  const stop = new AbortController();
  const serving: Serving = {
    store,
    options,
    hub: createEventHub(),
    faults: createFaults(options.faults ?? NO_FAULTS),
    budget: { bytes: 0 },
    key: options.key,
    explain: options.explain ?? explainRecord,
    inspectorDir: options.inspectorDir ?? inspectorFolder(),
    underWay: 0,
    loopbackOnly: true,
    stopping: stop.signal,
  };
  const server = createServer((request, response) => {
    void handleRequest(request, response, serving);
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
  serving.loopbackOnly = isLoopback(address.address);
  let closing: Promise<void> | undefined;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    store,
    notice,
    degraded,
    close(): Promise<void> {
      stop.abort();
      serving.hub.close();
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
  const code = error.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'CANNOT_LISTEN';
  return new LocalServerError(code, listenProblem(error, port, host), { cause: error });
}

async function shutDown(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MILLIS);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}
