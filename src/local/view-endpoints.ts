import type { IncomingMessage, ServerResponse } from 'node:http';
import { VERSION } from '../version.ts';
import { isUuidV4 } from './contract.ts';
import type { EventHub } from './event-hub.ts';
import type { ExplainRecord } from './explain-record.ts';
import { type Faults, NO_FAULTS, readFaults } from './faults.ts';
import type { ViewedStore } from './record-store.ts';
import { type Answer, type BodyBudget, changeRefusal, keyRefusal, readJsonBody, refusal } from './request.ts';
import { startStream, streamList } from './response.ts';
import { drawCharts } from './view-charts.ts';
import { type Filter, readFilter } from './view-filter.ts';
import { countFacets, listCompletions, listSessions, type PageRequest } from './view-lists.ts';
import { viewRecord, viewSession, viewTrace } from './view-records.ts';
import { FILTER_NAMES, type ServerStatus } from './view-types.ts';

/** What the page asks: `view-types.ts` says what each means. */
export const VIEW_PREFIX = '/api/view/';

export interface ViewContext {
  readonly store: ViewedStore;
  readonly hub: EventHub;
  readonly faults: Faults;
  readonly budget: BodyBudget;
  /** Without one, whoever reaches the server may look. */
  readonly key: string | undefined;
  readonly explain: ExplainRecord;
}

interface ViewCall {
  readonly id: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** `undefined`: the response is written, or being written. */
type ViewAnswer = Answer | undefined | Promise<Answer | undefined>;

interface ViewEndpoint {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly pattern: RegExp;
  /** Parameters it takes. */
  readonly parameters: readonly string[];
  readonly answer: (call: ViewCall, context: ViewContext) => ViewAnswer;
}

const PAGE_NAMES = [...FILTER_NAMES, 'limit', 'before'];
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

const ENDPOINTS: readonly ViewEndpoint[] = [
  get('status', [], ({ request }, context) => ok(statusOf(request, context))),
  get('sessions', PAGE_NAMES, paged(listSessions)),
  get('sessions/(?<id>[^/]+)', [], ({ id }, { store }) => found(viewSession(id, store), 'session', id)),
  get('sessions/(?<id>[^/]+)/export', [], exportSession),
  get('completions', PAGE_NAMES, paged(listCompletions)),
  get('completions/(?<id>[^/]+)', [], async ({ id }, { store, explain }) =>
    found(await viewRecord('completion', id, store, explain), 'completion', id),
  ),
  get('records/(?<id>[^/]+)', [], async ({ id }, { store, explain }) =>
    found(await viewRecord('trace', id, store, explain), 'trace record', id),
  ),
  get('traces/(?<id>[^/]+)', [], ({ id }, { store }) => found(viewTrace(id, store), 'trace', id)),
  get('facets', FILTER_NAMES, filtered(countFacets)),
  get('charts', FILTER_NAMES, filtered(drawCharts)),
  get('events', [], listen),
  get('faults', [], (_, { faults }) => ok(faults.settings)),
  { method: 'PUT', pattern: pathOf('faults'), parameters: [], answer: setFaults },
  { method: 'DELETE', pattern: pathOf('records'), parameters: [], answer: deleteAll },
];

/** @param path below `VIEW_PREFIX` */
export async function answerView(
  path: string,
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
  context: ViewContext,
): Promise<Answer | undefined> {
  const fitting = ENDPOINTS.filter(({ pattern }) => pattern.test(path));
  if (fitting.length === 0) return refusal(404, 'the page asks for nothing at this path');
  const endpoint = fitting.find(({ method }) => method === request.method);
  if (endpoint === undefined) {
    const allowed = fitting.map(({ method }) => method);
    return refusal(405, `this path takes ${allowed.join(' or ')}`, { allow: allowed.join(', ') });
  }
  const refused =
    (endpoint.method === 'GET' ? undefined : changeRefusal(request)) ??
    (path === 'status' ? undefined : viewKeyRefusal(request, context.key));
  if (refused !== undefined) return refused;
  for (const name of query.keys()) {
    if (!endpoint.parameters.includes(name)) return refusal(400, `${name.slice(0, 60)}: unknown parameter`);
  }
  const id = (endpoint.pattern.exec(path)?.groups?.id ?? '').toLowerCase();
  return endpoint.answer({ id, query, request, response }, context);
}

function get(path: string, parameters: readonly string[], answer: ViewEndpoint['answer']): ViewEndpoint {
  return { method: 'GET', pattern: pathOf(path), parameters, answer };
}

function pathOf(path: string): RegExp {
  return new RegExp(`^${path}$`);
}

function ok(json: unknown): Answer {
  return { status: 200, json };
}

function found(view: unknown, what: string, id: string): Answer {
  const isId = isUuidV4(id) || /^[0-9a-f]{32}$/.test(id);
  return view === undefined
    ? refusal(404, `${isId ? `${what} ${id}` : `a ${what} of this id`} is not recorded`)
    : ok(view);
}

/** Unlike the API: a server without a key has nothing to ask the page for. */
function viewKeyRefusal(request: IncomingMessage, key: string | undefined): Answer | undefined {
  return key === undefined ? undefined : keyRefusal(request, key);
}

function statusOf(request: IncomingMessage, { store, faults, key }: ViewContext): ServerStatus {
  const keyNeeded = viewKeyRefusal(request, key) !== undefined;
  // Who has no key learns that one is needed, and nothing else.
  if (keyNeeded) {
    const nothing = { records: 0, location: '', dropped: 0, droppedReceipts: 0, faults: NO_FAULTS };
    return { version: VERSION, keyNeeded, ...nothing };
  }
  return {
    version: VERSION,
    keyNeeded,
    records: store.index.count,
    location: store.location,
    dropped: store.dropped.records,
    droppedReceipts: store.dropped.receipts,
    faults: faults.settings,
  };
}

function filtered(view: (store: ViewedStore, filter: Filter) => unknown): ViewEndpoint['answer'] {
  return ({ query }, { store }) => {
    const filter = readFilter(query, store);
    return typeof filter === 'string' ? refusal(400, filter) : ok(view(store, filter));
  };
}

function paged(
  view: (store: ViewedStore, filter: Filter, page: PageRequest) => unknown,
): ViewEndpoint['answer'] {
  return ({ query }, { store }) => {
    const filter = readFilter(query, store);
    const page = readPage(query);
    const wrong = [filter, page].find((one) => typeof one === 'string');
    if (wrong !== undefined) return refusal(400, wrong as string);
    return ok(view(store, filter as Filter, page as PageRequest));
  };
}

function readPage(query: URLSearchParams): PageRequest | string {
  const limit = query.get('limit') || String(DEFAULT_LIMIT);
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_LIMIT)
    return `limit: expected a whole number from 1 to ${MAX_LIMIT}`;
  const cursor = query.get('before') || undefined;
  const [, at, tie] = /^(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)_(\d{1,16})$/.exec(cursor ?? '') ?? [];
  if (cursor !== undefined && at === undefined) return 'before: is not the `next` of a page';
  return {
    limit: Number(limit),
    before: at === undefined ? undefined : { at: Number(at), tie: Number(tie) },
  };
}

