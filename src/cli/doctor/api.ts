/**
 * Whether records would get through: name, connection, TLS, key, project. Nothing is recorded: what is posted is a completion without
 * messages, which the API has to refuse, and which it refuses only for those it lets in.
 */
import { lookup } from 'node:dns/promises';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { resolveConfig } from '../../config.ts';
import { createCredentials } from '../../delivery/credentials.ts';
import type { SendResult } from '../../delivery/sender.ts';
import { createTransport } from '../../delivery/transport.ts';
import { plainText } from '../../local/terminal-text.ts';
import { VERSION } from '../../version.ts';
import { type Environment, type Finding, PROBE_SESSION_ID, setting } from './finding.ts';

const section = 'API';
const TIMEOUT_MILLIS = 10_000;
/** No messages: at least one is required. */
const REFUSED_BODY = '{"messages":[]}';

export async function checkApi(env: Environment, signal: AbortSignal): Promise<readonly Finding[]> {
  const { config } = resolveConfig({}, env);
  const url = new URL(config.baseUrl);
  const proxy = proxyOf(env, url);
  const findings: Finding[] = [];
  if (proxy !== undefined) {
    findings.push({
      id: 'api.proxy',
      section,
      status: proxy.isUrl ? 'ok' : 'fail',
      subject: 'proxy',
      finding: proxy.isUrl ? `${proxy.name} names ${proxy.shown}` : `${proxy.name} is no URL, and is ignored`,
      ...(!proxy.isUrl && { fix: 'write it as http://HOST:PORT' }),
    });
  } else {
    const connection = await checkConnection(url, signal);
    findings.push(connection);
    if (connection.status === 'fail') return findings;
  }
  const key = setting(env, 'FREEPLAY_API_KEY');
  const project = setting(env, 'FREEPLAY_PROJECT_ID');
  if (key === undefined || project === undefined)
    return [
      ...findings,
      {
        id: 'api.key',
        section,
        status: 'skip',
        subject: 'key',
        finding: 'not tried: key or project is missing',
      },
    ];
  const result = await post(config.baseUrl, key, project, proxy !== undefined, signal);
  return [...findings, answerFinding(result, url, project)];
}

interface Proxy {
  readonly name: string;
  readonly isUrl: boolean;
  /** Without the credentials. */
  readonly shown: string;
}

/** The one that the library would use. */
function proxyOf(env: Environment, { protocol, hostname, port }: URL): Proxy | undefined {
  const names = protocol === 'https:' ? ['https_proxy', 'HTTPS_PROXY'] : ['http_proxy', 'HTTP_PROXY'];
  const name = names.find((one) => setting(env, one) !== undefined);
  if (name === undefined) return undefined;
  const direct = (setting(env, 'no_proxy') ?? setting(env, 'NO_PROXY') ?? '').split(/[\s,]+/);
  const isDirect = direct.some((one) => {
    const [host, only] = one.replace(/^\*?\./, '').split(':');
    if (only !== undefined && only !== port) return false;
    return one === '*' || (host !== '' && (hostname === host || hostname.endsWith(`.${host}`)));
  });
  if (isDirect) return undefined;
  try {
    const { origin } = new URL(setting(env, name) ?? '');
    return { name, isUrl: origin !== 'null', shown: plainText(origin, 100) };
  } catch {
    return { name, isUrl: false, shown: '' };
  }
}

async function checkConnection(url: URL, signal: AbortSignal): Promise<Finding> {
  const about = { id: 'api.reachable', section, subject: 'connection' } as const;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const shown = plainText(`${host}:${port}`, 100);
  const started = performance.now();
  try {
    await withTimeLimit(lookup(host), signal);
    const how = await connect(host, port, url.protocol === 'https:', signal);
    const millis = Math.round(performance.now() - started);
    return {
      ...about,
      status: 'ok',
      finding: `${shown} answers in ${millis} ms${how === undefined ? '' : ` (${how})`}`,
    };
  } catch (error) {
    const code = codeOf(error);
    const { finding, fix } = CONNECTION_WORDS[code] ?? certificateWords(code);
    return { ...about, status: 'fail', finding: `${shown}: ${finding} (${code})`, fix };
  }
}

/** TLS version, if there is TLS. */
function connect(
  host: string,
  port: number,
  isTls: boolean,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = isTls
      ? connectTls({ host, port, ...(!/^[\d.]+$|:/.test(host) && { servername: host }) })
      : connectTcp({ host, port });
    const end = (settle: () => void): void => {
      socket.destroy();
      settle();
    };
    socket.setTimeout(TIMEOUT_MILLIS, () => end(() => reject(new CodedError('ETIMEDOUT'))));
    signal.addEventListener('abort', () => end(() => reject(new CodedError('ABORTED'))), { once: true });
    socket.once('error', (error) => end(() => reject(error)));
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      const version = 'getProtocol' in socket ? (socket.getProtocol() ?? undefined) : undefined;
      end(() => resolve(version));
    });
  });
}

async function withTimeLimit<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CodedError('ETIMEDOUT')), TIMEOUT_MILLIS);
    signal.addEventListener('abort', () => reject(new CodedError('ABORTED')), { once: true });
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

class CodedError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

function codeOf(error: unknown): string {
  // Several addresses were tried: what the first one said is as good as any.
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: readonly unknown[] };
  if (typeof code === 'string') return code;
  return errors !== undefined && errors.length > 0 ? codeOf(errors[0]) : 'unknown error';
}

interface Words {
  readonly finding: string;
  readonly fix: string;
}

