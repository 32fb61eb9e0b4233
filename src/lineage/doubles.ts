/**
 * Which inference spans of one trace report the same model call (design.md section 2).
 *
 * Two spans are doubles if they carry the same response id; else only if their scopes differ, one's interval holds the other's, and
 * nothing that both report disagrees. The pairing is one to one, so N equal parallel calls stay N, with two instrumentations too.
 */
import type { Message, Reading } from '../completion/completion.ts';
import { asText } from '../json/json-text.ts';
import type { HrTime } from '../span/span-data.ts';

/** What is compared of one inference span. */
export interface CallReport {
  readonly spanId: string;
  readonly scope: string;
  readonly start: HrTime;
  readonly end: HrTime;
  readonly responseId: string | undefined;
  /** Text of the last input message; empty: none captured. */
  readonly question: string;
  readonly replyText: string;
  /** Names and arguments of the calls the model made; empty: none. */
  readonly replyCalls: string;
  /** `input/output`, or empty where there are none. */
  readonly tokens: string;
  readonly models: readonly string[];
}

export function reportOf(
  spanId: string,
  scope: string,
  start: HrTime,
  end: HrTime,
  reading: Reading,
): CallReport {
  const reply = reading.choices?.[0];
  const last = reading.input?.at(-1);
  const { input, output } = reading.usage ?? {};
  return {
    spanId,
    scope,
    start,
    end,
    responseId: reading.responseId,
    question: last ? textOf(last) : '',
    replyText: reply ? textOf(reply) : '',
    replyCalls: reply
      ? reply.toolCalls
          .map((call) => call.name)
          .sort()
          .join('\n')
      : '',
    tokens: (input ?? 0) + (output ?? 0) > 0 ? `${input ?? ''}/${output ?? ''}` : '',
    models: [reading.requestModel, reading.responseModel].filter(
      (model): model is string => model !== undefined,
    ),
  };
}

/** Texts compare without white space: emitters join parts differently. */
function textOf(message: Message): string {
  let text = '';
  for (const part of message.parts) if (part.kind === 'text') text += asText(part.text) ?? '';
  return text.replace(/\s+/g, '');
}

/** Millisecond clocks beside nanosecond ones: intervals are compared with this much grace. */
const GRACE_NANOS = 1_500_000;

function nanosBetween(a: HrTime, b: HrTime): number {
  return (b[0] - a[0]) * 1e9 + (b[1] - a[1]);
}

function contains(outer: CallReport, inner: CallReport): boolean {
  return (
    nanosBetween(outer.start, inner.start) >= -GRACE_NANOS &&
    nanosBetween(inner.end, outer.end) >= -GRACE_NANOS
  );
}

/** Whether two reports can be of one call. */
export function areDoubles(a: CallReport, b: CallReport, nested: boolean): boolean {
  if (a.responseId !== undefined && b.responseId !== undefined) {
    return a.responseId === b.responseId && (nested || a.scope !== b.scope);
  }
  if (a.scope === b.scope || !(contains(a, b) || contains(b, a))) return false;
  return agree(a, b);
}

function agree(a: CallReport, b: CallReport): boolean {
  if (
    a.models.length > 0 &&
    b.models.length > 0 &&
    !a.models.some((m) => b.models.some((n) => sameModel(m, n)))
  )
    return false;
  let compared = false;
  for (const field of ['question', 'replyText', 'replyCalls'] as const) {
    if (a[field] === '' || b[field] === '') continue;
    if (a[field] !== b[field]) return false;
    compared = true;
  }
  return compared || (a.tokens !== '' && a.tokens === b.tokens);
}

/** Equal up to a vendor's prefix or a version suffix. */
function sameModel(a: string, b: string): boolean {
  const [long, brief] =
    a.length > b.length ? [a.toLowerCase(), b.toLowerCase()] : [b.toLowerCase(), a.toLowerCase()];
  return long.includes(brief);
}

/** Each span looks at no more than this many others, nearest in time: cost stays linear however many calls run at once. */
const MAX_CANDIDATES = 32;
/** Steps one span may take to make room for itself among pairs already made. */
const MAX_STEPS = 256;

/**
 * Groups of reports of one call each; spans that report alone are not listed.
 *
 * @param reports in any order
 * @param enclosing nearest inference span above each span id, if any
 */
