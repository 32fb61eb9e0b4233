/** Development mode: how each record came about, told to a `freeplay-otel local` on this machine, beside the record itself. */
import type { Config } from '../config.ts';
import { createCredentials } from '../delivery/credentials.ts';
import { createTransport, type Dispatcher } from '../delivery/transport.ts';
import { toJsonString } from '../json/json-text.ts';
import type { RecordPlan } from '../lineage/plan.ts';
import type { Log } from '../log.ts';
import { isLoopback } from '../loopback.ts';
import type { Receipt } from '../record/record.ts';
import { VERSION } from '../version.ts';

export interface ReceiptSender {
  /** @param receipt of the record that is built from the plan */
  add(plan: RecordPlan, receipt: Receipt): void;
  /** Resolves when everything added so far was sent, or failed: receipts are told once and never retried. */
  flush(): Promise<void>;
  /** Closes the connection. */
  close(): Promise<void>;
}

/** Below the base URL, as records' own paths are. */
const PATH = '/local/receipts';
const DELAY_MILLIS = 100;
const MAX_WAITING = 2_000;
/** In UTF-16 code units. */
const MAX_WAITING_LENGTH = 32 * 1024 * 1024;
/** Of one request; the server takes no more than 20 MB. */
const MAX_REQUEST_LENGTH = 4 * 1024 * 1024;

/** `undefined` where development mode is off, or the API is not on this machine: spans must not travel. */
export function createReceiptSender(config: Config, log: Log): ReceiptSender | undefined {
  if (!config.development) return undefined;
  const baseUrl = new URL(config.baseUrl);
  if (!isLoopback(baseUrl.hostname)) {
    log.warnOnce(
      'FREEPLAY_OTEL_DEVELOPMENT',
      'development mode is for a `freeplay-otel local` on this machine; the API is on another one, so receipts and spans are not sent',
    );
    return undefined;
  }
  const stop = new AbortController();
  const transport = createTransport({
    baseUrl,
    credentials: createCredentials(() => config.apiKey?.reveal() ?? ''),
    headers: config.headers,
    userAgent: `opentelemetry-exporter-freeplay/${VERSION}`,
    timeoutMillis: config.timeoutMillis,
    maxConnections: 1,
    dispatcher: config.dispatcher as Dispatcher | undefined,
    hasProxy: false,
    now: () => performance.now(),
    signal: stop.signal,
    report: () => {},
  });
  // What is hidden in records must not come along in spans.
  const withSpans = config.captureContent && config.masks.length === 0;
  let waiting: string[] = [];
  let length = 0;
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();

  function tellOfLoss(): void {
    log.warnOnce(
      'FREEPLAY_OTEL_DEVELOPMENT',
      'some receipts of development mode did not arrive; records are not affected',
      'receipts',
    );
  }

  /** The texts that fit into one request; at least one. */
  function takeSome(): readonly string[] {
    let count = 0;
    let size = 0;
    while (count < waiting.length && (count === 0 || size + waiting[count]!.length <= MAX_REQUEST_LENGTH))
      size += waiting[count++]!.length;
    length -= size;
    return waiting.splice(0, count);
  }

  function post(texts: readonly string[]): Promise<void> {
    const body = `{"receipts":[${texts.join(',')}]}`;
    return new Promise((resolve) => {
      transport.send({
        item: {
          id: '',
          kind: 'trace',
          projectId: config.projectId ?? '',
          path: PATH,
          bytes: body.length,
          body: () => body,
        },
        number: 1,
        onResult(result) {
          if (result.kind !== 'delivered') tellOfLoss();
          resolve();
        },
      });
    });
  }

  async function sendAll(): Promise<void> {
    while (waiting.length > 0) await post(takeSome());
  }

  function start(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    sending = sending.then(sendAll);
    return sending;
  }

  return {
    add(plan, receipt) {
      const kind = plan.role === 'completion' ? 'completion' : 'trace';
      const spans = withSpans && plan.span ? [plan.span] : [];
      const text = toJsonString({ kind, id: plan.id, receipt, spans });
      if (waiting.length >= MAX_WAITING || length + text.length > MAX_WAITING_LENGTH) return tellOfLoss();
      waiting.push(text);
      length += text.length;
      timer ??= setTimeout(() => void start(), DELAY_MILLIS).unref();
    },
    flush: start,
    async close() {
      waiting = [];
      length = 0;
      clearTimeout(timer);
      stop.abort();
      await transport.close();
    },
  };
}
