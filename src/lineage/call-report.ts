/**
 * What one inference span says of its call, reduced to what can be compared, and whether two such reports can be of one call
 * (design.md section 2).
 */
import { isCut, type Message, type Reading } from '../completion/completion.ts';
import { detached } from '../json/detached.ts';
import { asText, jsonOf } from '../json/json-text.ts';
import { keepOptimised } from '../keep-optimised.ts';
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
  /** Names of the calls the model made, in order. */
  readonly replyCalls: readonly string[];
  /** Arguments of these calls; they tell alike reports apart, and never make two differ: some emitters lose them. */
  readonly replyArguments: string;
  /** `input/output`, or empty where there are none. */
  readonly tokens: string;
  /** Type and message of the failure; `undefined`: the call succeeded. */
  readonly failure: string | undefined;
  readonly models: readonly string[];
  /** A span limit cut what was said: the last message may be none, and a reply its beginning. */
  readonly isCut: boolean;
  /** A summary of the call by the scope that reports it below as well. */
  readonly summary: boolean;
  /** Keeps what is compared and lets the messages go: for reports that are remembered. */
  letGo?(): void;
}

/**
 * Longer texts are compared by their two ends and their length: what is remembered of a call must not hold on to whole documents. The end
 * tells apart what one template began.
 */
const HEAD = 1_536;
const TAIL = 512;
/** Longest text that is compared whole. */
const MAX_WHOLE = HEAD + TAIL;

/** What is compared, worked out when something is compared with it, which for most calls is never. */
class LazyReport implements CallReport {
  readonly spanId: string;
  readonly scope: string;
  readonly start: HrTime;
  readonly end: HrTime;
  readonly responseId: string | undefined;
  readonly summary: boolean;
  #reading: Reading | undefined;
  #words: Words | undefined;

  constructor(spanId: string, scope: string, start: HrTime, end: HrTime, reading: Reading) {
    this.spanId = spanId;
    this.scope = scope;
    this.start = start;
    this.end = end;
    this.responseId = reading.responseId;
    this.summary = reading.yields !== undefined;
    this.#reading = reading;
  }

  get #said(): Words {
    this.#words ??= wordsOf(this.#reading as Reading);
    return this.#words;
  }

  get question(): string {
    return this.#said.question;
  }

  get replyText(): string {
    return this.#said.replyText;
  }

  get replyCalls(): readonly string[] {
    return this.#said.replyCalls;
  }

  get replyArguments(): string {
    return this.#said.replyArguments;
  }

  get tokens(): string {
    return this.#said.tokens;
  }

  get failure(): string | undefined {
    return this.#said.failure;
  }

  get models(): readonly string[] {
    return this.#said.models;
  }

  get isCut(): boolean {
    return this.#said.isCut;
  }

  letGo(): void {
    this.#words ??= wordsOf(this.#reading as Reading);
    this.#reading = undefined;
  }
}

keepOptimised(new LazyReport('', '', [0, 0], [0, 0], { operation: 'other' }));

export function reportOf(
  spanId: string,
  scope: string,
  start: HrTime,
  end: HrTime,
  reading: Reading,
): CallReport {
  return new LazyReport(spanId, scope, start, end, reading);
}

type Words = Pick<
  CallReport,
  'question' | 'replyText' | 'replyCalls' | 'replyArguments' | 'tokens' | 'failure' | 'models' | 'isCut'
>;

function wordsOf(reading: Reading): Words {
  const reply = reading.choices?.[0];
  const last = reading.input?.at(-1);
  const { input, output } = reading.usage ?? {};
  const calls = reply?.toolCalls ?? [];
  return {
    question: last ? textOf(last) : '',
    replyText: reply ? textOf(reply) : '',
    replyCalls: calls.map((call) => detached(call.name)),
    replyArguments: squeeze(calls.map((call) => jsonOf(call.arguments)).join(',')),
    tokens: (input ?? 0) + (output ?? 0) > 0 ? `${input ?? ''}/${output ?? ''}` : '',
    failure:
      reading.error && squeeze(`${reading.error.type ?? ''} ${reading.error.message ?? ''}`).toLowerCase(),
    models: [reading.requestModel, reading.responseModel].filter(
      (model): model is string => model !== undefined,
    ),
    isCut: isCut(reading),
  };
}

function textOf(message: Message): string {
  let text = '';
  for (const part of message.parts) if (part.kind === 'text') text += asText(part.text) ?? '';
  return squeeze(text);
}

