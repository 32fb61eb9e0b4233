import { randomUUID } from 'node:crypto';
import type { RecordBody } from '../record/record.ts';
import {
  isUuidV4,
  validateCompletion,
  validateCompletionUpdate,
  validateFeedback,
  validateMetadata,
  validateTrace,
} from './contract.ts';
import { type Answer, refusal } from './request.ts';
import type { AnnotationKind, RecordWriter, Scalars, StoredRecord } from './store.ts';

/** What an endpoint changes, and whom it tells. */
export interface EndpointContext {
  readonly store: RecordWriter;
  /** A record is there or was changed, once that is committed. */
  readonly onRecord: (record: StoredRecord, event: RecordEvent) => void;
  /** Something was said of a record or a session. */
  readonly onAnnotation: (kind: AnnotationKind, id: string) => void;
}

export type RecordEvent = 'recorded' | 'updated';

/** A request with everything checked. */
export interface Call {
  readonly ids: Ids;
  readonly body: unknown;
  readonly json: string;
  /** Without the `/api` prefix. */
  readonly path: string;
}

/** Lower-case v4 UUIDs of the path; those the pattern does not have are empty. */
interface Ids {
  readonly project: string;
  readonly session: string;
  readonly completion: string;
  readonly trace: string;
}

export interface Endpoint {
  readonly method: 'POST' | 'PATCH';
  /** With named groups from `Ids`. */
  readonly pattern: RegExp;
  /** What is wrong with the body. */
  readonly check: (body: unknown) => string | undefined;
  /** Part of a transaction: throws only if the store does. */
  readonly answer: (call: Call, context: EndpointContext) => Answer;
}

const PROJECT = '^/v2/projects/(?<project>[^/]+)';

/** Every request of the contract that has a body; the first pattern that fits counts. */
export const ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'POST',
    pattern: path('/sessions/(?<session>[^/]+)/completions'),
    check: (body) => validateCompletion(body, 'accepted'),
    answer: recordCompletion,
  },
  {
    method: 'POST',
    pattern: path('/sessions/(?<session>[^/]+)/traces/id/(?<trace>[^/]+)'),
    check: (body) => validateTrace(body, 'accepted'),
    answer: recordTrace,
  },
  // The contract leaves open whether the session is part of this path.
  {
    method: 'POST',
    pattern: path('(?:/sessions/(?<session>[^/]+))?/completions/(?<completion>[^/]+)'),
    check: validateCompletionUpdate,
    answer: updateCompletion,
  },
  {
    method: 'PATCH',
    pattern: path('/sessions/id/(?<session>[^/]+)/metadata'),
    check: validateMetadata,
    answer: patchSession,
  },
  {
    method: 'PATCH',
    pattern: path('/sessions/(?<session>[^/]+)/traces/id/(?<trace>[^/]+)/metadata'),
    check: validateMetadata,
    answer: patchTrace,
  },
  {
    method: 'POST',
    pattern: path('/completion-feedback/id/(?<completion>[^/]+)'),
    check: validateFeedback,
    answer: feedbackOn('completion'),
  },
  {
    method: 'POST',
    pattern: path('/trace-feedback/id/(?<trace>[^/]+)'),
    check: validateFeedback,
    answer: feedbackOn('trace'),
  },
];

const ID_NAMES: Readonly<Record<keyof Ids, string>> = {
  project: 'Project',
  session: 'Session',
  completion: 'Completion',
  trace: 'Trace',
};

/** The ids of a path, or the refusal that names the one that is no v4 UUID. */
export function checkedIds(groups: Readonly<Record<string, string | undefined>>): Ids | Answer {
  const ids = { project: '', session: '', completion: '', trace: '' };
  for (const name of Object.keys(ids) as (keyof Ids)[]) {
    const raw = groups[name];
    if (raw === undefined) continue;
    const id = decoded(raw);
    if (!isUuidV4(id))
      return refusal(400, `${ID_NAMES[name]} ID ${id.slice(0, 60)} is not a valid uuid4 format.`);
    ids[name] = id.toLowerCase();
  }
  return ids;
}

