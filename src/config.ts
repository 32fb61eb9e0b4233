/** Options, environment and defaults → one complete configuration. The only reader of `process.env`. */
import { inspect } from 'node:util';
import type { MeterProvider } from '@opentelemetry/api';
import { z } from 'zod';
import type { Media, Scalar } from './completion/completion.ts';
import { isUsableKey } from './delivery/credentials.ts';
import type { Dialect } from './dialects/dialect.ts';
import { FreeplayOptionError } from './errors.ts';
import { nearestOf } from './nearest.ts';
import { type Mask, secretsMask } from './record/mask.ts';
import type { FreeplayRecord } from './record/record.ts';
import type { SpanData } from './span/span-data.ts';

/** Reasons for which records are lost, as the ledger counts them. */
export type DropReason = string;

/**
 * Options of the exporter, the processor and `convertSpans`. Everything has a default; what the environment gives is read where the code gives
 * nothing.
 */
export interface FreeplayOptions {
  /** Freeplay API key, or a function that gives the current one (rotation). Environment: `FREEPLAY_API_KEY`. */
  apiKey?: string | (() => string | Promise<string>) | undefined;
  /** Project that records go to. Environment: `FREEPLAY_PROJECT_ID`. */
  projectId?: string | undefined;
  /** API base; `/v2/…` is appended. Environment: `FREEPLAY_API_BASE`. @default 'https://app.freeplay.ai/api' */
  baseUrl?: string | undefined;
  /** More request headers. They cannot replace `Authorization` or `Content-Type`. @default {} */
  headers?: Readonly<Record<string, string>> | undefined;
  /** `"all"`; `"genai"`: no plain traces, no groups; `"completions"`: model calls only. @default 'all' */
  records?: 'all' | 'genai' | 'completions' | undefined;
  /** False sends structure without content. Environment: `FREEPLAY_CAPTURE_CONTENT`. @default true */
  captureContent?: boolean | undefined;
  /** Looks at every string of the finished record; `"secrets"` is a preset. A mask that throws costs the field, never lets it through. @default none */
  mask?: Mask | 'secrets' | readonly (Mask | 'secrets')[] | undefined;
  /** Media inline, as a placeholder with type, size and hash, or what a function makes of them. @default 'inline' */
  media?: 'inline' | 'placeholder' | ((media: Media) => Media | string) | undefined;
  /** True: convert, false: skip, undefined: no opinion. @default none */
  filter?: ((span: SpanData) => boolean | undefined) | undefined;
  /** Dialects of your own, tried before the built-in ones. @default [] */
  dialects?: readonly Dialect[] | undefined;
  /** Scalars added to the metadata of every record. @default {} */
  metadata?: Readonly<Record<string, Scalar>> | undefined;
  /** Session of a span, where you know better than its attributes. @default none */
  session?: ((span: SpanData) => string | undefined) | undefined;
  /** Projects that spans may be routed to by `freeplay.project.id`. @default [] */
  projects?: readonly string[] | undefined;
  /** Link back to the span, `{traceId}` and `{spanId}` filled in. Environment: `FREEPLAY_TRACE_URL_TEMPLATE`. @default none */
  traceUrlTemplate?: string | undefined;
  /** Most requests at once. @default 64 */
  concurrency?: number | undefined;
  /** Milliseconds for one attempt. @default 10000 */
  timeoutMillis?: number | undefined;
  /** Milliseconds one record is retried for; stands still while the API is known to be down. @default 300000 */
  retryDeadlineMillis?: number | undefined;
  /** Records held at once. @default 10000 */
  maxQueueRecords?: number | undefined;
  /** Bytes held at once. @default 67108864 */
  maxQueueBytes?: number | undefined;
  /** Bytes of one record; larger ones are shrunk. @default 4194304 */
  maxRecordBytes?: number | undefined;
  /** Folder for records that cannot be delivered now; relative to the working directory at the start. Environment: `FREEPLAY_SPOOL_DIR`. @default none */
  spoolDir?: string | undefined;
  /** `"overflow"`: what memory or time does not suffice for; `"always"`: every record, before it is first sent. @default 'overflow' */
  spoolMode?: 'overflow' | 'always' | undefined;
  /** Bytes in that folder, a tenth of them for rejected records; the oldest go first. @default 1073741824 */
  maxSpoolBytes?: number | undefined;
  /** Milliseconds `forceFlush` waits at most. @default 10000 */
  flushTimeoutMillis?: number | undefined;
  /** Milliseconds `shutdown` takes at most. @default 5000 */
  shutdownTimeoutMillis?: number | undefined;
  /** Flush when the process has nothing else to do (`beforeExit`). @default true */
  flushOnExit?: boolean | undefined;
  /** Processor only: `{id}`, `{traceId}` and `{spanId}` are filled in and stamped on spans as `freeplay.url`. @default none */
  completionUrlTemplate?: string | undefined;
  /** Processor only: write `freeplay.completion.id` and `freeplay.trace.id` to the spans. @default true */
  stampSpans?: boolean | undefined;
  /** Processor only: take session, user, environment and prompt version from incoming baggage. @default false */
  readBaggage?: boolean | undefined;
  /** Processor only: milliseconds an ended span waits for its neighbours before it is converted. @default 1000 */
  flushDelayMillis?: number | undefined;
  /** Processor only: milliseconds a call waits for a second report of it that is still running. @default 1000 */
  mergeWaitMillis?: number | undefined;
  /** Processor only: milliseconds after which a call that never ended is recorded as incomplete. @default 1800000 */
  unendedAfterMillis?: number | undefined;
  /** Processor only: record spans that are recorded but not sampled, too. @default false */
  includeUnsampled?: boolean | undefined;
  /** Takes the ledger as metrics: `docs/observability.md` names them. Read when it collects; one that throws is left alone. @default none */
  meterProvider?: MeterProvider | undefined;
  /** Called with every record that is created. A throw is counted and ignored. @default none */
  onRecord?: ((record: FreeplayRecord) => void) | undefined;
  /** Called with every record that is lost or rejected, and why. @default none */
  onDrop?: ((record: FreeplayRecord, reason: DropReason) => void) | undefined;
  /**
   * Sends along, to a `freeplay-otel local` on this machine and nowhere else, how each record came about: its receipt, and its span
   * unless content is hidden. Environment: `FREEPLAY_DEVELOPMENT`. @default false
   */
  development?: boolean | undefined;
  /** An undici dispatcher to send with; without it `HTTPS_PROXY` and `NO_PROXY` are obeyed. @default a pool per origin */
  dispatcher?: object | undefined;
}

