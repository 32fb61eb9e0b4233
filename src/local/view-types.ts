import type { JsonValue } from '../json/json-text.ts';
import type { Receipt, RecordBody } from '../record/record.ts';

// What the page asks of the local server, and what it is told. The page, which runs in a browser, shares it: nothing of Node in here.
// All below `/api/view`; GET unless said otherwise. Times are milliseconds since the Unix epoch, durations milliseconds.

/**
 * Which completions are meant; every list and chart takes it as its query string. All of it has to hold.
 * `sessions`, `completions`, `facets` and `charts` obey it.
 */
export interface ViewFilter {
  /** Words that are all in the messages, the model, the agent or the error; upper and lower case are the same. */
  readonly text?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly agent?: string;
  /** Part of the session's original name, or the beginning of its id. */
  readonly session?: string;
  readonly error?: 'true' | 'false';
  /** Start at or after, before. */
  readonly from?: string;
  readonly to?: string;
}

/** Of the parameters, in the order in which the page writes them. */
export const FILTER_NAMES: readonly (keyof ViewFilter)[] = [
  'text',
  'model',
  'provider',
  'agent',
  'session',
  'error',
  'from',
  'to',
];

/** A page of a list, the latest first; `next` as `before` asks for the following one. `limit` up to 200, default 50. */
export interface ViewPage<Row> {
  readonly rows: readonly Row[];
  /** How many rows there are in all; counted to 10,000 and no further (`totalIsMore`). */
  readonly total: number;
  readonly totalIsMore: boolean;
  readonly next?: string;
}

export interface TokenTotals {
  /** Absent: nobody reported it. */
  readonly promptTokens?: number;
  readonly completionTokens?: number;
}

/** `sessions` → `ViewPage<SessionRow>` */
export interface SessionRow extends TokenTotals {
  readonly id: string;
  readonly project: string;
  /** What the app called it, where that is not the id. */
  readonly name?: string;
  readonly completions: number;
  readonly traces: number;
  readonly errors: number;
  readonly models: readonly string[];
  readonly agents: readonly string[];
  readonly start: number;
  readonly end: number;
  /** First words of the first user message, and of the last reply. */
  readonly input: string;
  readonly output: string;
}

/** `completions` → `ViewPage<CompletionRow>` */
export interface CompletionRow extends TokenTotals {
  readonly id: string;
  readonly session: string;
  readonly trace?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly agent?: string;
  readonly start: number;
  readonly durationMillis?: number;
  readonly failed: boolean;
  readonly input: string;
  readonly output: string;
}

/** `sessions/{id}` → the session with its traces, the earliest first. 404 if nothing is recorded in it. */
export interface SessionView extends SessionRow {
  readonly metadata: RecordBody;
  readonly traceList: readonly TraceRow[];
  /** There are more than the first 2,000. */
  readonly traceListIsMore?: true;
}

export interface TraceRow extends TokenTotals {
  /** Of the trace group. */
  readonly id: string;
  /** As dashboards show it: 32 hexadecimal digits; absent where no record says. */
  readonly otelTraceId?: string;
  readonly name: string;
  readonly completions: number;
  readonly errors: number;
  readonly start: number;
  readonly end: number;
}

/** `traces/{id}`, a group's id or a telemetry trace id of 32 hexadecimal digits → its waterfall, in order of the tree. */
export interface TraceView extends TraceRow {
  readonly session: string;
  readonly project: string;
  /** Link into the tracing dashboard, where the exporter was told one. */
  readonly url?: string;
  readonly nodes: readonly TraceNodeRow[];
  /** There are more than the first 5,000. */
  readonly nodesAreMore?: true;
}

export interface TraceNodeRow extends TokenTotals {
  readonly id: string;
  /** `group` is the trace itself; `missing`: completions name it and it was not recorded. */
  readonly kind: 'group' | 'agent' | 'tool' | 'trace' | 'completion' | 'missing';
  readonly depth: number;
  readonly name: string;
  readonly model?: string;
  readonly start?: number;
  readonly durationMillis?: number;
  readonly failed: boolean;
  /** First words of what went in, and of what came out. */
  readonly input: string;
  readonly output: string;
}

