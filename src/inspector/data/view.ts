/** What the server knows, as state of a component that follows changes. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { ViewPage } from '../../local/view-types.ts';
import { getJson, ViewError } from './api.ts';
import { type LiveEvent, onLiveEvent } from './live.ts';

export interface View<T> {
  readonly data: T | undefined;
  readonly error: ViewError | undefined;
  /** Nothing to show yet, or what is shown belongs to the question before. */
  readonly waiting: boolean;
  reload(): void;
}

/** Answers that going back can show at once. */
const MAX_REMEMBERED = 40;
const remembered = new Map<string, unknown>();

function remember(path: string, data: unknown): void {
  remembered.delete(path);
  remembered.set(path, data);
  const [oldest] = remembered.keys();
  if (remembered.size > MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
}

export function forgetAll(): void {
  remembered.clear();
}

/** Changes come in bursts: the first is followed at once, the next ones together. */
const RELOAD_GAP_MILLIS = 400;
/** A server that has much to count is left in peace for longer: so many times as long as it took to answer. */
const REST_FACTOR = 4;

/**
 * @param path below the view API; `undefined`: nothing is asked
 * @param isMeant whether an event may have changed the answer; left out: it never changes
 * @param keep shows the former answer until the new one is there: for lists whose filter changes
 */
export function useView<T>(
  path: string | undefined,
  isMeant?: (event: LiveEvent) => boolean,
  keep: boolean = false,
): View<T> {
  const [state, setState] = useState<{
    path: string | undefined;
    data: T | undefined;
    error: ViewError | undefined;
  }>(() => ({ path, data: path === undefined ? undefined : (remembered.get(path) as T), error: undefined }));
  const meant = useRef(isMeant);
  meant.current = isMeant;
  const reload = useRef(() => {});

  useEffect(() => {
    if (path === undefined) return undefined;
    let controller: AbortController | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let lastStart = 0;
    let lastMillis = 0;
    let again = false;
    async function load(): Promise<void> {
      if (controller) {
        again = true;
        return;
      }
      controller = new AbortController();
      lastStart = performance.now();
      const { signal } = controller;
      try {
        const data = await getJson<T>(path!, signal);
        if (signal.aborted) return;
        remember(path!, data);
        setState({ path, data, error: undefined });
      } catch (error) {
        if (signal.aborted) return;
        const shown = error instanceof ViewError ? error : new ViewError(0, 'The answer could not be read.');
        // What is gone is gone; a server that does not answer leaves what is shown.
        setState((now) => ({
          path,
          data: now.path === path && shown.status === 0 ? now.data : undefined,
          error: shown,
        }));
      }
      controller = undefined;
      lastMillis = performance.now() - lastStart;
      if (again) schedule();
    }
    function schedule(): void {
      if (timer !== undefined) return;
      const gap = Math.max(RELOAD_GAP_MILLIS, lastMillis * REST_FACTOR);
      const wait = Math.max(0, lastStart + gap - performance.now());
      timer = setTimeout(() => {
        timer = undefined;
        again = false;
        // Nobody looks: it is asked for when somebody does.
        if (document.hidden) document.addEventListener('visibilitychange', schedule, { once: true });
        else void load();
      }, wait);
    }
    reload.current = schedule;
    const known = remembered.get(path) as T | undefined;
    if (known !== undefined) setState({ path, data: known, error: undefined });
    void load();
    const stop = onLiveEvent((event) => {
      if (meant.current?.(event) || event.type === 'resumed') schedule();
    });
    return () => {
      stop();
      document.removeEventListener('visibilitychange', schedule);
      clearTimeout(timer);
      controller?.abort();
    };
  }, [path]);

  const current = state.path === path;
  return {
    data: current || keep ? state.data : undefined,
    error: current ? state.error : undefined,
    waiting: path !== undefined && (!current || (state.data === undefined && state.error === undefined)),
    reload: useCallback(() => reload.current(), []),
  };
}

export interface ListView<Row> {
  readonly rows: readonly Row[];
  readonly total: number;
  readonly totalIsMore: boolean;
  readonly error: ViewError | undefined;
  readonly waiting: boolean;
  readonly hasMore: boolean;
  readonly loadingMore: boolean;
  loadMore(): void;
}

/** A list with pages: the first one follows changes, the others are as they were when they were asked for. */
export function useList<Row extends { readonly id: string }>(
  path: string,
  query: URLSearchParams,
): ListView<Row> {
  const text = query.toString();
  const first = useView<ViewPage<Row>>(
    text === '' ? path : `${path}?${text}`,
    (event) => event.type === 'changed' || event.type === 'cleared',
    true,
  );
  const [older, setOlder] = useState<
    { text: string; rows: readonly Row[]; next: string | undefined } | undefined
  >();
  const [loadingMore, setLoadingMore] = useState(false);
  const mine = older?.text === text ? older : undefined;
  const head = first.data?.rows ?? [];
  const headIds = new Set(head.map(({ id }) => id));
  const next = mine ? mine.next : first.data?.next;

  useEffect(() => onLiveEvent((event) => event.type === 'cleared' && setOlder(undefined)), []);

  const loadMore = async (): Promise<void> => {
    if (next === undefined || loadingMore) return;
    setLoadingMore(true);
    try {
      const asked = new URLSearchParams(query);
      asked.set('before', next);
      const page = await getJson<ViewPage<Row>>(`${path}?${asked}`);
      // What slips off the first page while it follows changes stays in the list.
      setOlder({ text, rows: [...(mine?.rows ?? head), ...page.rows], next: page.next });
    } catch {
      // The button is still there to try again; a lost connection is told of elsewhere.
    }
    setLoadingMore(false);
  };

  const seen = new Set(headIds);
  const tail = (mine?.rows ?? []).filter(({ id }) => !seen.has(id) && seen.add(id));
  return {
    rows: [...head, ...tail],
    total: first.data?.total ?? 0,
    totalIsMore: first.data?.totalIsMore ?? false,
    error: first.error,
    waiting: first.waiting,
    hasMore: next !== undefined,
    loadingMore,
    loadMore: () => void loadMore(),
  };
}