/** OpenTelemetry's own switch: `true` in any case, and nothing else, turns everything off. */
export function isSdkDisabled(
  environment: { readonly [key: string]: string | undefined } = process.env,
): boolean {
  return environment.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true';
}

/** A setting that only a program has, or one whose name somebody chose. */
export function environmentText(
  name: string,
  environment: { readonly [key: string]: string | undefined } = process.env,
): string | undefined {
  const value = environment[name]?.trim();
  return value === '' ? undefined : value;
}

/** A key that prints as `[redacted]`. */
export class Secret {
  readonly #read: () => string | Promise<string>;

  constructor(read: () => string | Promise<string>) {
    this.#read = read;
  }

  reveal(): string | Promise<string> {
    return this.#read();
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }
}

// A computed method name cannot be declared on the class itself under isolated declarations.
Object.defineProperty(Secret.prototype, inspect.custom, { value: () => '[redacted]' });

export interface Config {
  readonly apiKey: Secret | undefined;
  readonly projectId: string | undefined;
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly records: 'all' | 'genai' | 'completions';
  readonly captureContent: boolean;
  readonly masks: readonly Mask[];
  readonly media: 'inline' | 'placeholder' | ((media: Media) => Media | string);
  readonly filter: ((span: SpanData) => boolean | undefined) | undefined;
  readonly dialects: readonly Dialect[];
  readonly metadata: Readonly<Record<string, Scalar>>;
  readonly session: ((span: SpanData) => string | undefined) | undefined;
  readonly projects: readonly string[];
  readonly traceUrlTemplate: string | undefined;
  readonly concurrency: number;
  readonly timeoutMillis: number;
  readonly retryDeadlineMillis: number;
  readonly maxQueueRecords: number;
  readonly maxQueueBytes: number;
  readonly maxRecordBytes: number;
  readonly spoolDir: string | undefined;
  readonly spoolMode: 'overflow' | 'always';
  readonly maxSpoolBytes: number;
  readonly flushTimeoutMillis: number;
  readonly shutdownTimeoutMillis: number;
  readonly flushOnExit: boolean;
  readonly completionUrlTemplate: string | undefined;
  readonly stampSpans: boolean;
  readonly readBaggage: boolean;
  readonly flushDelayMillis: number;
  readonly mergeWaitMillis: number;
  readonly unendedAfterMillis: number;
  readonly includeUnsampled: boolean;
  readonly meterProvider: MeterProvider | undefined;
  readonly onRecord: ((record: FreeplayRecord) => void) | undefined;
  readonly onDrop: ((record: FreeplayRecord, reason: DropReason) => void) | undefined;
  readonly development: boolean;
  readonly dispatcher: object | undefined;
  /** Whether the environment names a proxy. */
  readonly hasProxy: boolean;
}

