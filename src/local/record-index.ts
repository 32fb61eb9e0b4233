import type { RecordFacts } from './facts.ts';
import { type RecordQuery, type StoredRecord, traceTail } from './store.ts';

/** A record in memory: what is asked of all records at once. Bodies and texts stay where they are stored. */
export interface RecordRow extends Omit<RecordFacts, 'parent' | 'group' | 'sessionName'> {
  /** Grows in order of arrival, perhaps with gaps. */
  readonly seq: number;
  readonly kind: StoredRecord['kind'];
  readonly id: string;
  readonly project: string;
  readonly session: SessionEntry;
  group: string | undefined;
  parent: string | undefined;
  /** Start, or the arrival of what says none: milliseconds since the epoch. */
  readonly at: number;
  /** Of a completion: name of the nearest agent above it. */
  agent: string | undefined;
  /** What it takes up, in UTF-16 code units. */
  size: number;
  /** It was let go of; lists that still hold it skip it. */
  gone: boolean;
}

/** One session; rows in order of arrival. */
export interface SessionEntry {
  readonly id: string;
  readonly project: string;
  /** The first that a record gave it. */
  name: string | undefined;
  /** Latest end of a record, for the order of sessions. */
  end: number;
  readonly rows: RecordRow[];
}

/** What all ids of one telemetry trace end in. */
interface TraceEntry {
  group: string | undefined;
  readonly rows: RecordRow[];
}

export interface NewRow {
  readonly seq: number;
  readonly kind: StoredRecord['kind'];
  readonly id: string;
  readonly project: string;
  readonly session: string;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly facts: RecordFacts;
  readonly size: number;
}

/** Where the records are, by everything they are asked for; in memory, whatever they are stored in. */
export interface RecordIndex {
  /** Rises with each change. */
  readonly version: number;
  readonly count: number;
  /** Of all records, in UTF-16 code units. */
  readonly size: number;
  readonly sessions: ReadonlyMap<string, SessionEntry>;
  add(row: NewRow): RecordRow;
  /** After its body has changed; what it hangs under, and when it was, stay. */
  update(row: RecordRow, facts: RecordFacts, size: number): void;
  remove(row: RecordRow): void;
  clear(): void;
  find(project: string, kind: StoredRecord['kind'], id: string): RecordRow | undefined;
  /** Of any project. */
  findById(id: string, kind?: StoredRecord['kind']): RecordRow | undefined;
  oldest(): RecordRow | undefined;
  bySeq(seq: number): RecordRow | undefined;
  /** In order of arrival. */
  list(query: RecordQuery): Iterable<RecordRow>;
  /** Names the group, shares its tail, or hangs below the record asked for; in order of arrival. */
  inTrace(id: string): RecordRow[];
  /** Completions in order of their start. */
  completions(): readonly RecordRow[];
  parentOf(row: RecordRow): RecordRow | undefined;
  /** Id of the group it belongs to, recorded or not; of what belongs to none, the topmost record above it. */
  traceOf(row: RecordRow): string;
  /** Group of the telemetry trace of which this id was made. */
  groupOfTail(id: string): string | undefined;
}

/** Chains of parents are walked no further: real ones are not that deep. */
const MAX_STEPS = 1_000;
/** Completions whose agent is worked out anew when one agent arrives. */
const MAX_BELOW = 10_000;

