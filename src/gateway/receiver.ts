/** OTLP over HTTP: content type, body, decode, hand over, answer; the same steps for both signals and both encodings. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeLogs, decodeTraces } from '../otlp/decode-json.ts';
import { decodeLogsProtobuf, decodeTracesProtobuf, type Unreadable } from '../otlp/decode-protobuf.ts';
import type { DecodedLogs, DecodedTraces, Faults } from '../otlp/decoded.ts';
import { type Encoding, later, refused, type Signal, toAnswer, type Verdict } from './answer.ts';
import type { Budget } from './budget.ts';
import { identityOfBytes } from './identity.ts';
import { checkJsonBounds } from './json-bounds.ts';
import type { GatewayLimits } from './limits.ts';
import type { LogIntake } from './log-intake.ts';
import { type Body, readBody } from './read-body.ts';
import type { TraceIntake } from './trace-intake.ts';

export interface ReceiverOptions {
  readonly limits: GatewayLimits;
  readonly budget: Budget;
  /** Asked for as a bearer token, if there is one. */
  readonly token: string | undefined;
  readonly traces: TraceIntake;
  readonly logs: LogIntake;
  readonly isDraining: () => boolean;
  readonly report: (event: ReceiverEvent) => void;
}

/** One request, answered. */
export interface ReceiverEvent {
  readonly signal: Signal;
  readonly verdict: Verdict;
  readonly status: number;
  /** Spans or log records that were decoded. */
  readonly items: number;
  readonly rejectedItems: number;
  readonly sentBytes: number;
  readonly bytes: number;
  readonly millis: number;
}

