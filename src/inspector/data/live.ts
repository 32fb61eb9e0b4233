/** What the server tells by itself, over one kept connection that is made anew when it breaks. */
import type { ViewEvent } from '../../local/view-types.ts';
import { request, ViewError } from './api.ts';
import { createEventReader } from './event-reader.ts';

/** `resumed`: something may have been missed, so whatever is shown is asked for again. */
export type LiveEvent = ViewEvent | { readonly type: 'resumed' };

export type Connection = 'connecting' | 'live' | 'lost';

const FIRST_WAIT_MILLIS = 300;
const LONGEST_WAIT_MILLIS = 5_000;

const eventListeners = new Set<(event: LiveEvent) => void>();
const connectionListeners = new Set<(connection: Connection) => void>();
let connection: Connection = 'connecting';
let running: AbortController | undefined;

export function onLiveEvent(listener: (event: LiveEvent) => void): () => void {
  eventListeners.add(listener);
  return () => eventListeners.delete(listener);
}

export function onConnection(listener: (connection: Connection) => void): () => void {
  connectionListeners.add(listener);
  listener(connection);
  return () => connectionListeners.delete(listener);
}

/** Idempotent; after `stop` it can be started again, with another key. */
export function startLive(): void {
  if (running) return;
  running = new AbortController();
  void run(running.signal);
}

export function stopLive(): void {
  running?.abort();
  running = undefined;
}

async function run(signal: AbortSignal): Promise<void> {
  let wait = FIRST_WAIT_MILLIS;
  while (!signal.aborted) {
    try {
      const response = await request('events', { signal, headers: { accept: 'text/event-stream' } });
      tellConnection('live');
      // The first time, too: what is shown was asked for before this connection was there.
      tellEvent({ type: 'resumed' });
      wait = FIRST_WAIT_MILLIS;
      await readAll(response);
    } catch (error) {
      // Without the right key there is nothing to try: the page starts anew once it has one.
      if (error instanceof ViewError && error.status === 401) break;
    }
    if (signal.aborted) return;
    tellConnection('lost');
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(LONGEST_WAIT_MILLIS, wait * 2);
  }
}

async function readAll(response: Response): Promise<void> {
  const read = createEventReader((data) => {
    const event = toEvent(data);
    if (event) tellEvent(event);
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (chunk === undefined || chunk.done) return;
    read(chunk.value);
  }
}

function toEvent(data: string): ViewEvent | undefined {
  try {
    const event = JSON.parse(data) as ViewEvent;
    return event.type === 'changed' || event.type === 'cleared' ? event : undefined;
  } catch {
    return undefined;
  }
}

function tellConnection(next: Connection): void {
  if (next === connection) return;
  connection = next;
  for (const listener of connectionListeners) listener(next);
}

function tellEvent(event: LiveEvent): void {
  for (const listener of [...eventListeners]) listener(event);
}