/** `completions/{id}` and `records/{id}` (a trace record) → everything known of one record. */
export interface RecordView {
  readonly kind: 'completion' | 'trace';
  readonly id: string;
  readonly project: string;
  readonly session: string;
  readonly trace?: string;
  readonly otelTraceId?: string;
  /** The path it was posted to, beginning with `/v2/projects/`. */
  readonly path: string;
  readonly receivedAt: number;
  /** Exactly the JSON that was posted; later updates and metadata are in `body` alone. */
  readonly posted: string;
  readonly body: RecordBody;
  /** From the outermost to the direct parent. */
  readonly parents: readonly {
    readonly id: string;
    readonly kind: TraceNodeRow['kind'];
    readonly name: string;
  }[];
  readonly feedback: RecordBody;
  /** Only where the exporter runs in development mode. */
  readonly receipt?: Receipt;
  /** The spans it was made from, its own first; only where the exporter runs in development mode. */
  readonly spans?: readonly JsonValue[];
  /** Field of the body (`call_info.model`, `messages.0`) → attributes it came from; only where `spans` are known. */
  readonly sources?: Readonly<Record<string, readonly string[]>>;
}

/** `facets` → the values there are to filter by, the most frequent first, at most 100 each. */
export interface Facets {
  readonly models: readonly Facet[];
  readonly providers: readonly Facet[];
  readonly agents: readonly Facet[];
}

export interface Facet {
  readonly value: string;
  readonly count: number;
}

/** `charts` → totals, and figures by model over time, in at most 60 equal buckets. */
export interface Charts extends TokenTotals {
  readonly completions: number;
  readonly sessions: number;
  readonly errors: number;
  readonly p50Millis?: number;
  readonly p95Millis?: number;
  readonly bucketMillis: number;
  /** Starts of the buckets. */
  readonly buckets: readonly number[];
  /** The eight most used; the others are one more, `other`. Each list is as long as `buckets`, `null`: no call. */
  readonly models: readonly {
    readonly model: string;
    readonly completions: readonly number[];
    readonly p50Millis: readonly (number | null)[];
    readonly p95Millis: readonly (number | null)[];
    readonly promptTokens: readonly number[];
    readonly completionTokens: readonly number[];
  }[];
}

/**
 * `events` → `text/event-stream`, one JSON object a message. What arrives together is told together, at most ten times a
 * second; after a break the page asks anew for what it shows.
 */
export type ViewEvent =
  | {
      readonly type: 'changed';
      /** Ids of what was recorded or updated; at most 200, `more` if there were others. */
      readonly sessions: readonly string[];
      readonly traces: readonly string[];
      readonly records: readonly string[];
      readonly more: boolean;
    }
  | { readonly type: 'cleared' };

/** `status` → what the page's head and its first start need; also without a key. */
export interface ServerStatus {
  readonly version: string;
  /** A bearer key was set, and the request has none or another. */
  readonly keyNeeded: boolean;
  readonly records: number;
  /** `memory`, or the file's name. */
  readonly location: string;
  /** Let go of to stay within the bounds. */
  readonly dropped: number;
  /** Receipts that had to go before their records did. */
  readonly droppedReceipts?: number;
  readonly faults: FaultSettings;
}

/** `faults`, GET and PUT: how the server pretends to fail, for people who test their own setup. It holds for recording alone. */
export interface FaultSettings {
  /** Share of requests that fail, 0 to 100. */
  readonly percent: number;
  /** 400 to 599. */
  readonly status: number;
  /** Before every answer, failing or not. */
  readonly latencyMillis: number;
  /** `Retry-After` of failing answers; absent: none. */
  readonly retryAfterSeconds?: number;
}

/**
 * `POST /api/local/receipts`, by an exporter in development mode → 202. What belongs to a record that is not there yet is
 * kept until it comes, within bounds.
 */
export interface ReceiptsMessage {
  readonly receipts: readonly {
    readonly kind: 'completion' | 'trace';
    readonly id: string;
    readonly receipt: Receipt;
    readonly spans: readonly JsonValue[];
  }[];
}

// `sessions/{id}/export` → the session's records as a file (`{ session, records: StoredRecord[], annotations }`).
// `DELETE records` → 204, everything is gone. State-changing requests need `x-freeplay-local: 1`, which no other site's
// page can send without being asked first, and are refused with a foreign `Origin`.
