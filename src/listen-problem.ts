/** Why a server cannot listen, and what to do about it, in one line. */
export function listenProblem(error: NodeJS.ErrnoException, port: number, host: string): string {
  return error.code === 'EADDRINUSE'
    ? `port ${port} on ${host} is in use: stop what listens there or choose another with --port (0 = any free one)`
    : `cannot listen on ${host} port ${port}: ${error.code ?? error.message}`;
}
