/** Which redirects may be followed. Pure. */

/** One for a trailing slash, one for a version prefix; a chain beyond that is a loop. */
export const MAX_REDIRECTS = 2;

/** 303 is not among them: it asks for a GET elsewhere, and a record would silently not be posted. */
const REPEATABLE: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/** True for a status that asks for the same request at another address. */
export function isRedirect(status: number): boolean {
  return REPEATABLE.has(status);
}

export type Redirect =
  | { readonly kind: 'follow'; readonly path: string }
  /** Another origin: the key must not travel there. */
  | { readonly kind: 'foreign'; readonly origin: string }
  | { readonly kind: 'invalid' };

/** Judges a `Location` header. A path keeps its query; the fragment is the client's own and stays here. */
export function resolveRedirect(location: unknown, from: URL): Redirect {
  const text = Array.isArray(location) ? location[0] : location;
  if (typeof text !== 'string' || !URL.canParse(text, from.href)) return { kind: 'invalid' };
  const target = new URL(text, from);
  if (target.origin !== from.origin) return { kind: 'foreign', origin: target.origin };
  return { kind: 'follow', path: target.pathname + target.search };
}
