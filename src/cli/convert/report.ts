/** A trace as a person reads it: its spans as a tree, what became of each, and where every field came from. */

import type { Explanation } from '../../explain/explain.ts';
import { fieldOf, leavesOf } from '../../explain/leaves.ts';
import type { JsonValue } from '../../json/json-text.ts';
import type { ReadSpan } from '../../lineage/plan.ts';
import {
  asObject,
  formatDuration,
  formatTokens,
  messageWords,
  summarise,
  valueWords,
} from '../../local/summary.ts';
import {
  createPaint,
  fitText,
  type Paint,
  padText,
  plainText,
  type Style,
  textWidth,
} from '../../local/terminal-text.ts';
import type { RecordBody } from '../../record/record.ts';
import type { SpanData } from '../../span/span-data.ts';

export interface ReportOptions {
  readonly colour: boolean;
  readonly width: number;
  /** Bodies, too. */
  readonly full: boolean;
  /** Traces may be there for calls alone, so that a step without a record was not wanted rather than not recognised. */
  readonly records: 'all' | 'genai' | 'completions';
}

const MIN_WIDTH = 72;
const MAX_DEPTH = 12;

/** Lines without line breaks. */
export function reportTrace(
  traceId: string,
  reads: readonly ReadSpan[],
  explanations: readonly Explanation[],
  options: ReportOptions,
): readonly string[] {
  const paint = createPaint(options.colour);
  const bySpan = new Map<string, Explanation[]>();
  const elsewhere: Explanation[] = [];
  const ids = new Set(reads.map(({ span }) => span.spanId));
  for (const one of explanations) {
    const [own] = one.record.receipt.spanIds;
    if (own === undefined || !ids.has(own)) elsewhere.push(one);
    else bySpan.set(own, [...(bySpan.get(own) ?? []), one]);
  }
  const lines = [headOf(traceId, reads, explanations, paint), ''];
  for (const { read, depth, guide, below } of inTreeOrder(reads)) {
    const { head, body } = spanLines(read, bySpan.get(read.span.spanId) ?? [], options, paint, depth);
    lines.push(paint('dim', guide) + head);
    for (const line of body)
      lines.push(line === '' ? paint('dim', below.trimEnd()) : paint('dim', below) + line);
    lines.push(paint('dim', below.trimEnd()));
  }
  for (const one of elsewhere) for (const line of recordLines(one, options, paint, 0)) lines.push(line);
  if (explanations.some(({ capped }) => capped))
    lines.push(paint('yellow', 'The trace is so large that not all sources were looked for.'), '');
  return lines;
}

function headOf(
  traceId: string,
  reads: readonly ReadSpan[],
  explanations: readonly Explanation[],
  paint: Paint,
): string {
  const facts = [
    counted(reads.length, 'span'),
    counted(explanations.length, 'record'),
    ...new Set(explanations.map(({ record }) => `session ${sessionName(record.body) ?? record.sessionId}`)),
  ];
  return `${paint('bold', `trace ${traceId}`)}  ${paint('dim', facts.join(' · '))}`;
}

/** As the app named it. */
function sessionName(body: RecordBody): string | undefined {
  const metadata = asObject(body.custom_metadata ?? asObject(body.session_info).custom_metadata);
  const name = metadata['session.id'];
  return typeof name === 'string' ? plainText(name, 80) : undefined;
}

interface Place {
  readonly read: ReadSpan;
  readonly depth: number;
  /** Before its own line. */
  readonly guide: string;
  /** Before the lines about it. */
  readonly below: string;
}

/** Parents before children, in order of time. Without recursion, and with loops cut open. */
function inTreeOrder(reads: readonly ReadSpan[]): readonly Place[] {
  const byId = new Map(reads.map((read) => [read.span.spanId, read]));
  const children = new Map<ReadSpan | undefined, ReadSpan[]>();
  for (const read of reads) {
    const { parentSpanId } = read.span;
    const parent = parentSpanId === undefined ? undefined : byId.get(parentSpanId);
    children.set(parent, [...(children.get(parent) ?? []), read]);
  }
  for (const list of children.values()) list.sort((a, b) => startOf(a.span) - startOf(b.span));
  const places: Place[] = [];
  const seen = new Set<ReadSpan>();
  const walk = (roots: readonly ReadSpan[]): void => {
    const pending = roots
      .map((read, i) => ({ read, above: '', isLast: i === roots.length - 1, depth: 0 }))
      .reverse();
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { read, above, isLast, depth } = next;
      if (seen.has(read)) continue;
      seen.add(read);
      const own = (children.get(read) ?? []).filter((child) => !seen.has(child));
      const isFlat = depth >= MAX_DEPTH;
      const guide = `${above}${isLast ? '└─ ' : '├─ '}`;
      const inner = isFlat ? above : `${above}${isLast ? '   ' : '│  '}`;
      places.push({ read, depth, guide, below: `${inner}${own.length > 0 && !isFlat ? '│  ' : '   '}` });
      own
        .map((child, i) => ({ read: child, above: inner, isLast: i === own.length - 1, depth: depth + 1 }))
        .reverse()
        .forEach((child) => {
          pending.push(child);
        });
    }
  };
  walk(children.get(undefined) ?? []);
  walk(reads.filter((read) => !seen.has(read)));
  return places;
}

