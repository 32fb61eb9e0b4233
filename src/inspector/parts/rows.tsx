/** A list of rows that are links, walked through with j and k. */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { previousPath } from '../data/place.ts';

export function Rows({
  label,
  kind,
  children,
}: {
  label: string;
  kind: string;
  children: ComponentChildren;
}): VNode {
  const list = useRef<HTMLUListElement>(null);
  // Whoever comes back finds the focus where it was.
  useEffect(() => {
    const path = previousPath();
    if (path === undefined) return;
    for (const link of list.current?.querySelectorAll<HTMLAnchorElement>('a[data-row]') ?? [])
      if (link.pathname === path) link.focus({ preventScroll: true });
  }, []);
  return (
    <ul class={`rows rows-${kind}`} aria-label={label} ref={list}>
      {children}
    </ul>
  );
}

/** What follows the list: how much of it is shown, and the rest. */
export function ListEnd({
  shown,
  total,
  totalIsMore,
  hasMore,
  loadingMore,
  loadMore,
}: {
  shown: number;
  total: number;
  totalIsMore: boolean;
  hasMore: boolean;
  loadingMore: boolean;
  loadMore: () => void;
}): VNode {
  return (
    <p class="list-end muted">
      <span>
        {shown.toLocaleString('en-US')} of {totalIsMore ? 'more than ' : ''}
        {total.toLocaleString('en-US')}
      </span>
      {hasMore && (
        <button type="button" class="button" disabled={loadingMore} onClick={loadMore}>
          {loadingMore ? 'Loading …' : 'Show older ones'}
        </button>
      )}
    </p>
  );
}
