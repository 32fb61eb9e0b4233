import type { IncomingMessage, ServerResponse } from 'node:http';
import { isUuidV4 } from './contract.ts';
import { type Call, checkedIds, ENDPOINTS, type Endpoint, type RecordEvent } from './endpoints.ts';
import { readReceipts } from './receipts.ts';
import { type Answer, hostRefusal, keyRefusal, readJsonBody, refusal, siteRefusal } from './request.ts';
import { sendAnswer, sendFile, streamList } from './response.ts';
import { findStaticFile } from './static-files.ts';
import type { AnnotationKind, StoredRecord } from './store.ts';
import { answerView, VIEW_PREFIX, type ViewContext } from './view-endpoints.ts';

/** Everything a request may need of the server. */
export interface Serving extends ViewContext {
  readonly options: RequestOptions;
  readonly inspectorDir: string;
  /** Requests of the contract that are being worked on. */
  underWay: number;
  /** Nobody but this machine can reach it. */
  loopbackOnly: boolean;
  /** Aborted when the server is to stop: nothing is waited for any more. */
  readonly stopping: AbortSignal;
}

interface RequestOptions {
  readonly onRecord?: ((record: StoredRecord, event: RecordEvent) => void) | undefined;
  readonly onRefuse?: ((refused: RefusedRequest) => void) | undefined;
}

export interface RefusedRequest {
  readonly status: number;
  readonly method: string;
  readonly path: string;
  readonly message: string;
}