function startOf({ startTime }: SpanData): number {
  return startTime[0] * 1e9 + startTime[1];
}

function spanLines(
  read: ReadSpan,
  explanations: readonly Explanation[],
  options: ReportOptions,
  paint: Paint,
  depth: number,
): { head: string; body: readonly string[] } {
  const { span } = read;
  const name = plainText(span.name, 60);
  const scope = plainText([span.scope.name, span.scope.version].filter((one) => one).join(' '), 80);
  const facts = [`span ${span.spanId}`, ...(scope === '' ? [] : [scope]), formatDuration(durationOf(span))];
  const head = `${paint('bold', name === '' ? '(no name)' : name)}  ${paint('dim', facts.join(' · '))}`;
  const indent = 3 * (depth + 1);
  if (explanations.length === 0) return { head, body: [paint('dim', whySkipped(read, options))] };
  return { head, body: explanations.flatMap((one) => recordLines(one, options, paint, indent)) };
}

function durationOf({ startTime, endTime }: SpanData): number {
  return (endTime[0] - startTime[0]) * 1e3 + (endTime[1] - startTime[1]) / 1e6;
}

function whySkipped({ reading, dialect }: ReadSpan, { records }: ReportOptions): string {
  if (reading === undefined) return 'no record: not GenAI, and no record is its child';
  if (reading.operation === 'other') return `no record: ${dialect} knows it as a part of something else`;
  if (reading.operation === 'inference') return `no record: ${dialect} reports a call that is told elsewhere`;
  return records === 'all'
    ? `no record: ${dialect} reports ${article(reading.operation)}, and it has been merged`
    : `no record: ${dialect} reports ${article(reading.operation)}, and --records ${records} leaves it out`;
}

