/**
 * Which attribute each field of a record came from, found out by leaving attributes out: what changes without an attribute came from
 * it. So readers need not keep books, and what is said here is true of whatever they do, dialects of users included.
 *
 * Pure and deterministic. Bounded: at most `maxWork` spans are converted again.
 */
import type { FreeplayOptions } from '../config.ts';
import type { ReadSpan, RecordPlan } from '../lineage/plan.ts';
import type { FreeplayRecord } from '../record/record.ts';
import type { LogData, SpanData } from '../span/span-data.ts';
import { createDataConverter, type DataConverter, joinLogs, type SpanWithLogs } from './convert-data.ts';
import { byDefault, derivedFrom } from './derived.ts';
import { changedLeaves, fieldOf, type Leaf, leafKey, leavesOf } from './leaves.ts';
import { type Source, sourcesOf, withoutSources } from './sources.ts';

export interface ExplainOptions extends FreeplayOptions {
  /** Log events that were emitted in the spans' context, in order. */
  readonly logs?: readonly LogData[] | undefined;
  /** Spans that are converted again, in all; one trace of n spans takes about n × its attributes. @default 200000 */
  readonly maxWork?: number | undefined;
}

export interface Explanation {
  readonly record: FreeplayRecord;
  readonly role: RecordPlan['role'];
  /**
   * Field of the body → what it came from: an attribute of the record's own span by its key, of another one as `SPAN_ID:KEY`; also
   * `event:NAME`, `log:NAME`, `resource:KEY`, `span.name`, `span.status`, and in angle brackets what is derived: `<span id>`, `<option>`.
   */
  readonly sources: Readonly<Record<string, readonly string[]>>;
  /** Without any of these the span would have been read another way, or not at all. */
  readonly recognisedBy: readonly string[];
  /** Not everything was tried: the trace is too large. */
  readonly capped: boolean;
}

/** @param spans those given are taken for whole traces */
export function explainSpans(
  spans: readonly SpanData[],
  { logs = [], maxWork = 200_000, ...options }: ExplainOptions = {},
  converter: DataConverter = createDataConverter(options),
): readonly Explanation[] {
  const traces = new Map<string, SpanWithLogs[]>();
  for (const item of joinLogs(spans, logs)) {
    const trace = traces.get(item.span.traceId);
    if (trace) trace.push(item);
    else traces.set(item.span.traceId, [item]);
  }
  const budget = { left: maxWork };
  return [...traces.values()].flatMap((trace) => explainTrace(trace, converter, budget));
}

/** One record that is looked into. */
interface Subject {
  readonly plan: RecordPlan;
  readonly record: FreeplayRecord;
  readonly leaves: readonly Leaf[];
  /** Of a leaf. */
  readonly found: Map<string, Source[]>;
  readonly signs: Source[];
}

interface Budget {
  left: number;
}

function explainTrace(
  trace: readonly SpanWithLogs[],
  converter: DataConverter,
  budget: Budget,
): Explanation[] {
  const reads = trace.map((item) => converter.read(item));
  const subjects = converter.plan(reads).map((plan): Subject => {
    const record = converter.build(plan);
    return { plan, record, leaves: leavesOf(record.body), found: new Map(), signs: [] };
  });
  if (subjects.length === 0) return [];
  const sources = trace.map((item, at) => sourcesOf(item, at));

  /** What of which record is another without these sources; `undefined`: the record itself is. */
  function without(left: readonly Source[]): ReadonlyMap<Subject, ReadonlySet<string> | undefined> {
    budget.left -= trace.length;
    const again: ReadSpan[] = [...reads];
    for (const at of new Set(left.map((source) => source.at)))
      again[at] = converter.read(
        withoutSources(
          trace[at] as SpanWithLogs,
          left.filter((one) => one.at === at),
        ),
      );
    const plans = new Map(converter.plan(again).map((plan) => [keyOf(plan), plan]));
    const changes = new Map<Subject, ReadonlySet<string> | undefined>();
    for (const subject of subjects) {
      const plan = plans.get(keyOf(subject.plan));
      if (plan === undefined || !isSameReport(plan, subject.plan)) changes.set(subject, undefined);
      else if (!isSamePlan(plan, subject.plan)) {
        const changed = changedLeaves(subject.record.body, converter.build(plan).body);
        if (changed.size > 0) changes.set(subject, changed);
      }
    }
    return changes;
  }

  let capped = false;
  for (const source of worthTrying(sources, without)) {
    if (budget.left <= 0) {
      capped = true;
      break;
    }
    for (const [subject, changed] of without([source])) {
      if (changed === undefined) subject.signs.push(source);
      // What a record owes its being to, it may owe values to as well: those that it says in so many words.
      for (const leaf of subject.leaves)
        if (changed === undefined ? says(source, leaf) : changed.has(leafKey(leaf.path)))
          add(subject, leaf, source);
    }
  }
  for (const subject of subjects) {
    const search = createSearch(subject, sources.flat(), without);
    const explained = new Set(
      subject.leaves.filter((leaf) => isExplained(subject, leaf)).map(({ path }) => fieldOf(path)),
    );
    for (const leaf of subject.leaves) {
      if (isExplained(subject, leaf) || (isShape(leaf) && explained.has(fieldOf(leaf.path)))) continue;
      if (budget.left <= 0) capped = true;
      else search(leaf);
    }
  }
  return subjects.map((subject) => toExplanation(subject, capped));
}

