/**
 * Composition and life of the gateway: receiver → intakes → record pipelines, one for each key. Order of stopping: nothing new is
 * taken, nobody waits for log events, parents that never came are recorded, delivery gets its time, the last answers go out, the
 * connections close.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MeterProvider } from '@opentelemetry/api';
import type { FreeplayOptions } from '../config.ts';
import type { Ledger } from '../exporter/ledger.ts';
import { createRecordPipeline } from '../exporter/record-pipeline.ts';
import { listenProblem } from '../listen-problem.ts';
import type { Signal } from './answer.ts';
import { createBudget } from './budget.ts';
import type { BatchResult } from './entrusted-batch.ts';
import { createJoins } from './joins.ts';
import type { GatewayLimits } from './limits.ts';
import { createLogIntake } from './log-intake.ts';
import type { GatewayLevels } from './metrics-page.ts';
import { createReceiver, type ReceiverEvent } from './receiver.ts';
import type { Route } from './routes.ts';
import { createTraceIntake, type GatewayRoute } from './trace-intake.ts';

export interface RouteOptions extends Route {
  /** For people and metrics. */
  readonly name: string;
  readonly options: FreeplayOptions;
}

export interface GatewayOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly routes: readonly RouteOptions[];
  readonly limits: GatewayLimits;
  readonly token: string | undefined;
  /** Milliseconds a call whose content travels in log events waits for them, and they for it. */
  readonly logWaitMillis: number;
  /** Milliseconds after which a sender is told to try again; what is in hand goes on. */
  readonly answerMillis: number;
  /** Traces, of each route, that later spans are placed in; the one unheard of for longest is forgotten first. */
  readonly maxTraces: number;
  /** Milliseconds that delivery gets at the end. */
  readonly drainMillis: number;
  readonly meterProvider?: MeterProvider | undefined;
  readonly serveMetrics?: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  readonly onRequest?: ((event: ReceiverEvent) => void) | undefined;
  /** Bytes that were no request, or one that did not come in time; with the status it was answered with. */
  readonly onClientError?: ((status: number) => void) | undefined;
}

export interface Gateway {
  readonly url: string;
  readonly levels: GatewayLevels;
  /** What happened to every record so far, by the name of the route. */
  ledgers(): ReadonlyMap<string, Ledger>;
  /** Drains; later calls wait for the first. */
  close(): Promise<void>;
}

/** It cannot serve: in one line for the user. */
export class GatewayError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'GatewayError';
  }
}

/** A trace unheard of for so long is settled: parents that were named and never came get their placeholders. */
const TRACE_IDLE_MILLIS = 1_800_000;
const SETTLE_EVERY_MILLIS = 60_000;
/** Longer than load balancers keep a connection, so that it is they who close it. */
const KEEP_ALIVE_MILLIS = 75_000;
const CHECK_CONNECTIONS_MILLIS = 1_000;
/** For the last answers to be read. */
const FAREWELL_MILLIS = 1_000;

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { limits, logWaitMillis, answerMillis, meterProvider } = options;
  const routes = options.routes.map<GatewayRoute>(({ name, when, options: own }) => ({
    name,
    when,
    pipeline: createRecordPipeline(
      { ...own, flushOnExit: false, ...(meterProvider && { meterProvider }) },
      { maxTraces: options.maxTraces },
      'FreeplayGateway',
    ),
  }));
  const joins = createJoins<BatchResult>();
  const budget = createBudget(limits.maxInFlightBytes);
  const traces = createTraceIntake({ routes, joins, logWaitMillis, answerMillis });
  let isDraining = false;
  const receiver = createReceiver({
    limits,
    budget,
    token: options.token,
    traces,
    logs: createLogIntake({ joins, logWaitMillis, answerMillis }),
    isDraining: () => isDraining,
    report: (event) => options.onRequest?.(event),
  });

  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMillis,
      requestTimeout: limits.requestTimeoutMillis,
      keepAliveTimeout: KEEP_ALIVE_MILLIS,
      connectionsCheckingInterval: CHECK_CONNECTIONS_MILLIS,
    },
    (request, response) => serve(request, response),
  );
  server.maxConnections = limits.maxConnections;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = CLIENT_ERRORS[error.code ?? ''] ?? '400 Bad Request';
    options.onClientError?.(Number(status.slice(0, 3)));
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    else socket.destroy();
  });
  await listen(server, options.port, options.host);

  const settling = setInterval(
    () => settleTraces(performance.now() - TRACE_IDLE_MILLIS),
    SETTLE_EVERY_MILLIS,
  );
  settling.unref();

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').split('?', 1)[0];
    const signal = SIGNALS.get(path ?? '');
    if (signal !== undefined) {
      if (request.method === 'POST') void receiver.handle(signal, request, response);
      else sendText(request, response, 405, 'POST alone', { allow: 'POST' });
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD')
      sendText(request, response, 404, 'there is /v1/traces and /v1/logs');
    else if (path === '/healthz') sendText(request, response, 200, 'ok');
    else if (path === '/readyz')
      sendText(request, response, isDraining ? 503 : 200, isDraining ? 'draining' : 'ok');
    else if (path === '/metrics' && options.serveMetrics) options.serveMetrics(request, response);
    else sendText(request, response, 404, 'there is /v1/traces, /v1/logs, /healthz, /readyz and /metrics');
  }

  /** Placeholders for parents that never came; nobody waits for these. */
  function settleTraces(before?: number): void {
    for (const { pipeline } of routes) {
      const records = pipeline.build(pipeline.lineage.settle(before));
      if (records.length > 0) void pipeline.outbox?.send(records, options.drainMillis);
    }
  }

  async function stop(): Promise<void> {
    isDraining = true;
    clearInterval(settling);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    joins.stop();
    // What has been read but not converted is on its way to delivery after this.
    await new Promise((resolve) => setImmediate(resolve));
    await traces.allHandedOver();
    settleTraces();
    await Promise.all(routes.map(({ pipeline }) => pipeline.shutdown(options.drainMillis)));
    const deadline = performance.now() + FAREWELL_MILLIS;
    while (receiver.inFlight > 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10));
    server.closeIdleConnections();
    const last = setTimeout(() => server.closeAllConnections(), FAREWELL_MILLIS);
    await closed;
    clearTimeout(last);
  }

  let stopped: Promise<void> | undefined;
  return {
    url: urlOf(server),
    get levels() {
      return {
        requestsInFlight: receiver.inFlight,
        bytesInFlight: budget.used,
        openRequests: traces.openRequests,
        unrouted: traces.unrouted,
        joins: joins.stats,
        traces: sumTraces(routes),
      };
    },
    ledgers: () => new Map(routes.map(({ name, pipeline }) => [name, pipeline.ledger()])),
    close() {
      stopped ??= stop();
      return stopped;
    },
  };
}

function sumTraces(routes: readonly GatewayRoute[]): GatewayLevels['traces'] {
  const all = routes.map(({ pipeline }) => pipeline.lineage.stats());
  return {
    remembered: all.reduce((sum, { traces }) => sum + traces, 0),
    forgotten: all.reduce((sum, { evictedTraces }) => sum + evictedTraces, 0),
  };
}

/** What a sender did that is no request of ours. */
const CLIENT_ERRORS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Content Too Large',
};

const SIGNALS: ReadonlyMap<string, Signal> = new Map([
  ['/v1/traces', 'traces'],
  ['/v1/logs', 'logs'],
]);

function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  request.resume();
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(`${text}\n`);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new GatewayError(listenProblem(error, port, host))),
    );
    server.listen(port, host, resolve);
  });
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
