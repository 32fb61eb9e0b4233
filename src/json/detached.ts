/** Shorter pieces are copies in any case: V8 makes slices from thirteen characters on. */
const SHORTEST_SLICE = 13;

/**
 * The same text, in memory of its own. What is cut from a text holds on to all of it, so a call id that is remembered would keep the
 * messages alive that it stood in.
 */
export function detached(text: string): string {
  return text.length < SHORTEST_SLICE ? text : ` ${text}`.slice(1);
}