export interface Resolved {
  readonly config: Config;
  /** What was wrong in the environment: the default is used instead. */
  readonly warnings: readonly string[];
}

export const DEFAULT_BASE_URL = 'https://app.freeplay.ai/api';

const fn = <T>(name: string): z.ZodType<T> =>
  z.custom<T>((value) => typeof value === 'function', `expected a function (${name})`);
const positive = z.number().int().positive();
/** Some 23 days: a timer of Node's that is to wait longer than 24 goes off at once. */
const MAX_DURATION_MILLIS = 2_000_000_000;
const duration = (min: number = 0) =>
  z
    .number()
    .min(min)
    .transform((millis) => Math.min(millis, MAX_DURATION_MILLIS));
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const mask = z.union([z.literal('secrets'), fn<Mask>('(value, path) => string')]);
const httpUrl = z.string().refine(isHttpUrl, 'expected an http or https URL');

/** RFC 9110, section 5. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** What whoever writes the request says himself, or cannot keep. */
const FRAMING = /^(content-length|transfer-encoding|keep-alive|upgrade|expect)$/i;

const optionsSchema = z
  .strictObject({
    apiKey: z.union(
      [
        z.string().refine((key) => isUsableKey(key) || key.trim() === ''),
        fn<() => string | Promise<string>>('() => string'),
      ],
      'expected a string of visible ASCII characters, or a function that gives one',
    ),
    projectId: z.string(),
    baseUrl: httpUrl,
    headers: z
      .record(
        z.string(),
        z.string().regex(HEADER_VALUE, 'expected a text that a header can carry, on one line'),
      )
      .superRefine((headers, context) => {
        for (const name of Object.keys(headers))
          if (!HEADER_NAME.test(name) || FRAMING.test(name))
            context.addIssue({
              code: 'custom',
              path: [name],
              message: 'expected the name of a header, and none that says where the body ends',
            });
      }),
    records: z.enum(['all', 'genai', 'completions']),
    captureContent: z.boolean(),
    mask: z.union(
      [mask, z.array(mask)],
      'expected "secrets", a function (value, path) => string, or a list of them',
    ),
    media: z.union(
      [z.enum(['inline', 'placeholder']), fn<(media: Media) => Media | string>('(media) => Media | string')],
      'expected "inline", "placeholder" or a function (media) => Media | string',
    ),
    filter: fn<(span: SpanData) => boolean | undefined>('(span) => boolean | undefined'),
    dialects: z.array(
      z.custom<Dialect>(isDialect, 'expected a dialect: { name, detect(span), read(span, logs) }'),
    ),
    metadata: z.record(z.string(), scalar),
    session: fn<(span: SpanData) => string | undefined>('(span) => string | undefined'),
    projects: z.array(z.string().min(1)),
    traceUrlTemplate: z.string(),
    concurrency: positive.max(1024),
    timeoutMillis: duration(1),
    retryDeadlineMillis: duration(),
    maxQueueRecords: positive,
    maxQueueBytes: positive,
    maxRecordBytes: positive.min(1024),
    spoolDir: z.string(),
    spoolMode: z.enum(['overflow', 'always']),
    maxSpoolBytes: positive,
    flushTimeoutMillis: duration(),
    shutdownTimeoutMillis: duration(),
    flushOnExit: z.boolean(),
    completionUrlTemplate: z.string(),
    stampSpans: z.boolean(),
    readBaggage: z.boolean(),
    flushDelayMillis: duration(),
    mergeWaitMillis: duration(),
    unendedAfterMillis: positive,
    includeUnsampled: z.boolean(),
    meterProvider: z.custom<MeterProvider>(isMeterProvider, 'expected an OpenTelemetry meter provider'),
    onRecord: fn<(record: FreeplayRecord) => void>('(record) => void'),
    onDrop: fn<(record: FreeplayRecord, reason: DropReason) => void>('(record, reason) => void'),
    development: z.boolean(),
    dispatcher: z.custom<object>(
      (value) =>
        typeof value === 'object' &&
        value !== null &&
        typeof (value as { dispatch?: unknown }).dispatch === 'function',
      'expected an undici dispatcher',
    ),
  })
  .partial();