/** Texts compare without white space: emitters join parts differently. */
function squeeze(text: string): string {
  const bare = text.replace(/\s+/g, '');
  return detached(
    bare.length <= MAX_WHOLE ? bare : `${bare.slice(0, HEAD)} ${bare.length} ${bare.slice(-TAIL)}`,
  );
}

export function nanosBetween(a: HrTime, b: HrTime): number {
  return (b[0] - a[0]) * 1e9 + (b[1] - a[1]);
}

/** Millisecond clocks stand beside nanosecond ones. */
const GRACE_NANOS = 1_500_000;
/** LangChain's callbacks run behind the call they tell of: a span may stick out of its double by this share of its length … */
const OVERHANG_SHARE = 0.2;
/** … and by no more than this. */
const MAX_OVERHANG_NANOS = 50_000_000;

function contains(outer: CallReport, inner: CallReport): boolean {
  const early = Math.max(0, nanosBetween(inner.start, outer.start));
  const late = Math.max(0, nanosBetween(outer.end, inner.end));
  const length = nanosBetween(inner.start, inner.end);
  const grace = Math.min(MAX_OVERHANG_NANOS, Math.max(GRACE_NANOS, length * OVERHANG_SHARE));
  return early + late <= grace;
}

export function areConcurrent(a: CallReport, b: CallReport): boolean {
  return contains(a, b) || contains(b, a);
}

export interface Relation {
  /** One of the two spans lies below the other. */
  readonly nested: boolean;
  /** Their response id is on other spans too (a stand-in server that always answers the same): it proves nothing. */
  readonly sharedId?: boolean;
}

/** Weights of what two reports agree on, to tell the best of several partners. */
const SAME_ID = 32;
const SAME_TEXT = 8;
const SAME_BEGINNING = 6;
const SAME_ARGUMENTS = 3;
const SAME_TOKENS = 2;
const SAME_FAILURE = 2;
const SAME_SHARED_ID = 1;
const SAME_MODEL = 1;

/**
 * How much two reports agree on; `undefined`: they are not of one call. Zero: nothing speaks against it, but nothing for it either,
 * which is enough only where the tree says so.
 */
export function likeness(a: CallReport, b: CallReport, relation: Relation): number | undefined {
  const ids = compareIds(a.responseId, b.responseId);
  if (ids === 'differ') return undefined;
  // One scope tells of a call twice only where it says so itself: one inside the other, with one id, or as a summary.
  const repeats = relation.nested && (ids === 'same' || a.summary || b.summary);
  if (a.scope === b.scope && !repeats) return undefined;
  if (ids === 'same' && !relation.sharedId) return SAME_ID;
  if (!areConcurrent(a, b) || !modelsAgree(a, b)) return undefined;
  const isEitherCut = a.isCut || b.isCut;
  if (!isEitherCut && compareTexts(a.question, b.question) === 'differ') return undefined;
  if (!repliesAgree(a, b, isEitherCut)) return undefined;
  const score =
    agreement(a, b) +
    (isSameFailure(a, b, relation) ? SAME_FAILURE : 0) +
    (ids === 'same' ? SAME_SHARED_ID : 0);
  if (score > 0) return score;
  if (!relation.nested)
    return isMute(a) !== isMute(b) && a.models.length > 0 && b.models.length > 0 ? SAME_MODEL : undefined;
  // Both count tokens, and not the same: two calls.
  return a.tokens !== '' && b.tokens !== '' ? undefined : 0;
}

/** Some instrumentations know of a call no more than that it was made, and of which model: as a call of its own it would be empty. */
function isMute({ responseId, question, replyText, replyCalls, tokens, failure }: CallReport): boolean {
  const silent = question === '' && replyText === '' && replyCalls.length === 0 && tokens === '';
  return silent && responseId === undefined && failure === undefined;
}

/** Whether two reports can be of one call, by themselves. */
export function areDoubles(a: CallReport, b: CallReport, nested: boolean): boolean {
  return (likeness(a, b, { nested }) ?? 0) > 0;
}

/** Of several reports the one that is most likely of this call: the most alike, then the nearest in time. */
export function mostAlike(
  report: CallReport,
  others: readonly CallReport[],
  parentSpanId: string | undefined,
): CallReport | undefined {
  let best: { readonly other: CallReport; readonly score: number } | undefined;
  for (const other of others) {
    const score = likeness(report, other, { nested: other.spanId === parentSpanId }) ?? 0;
    const nearer = !best || distance(report, other) < distance(report, best.other);
    if (score > (best?.score ?? 0) || (score > 0 && score === best?.score && nearer)) best = { other, score };
  }
  return best?.other;
}

