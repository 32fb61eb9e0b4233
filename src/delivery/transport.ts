/**
 * The innermost sender: one POST over kept-alive connections. The only file that imports undici.
 */

import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { classifyAnswer, classifyError } from './classify.ts';
import type { Credential, Credentials } from './credentials.ts';
import type { Report } from './events.ts';
import { isRedirect, MAX_REDIRECTS, resolveRedirect } from './redirect.ts';
import { getMessage, MAX_RESPONSE_BYTES, readBounded } from './response-message.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { Attempt, DeliveryItem, Sender, SendResult } from './sender.ts';
import { limitTime, unlessAborted } from './sleep.ts';
import { withTracingSuppressed } from './suppress-tracing.ts';

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
  /** The most connections that are opened to the origin; they are opened as requests need them. */
  readonly maxConnections: number;
  /** Used as it is, and never closed: it belongs to the caller. */
  readonly dispatcher?: Dispatcher | undefined;
  readonly report: Report;
}

export interface Transport {
  readonly send: Sender;
  /** Closes the connections, if they are ours. */
  close(): Promise<void>;
}

export function createTransport(policy: TransportPolicy): Transport {
  const dispatcher = policy.dispatcher ?? createDispatcher(policy);
  return {
    send: (item, attempt) => withTracingSuppressed(() => sendOnce(dispatcher, policy, item, attempt)),
    async close() {
      if (dispatcher !== policy.dispatcher) await dispatcher.destroy();
    },
  };
}

/** How long an idle connection is kept where the server gives no hint; below the 60 s of common load balancers. */
const KEEP_ALIVE_MILLIS = 30_000;

/** undici unrefs idle sockets, so the pool does not keep the process alive. */
function createDispatcher(policy: TransportPolicy): Dispatcher {
  const options = {
    connections: policy.maxConnections,
    keepAliveTimeout: KEEP_ALIVE_MILLIS,
    connect: { timeout: policy.timeoutMillis },
  };
  try {
    return new EnvHttpProxyAgent(options);
  } catch {
    // An HTTPS_PROXY that is no URL. Wrong environment values warn and fall back; they never stop the application.
    policy.report({ kind: 'proxy_ignored' });
    return new Agent(options);
  }
}

async function sendOnce(
  dispatcher: Dispatcher,
  policy: TransportPolicy,
  item: DeliveryItem,
  attempt: Attempt,
): Promise<SendResult> {
  const limit = limitTime(policy.timeoutMillis, attempt.signal);
  try {
    const credential = await policy.credentials.current(limit.signal);
    if (attempt.signal.aborted) return { kind: 'aborted' };
    if (credential === undefined) return noKey(policy);
    const body = buildBody(item);
    if (body === undefined) return { kind: 'unsendable', message: 'the body could not be built' };
    const request: Request = { dispatcher, policy, credential, body, signal: limit.signal };
    const result = await post(request, `${trimSlashes(policy.baseUrl.pathname)}${item.path}`);
    if (result !== undefined) return result;
    return interrupted(attempt);
  } catch (error) {
    return limit.signal.aborted ? interrupted(attempt) : classifyError(error);
  } finally {
    limit.clear();
  }
}

interface Request {
  readonly dispatcher: Dispatcher;
  readonly policy: TransportPolicy;
  readonly credential: Credential;
  readonly body: string;
  readonly signal: AbortSignal;
}

/** Posts, follows what may be followed, and judges. `undefined` if the signal was aborted before there was an answer. */
async function post(request: Request, path: string): Promise<SendResult | undefined> {
  const { baseUrl } = request.policy;
  let target = path;
  for (let redirects = 0; ; redirects++) {
    const response = await dispatch(request, target);
    if (response === undefined) return undefined;
    if (!isRedirect(response.statusCode)) return judge(request, response);
    await discard(response, request.signal);
    const redirect = resolveRedirect(response.headers.location, new URL(target, baseUrl.origin));
    if (redirect.kind !== 'follow' || redirects === MAX_REDIRECTS) {
      if (redirect.kind === 'foreign') {
        request.policy.report({ kind: 'redirect_refused', origin: baseUrl.origin, target: redirect.origin });
      }
      return { kind: 'rejected', status: response.statusCode, message: REDIRECT_MESSAGES[redirect.kind] };
    }
    target = redirect.path;
  }
}

const REDIRECT_MESSAGES = {
  follow: 'too many redirects',
  foreign: 'a redirect to another origin is not followed',
  invalid: 'a redirect without a usable location',
} as const;

async function dispatch(request: Request, path: string): Promise<Dispatcher.ResponseData | undefined> {
  const { dispatcher, policy, credential, body, signal } = request;
  const pending = dispatcher.request({
    origin: policy.baseUrl.origin,
    path,
    method: 'POST',
    headers: {
      ...lowerCased(policy.headers),
      authorization: credential.authorization(),
      'content-type': 'application/json',
      'user-agent': policy.userAgent,
    },
    body,
    signal,
    // One limit for the whole attempt is ours; undici's own, per phase, would only blur which one it was.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const response = await unlessAborted(pending, signal);
  if (response === undefined) {
    // Nobody waits any more; what still comes is thrown away, and its failure is no unhandled rejection.
    pending.then((late) => late.body.dump()).catch(() => {});
  }
  return response;
}

async function judge(request: Request, response: Dispatcher.ResponseData): Promise<SendResult> {
  const { statusCode: status, headers } = response;
  const generation = request.credential.generation;
  if (status >= 200 && status < 300) {
    await discard(response, request.signal);
    return classifyAnswer({ status, message: '', credential: generation });
  }
  const text = (await unlessAborted(readBounded(response.body), request.signal)) ?? '';
  const retryAfterMillis = parseRetryAfter(headers['retry-after'], headers.date, Date.now());
  return classifyAnswer({
    status,
    message: getMessage(status, text, request.credential.redact),
    credential: generation,
    ...(retryAfterMillis !== undefined && { retryAfterMillis }),
  });
}

/** Reads to the end, so that the connection can be used again; gives the connection up if that would take too much. */
async function discard(response: Dispatcher.ResponseData, signal: AbortSignal): Promise<void> {
  // A body that breaks off changes nothing: the status line is the answer.
  await response.body.dump({ limit: MAX_RESPONSE_BYTES, signal }).catch(() => {});
}

function interrupted(attempt: Attempt): SendResult {
  if (attempt.signal.aborted) return { kind: 'aborted' };
  return { kind: 'retryable', reason: 'timeout', message: 'no answer in time' };
}

function noKey(policy: TransportPolicy): SendResult {
  return {
    kind: 'refused',
    credential: policy.credentials.generation(),
    message: 'there is no usable API key',
  };
}

function buildBody(item: DeliveryItem): string | undefined {
  try {
    return item.body();
  } catch {
    // The error may quote content.
    return undefined;
  }
}

function trimSlashes(path: string): string {
  return path.replace(/\/+$/, '');
}

/** HTTP/1 header names have no case, but two spellings in one object would be sent twice. */
function lowerCased(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