type Without = (left: readonly Source[]) => ReadonlyMap<Subject, ReadonlySet<string> | undefined>;

/** Spans that are no one's business are not gone into: without all that they say, nothing is another. Their place in the tree stays. */
function worthTrying(sources: readonly (readonly Source[])[], without: Without): readonly Source[] {
  return sources.flatMap((ofSpan) => {
    const resource = ofSpan.filter(({ name }) => name.startsWith('resource:'));
    const rest = ofSpan.filter((source) => !resource.includes(source));
    return [rest, resource].filter((some) => some.length > 0 && without(some).size > 0).flat();
  });
}

/**
 * Several attributes say the same, and leaving out any one of them changes nothing: finds a smallest set without which the leaf is
 * another. First among those that say its value in so many words, then among all that the record can do without at once.
 */
function createSearch(subject: Subject, all: readonly Source[], without: Without): (leaf: Leaf) => void {
  const usable = all.filter((source) => !subject.signs.includes(source));
  const changes = (left: readonly Source[]): ReadonlySet<string> | undefined => {
    const changed = without(left);
    return changed.has(subject) ? changed.get(subject) : NOTHING;
  };
  let dispensable: readonly Source[] | undefined;
  return (leaf) => {
    const key = leafKey(leaf.path);
    const isOther = (left: readonly Source[]): boolean => changes(left)?.has(key) ?? false;
    for (const pool of [
      () => usable.filter((source) => says(source, leaf)),
      () => (dispensable ??= largest(byUse(subject, usable), (left) => changes(left) !== undefined)),
    ]) {
      const some = pool();
      if (some.length === 0 || !isOther(some)) continue;
      const needed = smallest(some, isOther);
      const changed = changes(needed) ?? NOTHING;
      const field = fieldOf(leaf.path);
      for (const other of subject.leaves)
        if (fieldOf(other.path) === field && changed.has(leafKey(other.path)) && !isExplained(subject, other))
          for (const source of mostTelling(needed, other)) add(subject, other, source);
      return;
    }
    // What is left is what the record owes its being to.
    const own = all.filter(({ spanId }) => spanId === subject.plan.span?.spanId);
    for (const source of own.filter((one) => says(one, leaf)).slice(0, MAX_ALTERNATIVES))
      add(subject, leaf, source);
  };
}

/** More are no help: a provider may be told from each attribute that names a model. */
const MAX_ALTERNATIVES = 3;

/** Those that say it in so many words, if there are any among many. */
function mostTelling(needed: readonly Source[], leaf: Leaf): readonly Source[] {
  if (needed.length <= MAX_ALTERNATIVES) return needed;
  const saying = needed.filter((source) => says(source, leaf));
  return (saying.length > 0 ? saying : needed).slice(0, MAX_ALTERNATIVES);
}

/** What has explained nothing so far comes first, so that it is rather this that is left out where not everything can be. */
function byUse({ found, record }: Subject, sources: readonly Source[]): readonly Source[] {
  const used = new Set([...found.values()].flat());
  const own = new Set(record.receipt.spanIds);
  const rank = (source: Source): number => (own.has(source.spanId) ? 0 : 2) + (used.has(source) ? 1 : 0);
  return sources.toSorted((a, b) => rank(a) - rank(b));
}