export function distance(a: CallReport, b: CallReport): number {
  return Math.abs(nanosBetween(a.start, b.start)) + Math.abs(nanosBetween(a.end, b.end));
}

function agreement(a: CallReport, b: CallReport): number {
  const calls = compareCalls(a.replyCalls, b.replyCalls) === 'same' ? SAME_TEXT : 0;
  return (
    textAgreement(a.question, b.question) +
    Math.max(textAgreement(a.replyText, b.replyText), calls) +
    (a.replyArguments !== '' && a.replyArguments === b.replyArguments ? SAME_ARGUMENTS : 0) +
    (a.tokens !== '' && a.tokens === b.tokens ? SAME_TOKENS : 0)
  );
}

function textAgreement(a: string, b: string): number {
  if (compareTexts(a, b) !== 'same') return 0;
  return a === b ? SAME_TEXT : SAME_BEGINNING;
}

type Comparison = 'same' | 'differ' | 'incomparable';

/** A shorter copy is not a different text: streams are cut, and span limits cut. */
const MIN_PREFIX = 24;

function compareTexts(a: string, b: string): Comparison {
  if (a === '' || b === '') return 'incomparable';
  if (a === b) return 'same';
  // Of a text that is not whole the beginning is all that a shorter copy can be held against.
  const [one, other] =
    Math.max(a.length, b.length) > MAX_WHOLE ? [a.slice(0, HEAD), b.slice(0, HEAD)] : [a, b];
  const [long, brief] = one.length > other.length ? [one, other] : [other, one];
  return brief.length >= MIN_PREFIX && long.startsWith(brief) ? 'same' : 'differ';
}

/** Ids of one make only: what a proxy invents says nothing about the provider's. */
function compareIds(a: string | undefined, b: string | undefined): Comparison {
  if (a === undefined || b === undefined) return 'incomparable';
  if (a === b) return 'same';
  const make = (id: string): string => `${/^[A-Za-z]+[_-]/.exec(id)?.[0] ?? ''}${id.length >> 2}`;
  return make(a) === make(b) ? 'differ' : 'incomparable';
}

/** The text where both have one, the calls where both have some. */
function repliesAgree(a: CallReport, b: CallReport, isEitherCut: boolean): boolean {
  const isBeginning = a.replyText.startsWith(b.replyText) || b.replyText.startsWith(a.replyText);
  return (
    (compareTexts(a.replyText, b.replyText) !== 'differ' || (isEitherCut && isBeginning)) &&
    compareCalls(a.replyCalls, b.replyCalls) !== 'differ'
  );
}

/** A lost call is no disagreement; calls that the other does not know are. Some emitters fuse several calls into one. */
function compareCalls(a: readonly string[], b: readonly string[]): Comparison {
  if (a.length === 0 || b.length === 0) return 'incomparable';
  const [many, few] = a.length > b.length ? [a, b] : [b, a];
  if (many.join('') === few.join('')) return 'same';
  const left = [...many];
  for (const name of few) {
    const at = left.indexOf(name);
    if (at < 0) return 'differ';
    left.splice(at, 1);
  }
  return 'same';
}

/** Both failed: below each other that is one failure, beside each other only if one tells the other's words. */
function isSameFailure(a: CallReport, b: CallReport, { nested }: Relation): boolean {
  if (a.failure === undefined || b.failure === undefined) return false;
  if (nested) return true;
  const [long, brief] = a.failure.length > b.failure.length ? [a.failure, b.failure] : [b.failure, a.failure];
  return brief !== '' && long.includes(brief);
}

function modelsAgree(a: CallReport, b: CallReport): boolean {
  if (a.models.length === 0 || b.models.length === 0) return true;
  return a.models.some((one) => b.models.some((other) => sameModel(one, other)));
}

/** Equal up to a vendor's prefix and a version: `bedrock/us.anthropic.claude-3-5-sonnet-20241022-v2:0`, `claude-3-5-sonnet`. */
function sameModel(a: string, b: string): boolean {
  const [long, brief] =
    a.length > b.length ? [a.toLowerCase(), b.toLowerCase()] : [b.toLowerCase(), a.toLowerCase()];
  const at = long.indexOf(brief);
  if (at < 0) return false;
  return (
    /^(.*[./:])?$/.test(long.slice(0, at)) &&
    /^([-@:.](v?\d|latest|preview|exp).*)?$/.test(long.slice(at + brief.length))
  );
}