/** Never rejects: there is nobody to catch it. */
export async function handleRequest(
  request: IncomingMessage,
  response: ServerResponse,
  serving: Serving,
): Promise<void> {
  response.on('error', () => {});
  let given: Answer | undefined;
  try {
    given = await answer(request, response, serving);
  } catch (error) {
    // The client went away while it was sending: nobody is left to answer.
    if (request.destroyed && !request.complete) return;
    given = refusal(500, `the server failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (given === undefined) return;
  if (given.status >= 400) quietly(() => serving.options.onRefuse?.(toRefused(request, given)));
  if (response.headersSent) {
    // A listing that broke off: an end would make it look whole.
    response.destroy();
    return;
  }
  sendAnswer(response, given);
}

function toRefused(request: IncomingMessage, { status, json }: Answer): RefusedRequest {
  const message = String((json as { message?: unknown }).message);
  return { status, method: request.method ?? '', path: request.url ?? '', message };
}

/** `undefined`: the response was written already. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  serving: Serving,
): Promise<Answer | undefined> {
  const strange = hostRefusal(request, serving.loopbackOnly);
  if (strange !== undefined) return strange;
  const target = request.url ?? '/';
  const [path = '/', queryText = ''] = splitOnce(target, '?');
  if (!/^\/(api|v2)\//.test(path)) return answerPage(path, request, response, serving);
  const foreign = siteRefusal(request);
  if (foreign !== undefined) return foreign;
  const query = new URLSearchParams(queryText);
  if (path.startsWith(VIEW_PREFIX))
    return answerView(path.slice(VIEW_PREFIX.length), query, request, response, serving);
  const own = OWN_ENDPOINTS.get(path);
  if (own !== undefined) {
    if (request.method !== own.method) return methodRefusal([own.method]);
    return keyRefusal(request, serving.key) ?? own.answer(query, request, response, serving);
  }
  serving.underWay++;
  try {
    return await answerApi(path.startsWith('/api/') ? path.slice('/api'.length) : path, request, serving);
  } finally {
    serving.underWay--;
  }
}

/** The page, whatever place in it is meant, and its files. Everyone may load them: they hold no data. */
async function answerPage(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  { inspectorDir }: Serving,
): Promise<Answer | undefined> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return refusal(404, UNKNOWN_PATH);
  const file = await findStaticFile(path, inspectorDir);
  if (file === undefined) return refusal(404, UNKNOWN_PATH);
  sendFile(response, file);
  return undefined;
}

/** The steps of every request of the contract: path and method, key, ids, pretended failure, body. */
async function answerApi(path: string, request: IncomingMessage, serving: Serving): Promise<Answer> {
  const fitting = ENDPOINTS.filter(({ pattern }) => pattern.test(path));
  if (fitting.length === 0) return refusal(404, UNKNOWN_PATH);
  const endpoint = fitting.find(({ method }) => method === request.method);
  if (endpoint === undefined) return methodRefusal(fitting.map(({ method }) => method));
  const noEntry = keyRefusal(request, serving.key);
  if (noEntry !== undefined) return noEntry;
  const ids = checkedIds(endpoint.pattern.exec(path)?.groups ?? {});
  if ('status' in ids) return ids;
  const incoming = await readJsonBody(request, serving.budget);
  const fault = await serving.faults.next(serving.stopping);
  if (fault !== undefined) return fault;
  if (!incoming.ok) return incoming.answer;
  const wrong = endpoint.check(incoming.value);
  if (wrong !== undefined) return refusal(400, wrong);
  return change(endpoint, { ids, body: incoming.value, json: incoming.json, path }, serving);
}

/** Tells of what has changed once it is committed. */
async function change(endpoint: Endpoint, call: Call, serving: Serving): Promise<Answer> {
  const { store, hub, options } = serving;
  const records: [StoredRecord, RecordEvent][] = [];
  const notes: [AnnotationKind, string][] = [];
  const answer = await store.write(
    (writer) =>
      endpoint.answer(call, {
        store: writer,
        onRecord: (record, event) => records.push([record, event]),
        onAnnotation: (kind, id) => notes.push([kind, id]),
      }),
    serving.underWay > 1,
  );
  for (const [record, event] of records) {
    quietly(() => options.onRecord?.(record, event));
    if (hub.count === 0) continue;
    const row = store.index.bySeq(record.seq);
    hub.changed({ session: record.session, trace: row && store.index.traceOf(row), record: record.id });
  }
  for (const [kind, id] of notes) hub.changed(kind === 'session_metadata' ? { session: id } : { record: id });
  return answer;
}

const UNKNOWN_PATH =
  'nothing is at this path: completions are posted to /api/v2/projects/{project_id}/sessions/{session_id}/completions';

function methodRefusal(allowed: readonly string[]): Answer {
  return refusal(405, `this path takes ${allowed.join(' or ')}`, { allow: [...new Set(allowed)].join(', ') });
}

interface OwnEndpoint {
  readonly method: 'GET' | 'POST';
  readonly answer: (
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
    serving: Serving,
  ) => Promise<Answer | undefined>;
}

/** What the contract does not have, for programs; what the page asks is below `VIEW_PREFIX`. */
const OWN_ENDPOINTS: ReadonlyMap<string, OwnEndpoint> = new Map<string, OwnEndpoint>([
  ['/api/local/records', { method: 'GET', answer: listRecords }],
  [
    '/api/local/annotations',
    { method: 'GET', answer: async (_, __, ___, { store }) => ({ status: 200, json: store.annotations() }) },
  ],
  ['/api/local/receipts', { method: 'POST', answer: takeReceipts }],
]);

async function listRecords(
  query: URLSearchParams,
  _request: IncomingMessage,
  response: ServerResponse,
  { store }: Serving,
): Promise<Answer | undefined> {
  for (const name of query.keys()) {
    if (!['session', 'trace', 'limit', 'after'].includes(name))
      return refusal(400, `${name.slice(0, 60)}: unknown parameter`);
  }
  const session = query.get('session')?.toLowerCase();
  const trace = query.get('trace')?.toLowerCase();
  if (session !== undefined && !isUuidV4(session))
    return refusal(400, 'session: is not a valid uuid4 format.');
  if (trace !== undefined && !isUuidV4(trace)) return refusal(400, 'trace: is not a valid uuid4 format.');
  const limit = wholeNumber(query.get('limit'), Number.MAX_SAFE_INTEGER);
  const after = wholeNumber(query.get('after'), 0);
  if (limit === undefined) return refusal(400, 'limit: is not a whole number');
  if (after === undefined) return refusal(400, 'after: is not a whole number');
  await streamList(response, store.each({ session, trace, after, limit }), {});
  return undefined;
}

/** What an exporter in development mode knows of its records; it may come before them. */
async function takeReceipts(
  _query: URLSearchParams,
  request: IncomingMessage,
  _response: ServerResponse,
  { store, hub, budget }: Serving,
): Promise<Answer> {
  const incoming = await readJsonBody(request, budget);
  if (!incoming.ok) return incoming.answer;
  const receipts = readReceipts(incoming.value);
  if (typeof receipts === 'string') return refusal(400, receipts);
  await store.write((writer) => {
    for (const receipt of receipts) writer.keepReceipt(receipt);
  });
  for (const { id } of receipts) hub.changed({ record: id });
  return { status: 202, json: {} };
}

function wholeNumber(text: string | null, fallback: number): number | undefined {
  if (text === null) return fallback;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** A callback of the user's must not cost an answer. */
function quietly(callback: () => void): void {
  try {
    callback();
  } catch {
    // Nothing of ours is broken, and there is no logger here to tell.
  }
}
