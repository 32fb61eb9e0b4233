/**
 * The completions API on a bad day: a real server on a free port that answers as the contract says, except where a script says otherwise.
 *
 * Every connection is a raw socket first. A script may keep it (`onConnection`); else it becomes TLS where that is asked for, and HTTP.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TestContext } from 'vitest';
import { type Book, createBook, type Post } from './book.ts';

/** One request and the means to answer it, well or badly. */
export interface Exchange {
  readonly post: Post;
  readonly book: Book;
  readonly response: ServerResponse;
  /** The connection, for answers that are no HTTP. */
  readonly socket: Socket;
  /** As the API does: 201, or 409 for what is recorded already. */
  accept(headers?: OutgoingHttpHeaders): void;
  /** Success is on its way to the client. */
  tell(): void;
  answer(status: number, body: string, headers?: OutgoingHttpHeaders): void;
}

export type Fault = (exchange: Exchange) => void;

/** Which fault meets a request; none: it is accepted. */
export type Script = (post: Post) => Fault | undefined;

export interface FaultServerOptions {
  readonly script?: Script | undefined;
  /** Asked for each connection, counted from 1. True: the script keeps it. */
  readonly onConnection?: ((socket: Socket, count: number) => boolean) | undefined;
  /** Asked before the body is read. True: it has been answered. */
  readonly onHeaders?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
  /** @default any free one */
  readonly port?: number | undefined;
  /** Of a server that was there before. @default a new one */
  readonly book?: Book | undefined;
}

export interface FaultServer {
  readonly book: Book;
  readonly port: number;
  readonly baseUrl: string;
  /** Connections so far. */
  readonly connections: () => number;
  /** Connections that are open now. */
  readonly open: () => number;
  /** Bytes that the connections that are closed by now took from the server. */
  readonly written: () => number;
  /** Refuses connections from now on, and breaks those there are. */
  stop(): Promise<void>;
}

type Finisher = Pick<TestContext, 'onTestFinished'>;

/** Stopped with the test. */
export async function startFaultServer(
  context: Finisher,
  options: FaultServerOptions | Script = {},
): Promise<FaultServer> {
  const { script, onConnection, onHeaders, tls, port: wanted, book = createBook() } = toOptions(options);
  const sockets = new Set<Socket>();
  let connections = 0;
  let written = 0;

  const http = createHttpServer(async (request, response) => {
    if (onHeaders?.(request, response)) return;
    const text = await readAll(request);
    if (text === undefined) return;
    const { url: path = '', headers } = request;
    const post = book.arrive({ path, authorization: headers.authorization, text });
    const exchange = createExchange(book, post, response, request.socket);
    const fault = script?.(post);
    if (fault === undefined) exchange.accept();
    else fault(exchange);
  });
  // What a script has done to a connection is no error of the test.
  http.on('clientError', (_, socket) => socket.destroy());
  const secure = tls && createTlsServer(tls, (socket) => void http.emit('connection', socket));
  secure?.on('tlsClientError', () => {});

  const server = createServer({ allowHalfOpen: tls === undefined }, (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      written += socket.bytesWritten;
    });
    socket.on('error', () => {});
    if (onConnection?.(socket, connections)) socket.on('end', () => socket.destroy());
    else if (secure) secure.emit('connection', socket);
    else http.emit('connection', socket);
  });
  await new Promise<void>((resolve) => server.listen(wanted ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
    return stopping;
  };
  context.onTestFinished(stop);
  return {
    book,
    port,
    baseUrl: `${tls ? 'https' : 'http'}://127.0.0.1:${port}/api`,
    connections: () => connections,
    open: () => sockets.size,
    written: () => written,
    stop,
  };
}

/** A port that refuses connections: of a server that has been stopped. */
export async function refusedPort(context: Finisher): Promise<number> {
  const server = await startFaultServer(context);
  await server.stop();
  return server.port;
}

function toOptions(options: FaultServerOptions | Script): FaultServerOptions {
  return typeof options === 'function' ? { script: options } : options;
}

function createExchange(book: Book, post: Post, response: ServerResponse, socket: Socket): Exchange {
  const tell = (): void => {
    // Nothing reaches anybody on a connection that has been ended.
    if (socket.writable) book.tell(post);
  };
  const answer = (status: number, body: string, headers: OutgoingHttpHeaders = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };
  return {
    post,
    book,
    response,
    socket,
    answer,
    tell,
    accept(headers) {
      tell();
      answer(book.record(post), JSON.stringify({ completion_id: post.id }), headers);
    },
  };
}

/** The body; `undefined` if it broke off. */
async function readAll(request: IncomingMessage): Promise<string | undefined> {
  let text = '';
  try {
    request.setEncoding('utf8');
    for await (const chunk of request) text += chunk;
    return text;
  } catch {
    return undefined;
  }
}
