/**
 * Which inference spans of one trace report the same model call (design.md section 2): one inside the other, where the tree says whose
 * is whose, or beside each other, where a greatest matching between scopes pairs them one to one. So N equal parallel calls stay N,
 * with two instrumentations too.
 */
import { type CallReport, distance, likeness, nanosBetween } from './call-report.ts';

/** What grouping had to do, for tests of its cost. */
export interface Work {
  comparisons: number;
}

/** Neighbours a span is compared with on each side of its place in an index: cost stays linear however many calls run at once. */
const REACH = 6;
/** Steps one span may take to make room for itself among pairs already made … */
const NEAR_STEPS = 256;
/** … and all together, for each span, where that did not do: of many equal calls each may have taken its neighbour's partner. */
const STEPS_PER_SPAN = 64;
/** Scopes of one trace that are matched with each other; no application has as many instrumentations. */
const MAX_SCOPES = 8;

interface Grouping {
  readonly groups: Map<CallReport, CallReport[]>;
  readonly enclosing: (spanId: string) => string | undefined;
  /** Response ids that stand on two spans of one scope: a stand-in server gives every answer the same. */
  readonly sharedIds: ReadonlySet<string>;
  readonly work: Work;
}

/**
 * Groups of reports of one call each; spans that report alone are not listed.
 *
 * @param reports in any order
 * @param enclosing nearest inference span above each span id, if any
 */
export function groupDoubles(
  reports: readonly CallReport[],
  enclosing: (spanId: string) => string | undefined,
  work: Work = { comparisons: 0 },
): readonly (readonly CallReport[])[] {
  if (!mayRepeat(reports, enclosing)) return [];
  const sorted = [...reports].sort(byStart);
  const grouping: Grouping = {
    groups: new Map(),
    enclosing,
    sharedIds: findSharedIds(sorted, enclosing),
    work,
  };
  joinNested(sorted, grouping);
  joinSiblings(sorted, grouping);
  return [...new Set(grouping.groups.values())];
}

/** Two spans of one scope report one call only if one lies inside the other. */
function mayRepeat(
  reports: readonly CallReport[],
  enclosing: (spanId: string) => string | undefined,
): boolean {
  const scope = reports[0]?.scope;
  return reports.some((report) => report.scope !== scope || enclosing(report.spanId) !== undefined);
}

function byStart(a: CallReport, b: CallReport): number {
  return nanosBetween(b.start, a.start) || nanosBetween(b.end, a.end) || (a.spanId < b.spanId ? -1 : 1);
}

function byEnd(a: CallReport, b: CallReport): number {
  return nanosBetween(b.end, a.end) || byStart(a, b);
}

function findSharedIds(
  reports: readonly CallReport[],
  enclosing: (spanId: string) => string | undefined,
): ReadonlySet<string> {
  const first = new Map<string, CallReport>();
  const shared = new Set<string>();
  for (const report of reports) {
    if (report.responseId === undefined) continue;
    const key = `${report.scope}\n${report.responseId}`;
    const other = first.get(key);
    if (!other) first.set(key, report);
    else if (enclosing(report.spanId) !== other.spanId && enclosing(other.spanId) !== report.spanId)
      shared.add(report.responseId);
  }
  return shared;
}

function compare(a: CallReport, b: CallReport, nested: boolean, grouping: Grouping): number | undefined {
  grouping.work.comparisons++;
  return likeness(a, b, {
    nested,
    sharedId: a.responseId !== undefined && grouping.sharedIds.has(a.responseId),
  });
}

function join(groups: Map<CallReport, CallReport[]>, a: CallReport, b: CallReport): void {
  const merged = [...(groups.get(a) ?? [a]), ...(groups.get(b) ?? [b])];
  for (const member of merged) groups.set(member, merged);
}