function isHttpUrl(value: string): boolean {
  try {
    return /^https?:$/.test(new URL(value).protocol);
  } catch {
    return false;
  }
}

function isDialect(value: unknown): boolean {
  const { name, detect, read } = (value ?? {}) as { name?: unknown; detect?: unknown; read?: unknown };
  return typeof name === 'string' && typeof detect === 'function' && typeof read === 'function';
}

function isMeterProvider(value: unknown): boolean {
  return typeof (value as { getMeter?: unknown } | null | undefined)?.getMeter === 'function';
}

/**
 * @param options as passed in code; a wrong one throws a `FreeplayOptionError` that names it
 * @param environment variables; a wrong one is a warning, and the default
 */
export function resolveConfig(
  options: FreeplayOptions = {},
  environment: { readonly [key: string]: string | undefined } = process.env,
): Resolved {
  const given = validate(options);
  const warnings: string[] = [];
  const text = (name: string): string | undefined => {
    const value = environment[name]?.trim();
    return value === undefined || value === '' ? undefined : value;
  };
  const key = nonEmpty(given.apiKey) ?? keyFrom('FREEPLAY_API_KEY', text('FREEPLAY_API_KEY'), warnings);
  return {
    config: Object.freeze({
      apiKey: key === undefined ? undefined : new Secret(typeof key === 'function' ? key : () => key),
      projectId: nonEmpty(given.projectId) ?? text('FREEPLAY_PROJECT_ID'),
      baseUrl: withoutSlash(
        given.baseUrl ??
          urlFrom('FREEPLAY_API_BASE', text('FREEPLAY_API_BASE'), warnings) ??
          DEFAULT_BASE_URL,
      ),
      headers: given.headers ?? {},
      records: given.records ?? 'all',
      captureContent:
        given.captureContent ??
        booleanFrom('FREEPLAY_CAPTURE_CONTENT', text('FREEPLAY_CAPTURE_CONTENT'), warnings) ??
        true,
      masks: [given.mask ?? []].flat().map((one) => (one === 'secrets' ? secretsMask : one)),
      media: given.media ?? 'inline',
      filter: given.filter,
      dialects: given.dialects ?? [],
      metadata: given.metadata ?? {},
      session: given.session,
      projects: given.projects ?? [],
      traceUrlTemplate: nonEmpty(given.traceUrlTemplate) ?? text('FREEPLAY_TRACE_URL_TEMPLATE'),
      concurrency: given.concurrency ?? 64,
      timeoutMillis: given.timeoutMillis ?? 10_000,
      retryDeadlineMillis: given.retryDeadlineMillis ?? 300_000,
      maxQueueRecords: given.maxQueueRecords ?? 10_000,
      maxQueueBytes: given.maxQueueBytes ?? 64 * 1024 * 1024,
      maxRecordBytes: given.maxRecordBytes ?? 4 * 1024 * 1024,
      spoolDir: nonEmpty(given.spoolDir) ?? text('FREEPLAY_SPOOL_DIR'),
      spoolMode: given.spoolMode ?? 'overflow',
      maxSpoolBytes: given.maxSpoolBytes ?? 1024 * 1024 * 1024,
      flushTimeoutMillis: given.flushTimeoutMillis ?? 10_000,
      shutdownTimeoutMillis: given.shutdownTimeoutMillis ?? 5_000,
      flushOnExit: given.flushOnExit ?? true,
      completionUrlTemplate: nonEmpty(given.completionUrlTemplate),
      stampSpans: given.stampSpans ?? true,
      readBaggage: given.readBaggage ?? false,
      flushDelayMillis: given.flushDelayMillis ?? 1_000,
      mergeWaitMillis: given.mergeWaitMillis ?? 1_000,
      unendedAfterMillis: given.unendedAfterMillis ?? 1_800_000,
      includeUnsampled: given.includeUnsampled ?? false,
      meterProvider: given.meterProvider,
      onRecord: given.onRecord,
      onDrop: given.onDrop,
      development:
        given.development ??
        booleanFrom('FREEPLAY_DEVELOPMENT', text('FREEPLAY_DEVELOPMENT'), warnings) ??
        false,
      dispatcher: given.dispatcher,
      hasProxy: ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'].some((name) => text(name)),
    }),
    warnings,
  };
}

