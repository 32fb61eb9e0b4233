/** Sends OTLP as the Collector's exporter does: one request after the other, each until it is taken, with what the answer says of when. */
import type { CapturedSpan } from '../contract/support/corpus.ts';
import { toTraceRequest, traceProtobuf } from '../otlp/encode.ts';
import { MEDIA_TYPES } from './support.ts';

/** What the exporter tries again after; anything else it gives up on. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export interface RetryingClient {
  /** Resolves when it is taken, or is not tried again. */
  send(spans: readonly CapturedSpan[]): Promise<void>;
  readonly tries: number;
  /** Answers by status; 0: none. */
  readonly statuses: ReadonlyMap<number, number>;
}

export function createRetryingClient(url: string): RetryingClient {
  const statuses = new Map<number, number>();
  let tries = 0;
  const attempt = async (body: Buffer): Promise<{ status: number; waitMillis: number }> => {
    tries++;
    try {
      const response = await fetch(`${url}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': MEDIA_TYPES.protobuf },
        body: new Uint8Array(body),
        signal: AbortSignal.timeout(30_000),
      });
      await response.arrayBuffer();
      // Not as long as asked for: the test would wait as well.
      const wait = Math.min(1, Number(response.headers.get('retry-after') ?? 0));
      return { status: response.status, waitMillis: 200 + wait * 300 };
    } catch {
      return { status: 0, waitMillis: 300 };
    }
  };
  return {
    async send(spans) {
      const body = traceProtobuf(toTraceRequest(spans));
      for (;;) {
        const { status, waitMillis } = await attempt(body);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status !== 0 && !RETRYABLE.has(status)) return;
        await new Promise((resolve) => setTimeout(resolve, waitMillis));
      }
    },
    get tries() {
      return tries;
    },
    statuses,
  };
}
