/** The API in this process: every post is answered 201 at once and remembered. For tests of time and order, not of sockets. */
export interface Post {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

export function acceptingDispatcher(posts: Post[]): object {
  const accept = (options: { path: string; body?: unknown }): Promise<object> => {
    posts.push({ path: options.path, body: JSON.parse(String(options.body)) as Record<string, unknown> });
    const body = {
      dump: () => Promise.resolve(),
      async *[Symbol.asyncIterator]() {
        yield Buffer.from('{}');
      },
    };
    return Promise.resolve({ statusCode: 201, headers: {}, body });
  };
  return { request: accept, dispatch: () => true };
}
