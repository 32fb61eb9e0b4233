/** Longer texts are seldom repeated word for word, and remembering them would cost more than reading them. */
const MAX_TEXT = 65_536;
const MAX_TEXTS = 64;

/**
 * A pure reader that remembers its latest texts: for what an application says again in every call. Whoever gets the value must leave it
 * as it is.
 */
export function memoiseByText<T>(read: (raw: unknown) => T): (raw: unknown) => T {
  const known = new Map<string, T>();
  return (raw) => {
    if (typeof raw !== 'string' || raw.length > MAX_TEXT) return read(raw);
    const found = known.get(raw);
    if (found !== undefined) return found;
    const value = read(raw);
    if (known.size >= MAX_TEXTS) known.delete(known.keys().next().value as string);
    known.set(raw, value);
    return value;
  };
}
