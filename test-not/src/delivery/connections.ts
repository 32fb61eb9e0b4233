import type { Dispatcher } from './transport.ts';

/** Where requests go out: one at a time over each connection. */
export interface Connections {
  take(): Dispatcher;
  /** @param isUsable False if a request on it was given up: what it is busy with is not known. */
  giveBack(connection: Dispatcher, isUsable: boolean): void;
  close(): Promise<void>;
}

/**
 * Connections of our own, opened as requests need them; the one that was used last is taken first, so that those that are not
 * needed go idle and close.
 *
 * Rather than undici's pool, which holds a connection to be busy for a turn of the event loop after its answer: asked in that
 * moment, as here it always is, it opens another one, or lets the request wait in a line that no gate knows of.
 *
 * @param open A connection; it opens with its first request, and again if it was lost.
 */
export function createConnections(open: () => Dispatcher): Connections {
  const all = new Set<Dispatcher>();
  const idle: Dispatcher[] = [];
  return {
    take() {
      const connection = idle.pop();
      if (connection !== undefined) return connection;
      const opened = open();
      all.add(opened);
      return opened;
    },
    giveBack(connection, isUsable) {
      if (isUsable) idle.push(connection);
      else {
        all.delete(connection);
        void connection.destroy();
      }
    },
    async close() {
      await Promise.all([...all].map((connection) => connection.destroy()));
    },
  };
}

/** One dispatcher for all requests, which sees to its connections itself: a proxy's, or the caller's. */
export function createSharedConnections(dispatcher: Dispatcher, isOurs: boolean): Connections {
  return {
    take: () => dispatcher,
    giveBack() {},
    async close() {
      if (isOurs) await dispatcher.destroy();
    },
  };
}