export function createRecordIndex(): RecordIndex {
  const sessions = new Map<string, SessionEntry>();
  const traces = new Map<string, TraceEntry>();
  const byId = new Map<string, RecordRow[]>();
  const children = new Map<string, { readonly id: string; readonly rows: RecordRow[] }>();
  const strings = new Map<string, string>();
  const arrivals = createOrderedRows((a, b) => a.seq - b.seq);
  const ordered = createOrderedRows((a, b) => a.at - b.at || a.seq - b.seq);
  let version = 0;
  let size = 0;

  /** One copy of what many rows say. */
  function shared(text: string | undefined): string | undefined {
    if (text === undefined) return undefined;
    const known = strings.get(text);
    if (known !== undefined) return known;
    if (strings.size >= 10_000) strings.clear();
    strings.set(text, text);
    return text;
  }

  function sessionOf(id: string, project: string): SessionEntry {
    let session = sessions.get(id);
    if (session === undefined) {
      session = { id, project, name: undefined, end: Number.NEGATIVE_INFINITY, rows: [] };
      sessions.set(id, session);
    }
    return session;
  }

  function traceEntry(tail: string): TraceEntry {
    let entry = traces.get(tail);
    if (entry === undefined) {
      entry = { group: undefined, rows: [] };
      traces.set(tail, entry);
    }
    return entry;
  }

  function find(project: string, kind: StoredRecord['kind'], id: string): RecordRow | undefined {
    return byId.get(id)?.find((row) => row.kind === kind && row.project === project);
  }

  function parentRow(row: RecordRow): RecordRow | undefined {
    const rows = row.parent === undefined ? undefined : byId.get(row.parent);
    if (rows === undefined) return undefined;
    return rows.find((one) => one.session === row.session) ?? rows[0];
  }

  function agentOf(row: RecordRow): string | undefined {
    let at: RecordRow | undefined = row;
    for (let steps = 0; at !== undefined && steps < MAX_STEPS; steps++) {
      if (at.agentName !== undefined) return at.agentName;
      const above = parentRow(at);
      const group: string | undefined = at.group ?? traces.get(traceTail(at.id))?.group;
      at = above ?? (group === undefined || group === at.id ? undefined : byId.get(group)?.[0]);
    }
    return undefined;
  }

  /** Agents are recorded after the calls they made, as a rule. */
  function nameAgentBelow(row: RecordRow): void {
    if (agentOf(row) === undefined) return;
    const below = new Set<RecordRow>();
    const take = (rows: readonly RecordRow[]): void => {
      for (const one of rows) if (below.size < MAX_BELOW && one.agentName === undefined) below.add(one);
    };
    take(children.get(row.id)?.rows ?? []);
    const trace = traces.get(traceTail(row.id));
    if (trace?.group === row.id) take(trace.rows.filter((one) => parentRow(one) === undefined));
    for (const one of below) {
      if (one.kind === 'completion') one.agent = agentOf(one);
      take(children.get(one.id)?.rows ?? []);
    }
  }

  function takeFrom(map: Map<string, { rows: RecordRow[] }>, key: string, row: RecordRow): void {
    const entry = map.get(key);
    if (entry === undefined) return;
    removeFrom(entry.rows, row);
    if (entry.rows.length === 0) map.delete(key);
  }

  return {
    get version() {
      return version;
    },
    get count() {
      return arrivals.count;
    },
    get size() {
      return size;
    },
    sessions,
    add({ seq, kind, id, project, session: sessionId, receivedAt, facts, size: rowSize }) {
      const session = sessionOf(sessionId, shared(project) ?? project);
      const { group, parent } = facts;
      // Every field in one order: so many objects are to have one shape.
      const row: RecordRow = {
        seq,
        kind,
        id,
        project: session.project === project ? session.project : project,
        session,
        group: undefined,
        parent: undefined,
        at: facts.start ?? receivedAt,
        agent: undefined,
        size: rowSize,
        gone: false,
        ...figuresOf(facts, shared),
      };
      const trace = traceEntry(traceTail(group ?? id));
      if (group !== undefined) trace.group ??= group;
      row.group = group === trace.group ? trace.group : group;
      trace.rows.push(row);
      // A completion may name a group that is not made of its own trace id.
      if (group !== undefined && traceTail(group) !== traceTail(id)) traceEntry(traceTail(id)).rows.push(row);
      if (parent !== undefined) {
        let siblings = children.get(parent);
        if (siblings === undefined) {
          siblings = { id: parent, rows: [] };
          children.set(parent, siblings);
        }
        row.parent = siblings.id;
        siblings.rows.push(row);
      }
      const same = byId.get(id);
      if (same === undefined) byId.set(id, [row]);
      else same.push(row);
      session.rows.push(row);
      session.end = Math.max(session.end, row.at + (row.durationMillis ?? 0));
      session.name ??= facts.sessionName;
      arrivals.add(row);
      if (kind === 'completion') {
        ordered.add(row);
        row.agent = agentOf(row);
      }
      nameAgentBelow(row);
      size += rowSize;
      version++;
      return row;
    },
    update(row, facts, rowSize) {
      Object.assign(row, figuresOf(facts, shared));
      row.session.name ??= facts.sessionName;
      size += rowSize - row.size;
      row.size = rowSize;
      version++;
    },
    remove(row) {
      if (row.gone) return;
      row.gone = true;
      size -= row.size;
      arrivals.noteGone();
      if (row.kind === 'completion') ordered.noteGone();
      takeFrom(sessions, row.session.id, row);
      takeFrom(traces, traceTail(row.group ?? row.id), row);
      if (row.group !== undefined) takeFrom(traces, traceTail(row.id), row);
      if (row.parent !== undefined) takeFrom(children, row.parent, row);
      const same = byId.get(row.id) ?? [];
      removeFrom(same, row);
      if (same.length === 0) byId.delete(row.id);
      version++;
    },
    clear() {
      for (const map of [sessions, traces, byId, children, strings]) map.clear();
      arrivals.clear();
      ordered.clear();
      size = 0;
      version++;
    },
    find,
    findById: (id, kind) => byId.get(id)?.find((row) => kind === undefined || row.kind === kind),
    oldest: () => arrivals.first(),
    bySeq: (seq) => arrivals.at(seq),
    *list({ session, trace, after = 0, limit = Number.POSITIVE_INFINITY }) {
      let left = limit;
      const rows =
        trace !== undefined
          ? inTrace(trace).filter((row) => row.seq > after)
          : session !== undefined
            ? (sessions.get(session)?.rows.filter((row) => row.seq > after) ?? [])
            : arrivals.after(after);
      for (const row of rows) {
        if (left <= 0) return;
        if (row.gone || (session !== undefined && row.session.id !== session)) continue;
        left--;
        yield row;
      }
    },
    inTrace,
    completions: () => ordered.rows(),
    parentOf: parentRow,
    traceOf(row) {
      let at = row;
      for (let steps = 0; steps < MAX_STEPS; steps++) {
        const group = at.group ?? traces.get(traceTail(at.id))?.group;
        if (group !== undefined) return group;
        const above = parentRow(at);
        if (above === undefined) return at.parent ?? at.id;
        at = above;
      }
      return at.id;
    },
    groupOfTail: (id) => traces.get(traceTail(id))?.group,
  };

  function inTrace(id: string): RecordRow[] {
    const tail = traceTail(id);
    const found = new Set<RecordRow>();
    for (const row of traces.get(tail)?.rows ?? []) {
      if (row.group === id || traceTail(row.id) === tail) found.add(row);
    }
    const below = new Set([id]);
    for (const one of below) {
      for (const row of byId.get(one) ?? []) found.add(row);
      for (const row of children.get(one)?.rows ?? []) below.add(row.id);
    }
    return [...found].sort((a, b) => a.seq - b.seq);
  }
}

