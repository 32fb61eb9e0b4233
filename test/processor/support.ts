/** The API in this process: every post is answered 201 at once and remembered. For tests of time and order, not of sockets. */
export interface Post {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

interface Handler {
  onRequestStart(controller: object): void;
  onResponseStart(controller: object, status: number, headers: object): void;
  onResponseEnd(controller: object): void;
}

/** An undici dispatcher that calls this for every request, and accepts it. */
export function dispatcherFor(onRequest: (request: { path: string; body?: unknown }) => void): object {
  return {
    dispatch(request: { path: string; body?: unknown }, handler: Handler): boolean {
      onRequest(request);
      const controller = { abort() {} };
      handler.onRequestStart(controller);
      queueMicrotask(() => {
        handler.onResponseStart(controller, 201, {});
        handler.onResponseEnd(controller);
      });
      return true;
    },
  };
}

export function acceptingDispatcher(posts: Post[]): object {
  return dispatcherFor(({ path, body }) => {
    posts.push({ path, body: JSON.parse(String(body)) as Record<string, unknown> });
  });
}
