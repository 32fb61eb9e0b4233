/** The completions API without sockets, and runs against it in fake time. */
import { expect, type TestContext, vi } from 'vitest';
import { createFakeDispatcher, type FakeAnswer, isSettled } from '../delivery/support.ts';
import { type Book, createBook, type Post } from './book.ts';
import { type Fate, type Run, type RunOptions, startRun } from './run.ts';

export type { FakeAnswer } from '../delivery/support.ts';

/** How a request is answered; nothing: it is accepted. */
export type FakeScript = (post: Post) => FakeAnswer | undefined;

export interface FakeApi {
  readonly book: Book;
  readonly baseUrl: string;
  readonly dispatcher: object;
}

export function createFakeApi(script: FakeScript): FakeApi {
  const book = createBook();
  const { dispatcher } = createFakeDispatcher(({ path, headers, id }) => {
    const { authorization } = headers;
    const post = book.arrive({ path, authorization, text: '', completionId: id });
    const answer = script(post);
    if (answer !== undefined) return answer;
    const status = book.record(post);
    book.tell(post);
    return { status };
  });
  return {
    book,
    baseUrl: 'http://api.test/api',
    dispatcher,
  };
}

/** To be called in `beforeEach`; `vi.useRealTimers` ends it. Sockets and promises go on as they do. */
export function useFakeTime(): void {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance', 'Date'],
  });
}

export function startFakeRun(
  context: Pick<TestContext, 'onTestFinished'>,
  api: FakeApi,
  options: RunOptions = {},
): Run {
  return startRun(context, api, { dispatcher: api.dispatcher, ...options });
}

export function pass(millis: number): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(millis);
}

/** Shuts down, to the millisecond within its limit, and checks that everything is accounted for and no timer is left. */
export async function finishFake(run: Run, fate: Fate): Promise<void> {
  const stopping = run.shutdown();
  await pass(run.limits.shutdownTimeoutMillis);
  expect(await isSettled(stopping)).toBe(true);
  run.expectAccounted(fate);
  // Closing connections has a roof of its own, behind the limit; it keeps no process alive.
  await pass(1_000);
  expect(vi.getTimerCount()).toBe(0);
}
