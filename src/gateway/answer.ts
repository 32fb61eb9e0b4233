/** Verdicts → HTTP answers as OTLP/HTTP wants them: in the encoding of the request, an error as a `Status`. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

export type Encoding = 'json' | 'protobuf';
export type Signal = 'traces' | 'logs';

/** What becomes of a request. */
export type Verdict =
  /** Everything is safe, but for so many spans (or log records), of which the sender need not try again. */
  | { readonly kind: 'done'; readonly rejected: number; readonly message: string | undefined }
  /** The request is at fault, as a whole: sending it again is of no use. */
  | { readonly kind: 'refused'; readonly status: number; readonly reason: Refusal; readonly message: string }
  /** To be sent again. */
  | {
      readonly kind: 'later';
      readonly status: 429 | 503;
      readonly reason: Refusal;
      readonly message: string;
      readonly retryAfterSeconds: number;
    };

/** Why a request is not taken: the closed set that the counter has. */
export type Refusal =
  | 'unauthorised'
  | 'media_type'
  | 'content_encoding'
  | 'body_too_large'
  | 'too_many_spans'
  | 'malformed'
  | 'too_many_requests'
  | 'memory'
  | 'queue_full'
  | 'not_delivered'
  | 'draining'
  | 'internal';

export const DONE: Verdict = { kind: 'done', rejected: 0, message: undefined };

export function refused(status: number, reason: Refusal, message: string): Verdict {
  return { kind: 'refused', status, reason, message };
}

export function later(reason: Refusal, message: string, retryAfterSeconds: number = 1): Verdict {
  const status = reason === 'too_many_requests' ? 429 : 503;
  return { kind: 'later', status, reason, message, retryAfterSeconds };
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string | Uint8Array;
}

const MEDIA_TYPES: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  protobuf: 'application/x-protobuf',
};

export function toAnswer(verdict: Verdict, signal: Signal, encoding: Encoding): Answer {
  const body =
    verdict.kind === 'done' ? successBody(verdict, signal, encoding) : statusBody(verdict, encoding);
  return {
    status: verdict.kind === 'done' ? 200 : verdict.status,
    headers: {
      'content-type': MEDIA_TYPES[encoding],
      'content-length': typeof body === 'string' ? Buffer.byteLength(body) : body.length,
      ...(verdict.kind === 'later' && { 'retry-after': verdict.retryAfterSeconds }),
    },
    body,
  };
}

type Done = Extract<Verdict, { kind: 'done' }>;

function successBody({ rejected, message }: Done, signal: Signal, encoding: Encoding): string | Uint8Array {
  const isFull = rejected === 0 && message === undefined;
  if (encoding === 'json') {
    if (isFull) return '{}';
    const count = signal === 'traces' ? 'rejectedSpans' : 'rejectedLogRecords';
    // An int64, which JSON holds as text.
    return JSON.stringify({ partialSuccess: { [count]: String(rejected), errorMessage: message } });
  }
  if (isFull) return new Uint8Array();
  // `Export…ServiceResponse { Export…PartialSuccess partial_success = 1 { int64 rejected_… = 1; string error_message = 2 } }`
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).fork();
  if (rejected > 0) writer.tag(1, WireType.Varint).int64(rejected);
  if (message !== undefined) writer.tag(2, WireType.LengthDelimited).string(message);
  return writer.join().finish();
}

/** Codes of gRPC that stand for these, as the Collector's receiver writes them. */
const CODES: Readonly<Record<number, number>> = { 401: 16, 429: 8, 503: 14, 500: 13 };
const INVALID_ARGUMENT = 3;

function statusBody(verdict: Exclude<Verdict, Done>, encoding: Encoding): string | Uint8Array {
  const code = CODES[verdict.status] ?? INVALID_ARGUMENT;
  const { message } = verdict;
  if (encoding === 'json') return JSON.stringify({ code, message });
  // `google.rpc.Status { int32 code = 1; string message = 2 }`
  return new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(code)
    .tag(2, WireType.LengthDelimited)
    .string(message)
    .finish();
}
