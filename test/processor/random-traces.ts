/** Traces as they happen, at random: spans that start and end in any order, moments at which the processor is flushed, time that passes. */
import fc from 'fast-check';
import { spanIdOf, chatAttributes as textOfCall } from '../property/support.ts';

export const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
export const GROUP_ID = '4bf92f35-77b3-4da6-a3ce-929d0e0e4736';

/** What an application does at one point of its trace. */
export type Work = 'call' | 'nested' | 'beside' | 'agent' | 'tool' | 'http' | 'db' | 'embedding';

const WORKS: readonly Work[] = [
  'call',
  'call',
  'nested',
  'beside',
  'agent',
  'tool',
  'http',
  'db',
  'embedding',
];

/** One span of the plan. */
export interface PlannedSpan {
  readonly id: number;
  readonly work: Work;
  /** Which model call it reports; the first report of each is the innermost. */
  readonly call: number | undefined;
  readonly scope: string;
  readonly name: string;
  /** `missing`: a span that this process never saw; `undefined`: a root. */
  readonly parent: number | 'missing' | undefined;
  readonly remote: boolean;
  readonly attributes: Record<string, unknown>;
  /** What comes in a reply is on the span only when it ends; some libraries write everything then. */
  readonly late: boolean;
  readonly ends: boolean;
}

export type Moment =
  | { readonly kind: 'start' | 'end'; readonly span: PlannedSpan }
  | { readonly kind: 'flush' }
  | { readonly kind: 'wait'; readonly millis: number };

export interface Play {
  readonly spans: readonly PlannedSpan[];
  readonly moments: readonly Moment[];
}

export interface PlayOptions {
  /** Flushes and long waits before everything has ended; `waits`: time alone, spans say at their start what they are, children
   * end before their parents, and the two reports of a call together. */
  readonly cuts: boolean | 'waits';
  /** Spans that never end. */
  readonly unended: boolean;
  /** More than one span without a parent, which only broken telemetry has. */
  readonly severalRoots?: boolean;
}

const GENAI: Partial<Record<Work, object>> = {
  agent: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'helper' },
  tool: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'look_up' },
  embedding: { 'gen_ai.operation.name': 'embeddings', 'gen_ai.request.model': 'text-embedding-3-small' },
  http: { 'http.request.method': 'POST' },
};

const work = fc.record({
  work: fc.constantFrom(...WORKS),
  parent: fc.option(fc.nat(20), { nil: undefined, freq: 6 }),
  place: fc.constantFrom('here', 'here', 'here', 'here', 'remote', 'missing'),
  late: fc.boolean(),
  withId: fc.boolean(),
  ends: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
});

export function arbitraryPlay({ cuts, unended, severalRoots = false }: PlayOptions): fc.Arbitrary<Play> {
  return fc
    .record({
      works: fc.array(work, { minLength: 1, maxLength: 10 }),
      turns: fc.array(fc.nat(1_000), { minLength: 1, maxLength: 60 }),
      waits: fc.array(fc.constantFrom(0, 1, 5, 300, 900, 1_500, 4_000), { minLength: 1, maxLength: 20 }),
    })
    .map(({ works, turns, waits }) => {
      const early = cuts === 'waits' ? works.map(saidAtOnce) : works;
      const spans = plan(severalRoots ? early : withOneRoot(early), unended);
      return {
        spans,
        moments: schedule(spans, turns, cuts === false ? waits.map((millis) => millis % 7) : waits, cuts),
      };
    });
}

type DrawnWork = typeof work extends fc.Arbitrary<infer T> ? T : never;

/** What a span is, it says when it starts: what a running ancestor keeps to itself nobody can know. */
function saidAtOnce(one: DrawnWork): DrawnWork {
  return { ...one, late: false };
}

function withOneRoot(works: readonly DrawnWork[]): DrawnWork[] {
  return works.map((one, n) => {
    // Two reports beside each other would be two roots.
    if (n === 0 && one.work === 'beside') return { ...one, work: 'http' };
    if (n === 0) return one;
    return one.parent === undefined ? { ...one, parent: 0 } : one;
  });
}

