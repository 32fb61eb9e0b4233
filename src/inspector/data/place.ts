/** Where the page is: the address, and going from one to another without loading anew. */
import { useEffect, useState } from 'preact/hooks';

export interface Place {
  readonly path: string;
  readonly query: URLSearchParams;
}

const listeners = new Set<() => void>();
/** The place before this one, so that a list can give its focus back to the row that was opened. */
let cameFrom: string | undefined;

function here(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

export function previousPath(): string | undefined {
  return cameFrom;
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const update = (): void => setPlace(here());
    listeners.add(update);
    update();
    return () => {
      listeners.delete(update);
    };
  }, []);
  return place;
}

function tell(): void {
  for (const listener of [...listeners]) listener();
}

export function go(href: string): void {
  if (href === location.pathname + location.search) return;
  cameFrom = location.pathname;
  history.replaceState({ scroll: window.scrollY }, '');
  history.pushState({ scroll: 0 }, '', href);
  tell();
  window.scrollTo(0, 0);
}

/** Another view of the same place: tabs, filters while they are typed. Leaves no trace in the history. */
export function adjust(change: (query: URLSearchParams) => void): void {
  const query = new URLSearchParams(location.search);
  change(query);
  const text = query.toString();
  history.replaceState(history.state, '', text === '' ? location.pathname : `${location.pathname}?${text}`);
  tell();
}

/** Links of the page's own are followed here; new tabs, downloads and other hosts are the browser's. */
function followLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link) return;
  if (link.target !== '' || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.hash !== '' && link.pathname === location.pathname) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

export function startPlaces(): void {
  history.scrollRestoration = 'manual';
  document.addEventListener('click', followLink);
  let last = location.pathname;
  listeners.add(() => {
    last = location.pathname;
  });
  window.addEventListener('popstate', (event) => {
    cameFrom = last;
    tell();
    const scroll = Number((event.state as { scroll?: unknown } | null)?.scroll ?? 0);
    // What is shown again comes from memory, so two frames are enough for it to have its height.
    requestAnimationFrame(() => requestAnimationFrame(() => window.scrollTo(0, scroll)));
  });
}
