/**
 * Ended spans that a processor of ours has taken. An exporter on the same provider gets the same objects: then every record is sent twice
 * (and recorded once, since its id is the same). Shared by all copies of the package in the process; weak, so that it keeps no span.
 */
const KEY = Symbol.for('opentelemetry-exporter-freeplay.spans-in-hand');

function taken(): WeakSet<object> {
  const shared = globalThis as { [KEY]?: WeakSet<object> };
  shared[KEY] ??= new WeakSet();
  return shared[KEY];
}

export function markTaken(span: object): void {
  taken().add(span);
}

export function isTaken(span: object): boolean {
  return taken().has(span);
}