/** As much of the list as can be left out at once, by halves. */
function largest<T>(all: readonly T[], isPossible: (some: readonly T[]) => boolean): readonly T[] {
  let taken: readonly T[] = [];
  const take = (some: readonly T[]): void => {
    if (some.length === 0) return;
    if (isPossible([...taken, ...some])) taken = [...taken, ...some];
    else if (some.length > 1) {
      take(some.slice(0, some.length >> 1));
      take(some.slice(some.length >> 1));
    }
  };
  take(all);
  return taken;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Of a list that suffices as a whole, a part of which each one is needed. */
function smallest<T>(all: readonly T[], suffices: (some: readonly T[]) => boolean): readonly T[] {
  let needed: readonly T[] = [];
  for (let end = all.length; end > 0 && !(needed.length > 0 && suffices(needed)); ) {
    // The shortest beginning that suffices with what is needed already; its last one is needed, too.
    let [low, high] = [1, end];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (suffices([...all.slice(0, middle), ...needed])) high = middle;
      else low = middle + 1;
    }
    needed = [...needed, all[low - 1] as T];
    end = low - 1;
  }
  // Halving takes it that more never does less, which is nearly so.
  for (const one of needed) {
    const rest = needed.filter((other) => other !== one);
    if (rest.length > 0 && suffices(rest)) needed = rest;
  }
  return needed;
}

function add({ found }: Subject, leaf: Leaf, source: Source): void {
  const key = leafKey(leaf.path);
  const known = found.get(key);
  if (known === undefined) found.set(key, [source]);
  else if (!known.includes(source)) known.push(source);
}

function isExplained({ found, record, plan }: Subject, leaf: Leaf): boolean {
  return found.has(leafKey(leaf.path)) || derivedFrom(record.kind, plan.role, leaf) !== undefined;
}

/** Shorter ones are found anywhere. */
const TELLING_LENGTH = 3;

/** Whether the value stands in what the source says. */
function says(source: Source, { value }: Leaf): boolean {
  if (value === null) return false;
  const text = source.text();
  if (typeof value !== 'string')
    return text === String(value) || new RegExp(`(?<![\\w.])${literal(String(value))}(?![\\w.])`).test(text);
  if (value === text) return true;
  if (value.length < TELLING_LENGTH) return false;
  return text.includes(value) || text.includes(JSON.stringify(value).slice(1, -1));
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function keyOf({ role, id }: RecordPlan): string {
  return `${role === 'completion' ? 'completion' : 'trace'} ${id}`;
}

/** Read by the same dialect, from the same spans. */
function isSameReport(a: RecordPlan, b: RecordPlan): boolean {
  return (
    a.role === b.role &&
    a.dialect === b.dialect &&
    a.reading?.operation === b.reading?.operation &&
    a.merged.join() === b.merged.join()
  );
}

/** Nothing that a body is built from is another: most records, most of the time. */
function isSamePlan(a: RecordPlan, b: RecordPlan): boolean {
  return (
    a.span === b.span &&
    a.reading === b.reading &&
    a.surroundings === b.surroundings &&
    a.parentId === b.parentId &&
    a.session === b.session &&
    a.rolledInput?.text === b.rolledInput?.text &&
    a.rolledOutput?.text === b.rolledOutput?.text
  );
}

function toExplanation({ record, plan, leaves, found, signs }: Subject, capped: boolean): Explanation {
  const [own] = record.receipt.spanIds;
  const label = ({ spanId, name }: Source): string => (spanId === own ? name : `${spanId}:${name}`);
  const ownFirst = (a: Source, b: Source): number => Number(a.spanId !== own) - Number(b.spanId !== own);
  const recognisedBy = [...new Set(signs.map(label))];
  const fields = new Map<string, Set<string>>();
  for (const leaf of leaves) {
    const field = fieldOf(leaf.path);
    const labels = fields.get(field) ?? new Set<string>();
    fields.set(field, labels);
    const sources = found.get(leafKey(leaf.path));
    if (sources) for (const source of sources.toSorted(ownFirst)) labels.add(label(source));
    else {
      const derived = derivedFrom(record.kind, plan.role, leaf);
      if (derived !== undefined) labels.add(derived);
    }
  }
  const { messages } = record.body;
  const reply = Array.isArray(messages) ? fields.get(`messages.${messages.length - 1}`) : undefined;
  for (const [field, labels] of fields)
    if (labels.size === 0)
      for (const one of byDefault(record.kind, field, recognisedBy, [...(reply ?? [])])) labels.add(one);
  return {
    record,
    role: plan.role,
    sources: Object.fromEntries(
      [...fields].filter(([, labels]) => labels.size > 0).map(([field, labels]) => [field, [...labels]]),
    ),
    recognisedBy,
    capped,
  };
}

/** What every message, call or tool has, whoever said it. */
function isShape({ path, value }: Leaf): boolean {
  if (value === null) return true;
  return /^(messages|tool_schema|call_info\.provider_info\.choices)\..*\b(role|type)$/.test(path.join('.'));
}
