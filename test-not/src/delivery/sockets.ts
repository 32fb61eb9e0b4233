import { Socket } from 'node:net';

type Opened = [error: null, socket: Socket] | [error: Error, socket: null];

/** Opens a connection, as undici asks for it. */
export type Connector<Options> = (options: Options, callback: (...opened: Opened) => void) => void;

/**
 * Sockets that keep no process alive. undici lets go of the idle ones only, so that a hung request would hold up an exit for as
 * long as an attempt may take; a flush keeps the process by itself, and no longer than its limit.
 */
export interface Sockets {
  /** The same connector, with sockets of that kind. */
  quieten<Options>(connect: Connector<Options>): Connector<Options>;
  /** Gives up those that are still connecting: undici's clients, when they are destroyed, let these go on. */
  close(): void;
}

export function createSockets(): Sockets {
  const connecting = new Set<Socket>();
  return {
    quieten: (connect) => (options, callback) => {
      // undici's connectors return the socket, though their type does not say so.
      const opening: unknown = connect(options, (...opened) => {
        if (opening instanceof Socket) connecting.delete(opening);
        const [, socket] = opened;
        if (socket instanceof Socket) keepQuiet(socket);
        callback(...opened);
      });
      if (!(opening instanceof Socket)) return;
      connecting.add(opening);
      keepQuiet(opening);
    },
    close() {
      for (const socket of connecting) socket.destroy();
    },
  };
}

function keepQuiet(socket: Socket): void {
  socket.unref();
  // undici calls it again for each request.
  socket.ref = () => socket;
}
