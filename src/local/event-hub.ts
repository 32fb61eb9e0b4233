import type { ServerResponse } from 'node:http';
import type { ViewEvent } from './view-types.ts';

/** Tells pages that something is new; a page that does not listen fast enough is hung up on, and asks anew. */
export interface EventHub {
  /** There is no room for another client. */
  readonly isFull: boolean;
  /** Who listens. */
  readonly count: number;
  /** @param response its head is written */
  add(response: ServerResponse): void;
  changed(what: ChangedIds): void;
  cleared(): void;
  close(): void;
}

export interface ChangedIds {
  readonly session?: string | undefined;
  readonly trace?: string | undefined;
  readonly record?: string | undefined;
}

export interface EventHubOptions {
  /** What comes within it is told together. @default 100 */
  readonly intervalMillis?: number | undefined;
  /** Of one client that does not read. @default 1 MiB */
  readonly maxBufferedBytes?: number | undefined;
  /** @default 64 */
  readonly maxClients?: number | undefined;
}

const MAX_IDS = 200;
/** Proxies, and browsers, take a connection that is silent for a minute for dead. */
const HEARTBEAT_MILLIS = 15_000;

export function createEventHub(options: EventHubOptions = {}): EventHub {
  const { intervalMillis = 100, maxBufferedBytes = 1024 * 1024, maxClients = 64 } = options;
  const clients = new Set<ServerResponse>();
  let pending = noIds();
  let timer: NodeJS.Timeout | undefined;
  let heartbeat: NodeJS.Timeout | undefined;

  function send(text: string): void {
    for (const client of clients) {
      client.write(text);
      if (client.writableLength > maxBufferedBytes) drop(client);
    }
  }

  function drop(client: ServerResponse): void {
    clients.delete(client);
    client.destroy();
    if (clients.size > 0) return;
    clearInterval(heartbeat);
    heartbeat = undefined;
  }

  function tell(event: ViewEvent): void {
    send(`data: ${JSON.stringify(event)}\n\n`);
  }

  function tellPending(): void {
    timer = undefined;
    const { sessions, traces, records, more } = pending;
    pending = noIds();
    tell({ type: 'changed', sessions: [...sessions], traces: [...traces], records: [...records], more });
  }

  return {
    get isFull() {
      return clients.size >= maxClients;
    },
    get count() {
      return clients.size;
    },
    add(response) {
      clients.add(response);
      response.on('close', () => drop(response));
      // Something at once, so that the page knows that it is heard.
      response.write(': hello\n\n');
      heartbeat ??= setInterval(() => send(': still here\n\n'), HEARTBEAT_MILLIS).unref();
    },
    changed({ session, trace, record }) {
      if (clients.size === 0) return;
      note(pending, 'sessions', session);
      note(pending, 'traces', trace);
      note(pending, 'records', record);
      timer ??= setTimeout(tellPending, intervalMillis).unref();
    },
    cleared() {
      clearTimeout(timer);
      timer = undefined;
      pending = noIds();
      tell({ type: 'cleared' });
    },
    close() {
      clearTimeout(timer);
      clearInterval(heartbeat);
      for (const client of clients) client.end();
      clients.clear();
    },
  };
}

interface PendingIds {
  readonly sessions: Set<string>;
  readonly traces: Set<string>;
  readonly records: Set<string>;
  more: boolean;
}

function noIds(): PendingIds {
  return { sessions: new Set(), traces: new Set(), records: new Set(), more: false };
}

function note(pending: PendingIds, list: 'sessions' | 'traces' | 'records', id: string | undefined): void {
  if (id === undefined || pending[list].has(id)) return;
  if (pending[list].size >= MAX_IDS) pending.more = true;
  else pending[list].add(id);
}