function path(pattern: string): RegExp {
  return new RegExp(`${PROJECT}${pattern}$`);
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function recordCompletion(call: Call, context: EndpointContext): Answer {
  const body = call.body as RecordBody;
  const id = typeof body.completion_id === 'string' ? body.completion_id.toLowerCase() : randomUUID();
  return record('completion', id, call, context) ?? { status: 201, json: { completion_id: id } };
}

function recordTrace(call: Call, context: EndpointContext): Answer {
  return record('trace', call.ids.trace, call, context) ?? { status: 201, json: {} };
}

function record(
  kind: StoredRecord['kind'],
  id: string,
  { ids: { project, session }, body, json, path: postedTo }: Call,
  { store, onRecord }: EndpointContext,
): Answer | undefined {
  const receivedAt = new Date().toISOString();
  const arrived = { kind, id, project, session, path: postedTo, body: body as RecordBody, json, receivedAt };
  const stored = store.add(arrived);
  if (stored === undefined) return refusal(409, `${ID_NAMES[kind]} ID ${id} is already recorded.`);
  onRecord(stored, 'recorded');
  return undefined;
}

function updateCompletion({ ids, body }: Call, { store, onRecord }: EndpointContext): Answer {
  const stored = store.find(ids.project, 'completion', ids.completion);
  if (stored === undefined || (ids.session !== '' && stored.session !== ids.session)) {
    return refusal(404, `Completion ID ${ids.completion} is not recorded.`);
  }
  const { new_messages: added, eval_results: evals } = body as {
    new_messages?: unknown[];
    eval_results?: Scalars;
  };
  const changed = {
    ...stored.body,
    ...(added && { messages: [...(stored.body.messages as unknown[]), ...added] }),
    ...(evals && { eval_results: merged(stored.body.eval_results, evals) }),
  } as RecordBody;
  store.replaceBody(stored, changed);
  onRecord({ ...stored, body: changed }, 'updated');
  return { status: 201, json: { completion_id: stored.id } };
}

function patchSession({ ids, body }: Call, { store, onAnnotation }: EndpointContext): Answer {
  if (!store.hasSession(ids.project, ids.session))
    return refusal(404, `Session ID ${ids.session} is not recorded.`);
  store.annotate('session_metadata', ids.project, ids.session, body as Scalars);
  onAnnotation('session_metadata', ids.session);
  return { status: 200, json: {} };
}

function patchTrace({ ids, body }: Call, { store, onRecord }: EndpointContext): Answer {
  const stored = store.find(ids.project, 'trace', ids.trace);
  if (stored === undefined || stored.session !== ids.session) {
    return refusal(404, `Trace ID ${ids.trace} is not recorded in this session.`);
  }
  const changed = { ...stored.body, custom_metadata: merged(stored.body.custom_metadata, body as Scalars) };
  store.replaceBody(stored, changed);
  onRecord({ ...stored, body: changed }, 'updated');
  return { status: 200, json: {} };
}

function feedbackOn(kind: StoredRecord['kind']): Endpoint['answer'] {
  const annotation: AnnotationKind = `${kind}_feedback`;
  return ({ ids, body }, { store, onAnnotation }) => {
    if (store.find(ids.project, kind, ids[kind]) === undefined) {
      return refusal(404, `${ID_NAMES[kind]} ID ${ids[kind]} is not recorded.`);
    }
    store.annotate(annotation, ids.project, ids[kind], body as Scalars);
    onAnnotation(annotation, ids[kind]);
    return { status: 201, json: {} };
  };
}

/** `fromEntries` makes own properties of every name, `__proto__` too. */
function merged(known: unknown, values: Scalars): Scalars {
  const before = typeof known === 'object' && known !== null ? (known as Scalars) : {};
  return Object.fromEntries([...Object.entries(before), ...Object.entries(values)]);
}