export function groupDoubles(
  reports: readonly CallReport[],
  enclosing: (spanId: string) => string | undefined,
): readonly (readonly CallReport[])[] {
  if (reports.length < 2) return [];
  const sorted = [...reports].sort(
    (a, b) => nanosBetween(b.start, a.start) || nanosBetween(b.end, a.end) || (a.spanId < b.spanId ? -1 : 1),
  );
  const groups = new Map<CallReport, CallReport[]>(sorted.map((report) => [report, [report]]));
  const bySpan = new Map(sorted.map((report) => [report.spanId, report]));
  joinNested(sorted, bySpan, groups, enclosing);
  joinSiblings(sorted, groups, enclosing);
  return [...new Set(groups.values())].filter((group) => group.length > 1);
}

/** One inside the other: the tree says which is whose. */
function joinNested(
  sorted: readonly CallReport[],
  bySpan: ReadonlyMap<string, CallReport>,
  groups: Map<CallReport, CallReport[]>,
  enclosing: (spanId: string) => string | undefined,
): void {
  const taken = new Set<CallReport>();
  // Inner spans last to first: of several calls inside one wrapper, the last is the one whose reply the wrapper repeats.
  for (const inner of [...sorted].reverse()) {
    const outerId = enclosing(inner.spanId);
    const outer = outerId === undefined ? undefined : bySpan.get(outerId);
    if (!outer || taken.has(outer) || !areDoubles(outer, inner, true)) continue;
    taken.add(outer);
    join(groups, outer, inner);
  }
}

function join(groups: Map<CallReport, CallReport[]>, a: CallReport, b: CallReport): void {
  const merged = [...(groups.get(a) ?? [a]), ...(groups.get(b) ?? [b])];
  for (const member of merged) groups.set(member, merged);
}

/** Beside each other: a greatest matching between the spans of one scope and those of every scope before it. */
function joinSiblings(
  sorted: readonly CallReport[],
  groups: Map<CallReport, CallReport[]>,
  enclosing: (spanId: string) => string | undefined,
): void {
  const byScope = new Map<string, CallReport[]>();
  for (const report of sorted) byScope.set(report.scope, [...(byScope.get(report.scope) ?? []), report]);
  if (byScope.size < 2) return;
  const scopes = [...byScope.keys()].sort();
  for (let i = 1; i < scopes.length; i++) {
    for (let j = 0; j < i; j++)
      matchScopes(byScope.get(scopes[i] ?? '') ?? [], byScope.get(scopes[j] ?? '') ?? [], groups, enclosing);
  }
}

function matchScopes(
  left: readonly CallReport[],
  right: readonly CallReport[],
  groups: Map<CallReport, CallReport[]>,
  enclosing: (spanId: string) => string | undefined,
): void {
  const fits = (a: CallReport, b: CallReport): boolean => {
    const [groupA, groupB] = [groups.get(a) ?? [a], groups.get(b) ?? [b]];
    if (groupA === groupB) return false;
    // A group has one report of each scope: two of one scope are two calls.
    if (groupA.some((x) => groupB.some((y) => x.scope === y.scope))) return false;
    const nested = enclosing(a.spanId) === b.spanId || enclosing(b.spanId) === a.spanId;
    return !nested && areDoubles(a, b, false);
  };
  const candidates = left.map((a) => nearest(a, right).filter((b) => fits(a, b)));
  const partner = new Map<CallReport, number>();
  for (let i = 0; i < left.length; i++) {
    let steps = MAX_STEPS;
    const seen = new Set<CallReport>();
    const place = (at: number): boolean => {
      for (const b of candidates[at] ?? []) {
        if (seen.has(b) || steps-- <= 0) continue;
        seen.add(b);
        const holder = partner.get(b);
        if (holder === undefined || place(holder)) {
          partner.set(b, at);
          return true;
        }
      }
      return false;
    };
    place(i);
  }
  for (const [b, at] of partner) {
    const a = left[at];
    if (a && fits(a, b)) join(groups, a, b);
  }
}

/** The spans of `others` (sorted by start) that are nearest in time, closest first. */
function nearest(report: CallReport, others: readonly CallReport[]): readonly CallReport[] {
  let low = 0;
  let high = others.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = others[middle];
    if (other && nanosBetween(other.start, report.start) > 0) low = middle + 1;
    else high = middle;
  }
  const window = others.slice(Math.max(0, low - MAX_CANDIDATES), low + MAX_CANDIDATES);
  const distance = (other: CallReport): number =>
    Math.abs(nanosBetween(report.start, other.start)) + Math.abs(nanosBetween(report.end, other.end));
  return [...window].sort((a, b) => distance(a) - distance(b)).slice(0, MAX_CANDIDATES);
}
