/** Sends what is in a spool folder, once, and says what has become of it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { createDelivery } from '../delivery/delivery.ts';
import type { DeliveryEvent } from '../delivery/events.ts';
import type { Outcome } from '../delivery/outcome.ts';
import { toItem } from '../delivery/record-item.ts';
import { countRejection } from '../spool/inventory.ts';
import type { Rejection, SpoolRecord } from '../spool/line.ts';
import { REJECTED_FOLDER } from '../spool/look.ts';
import type { StoredRecord } from '../spool/rounds.ts';
import { openSpool, type Spool } from '../spool/spool.ts';
import { VERSION } from '../version.ts';

export interface ReplayOptions {
  /** The spool folder. */
  readonly dir: string;
  /** Send what is in its folder of rejected records instead. */
  readonly rejected: boolean;
  /** Send only records of this project. */
  readonly projectId: string | undefined;
  readonly baseUrl: string;
  readonly apiKey: () => string | Promise<string>;
  /** Aborted: nothing more is sent; what is under way stays in the spool. */
  readonly signal: AbortSignal;
  readonly onProgress: (report: ReplayReport) => void;
}

export interface ReplayReport {
  /** Those that the API has, whether or not it had them before. */
  delivered: number;
  /** Of these, the ones that the API had already. */
  alreadyThere: number;
  rejected: number;
  /** Status and the API's words, ids left out; how often. */
  readonly rejections: Map<string, number>;
  /** Codes of what the file system refused. */
  readonly failures: Set<string>;
  /** Why nothing more was sent, if not everything was tried. */
  stopped: 'signal' | 'no answer' | undefined;
  /** The latest failure of those that stay: an error code or the server's words. */
  lastError: string | undefined;
}

/** In hand at once. */
const MAX_RECORDS = 256;
const MAX_BYTES = 33_554_432;
/** If nothing has been settled for so long, the API is not there: the user knows better when to try again. */
const PATIENCE_MILLIS = 30_000;
/** The same, if the API is there and asks for patience: then as long as it asks for, and some more for the request. */
const MAX_PATIENCE_MILLIS = 300_000;
const PAUSE_MARGIN_MILLIS = 10_000;
const CLOSE_MILLIS = 10_000;

/** Never rejects for what network and disk can do; that is in the report. */
export async function replaySpool(options: ReplayOptions): Promise<ReplayReport> {
  const report: ReplayReport = {
    delivered: 0,
    alreadyThere: 0,
    rejected: 0,
    rejections: new Map(),
    failures: new Set(),
    stopped: undefined,
    lastError: undefined,
  };
  const rejectedDir = join(options.dir, REJECTED_FOLDER);
  const open = (dir: string): Spool =>
    openSpool({
      dir,
      sync: false,
      // A person asks for all of it: nothing is given up here for its size or its age.
      maxBytes: Number.MAX_SAFE_INTEGER,
      maxAgeMillis: Number.POSITIVE_INFINITY,
      report: (event) => {
        if (event.kind === 'failed') report.failures.add(event.code);
      },
      onLoss: () => {},
    });
  const source = open(options.rejected ? rejectedDir : options.dir);
  const rejects = options.rejected ? source : open(rejectedDir);
  const stopCounting = countAnswers(409, () => {
    report.alreadyThere += 1;
  });
  // No timer of delivery or spool keeps a process alive; here somebody waits.
  const alive = setInterval(() => {}, PATIENCE_MILLIS);
  try {
    await sendAll(options, report, source, rejects);
  } finally {
    stopCounting();
    await Promise.all([source.close(CLOSE_MILLIS), rejects.close(CLOSE_MILLIS)]);
    clearInterval(alive);
  }
  return report;
}

