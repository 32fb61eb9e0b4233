import { MAX_RESPONSE_BYTES } from './response-message.ts';

/** As much of undici's controller as is used here. */
interface Controller {
  abort(reason: Error): void;
}

export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Told once: the answer is there, as far as it came; or there is none, then the status is 0. */
export type OnEnd = (exchange: Exchange) => void;

const NO_HEADERS: ResponseHeaders = {};

/**
 * One request and its answer: what undici tells while it happens, gathered within a bound and told on once.
 *
 * A class, since its methods are called for every record and a prototype's need not be made each time. It speaks both forms of
 * undici's handler: version 7, which is ours, and 8 call `onRequestStart` and `onResponse…`; a dispatcher of version 6, as in
 * the `fetch` of Node 20 and 22, calls the others.
 */
export class Exchange {
  /** 0 until the answer begins. */
  status = 0;
  headers: ResponseHeaders = NO_HEADERS;
  /** Why there is no answer. */
  error: unknown = undefined;
  private onEnd: OnEnd | undefined;
  private controller: Controller | undefined = undefined;
  private chunks: Buffer[] | undefined = undefined;
  private size = 0;

  constructor(onEnd: OnEnd) {
    this.onEnd = onEnd;
  }

  /** The body of an answer that is no success, as far as it was read. */
  text(): string {
    if (this.chunks === undefined) return '';
    return Buffer.concat(this.chunks).subarray(0, MAX_RESPONSE_BYTES).toString('utf8');
  }

  /** Nobody waits any more: what still comes is thrown away, and its connection with it. */
  giveUp(): void {
    this.onEnd = undefined;
    this.controller?.abort(new Error('given up'));
  }

  onRequestStart(controller: Controller): void {
    this.controller = controller;
    // Given up while it waited for a connection.
    if (this.onEnd === undefined) this.giveUp();
  }

  onResponseStart(_: unknown, status: number, headers: ResponseHeaders): void {
    // 1xx is news of the request; the answer follows.
    if (status < 200) return;
    this.status = status;
    this.headers = headers;
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    this.size += chunk.length;
    if (this.status >= 300) {
      this.chunks ??= [];
      this.chunks.push(chunk);
    }
    if (this.size < MAX_RESPONSE_BYTES) return;
    // Enough of it: rather a new connection than to read on.
    this.end();
    this.giveUp();
  }

  onResponseEnd(): void {
    this.end();
  }

  onResponseError(_: unknown, error: unknown): void {
    // An answer that breaks off after its status is that status: it is what the server made of the record.
    this.error = error;
    this.end();
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.onRequestStart({ abort });
  }

  onHeaders(status: number, headers: readonly Buffer[]): boolean {
    this.onResponseStart(undefined, status, fromRaw(headers));
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.onResponseData(undefined, chunk);
    return true;
  }

  onComplete(): void {
    this.end();
  }

  onError(error: unknown): void {
    this.onResponseError(undefined, error);
  }

  private end(): void {
    const { onEnd } = this;
    this.onEnd = undefined;
    onEnd?.(this);
  }
}

/** Names and values by turns, as they came. */
function fromRaw(raw: readonly Buffer[]): ResponseHeaders {
  const headers: Record<string, string> = Object.create(null);
  for (let index = 0; index + 1 < raw.length; index += 2)
    headers[String(raw[index]).toLowerCase()] ??= String(raw[index + 1]);
  return headers;
}