async function exportSession(
  { id, response }: ViewCall,
  { store }: ViewContext,
): Promise<Answer | undefined> {
  const view = viewSession(id, store);
  const session = store.index.sessions.get(id);
  if (view === undefined || session === undefined) return found(undefined, 'session', id);
  const { traceList, traceListIsMore, ...head } = view;
  const ids = new Set([id, ...session.rows.map((row) => row.id)]);
  const annotations = store.annotations().filter((note) => ids.has(note.id));
  await streamList(response, store.each({ session: id }), {
    head: `{"session":${JSON.stringify(head)},\n"records":[`,
    tail: `],\n"annotations":${JSON.stringify(annotations)}}\n`,
    headers: { 'content-disposition': `attachment; filename="session-${id.slice(0, 8)}.json"` },
  });
  return undefined;
}

function listen({ response }: ViewCall, { hub }: ViewContext): Answer | undefined {
  if (hub.isFull) return refusal(503, 'too many pages are listening', { 'retry-after': '5' });
  startStream(response, 'text/event-stream; charset=utf-8', { 'x-accel-buffering': 'no' });
  hub.add(response);
  return undefined;
}

async function setFaults({ request }: ViewCall, { faults, budget }: ViewContext): Promise<Answer> {
  const incoming = await readJsonBody(request, budget);
  if (!incoming.ok) return incoming.answer;
  const settings = readFaults(incoming.value);
  if (typeof settings === 'string') return refusal(400, settings);
  faults.settings = settings;
  return ok(settings);
}

async function deleteAll(_: ViewCall, { store, hub }: ViewContext): Promise<Answer> {
  await store.clear();
  hub.cleared();
  return { status: 204, json: undefined };
}