async function sendAll(
  options: ReplayOptions,
  report: ReplayReport,
  source: Spool,
  rejects: Spool,
): Promise<void> {
  const inHand = new Set<SpoolRecord>();
  /** Projects whose records do not get through with this key: why try them all? Those in hand are not waited for. */
  const closed = new Set<string>();
  const wait = createWait(options.signal);

  const onEvent = (event: DeliveryEvent): void => {
    if (event.kind === 'access_closed' || (event.kind === 'unauthorised' && event.status === 401)) {
      closed.add(event.projectId);
      wait.settled(true);
    }
    if (event.kind === 'origin_closed' && (event.reason === 'throttled' || event.reason === 'unavailable'))
      wait.extend(event.retryInMillis + PAUSE_MARGIN_MILLIS);
  };
  const delivery = createDelivery({
    baseUrl: options.baseUrl,
    apiKey: options.apiKey,
    userAgent: `opentelemetry-exporter-freeplay/${VERSION} node/${process.versions.node}`,
    report: onEvent,
  });

  async function settle(stored: StoredRecord, outcome: Outcome): Promise<void> {
    if (outcome.kind === 'delivered') {
      report.delivered += 1;
      stored.settle();
    } else if (outcome.kind === 'rejected') {
      report.rejected += 1;
      const { status, message } = outcome;
      countRejection(report.rejections, { status, message });
      await moveToRejected(stored, { status, message });
    } else stored.leave();
  }

  async function moveToRejected(stored: StoredRecord, rejection: Rejection): Promise<void> {
    if (rejects === source) {
      stored.leave();
      return;
    }
    const { record } = stored;
    const copy = await rejects.append({ ...record, rejection });
    if (copy.kind === 'kept' && copy.entry.leave()) stored.settle();
    else stored.leave();
  }

  function send(stored: StoredRecord): void {
    inHand.add(stored.record);
    const end = (outcome: Outcome): void => {
      void settle(stored, outcome).then(() => {
        inHand.delete(stored.record);
        options.onProgress(report);
        wait.settled(outcome.kind !== 'dropped');
      });
    };
    // There is always room: fewer are in hand than the queue takes.
    if (!delivery.offer(toItem(stored.record), { onSettled: end }))
      end({ kind: 'dropped', reason: 'queue_full' });
  }

  const expected = (): readonly SpoolRecord[] =>
    [...inHand].filter(({ projectId }) => !closed.has(projectId));
  const hasRoom = (): boolean => {
    const all = expected();
    return all.length < MAX_RECORDS && all.reduce((sum, { bytes }) => sum + bytes, 0) < MAX_BYTES;
  };
  await source.beginRound();
  while (await wait.until(hasRoom)) {
    const stored = await source.next();
    if (stored === undefined) break;
    const { projectId } = stored.record;
    const isWanted = options.projectId === undefined || options.projectId === projectId;
    if (isWanted && !closed.has(projectId)) send(stored);
    else stored.leave();
  }
  await wait.until(() => expected().length === 0);
  report.stopped = wait.stopped();
  await delivery.shutdown(0);
  await wait.forAll(() => inHand.size === 0);
  report.lastError = delivery.stats().lastError;
}

interface Wait {
  /** True as soon as the condition holds; false if waiting has no sense any more. */
  until(condition: () => boolean): Promise<boolean>;
  /** As `until`, however long it takes. */
  forAll(condition: () => boolean): Promise<void>;
  /** To be called when a condition may have changed. `isProgress`: the API has answered for a record. */
  settled(isProgress: boolean): void;
  /** The API has asked for a pause. */
  extend(millis: number): void;
  stopped(): ReplayReport['stopped'];
}

function createWait(signal: AbortSignal): Wait {
  let progressed = performance.now();
  let end = progressed + PATIENCE_MILLIS;
  let wake = (): void => {};
  const nextChange = (millis: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, millis);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const stopped = (): ReplayReport['stopped'] => {
    if (signal.aborted) return 'signal';
    return performance.now() >= end ? 'no answer' : undefined;
  };
  signal.addEventListener('abort', () => wake(), { once: true });
  return {
    async until(condition) {
      while (stopped() === undefined) {
        if (condition()) return true;
        await nextChange(end - performance.now());
      }
      return false;
    },
    async forAll(condition) {
      while (!condition()) await nextChange(PATIENCE_MILLIS);
    },
    settled(isProgress) {
      if (isProgress) {
        progressed = performance.now();
        end = Math.max(end, progressed + PATIENCE_MILLIS);
      }
      wake();
    },
    extend(millis) {
      end = Math.min(progressed + MAX_PATIENCE_MILLIS, Math.max(end, performance.now() + millis));
    },
    stopped,
  };
}

/**
 * Calls for each answer with that status. Delivery tells a record that was there already as delivered, which is what matters
 * to it; the difference matters to a person, and the HTTP client publishes it.
 */
function countAnswers(status: number, onAnswer: () => void): () => void {
  const onMessage = (message: unknown): void => {
    const { response } = message as { readonly response?: { readonly statusCode?: number } };
    if (response?.statusCode === status) onAnswer();
  };
  subscribe(HEADERS_CHANNEL, onMessage);
  return () => unsubscribe(HEADERS_CHANNEL, onMessage);
}

const HEADERS_CHANNEL = 'undici:request:headers';