const CONNECTION_WORDS: Readonly<Record<string, Words>> = {
  ENOTFOUND: {
    finding: 'no such host',
    fix: 'check FREEPLAY_API_BASE, and that this machine resolves names',
  },
  EAI_AGAIN: { finding: 'names cannot be resolved here', fix: 'check the network and its DNS' },
  ECONNREFUSED: {
    finding: 'nothing listens there',
    fix: 'start the server, or check host and port in FREEPLAY_API_BASE',
  },
  ECONNRESET: {
    finding: 'the connection was cut',
    fix: 'is it https? Does a firewall or a proxy stand between?',
  },
  ETIMEDOUT: {
    finding: 'no answer within 10 s',
    fix: 'a firewall drops it, or a proxy is needed: HTTPS_PROXY=http://HOST:PORT',
  },
  EHOSTUNREACH: { finding: 'there is no way to that host', fix: 'check the network' },
  ENETUNREACH: { finding: 'there is no network', fix: 'check the network' },
  EPROTO: { finding: 'it does not speak TLS', fix: 'use http:// in FREEPLAY_API_BASE if that is meant' },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    finding: 'it does not speak TLS',
    fix: 'use http:// in FREEPLAY_API_BASE if that is meant',
  },
  ABORTED: { finding: 'stopped', fix: 'run it again' },
};

function certificateWords(code: string): Words {
  return /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO/.test(code)
    ? {
        finding: 'its certificate is not trusted here',
        fix: 'set NODE_EXTRA_CA_CERTS to a file with the certificate of your company or proxy',
      }
    : { finding: 'cannot be reached', fix: 'check the network and FREEPLAY_API_BASE' };
}

async function post(
  baseUrl: string,
  key: string,
  project: string,
  hasProxy: boolean,
  signal: AbortSignal,
): Promise<SendResult> {
  const transport = createTransport({
    baseUrl: new URL(baseUrl),
    credentials: createCredentials(() => key),
    userAgent: `opentelemetry-exporter-freeplay/${VERSION} doctor`,
    timeoutMillis: TIMEOUT_MILLIS,
    maxConnections: 1,
    hasProxy,
    now: () => performance.now(),
    signal,
    report: () => {},
  });
  // No timer of the transport keeps a process alive; here somebody waits.
  const alive = setInterval(() => {}, TIMEOUT_MILLIS);
  try {
    return await new Promise<SendResult>((resolve) => {
      transport.send({
        item: {
          id: PROBE_SESSION_ID,
          kind: 'completion',
          projectId: project,
          path: `/v2/projects/${encodeURIComponent(project)}/sessions/${PROBE_SESSION_ID}/completions`,
          bytes: REFUSED_BODY.length,
          body: () => REFUSED_BODY,
        },
        number: 1,
        onResult: resolve,
      });
    });
  } finally {
    clearInterval(alive);
    await transport.close();
  }
}

function answerFinding(result: SendResult, { origin }: URL, project: string): Finding {
  const about = { id: 'api.key', section, subject: 'key' } as const;
  switch (result.kind) {
    case 'rejected':
      if (result.status === 400 || result.status === 422)
        return { ...about, status: 'ok', finding: 'the API takes key and project (nothing was recorded)' };
      return {
        ...about,
        status: 'fail',
        finding: `${origin} answers ${result.status}: this is not the completions API`,
        fix: 'check FREEPLAY_API_BASE: host, and a path such as /api',
      };
    case 'refused':
      return refusedFinding(about, result.status, result.message, project);
    case 'delivered':
      return {
        ...about,
        status: 'warn',
        finding: `${origin} answers ${result.status} to a completion without messages: this is hardly the completions API`,
        fix: 'check FREEPLAY_API_BASE',
      };
    case 'retryable': {
      const status = result.status === undefined ? '' : ` ${result.status}`;
      return {
        ...about,
        status: result.reason === 'unreachable' || result.reason === 'timeout' ? 'fail' : 'warn',
        finding: `cannot be told now: ${WAIT_WORDS[result.reason] ?? 'no answer'}${status} (${plainText(result.message, 120)})`,
        fix: 'run this again in a while; the library holds records meanwhile',
      };
    }
    default:
      return {
        ...about,
        status: 'fail',
        finding: 'the request could not be sent',
        fix: 'check FREEPLAY_API_BASE and the key',
      };
  }
}

const WAIT_WORDS: Readonly<Record<string, string>> = {
  throttled: 'the API asks for patience,',
  unavailable: 'the API is not available,',
  server_error: 'the API fails,',
  passing: 'the API answers',
  unreachable: 'no answer',
  timeout: 'no answer within 10 s',
};

function refusedFinding(
  about: Pick<Finding, 'id' | 'section' | 'subject'>,
  status: number | undefined,
  message: string,
  project: string,
): Finding {
  const words = plainText(message, 160);
  if (status === 404)
    return {
      ...about,
      status: 'fail',
      finding: `the API answers 404 for project ${plainText(project, 60)}: ${words}`,
      fix: 'is it a project of the account that the key belongs to, and is the path of FREEPLAY_API_BASE right?',
    };
  return {
    ...about,
    status: 'fail',
    finding:
      status === undefined ? `the key cannot be sent: ${words}` : `the API answers ${status}: ${words}`,
    fix:
      status === 403
        ? 'the key is known and has no right to record in this project: ask its owner'
        : 'the key is wrong, or was revoked: make a new one and set FREEPLAY_API_KEY',
  };
}
