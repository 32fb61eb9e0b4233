import { classifyAnswer, classifyError } from './classify.ts';
import type { Connections } from './connections.ts';
import type { Credential, Credentials } from './credentials.ts';
import type { Report } from './events.ts';
import { Exchange } from './exchange.ts';
import { isRedirect, MAX_REDIRECTS, resolveRedirect } from './redirect.ts';
import { getMessage } from './response-message.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { Attempt, DeliveryItem, SendResult } from './sender.ts';
import { withTracingSuppressed } from './suppress-tracing.ts';
import type { Limited, TimeLimit } from './time-limit.ts';
import type { Dispatcher } from './transport.ts';

/** What all posts of a transport have in common. */
export interface PostOffice {
  readonly origin: string;
  /** Before the path of each item; without a slash at its end. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly credentials: Credentials;
  readonly connections: Connections;
  readonly underWay: TimeLimit<Post>;
  /** The body in the form in which the dispatcher is given it. */
  encode(pieces: readonly string[]): string | Uint8Array;
  readonly report: Report;
}

/**
 * One attempt: asks for the key, posts, follows what may be followed, judges the answer. A class for the same reason as
 * `Exchange`: there is one for every record.
 */
export class Post implements Limited {
  endsAt = 0;
  slot = -1;
  private readonly office: PostOffice;
  private readonly attempt: Attempt;
  private path: string;
  private body: string | Uint8Array = '';
  private credential: Credential | undefined = undefined;
  private connection: Dispatcher | undefined = undefined;
  private exchange: Exchange | undefined = undefined;
  private redirects = 0;
  private isOver = false;

  constructor(office: PostOffice, attempt: Attempt) {
    this.office = office;
    this.attempt = attempt;
    this.path = office.prefix + attempt.item.path;
  }

  start(): void {
    const { underWay, credentials } = this.office;
    underWay.begin(this);
    const credential = withTracingSuppressed(credentials.current);
    if (!(credential instanceof Promise)) return this.send(credential);
    credential.then((one) => this.send(one)).catch(() => this.end({ kind: 'failed' }, false));
  }

  /** Ends it: its time is up, or the delivery's. An answer that has begun counts as it is. */
  giveUp(isTimeUp: boolean): void {
    this.exchange?.giveUp();
    if (this.credential !== undefined && this.exchange !== undefined && isJudgeable(this.exchange))
      this.end(judge(this.exchange, this.credential), false);
    else if (!isTimeUp) this.end({ kind: 'aborted' }, false);
    else this.end(this.credential === undefined ? noKey(this.office) : TIMED_OUT, false);
  }

  private send(credential: Credential | undefined): void {
    if (this.isOver) return;
    if (credential === undefined) return this.end(noKey(this.office), true);
    const body = buildBody(this.attempt.item, this.office);
    if (body === undefined)
      return this.end({ kind: 'unsendable', message: 'the body could not be built' }, true);
    this.credential = credential;
    this.body = body;
    this.connection = this.office.connections.take();
    this.dispatch(this.connection, credential);
  }

  private dispatch(connection: Dispatcher, credential: Credential): void {
    const { origin, headers } = this.office;
    const exchange = new Exchange((answer) => this.onAnswer(answer, connection, credential));
    this.exchange = exchange;
    const request: Dispatcher.DispatchOptions = {
      origin,
      path: this.path,
      method: 'POST',
      // A new object each time: undici's proxy agents write to it.
      headers: { ...headers, authorization: credential.authorization() },
      body: this.body,
      // One limit for the whole attempt is ours; undici's own, per phase, would only blur which one it was.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    try {
      withTracingSuppressed(() => connection.dispatch(request, exchange));
    } catch (error) {
      this.end(classifyError(error), false);
    }
  }

  private onAnswer(answer: Exchange, connection: Dispatcher, credential: Credential): void {
    if (answer.status === 0) return this.end(classifyError(answer.error), false);
    if (!isRedirect(answer.status)) return this.end(judge(answer, credential), true);
    const { origin, report } = this.office;
    const redirect = resolveRedirect(answer.headers.location, new URL(this.path, origin));
    if (redirect.kind === 'follow' && this.redirects < MAX_REDIRECTS) {
      this.redirects += 1;
      this.path = redirect.path;
      return this.dispatch(connection, credential);
    }
    if (redirect.kind === 'foreign') report({ kind: 'redirect_refused', origin, target: redirect.origin });
    this.end({ kind: 'rejected', status: answer.status, message: REDIRECT_MESSAGES[redirect.kind] }, true);
  }

  private end(result: SendResult, isUsable: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    const { underWay, connections } = this.office;
    underWay.end(this);
    if (this.connection !== undefined) connections.giveBack(this.connection, isUsable);
    this.attempt.onResult(result);
  }
}

const TIMED_OUT: SendResult = { kind: 'retryable', reason: 'timeout', message: 'no answer in time' };

const REDIRECT_MESSAGES = {
  follow: 'too many redirects',
  foreign: 'a redirect to another origin is not followed',
  invalid: 'a redirect without a usable location',
} as const;

/** True once there is a status that does not ask for another request. */
function isJudgeable({ status }: Exchange): boolean {
  return status !== 0 && !isRedirect(status);
}

function judge(answer: Exchange, credential: Credential): SendResult {
  const { status, headers } = answer;
  const isSuccess = status < 300;
  const retryAfterMillis = isSuccess
    ? undefined
    : parseRetryAfter(headers['retry-after'], headers.date, Date.now());
  return classifyAnswer({
    status,
    message: isSuccess ? '' : getMessage(status, answer.text(), credential.redact),
    credential: credential.generation,
    ...(retryAfterMillis !== undefined && { retryAfterMillis }),
  });
}

function noKey({ credentials }: PostOffice): SendResult {
  return { kind: 'refused', credential: credentials.generation(), message: 'there is no usable API key' };
}

function buildBody(item: DeliveryItem, { encode }: PostOffice): string | Uint8Array | undefined {
  try {
    const body = item.body();
    return encode(typeof body === 'string' ? [body] : body);
  } catch {
    // The error may quote content.
    return undefined;
  }
}