export interface Receiver {
  handle(signal: Signal, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Requests that have not been answered. */
  readonly inFlight: number;
}

interface Work {
  verdict: Verdict | undefined;
  items: number;
  rejectedItems: number;
  body: Body | undefined;
}

/** What is left of a refused body is read for so long, so that its sender gets to read the answer. */
const LINGER_MILLIS = 2_000;

export function createReceiver(options: ReceiverOptions): Receiver {
  const { limits, budget, token, traces, logs, isDraining, report } = options;
  const expected = token === undefined ? undefined : digest(`Bearer ${token}`);
  let inFlight = 0;

  async function handle(signal: Signal, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const start = performance.now();
    const encoding = readEncoding(request.headers['content-type']);
    const work: Work = { verdict: undefined, items: 0, rejectedItems: 0, body: undefined };
    inFlight++;
    try {
      work.verdict = checkFirst(request, encoding) ?? (await take(signal, encoding ?? 'json', request, work));
    } catch {
      work.verdict = later('internal', 'an internal error, please report it', 30);
    } finally {
      inFlight--;
      if (work.body) budget.give(work.body.taken);
    }
    const { verdict } = work;
    if (verdict === undefined) return; // the sender has gone
    const { status, headers, body } = toAnswer(verdict, signal, encoding ?? 'json');
    const mustClose = !request.complete || isDraining();
    if (!response.destroyed && !response.headersSent) {
      response.writeHead(status, { ...headers, ...(mustClose && { connection: 'close' }) });
      response.end(body);
    }
    if (!request.complete) linger(request);
    report({
      signal,
      verdict,
      status,
      items: work.items,
      rejectedItems: work.rejectedItems,
      sentBytes: work.body?.sentBytes ?? 0,
      bytes: work.body?.bytes.length ?? 0,
      millis: performance.now() - start,
    });
  }

  /** What can be said before the body has come. */
  function checkFirst(request: IncomingMessage, encoding: Encoding | undefined): Verdict | undefined {
    // The scheme's case is the sender's own, RFC 9110 section 11.1.
    const given = request.headers.authorization?.replace(/^bearer +/i, 'Bearer ') ?? '';
    if (expected !== undefined && !timingSafeEqual(digest(given), expected))
      return refused(401, 'unauthorised', 'this gateway asks for a bearer token, and this is not it');
    if (encoding === undefined)
      return refused(
        415,
        'media_type',
        'the content type is neither application/x-protobuf nor application/json',
      );
    if (isDraining()) return later('draining', 'the gateway stops');
    if (inFlight > limits.maxRequests)
      return later('too_many_requests', `more than ${limits.maxRequests} requests are in hand`);
    return undefined;
  }

  async function take(
    signal: Signal,
    encoding: Encoding,
    request: IncomingMessage,
    work: Work,
  ): Promise<Verdict | undefined> {
    const body = await readBody(request, limits, budget);
    if (body === undefined || 'kind' in body) return body;
    work.body = body;
    return signal === 'traces' ? takeTraces(body, encoding, work) : takeLogs(body, encoding, work);
  }

  async function takeTraces({ bytes }: Body, encoding: Encoding, work: Work): Promise<Verdict> {
    const decoded = decode(bytes, encoding, decodeTraces, decodeTracesProtobuf);
    if ('kind' in decoded) return decoded;
    work.items = decoded.spans.length;
    work.rejectedItems = decoded.rejected;
    const problem = judge(decoded, decoded.spans.length);
    if (problem || decoded.spans.length === 0) return problem ?? withFaults(EMPTY_VERDICT, decoded);
    return withFaults(await traces.accept(decoded.spans), decoded);
  }

  async function takeLogs({ bytes }: Body, encoding: Encoding, work: Work): Promise<Verdict> {
    const decoded = decode(bytes, encoding, decodeLogs, decodeLogsProtobuf);
    if ('kind' in decoded) return decoded;
    work.items = decoded.logs.length + decoded.outsideSpans;
    work.rejectedItems = decoded.rejected;
    const problem = judge(decoded, work.items);
    return problem ?? withFaults(await logs.accept(decoded.logs, identityOfBytes(bytes)), decoded);
  }

  function decode<D extends DecodedTraces | DecodedLogs>(
    bytes: Buffer,
    encoding: Encoding,
    fromJson: (json: unknown, limits: GatewayLimits) => D,
    fromProtobuf: (bytes: Buffer, limits: GatewayLimits) => D | Unreadable,
  ): D | Verdict {
    if (encoding === 'protobuf') {
      const decoded = fromProtobuf(bytes, limits);
      return 'unreadable' in decoded ? refused(400, 'malformed', decoded.unreadable) : decoded;
    }
    // A span lies in five lists and objects, and each value in up to four more.
    const bounds = checkJsonBounds(bytes, 16 + 4 * limits.maxDepth, 16 * limits.maxValues);
    if (bounds === 'deep') return refused(400, 'malformed', 'the JSON has too many lists inside each other');
    if (bounds === 'wide') return tooMany(limits.maxValues, 'attribute values');
    let json: unknown;
    try {
      json = JSON.parse(bytes.toString());
    } catch {
      return refused(400, 'malformed', 'the body is no JSON');
    }
    if (typeof json !== 'object' || json === null || Array.isArray(json))
      return refused(400, 'malformed', 'the body is no JSON object');
    return fromJson(json, limits);
  }

  function judge(faults: Faults, items: number): Verdict | undefined {
    if (faults.exceeded === 'spans') return tooMany(limits.maxSpans, 'spans or log records');
    if (faults.exceeded === 'values') return tooMany(limits.maxValues, 'attribute values');
    const isNothing = items === 0 && faults.rejected + faults.malformed > 0;
    return isNothing
      ? refused(400, 'malformed', `nothing of it can be read: ${faults.reason ?? ''}`)
      : undefined;
  }

  return {
    handle,
    get inFlight() {
      return inFlight;
    },
  };
}

const EMPTY_VERDICT: Verdict = { kind: 'done', rejected: 0, message: undefined };

function tooMany(max: number, what: string): Verdict {
  return refused(413, 'too_many_spans', `the request has more than ${max} ${what}`);
}

/** What was left out of a request that is otherwise taken. */
function withFaults(verdict: Verdict, { rejected, malformed, reason }: Faults): Verdict {
  if (verdict.kind !== 'done' || rejected + malformed === 0) return verdict;
  return {
    kind: 'done',
    rejected: verdict.rejected + rejected,
    message: verdict.message ?? `${rejected + malformed} left out, the first: ${reason ?? ''}`,
  };
}

function readEncoding(header: string | undefined): Encoding | undefined {
  const type = header?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/json') return 'json';
  return type === 'application/x-protobuf' || type === 'application/protobuf' ? 'protobuf' : undefined;
}

/** Of equal length, whatever was given, so that comparing them takes equal time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function linger(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), LINGER_MILLIS);
  timer.unref();
  request.on('close', () => clearTimeout(timer));
  request.on('error', () => {});
  request.resume();
}