function nonEmpty<T>(value: T): T | undefined {
  return typeof value === 'string' && value.trim() === '' ? undefined : value;
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

function validate(options: FreeplayOptions): z.infer<typeof optionsSchema> {
  const parsed = optionsSchema.safeParse(options);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const unknownKey = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  if (unknownKey !== undefined) {
    const meant = nearestOf(unknownKey, Object.keys(optionsSchema.shape));
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
    throw new FreeplayOptionError(unknownKey, `option "${unknownKey}" is unknown${hint}`);
  }
  const option = pathText(issue?.path ?? []);
  const value = (issue?.path ?? []).reduce<unknown>(
    (at, key) => (at as { [key: PropertyKey]: unknown } | undefined)?.[key],
    options,
  );
  throw new FreeplayOptionError(
    option,
    `option "${option}" cannot be used: got ${kindOf(value)}; ${issue?.message.toLowerCase() ?? 'invalid'}`,
  );
}

function pathText(path: readonly PropertyKey[]): string {
  return (
    path
      .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`))
      .join('') || 'options'
  );
}

/** The kind of a value, never the value: it may be a key. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return `the number ${value}`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function booleanFrom(name: string, value: string | undefined, warnings: string[]): boolean | undefined {
  if (value === undefined) return undefined;
  if (/^(true|1|yes|on)$/i.test(value)) return true;
  if (/^(false|0|no|off)$/i.test(value)) return false;
  warnings.push(`${name} is neither true nor false: the default is used`);
  return undefined;
}

function urlFrom(name: string, value: string | undefined, warnings: string[]): string | undefined {
  if (value === undefined || isHttpUrl(value)) return value;
  warnings.push(`${name} is not an http or https URL: the default is used`);
  return undefined;
}

function keyFrom(name: string, value: string | undefined, warnings: string[]): string | undefined {
  if (value === undefined || isUsableKey(value)) return value;
  warnings.push(`${name} holds characters that no header can carry: it is not used`);
  return undefined;
}
