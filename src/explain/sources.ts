/** The single things that spans and their logs say, each of which can be left out. */
import type { LogData, SpanData } from '../span/span-data.ts';
import type { SpanWithLogs } from './convert-data.ts';

export interface Source {
  /** Index of the span that says it. */
  readonly at: number;
  readonly spanId: string;
  /** Attribute key, `event:NAME`, `log:NAME`, `resource:KEY`, `span.name` or `span.status`. */
  readonly name: string;
  /** What it says, as text to be searched. */
  readonly text: () => string;
}

/** Same name, several times: each one its own. */
interface Numbered extends Source {
  readonly index: number;
}

export function sourcesOf({ span, logs }: SpanWithLogs, at: number): readonly Source[] {
  const of = (name: string, value: () => unknown, index = 0): Numbered => {
    let text: string | undefined;
    return { at, spanId: span.spanId, name, index, text: () => (text ??= textOf(value())) };
  };
  const isSaid = (value: unknown): boolean => value !== undefined && value !== null;
  return [
    ...Object.keys(span.attributes)
      .filter((key) => isSaid(span.attributes[key]))
      .map((key) => of(key, () => span.attributes[key])),
    ...span.events.map((event, index) => of(`event:${event.name}`, () => event.attributes, index)),
    ...logs.map((log, index) => of(`log:${log.eventName}`, () => [log.body, log.attributes], index)),
    ...Object.keys(span.resource)
      .filter((key) => isSaid(span.resource[key]))
      .map((key) => of(`resource:${key}`, () => span.resource[key])),
    of('span.name', () => span.name),
    ...(span.statusCode === 0 && span.statusMessage === undefined
      ? []
      : [of('span.status', () => span.statusMessage ?? '')]),
  ];
}

/** The span as if it had never said these. What stays is copied: converters may remember by object what they have read. */
export function withoutSources(item: SpanWithLogs, sources: readonly Source[]): SpanWithLogs {
  const gone = sources as readonly Numbered[];
  const isGone = (name: string, index: number): boolean =>
    gone.some((one) => one.name === name && one.index === index);
  const { span } = item;
  const names = new Set(gone.map(({ name }) => name));
  const copy: SpanData = {
    ...span,
    name: names.has('span.name') ? UNNAMED : span.name,
    attributes: pick(span.attributes, (key) => !names.has(key)),
    events: span.events.filter((event, index) => !isGone(`event:${event.name}`, index)),
    resource: pick(span.resource, (key) => !names.has(`resource:${key}`)),
    ...(names.has('span.status') && { statusCode: 0, statusMessage: undefined }),
  };
  const logs = item.logs.filter((log: LogData, index) => !isGone(`log:${log.eventName}`, index));
  return { span: copy, logs };
}

/** A span has to be called something, and this is no emitter's name for one. */
const UNNAMED = '(name left out)';

function pick(
  all: { readonly [key: string]: unknown },
  isWanted: (key: string) => boolean,
): { readonly [key: string]: unknown } {
  // `__proto__` may be a key.
  const kept: { [key: string]: unknown } = Object.create(null);
  for (const key of Object.keys(all)) if (isWanted(key)) kept[key] = all[key];
  return kept;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    return JSON.stringify(value, (_, held) => (typeof held === 'bigint' ? held.toString() : held)) ?? '';
  } catch {
    return '';
  }
}