function figuresOf(
  facts: RecordFacts,
  shared: (text: string | undefined) => string | undefined,
): Omit<RecordFacts, 'parent' | 'group' | 'sessionName'> {
  return {
    label: facts.label,
    name: shared(facts.name) ?? '',
    model: shared(facts.model),
    provider: shared(facts.provider),
    agentName: shared(facts.agentName),
    start: facts.start,
    durationMillis: facts.durationMillis,
    promptTokens: facts.promptTokens,
    completionTokens: facts.completionTokens,
    failed: facts.failed,
  };
}

function removeFrom(rows: RecordRow[], row: RecordRow): void {
  // The oldest go first, so it is mostly the first.
  if (rows[0] === row) {
    rows.shift();
    return;
  }
  const at = rows.indexOf(row);
  if (at !== -1) rows.splice(at, 1);
}

interface OrderedRows {
  readonly count: number;
  add(row: RecordRow): void;
  /** One of them is gone now; it is taken out when there are many. */
  noteGone(): void;
  rows(): readonly RecordRow[];
  first(): RecordRow | undefined;
  /** Only where the order is that of arrival. */
  at(seq: number): RecordRow | undefined;
  after(seq: number): Iterable<RecordRow>;
  clear(): void;
}

/** Sorted rows; those that come are mostly the last, those that go mostly the first. */
function createOrderedRows(compare: (a: RecordRow, b: RecordRow) => number): OrderedRows {
  let rows: RecordRow[] = [];
  let gone = 0;
  /** Before it, all are gone. */
  let head = 0;

  function compact(): void {
    rows = rows.filter((row) => !row.gone);
    gone = 0;
    head = 0;
  }

  /** The first that is not before. */
  function position(isBefore: (row: RecordRow) => boolean): number {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(rows[middle]!)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    get count() {
      return rows.length - gone;
    },
    add(row) {
      const last = rows.at(-1);
      if (last === undefined || compare(last, row) <= 0) rows.push(row);
      else {
        const at = position((one) => compare(one, row) <= 0);
        rows.splice(at, 0, row);
        head = Math.min(head, at);
      }
    },
    noteGone() {
      gone++;
      if (gone > 64 && gone > rows.length / 8) compact();
    },
    rows() {
      if (gone > 0) compact();
      return rows;
    },
    first() {
      while (rows[head]?.gone) head++;
      return rows[head];
    },
    at(seq) {
      const row = rows[position((one) => one.seq < seq)];
      return row?.seq === seq && !row.gone ? row : undefined;
    },
    *after(seq) {
      const taken = rows;
      for (let i = position((one) => one.seq <= seq); i < taken.length; i++) {
        const row = taken[i];
        if (row !== undefined && !row.gone) yield row;
      }
    },
    clear() {
      rows = [];
      gone = 0;
      head = 0;
    },
  };
}
