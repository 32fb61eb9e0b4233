/** Requests to the server that served the page; to nobody else. */

const BASE = '/api/view/';
const KEY_NAME = 'freeplay-otel.key';

/** Why the server did not answer as asked; `message` is for people. */
export class ViewError extends Error {
  /** 0: no answer at all. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** For as long as the tab lives. */
export function storedKey(): string | undefined {
  return sessionStorage.getItem(KEY_NAME) ?? undefined;
}

export function storeKey(key: string | undefined): void {
  if (key === undefined) sessionStorage.removeItem(KEY_NAME);
  else sessionStorage.setItem(KEY_NAME, key);
}

const refusedListeners = new Set<() => void>();

/** Called when the server refuses the key, or asks for one. */
export function onKeyRefused(listener: () => void): () => void {
  refusedListeners.add(listener);
  return () => refusedListeners.delete(listener);
}

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const key = storedKey();
  const headers = new Headers(init.headers);
  if (key !== undefined) headers.set('authorization', `Bearer ${key}`);
  let response: Response;
  try {
    response = await fetch(`${BASE}${path}`, { ...init, headers, cache: 'no-store', credentials: 'omit' });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ViewError(0, 'The server does not answer. Is it still running?');
  }
  if (response.ok) return response;
  if (response.status === 401) for (const listener of refusedListeners) listener();
  throw new ViewError(response.status, await messageOf(response));
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

/** State-changing requests carry a header that no page of another site can send without being asked first. */
export async function change<T>(
  method: 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<T | undefined> {
  const response = await request(path, {
    method,
    headers: {
      'x-freeplay-local': '1',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return text === '' ? undefined : (JSON.parse(text) as T);
}

async function messageOf(response: Response): Promise<string> {
  try {
    const { message } = (await response.json()) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // Not JSON: the status has to do.
  }
  return `The server answered ${response.status}.`;
}