function article(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

const KIND_STYLES: Readonly<Record<string, Style>> = {
  completion: 'cyan',
  agent: 'magenta',
  tool: 'yellow',
  trace: 'green',
};

/** Why there is a record that no dialect asked for. */
const ROLES: Readonly<Record<Explanation['role'], string | undefined>> = {
  completion: undefined,
  step: undefined,
  group: 'the root of the trace, so it is the group of its records',
  double: 'a second report of a call that is recorded once: this one became a plain trace record',
  plain: 'not a call or step itself: recorded because records below name it as their parent',
  placeholder: 'a parent that records name and that is not in the file',
};

function recordLines(
  explanation: Explanation,
  options: ReportOptions,
  paint: Paint,
  indent: number,
): readonly string[] {
  const { record, role, recognisedBy } = explanation;
  const { receipt, body } = record;
  const { label, name, promptTokens, completionTokens, words, failed } = summarise(record);
  const facts = [plainText(name, 60), formatTokens(promptTokens, completionTokens)].filter(
    (one) => one !== '',
  );
  const head = `${paint('dim', '→')} ${paint(KIND_STYLES[label] ?? 'green', label)} ${facts.join('  ')}  ${paint('dim', record.id)}`;
  const reader = ['group', 'plain', 'placeholder'].includes(receipt.dialect)
    ? undefined
    : `read by ${paint('cyan', receipt.dialect)}${recognisedBy.length === 0 ? '' : paint('dim', `, known by ${recognisedBy.slice(0, 3).join(', ')}`)}`;
  const why = ROLES[role];
  const width = Math.max(MIN_WIDTH, options.width) - indent - 2;
  return [
    head,
    ...(failed ? [`  ${paint('red', fitText(words, width))}`] : []),
    ...(why === undefined ? [] : [`  ${paint('dim', why)}`]),
    ...(reader === undefined ? [] : [`  ${reader}`]),
    ...remarks('rules', receipt.rules, 'dim', paint),
    ...fieldLines(explanation, width, paint).map((line) => `  ${line}`),
    ...remarks('guessed', receipt.guessed, 'yellow', paint),
    ...remarks('merged', receipt.merged, 'dim', paint),
    ...remarks('cut', receipt.cut, 'yellow', paint),
    ...remarks('masked', receipt.masked, 'yellow', paint),
    ...remarks('missing', receipt.missing, 'yellow', paint),
    ...(options.full ? bodyLines(body, record.path, paint) : []),
  ];
}

function remarks(name: string, texts: readonly string[], style: Style, paint: Paint): readonly string[] {
  return texts.map((text) => `  ${paint(style, `${name}: ${plainText(text, 300)}`)}`);
}

function bodyLines(body: RecordBody, path: string, paint: Paint): readonly string[] {
  const text = JSON.stringify(body, null, 2).split('\n');
  return [`  ${paint('dim', `POST ${plainText(path, 300)}`)}`, ...text.map((line) => `  ${harmless(line)}`)];
}

/** JSON escapes the C0 controls itself; white space at the beginning is its layout. */
function harmless(line: string): string {
  const layout = /^ */.exec(line)?.[0] ?? '';
  return layout + plainText(line, line.length);
}

/** Said by the head, or the same for every record. */
const TOLD =
  /^(completion_id|trace_info|start_time|end_time|call_info\.(start_time|end_time|provider_info\.otel)|custom_metadata\.otel\..*)$/;
const MAX_FIELDS = 60;
const MAX_NAME_WIDTH = 28;

function fieldLines({ record, sources }: Explanation, width: number, paint: Paint): readonly string[] {
  const values = new Map<string, { readonly path: readonly string[]; readonly first: JsonValue }>();
  for (const leaf of leavesOf(record.body)) {
    const field = fieldOf(leaf.path);
    if (!values.has(field)) values.set(field, { path: leaf.path, first: leaf.value });
  }
  const rows = [...values.keys()]
    .filter(
      (field) =>
        !TOLD.test(field) && !(field === 'parent_id' && sources[field]?.[0] === '<place in the trace>'),
    )
    .map((field) => ({
      name: shortName(field),
      value: valueText(record.body, field),
      from: [...(sources[field] ?? ['?'])].map((one) => plainText(one, 80)),
    }));
  const shown = rows.slice(0, MAX_FIELDS);
  const nameWidth = Math.min(MAX_NAME_WIDTH, Math.max(0, ...shown.map(({ name }) => textWidth(name))));
  const room = Math.max(30, width - nameWidth - 6);
  const valueWidth = Math.min(
    Math.max(0, ...shown.map(({ value }) => textWidth(value))),
    Math.max(16, Math.floor(room * 0.52)),
  );
  const lines = shown.map(({ name, value, from }) => {
    const left = `${paint('dim', padText(fitText(name, nameWidth), nameWidth))}  ${padText(fitText(value, valueWidth), valueWidth)}`;
    return `${left}  ${paint('dim', '←')} ${paint('green', sourceText(from, room - valueWidth))}`;
  });
  return rows.length > MAX_FIELDS
    ? [...lines, paint('dim', `and ${rows.length - MAX_FIELDS} more fields (--full)`)]
    : lines;
}

/** As many as fit; at least one. */
function sourceText(from: readonly string[], width: number): string {
  for (let count = from.length; count > 1; count--) {
    const more = count < from.length ? ` +${from.length - count}` : '';
    const text = from.slice(0, count).join(', ') + more;
    if (textWidth(text) <= width) return text;
  }
  return from.length > 1 ? `${from[0]} +${from.length - 1}` : (from[0] ?? '');
}

/** `call_info.usage.prompt_tokens` → `usage.prompt_tokens`: the outer names are the same in every record. */
function shortName(field: string): string {
  return plainText(
    field.replace(/^call_info\./, '').replace(/^(session_info\.)?custom_metadata\./, 'metadata.'),
    80,
  );
}

function valueText(body: RecordBody, field: string): string {
  const value = valueAt(body, field);
  if (/^messages\.\d+$/.test(field)) {
    const { role, name, reasoning_content: reasoning } = asObject(value);
    const words = messageWords(value);
    const thought = typeof reasoning === 'string' ? '[reasoning] ' : '';
    const who = `${typeof role === 'string' ? plainText(role, 20) : '?'}${typeof name === 'string' ? ` ${plainText(name, 20)}` : ''}`;
    return `${who}: ${thought}${words === '' ? '(nothing)' : words}`;
  }
  if (field === 'tool_schema' && Array.isArray(value))
    return value
      .map((tool) => plainText(String(asObject(asObject(tool).function).name ?? '?'), 40))
      .join(', ');
  return valueWords(value) || (value === null ? 'null' : '""');
}

/** Keys may have dots in them. */
function valueAt(value: unknown, field: string): unknown {
  if (field === '') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (key === field) return inner;
    if (field.startsWith(`${key}.`)) {
      const found = valueAt(inner, field.slice(key.length + 1));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}