function plan(works: readonly DrawnWork[], unended: boolean): PlannedSpan[] {
  const spans: PlannedSpan[] = [];
  const add = (span: Omit<PlannedSpan, 'id'>): number => {
    spans.push({ ...span, id: spans.length });
    return spans.length - 1;
  };
  works.forEach((one, n) => {
    const chosen = one.parent === undefined || spans.length === 0 ? undefined : one.parent % spans.length;
    const isCall = one.work === 'call' || one.work === 'nested' || one.work === 'beside';
    // A model span around the model spans of other calls is their wrapper, and no call: another test's concern.
    const above = isCall || one.work === 'agent' ? outOfCalls(spans, chosen) : chosen;
    const parent =
      one.place === 'missing' || (above === undefined && chosen !== undefined) ? 'missing' : above;
    const place: Pick<PlannedSpan, 'parent' | 'remote'> = {
      parent,
      remote: parent !== undefined && one.place !== 'here' && one.place !== 'missing',
    };
    const rest = { work: one.work, late: one.late, ends: one.ends || !unended };
    if (!isCall) {
      add({
        ...rest,
        ...place,
        call: undefined,
        scope: one.work,
        name: one.work,
        attributes: { ...GENAI[one.work] },
      });
      return;
    }
    const text = { question: `question ${n}?`, answer: `answer ${n}.` };
    const attributes = { ...textOfCall({ ...text, ...(one.withId ? { id: `chatcmpl-${n}00000` } : {}) }) };
    const call = { ...rest, call: n, name: 'chat gpt-4o', attributes };
    if (one.work === 'call') add({ ...call, ...place, scope: 'client' });
    else {
      const outer = add({ ...call, ...place, scope: 'framework', name: 'ChatModel', ends: true });
      const inside = {
        parent: one.work === 'nested' ? outer : place.parent,
        remote: one.work === 'beside' && place.remote,
      };
      add({ ...call, ...inside, scope: 'client', ends: true });
    }
  });
  return spans;
}

/** The nearest place above that is not inside of a call; what a tool does is its own work. */
function outOfCalls(spans: readonly PlannedSpan[], from: number | undefined): number | undefined {
  let place = from;
  for (let at = from; at !== undefined; ) {
    const span: PlannedSpan | undefined = spans[at];
    if (!span || span.work === 'tool') break;
    if (span.call !== undefined) place = typeof span.parent === 'number' ? span.parent : undefined;
    at = typeof span.parent === 'number' ? span.parent : undefined;
  }
  return place;
}

function schedule(
  spans: readonly PlannedSpan[],
  turns: readonly number[],
  waits: readonly number[],
  cuts: PlayOptions['cuts'],
): Moment[] {
  const moments: Moment[] = [];
  const running: PlannedSpan[] = [];
  const waiting = [...spans];
  const isInside = (span: PlannedSpan): PlannedSpan | undefined => spans[span.id - 1];
  for (let turn = 0; waiting.length + running.length > 0; turn++) {
    const draw = turns[turn % turns.length] ?? 0;
    const next = waiting[0];
    // The second report of a call starts in the first and ends in it: nothing else tells them from two calls.
    const isSecond = next?.call !== undefined && isInside(next)?.call === next.call;
    if (next && (isSecond || running.length === 0 || draw % 2 === 0)) {
      moments.push({ kind: 'start', span: next });
      waiting.shift();
      if (next.ends) running.push(next);
    } else {
      const drawn = running[draw % running.length] as PlannedSpan;
      const pick =
        cuts === 'waits' ? outerReport(innermost(drawn, running), running) : outerReport(drawn, running);
      const inner = running.find(
        (one) => one.id === pick.id + 1 && one.call !== undefined && one.call === pick.call,
      );
      const ending = inner ?? pick;
      running.splice(running.indexOf(ending), 1);
      moments.push({ kind: 'end', span: ending });
      if (inner && cuts === 'waits') {
        running.splice(running.indexOf(pick), 1);
        moments.push({ kind: 'wait', millis: draw % 900 }, { kind: 'end', span: pick });
      }
    }
    const millis = waits[turn % waits.length] ?? 0;
    if (millis > 0) moments.push({ kind: 'wait', millis });
    if (cuts === true && draw % 5 === 0) moments.push({ kind: 'flush' });
  }
  return moments;
}