/** One inside the other: each outer span is a report of one of the calls inside it, of which the most alike and then the last. */
function joinNested(sorted: readonly CallReport[], grouping: Grouping): void {
  const bySpan = new Map(sorted.map((report) => [report.spanId, report]));
  const inside = new Map<CallReport, CallReport[]>();
  for (const inner of sorted) {
    const outer = bySpan.get(grouping.enclosing(inner.spanId) ?? '');
    if (!outer) continue;
    const list = inside.get(outer);
    if (list) list.push(inner);
    else inside.set(outer, [inner]);
  }
  for (const [outer, inners] of inside) {
    let best: CallReport | undefined;
    let most = 0;
    for (const inner of inners) {
      const score = compare(outer, inner, true, grouping);
      if (score === undefined || (score === 0 && !isSole(outer, inner, inners)) || score < most) continue;
      best = inner;
      most = score;
    }
    if (best) join(grouping.groups, outer, best);
  }
}

/** Where nothing can be compared: the only call inside, failed tries before it apart. */
function isSole(outer: CallReport, inner: CallReport, inners: readonly CallReport[]): boolean {
  const rivals = inners.filter(
    (other) => other.scope === inner.scope && (outer.failure !== undefined || other.failure === undefined),
  );
  return rivals.length === 0 || (rivals.length === 1 && rivals[0] === inner);
}

/** Beside each other: a greatest matching between the spans of one scope and those of every scope before it. */
function joinSiblings(sorted: readonly CallReport[], grouping: Grouping): void {
  const byScope = new Map<string, CallReport[]>();
  for (const report of sorted) {
    const list = byScope.get(report.scope);
    if (list) list.push(report);
    else byScope.set(report.scope, [report]);
  }
  const scopes = [...byScope]
    .sort(([a, listA], [b, listB]) => listB.length - listA.length || (a < b ? -1 : 1))
    .slice(0, MAX_SCOPES)
    .map(([, list]) => list);
  for (const [i, left] of scopes.entries())
    for (const right of scopes.slice(0, i)) matchScopes(left, right, grouping);
}

interface Pair {
  readonly a: CallReport;
  readonly b: CallReport;
  readonly score: number;
  readonly distance: number;
}

/** The most alike pairs first, of those the nearest in time; then pairs are changed where that lets one more span have a partner. */
function matchScopes(left: readonly CallReport[], right: readonly CallReport[], grouping: Grouping): void {
  const pairs = candidatePairs(left, right, grouping);
  const partnersOf = new Map<CallReport, CallReport[]>();
  for (const { a, b } of pairs) {
    const list = partnersOf.get(a);
    if (list) list.push(b);
    else partnersOf.set(a, [b]);
  }
  const partners: Partners = { ofLeft: new Map(), ofRight: new Map() };
  for (const { a, b } of pairs)
    if (!partners.ofLeft.has(a) && !partners.ofRight.has(b)) pairUp(a, b, partners);
  const waiting = [...partnersOf.keys()].filter((a) => !partners.ofLeft.has(a));
  const tooFar = waiting.filter((a) => makeRoom(a, partnersOf, partners, NEAR_STEPS) > NEAR_STEPS);
  let steps = (left.length + right.length) * STEPS_PER_SPAN;
  for (const a of tooFar) {
    if (steps <= 0 || partners.ofRight.size === right.length) break;
    steps -= makeRoom(a, partnersOf, partners, steps);
  }
  for (const [a, b] of partners.ofLeft) if (mayJoin(a, b, grouping)) join(grouping.groups, a, b);
}

interface Partners {
  readonly ofLeft: Map<CallReport, CallReport>;
  readonly ofRight: Map<CallReport, CallReport>;
}

function pairUp(a: CallReport, b: CallReport, partners: Partners): void {
  partners.ofLeft.set(a, b);
  partners.ofRight.set(b, a);
}

/** An augmenting path: takes a partner whose holder can take another. Gives the steps it took; more than allowed: given up. */
function makeRoom(
  report: CallReport,
  partnersOf: ReadonlyMap<CallReport, readonly CallReport[]>,
  partners: Partners,
  maxSteps: number,
): number {
  const cameFrom = new Map<CallReport, CallReport>();
  const waiting = [report];
  let steps = 0;
  for (const a of waiting) {
    for (const b of partnersOf.get(a) ?? []) {
      if (++steps > maxSteps) return steps;
      if (cameFrom.has(b)) continue;
      cameFrom.set(b, a);
      const held = partners.ofRight.get(b);
      if (!held) {
        shift(b, cameFrom, partners);
        return steps;
      }
      waiting.push(held);
    }
  }
  return steps;
}

