/**
 * The innermost sender: one POST over kept-alive connections. The only file that imports undici.
 */

import { buildConnector, Client, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';
import { createBodyEncoder } from './body-bytes.ts';
import { type Connections, createConnections, createSharedConnections } from './connections.ts';
import type { Credentials } from './credentials.ts';
import type { Report } from './events.ts';
import { Post, type PostOffice } from './post.ts';
import type { Sender } from './sender.ts';
import { type Connector, createSockets, type Sockets } from './sockets.ts';
import { createTimeLimit } from './time-limit.ts';

export type { Dispatcher } from 'undici';

export interface TransportPolicy {
  /** Where paths are appended. A trailing slash, a query and a fragment are ignored. */
  readonly baseUrl: URL;
  readonly credentials: Credentials;
  /** Sent with every request. `authorization`, `content-type` and `user-agent` here have no effect. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly userAgent: string;
  /** For one attempt: asking for the key, connecting, sending, and the answer. */
  readonly timeoutMillis: number;
  /** The most requests that will be under way at once. Connections are opened as these need them. */
  readonly maxConnections: number;
  /** Used as it is, and never closed: it belongs to the caller. */
  readonly dispatcher?: Dispatcher | undefined;
  /** Whether the environment names a proxy; `NO_PROXY` is obeyed then, too. */
  readonly hasProxy: boolean;
  /** Monotonic clock, milliseconds. */
  readonly now: () => number;
  /** Aborted: what is under way is given back as `aborted`. */
  readonly signal: AbortSignal;
  readonly report: Report;
}

export interface Transport {
  readonly send: Sender;
  /** Closes the connections, if they are ours. */
  close(): Promise<void>;
}

export function createTransport(policy: TransportPolicy): Transport {
  const { baseUrl, credentials, report, signal, dispatcher } = policy;
  const connections = openConnections(policy);
  const underWay = createTimeLimit<Post>(policy.timeoutMillis, policy.now, (post) => post.giveUp(true));
  const office: PostOffice = {
    origin: baseUrl.origin,
    prefix: baseUrl.pathname.replace(/\/+$/, ''),
    headers: {
      ...lowerCased(policy.headers),
      'content-type': 'application/json',
      'user-agent': policy.userAgent,
    },
    credentials,
    connections,
    underWay,
    // What is not ours may look at the body, and expects text.
    encode: dispatcher === undefined ? createBodyEncoder() : (pieces) => pieces.join(''),
    report,
  };
  signal.addEventListener('abort', () => {
    for (const post of underWay.stop()) post.giveUp(false);
  });
  return {
    send(attempt) {
      if (signal.aborted) attempt.onResult({ kind: 'aborted' });
      else new Post(office, attempt).start();
    },
    close: connections.close,
  };
}

/** How long an idle connection is kept where the server gives no hint; below the 60 s of common load balancers. */
const KEEP_ALIVE_MILLIS = 30_000;

function openConnections(policy: TransportPolicy): Connections {
  if (policy.dispatcher !== undefined) return createSharedConnections(policy.dispatcher, false);
  const sockets = createSockets();
  const connections =
    (policy.hasProxy ? openProxied(policy, sockets) : undefined) ?? openDirect(policy, sockets);
  return {
    ...connections,
    close() {
      sockets.close();
      return connections.close();
    },
  };
}

function openDirect({ baseUrl, timeoutMillis }: TransportPolicy, { quieten }: Sockets): Connections {
  // One for all, since it is where TLS sessions are remembered.
  const connect = quieten(buildConnector({ timeout: timeoutMillis }));
  return createConnections(
    () => new Client(baseUrl.origin, { connect, keepAliveTimeout: KEEP_ALIVE_MILLIS }),
  );
}

/** `undefined` if the proxy settings cannot be used. */
function openProxied(policy: TransportPolicy, { quieten }: Sockets): Connections | undefined {
  // The agent makes its own connectors, to the proxy and through it.
  const factory = (target: URL | string, options: object) => {
    const { connect } = options as { connect: Connector<buildConnector.Options> };
    return new Pool(target, { ...options, connect: quieten(connect) });
  };
  try {
    const agent = new EnvHttpProxyAgent({
      connections: policy.maxConnections,
      keepAliveTimeout: KEEP_ALIVE_MILLIS,
      connect: buildConnector({ timeout: policy.timeoutMillis }),
      factory,
      clientFactory: factory,
    });
    return createSharedConnections(agent, true);
  } catch {
    // An HTTPS_PROXY that is no URL. Wrong environment values warn and fall back; they never stop the application.
    policy.report({ kind: 'proxy_ignored' });
    return undefined;
  }
}

/** HTTP/1 header names have no case, but two spellings in one object would be sent twice. */
function lowerCased(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
