/** What the completions API has seen, recorded and told, whoever carries the requests: the judge of "exactly once". */
import { validateCompletion, validateTrace } from '../../src/local/contract.ts';

/** One request that arrived. */
export interface Post {
  /** Counts all requests, from 1. */
  readonly number: number;
  /** Counts the requests of this record, from 1. */
  readonly attempt: number;
  readonly id: string;
  /** The bearer key. */
  readonly key: string;
  readonly projectId: string;
  /** The body; empty where a request was not read. */
  readonly text: string;
  /** On the clock of `performance.now()`. */
  readonly at: number;
}

export interface Request {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly text: string;
  /** Of a completion; without it, it is read from the text. */
  readonly completionId?: string | undefined;
}

export interface Book {
  readonly posts: readonly Post[];
  /** What is recorded, by id: the post that did it. */
  readonly recorded: ReadonlyMap<string, Post>;
  /** Ids whose success was told, so that nobody has a reason to ask again. */
  readonly told: ReadonlySet<string>;
  /** Ids that were posted although their success had been told before. */
  readonly repeated: readonly string[];
  /** What was wrong with bodies, by the API's own contract. */
  readonly complaints: readonly string[];
  arrive(request: Request): Post;
  /** Records it: 201, or 409 for what is recorded already. */
  record(post: Post): 201 | 409;
  /** The answer has gone out whole. */
  tell(post: Post): void;
  /** Called with each request, before it is answered. */
  watch(look: () => void): void;
}

export function createBook(): Book {
  const posts: Post[] = [];
  const recorded = new Map<string, Post>();
  const told = new Set<string>();
  const attempts = new Map<string, number>();
  const repeated: string[] = [];
  const complaints: string[] = [];
  const watchers: (() => void)[] = [];
  return {
    posts,
    recorded,
    told,
    repeated,
    complaints,
    watch: (look) => void watchers.push(look),
    arrive({ path, authorization, text, completionId }) {
      const { projectId = '', traceId } =
        /^\/api\/v2\/projects\/(?<projectId>[^/]+)\/sessions\/[\da-f-]{36}\/(completions|traces\/id\/(?<traceId>[\da-f-]{36}))$/.exec(
          path,
        )?.groups ?? {};
      const body = parse(text);
      const id = traceId ?? completionId ?? String(body?.completion_id);
      if (text !== '') {
        const complaint = traceId === undefined ? validateCompletion(body) : validateTrace(body);
        if (complaint !== undefined || projectId === '') complaints.push(`${path}: ${complaint}`);
      }
      const attempt = (attempts.get(id) ?? 0) + 1;
      attempts.set(id, attempt);
      if (told.has(id)) repeated.push(id);
      const key = (authorization ?? '').replace(/^Bearer /, '');
      const post = { number: posts.length + 1, attempt, id, key, projectId, text, at: performance.now() };
      posts.push(post);
      for (const look of watchers) look();
      return post;
    },
    record(post) {
      if (recorded.has(post.id)) return 409;
      recorded.set(post.id, post);
      return 201;
    },
    tell: (post) => void told.add(post.id),
  };
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