function outerReport(span: PlannedSpan, running: readonly PlannedSpan[]): PlannedSpan {
  const isOuter = (one: PlannedSpan): boolean => one.id === span.id - 1 && one.call === span.call;
  return (span.call === undefined ? undefined : running.find(isOuter)) ?? span;
}

/** Of a span and those that run below it one that ends without leaving anything behind. */
function innermost(span: PlannedSpan, running: readonly PlannedSpan[]): PlannedSpan {
  const below = running.find((one) => one.parent === span.id);
  return below ? innermost(below, running) : span;
}

/** A span of the SDK's shape that can be started, written to and ended. */
export class PlayedSpan {
  readonly name: string;
  readonly attributes: Record<string, unknown>;
  readonly startTime: readonly [number, number];
  endTime: readonly [number, number] = [0, 0];
  readonly status: { readonly code: number } = { code: 0 };
  readonly events: readonly unknown[] = [];
  readonly resource: { readonly attributes: object } = { attributes: {} };
  readonly instrumentationScope: { name: string };
  readonly parentSpanContext:
    | { traceId: string; spanId: string; traceFlags: number; isRemote: boolean }
    | undefined;
  readonly planned: PlannedSpan;
  readonly #traceId: string;
  #ended = false;

  constructor(planned: PlannedSpan, nowMillis: number, traceId: string = TRACE_ID) {
    this.planned = planned;
    this.#traceId = traceId;
    this.name = planned.name;
    this.instrumentationScope = { name: planned.scope };
    this.startTime = toHrTime(nowMillis);
    this.attributes = atStart(planned);
    const { parent } = planned;
    this.parentSpanContext =
      parent === undefined
        ? undefined
        : {
            traceId,
            spanId: parent === 'missing' ? spanIdOf(0xabcdef) : idOf(parent),
            traceFlags: 1,
            isRemote: planned.remote,
          };
  }

  spanContext(): { traceId: string; spanId: string; traceFlags: number } {
    return { traceId: this.#traceId, spanId: idOf(this.planned.id), traceFlags: 1 };
  }

  isRecording(): boolean {
    return !this.#ended;
  }

  setAttribute(key: string, value: unknown): this {
    if (!this.#ended) this.attributes[key] = value;
    return this;
  }

  /** What the library writes at the end; `onEnding` comes after it. */
  finish(nowMillis: number): void {
    Object.assign(this.attributes, this.planned.attributes);
    this.endTime = toHrTime(nowMillis);
  }

  end(): void {
    this.#ended = true;
  }
}

/** Ids whose record ids differ in the digits that the stamp leaves. */
export function idOf(id: number): string {
  return spanIdOf(id);
}

const REPLY = /output|usage|response/;

function atStart({ attributes, late, call }: PlannedSpan): Record<string, unknown> {
  if (late && call === undefined) return {};
  return Object.fromEntries(Object.entries(attributes).filter(([key]) => !REPLY.test(key)));
}

function toHrTime(millis: number): readonly [number, number] {
  return [1_790_000_000 + Math.floor(millis / 1_000), Math.round((millis % 1_000) * 1e6)];
}

export function describePlay({ moments }: Play): string {
  return moments
    .map((moment) => {
      if (moment.kind === 'flush') return 'flush';
      if (moment.kind === 'wait') return `${moment.millis} ms`;
      const { id, work: kind, parent, remote, scope, late } = moment.span;
      const above = parent === undefined ? '' : ` < ${parent}${remote ? ' (remote)' : ''}`;
      return moment.kind === 'end'
        ? `end ${id}`
        : `start ${id} ${kind}/${scope}${late ? ' late' : ''}${above}`;
    })
    .join('; ');
}