/** Along the path, each holder leaves its partner to the one before and takes the next. */
function shift(free: CallReport, cameFrom: ReadonlyMap<CallReport, CallReport>, partners: Partners): void {
  for (let b: CallReport | undefined = free; b; ) {
    const a: CallReport | undefined = cameFrom.get(b);
    if (!a) return;
    const left: CallReport | undefined = partners.ofLeft.get(a);
    pairUp(a, b, partners);
    b = left;
  }
}

/** A group has one report of each scope: two of one scope are two calls. */
function mayJoin(a: CallReport, b: CallReport, { groups, enclosing }: Grouping): boolean {
  if (enclosing(a.spanId) === b.spanId || enclosing(b.spanId) === a.spanId) return false;
  const [groupA, groupB] = [groups.get(a) ?? [a], groups.get(b) ?? [b]];
  return !groupA.some((x) => groupB.some((y) => x.scope === y.scope));
}

function candidatePairs(
  left: readonly CallReport[],
  right: readonly CallReport[],
  grouping: Grouping,
): readonly Pair[] {
  const [ours, theirs] = [indexOf(left), indexOf(right)];
  const pairs: Pair[] = [];
  for (const a of left) {
    for (const b of candidates(a, ours, theirs)) {
      if (!mayJoin(a, b, grouping)) continue;
      const score = compare(a, b, false, grouping);
      if (score !== undefined) pairs.push({ a, b, score, distance: distance(a, b) });
    }
  }
  return pairs.sort(
    (x, y) => y.score - x.score || x.distance - y.distance || byStart(x.a, y.a) || byStart(x.b, y.b),
  );
}

/** Spans of one scope by what they say, each list in the order in which they ended. */
interface Index {
  readonly lists: ReadonlyMap<string, readonly CallReport[]>;
  readonly ranks: ReadonlyMap<string, ReadonlyMap<CallReport, number>>;
}

/** What doubles have in common, most telling first; the empty key is on all: their time is what they have in common. */
function keysOf(report: CallReport): readonly string[] {
  const keys = [''];
  const [question, reply] = [brief(report.question), brief(report.replyText)];
  if (report.responseId !== undefined) keys.push(`id ${report.responseId}`);
  if (question !== '') keys.push(`question ${question}`);
  if (reply !== '') keys.push(`reply ${reply}`);
  if (question !== '' && reply !== '') keys.push(`both ${question} ${reply}`);
  if (report.tokens !== '') keys.push(`tokens ${report.tokens}`);
  return keys;
}

function brief(text: string): string {
  return text.length <= 128 ? text : `${text.length} ${text.slice(0, 64)} ${text.slice(-64)}`;
}

function indexOf(reports: readonly CallReport[]): Index {
  const lists = new Map<string, CallReport[]>();
  for (const report of [...reports].sort(byEnd)) {
    for (const key of keysOf(report)) {
      const list = lists.get(key);
      if (list) list.push(report);
      else lists.set(key, [report]);
    }
  }
  const ranks = new Map(
    [...lists].map(([key, list]) => [key, new Map(list.map((report, rank) => [report, rank]))]),
  );
  return { lists, ranks };
}

/** By each thing they say: those that ended next to it, and those of the same rank (of many at once, the fifth belongs to the fifth). */
function candidates(report: CallReport, ours: Index, theirs: Index): ReadonlySet<CallReport> {
  const found = new Set<CallReport>();
  for (const key of keysOf(report)) {
    const list = theirs.lists.get(key);
    if (!list) continue;
    const count = ours.lists.get(key)?.length ?? 1;
    const rank = Math.floor(((ours.ranks.get(key)?.get(report) ?? 0) * list.length) / count);
    for (const centre of [rank, firstAfter(list, report)])
      for (const other of list.slice(Math.max(0, centre - REACH), centre + REACH)) found.add(other);
  }
  return found;
}

/** Place in a list (sorted by end) of the first span that ended after this one. */
function firstAfter(list: readonly CallReport[], report: CallReport): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = list[middle];
    if (other && nanosBetween(other.end, report.end) > 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
