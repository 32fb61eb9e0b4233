/** What of the truth the telemetry holds at all: texts as leaves or parts of leaves, counts under usage-like keys. */
import type { CapturedLog, CapturedSpan } from './corpus.ts';

export class Evidence {
  readonly #texts: string[] = [];
  readonly #exact = new Set<string>();
  readonly #objects = new Set<string>();
  readonly #numbers: [path: string, value: number][] = [];
  #mentionsCounts = false;
  #blob: string | undefined;

  add(value: unknown, path: string, depth = 0): void {
    if (depth > 14 || value === null || value === undefined) return;
    if (typeof value === 'number') this.#numbers.push([path, value]);
    else if (typeof value === 'string') {
      this.#texts.push(squash(value));
      this.#exact.add(value.trim());
      if (/\d/.test(value) && COUNTED.test(path)) this.#mentionsCounts = true;
      if (/^\d+$/.test(value)) this.#numbers.push([path, Number(value)]);
      const inner = /^\s*["[{]/.test(value) ? parsed(value) : undefined;
      if (inner !== undefined) this.add(inner, path, depth + 1);
    } else if (Array.isArray(value)) {
      for (const item of value) this.add(item, path, depth + 1);
    } else if (typeof value === 'object' && !ArrayBuffer.isView(value)) {
      this.#objects.add(canonical(value));
      for (const [key, item] of Object.entries(value)) this.add(item, `${path}.${key}`, depth + 1);
    }
  }

  addSpan(span: CapturedSpan): void {
    for (const [key, value] of Object.entries(span.attributes)) this.add(value, key);
    for (const event of span.events)
      for (const [key, value] of Object.entries(event.attributes ?? {})) this.add(value, key);
    this.add(span.status?.message, 'status');
  }

  addLog(log: CapturedLog): void {
    this.add(log.body, 'body');
    for (const [key, value] of Object.entries(log.attributes ?? {})) this.add(value, key);
  }

  hasText(text: string): boolean {
    if (this.#exact.has(text.trim())) return true;
    if (text.length < 12) return false;
    this.#blob ??= this.#texts.join('\u0001');
    return this.#blob.includes(squash(text));
  }

  hasExact(text: string): boolean {
    return this.#exact.has(text);
  }

  hasObject(value: unknown): boolean {
    return this.#objects.has(canonical(value)) || this.#exact.has(JSON.stringify(value));
  }

  /** Under a key of tokens, and of the side asked for. */
  hasCount(n: number, side: RegExp): boolean {
    return this.#numbers.some(
      ([path, value]) => value === n && /token|usage/i.test(path) && side.test(path) && !LIMIT.test(path),
    );
  }

  hasAnyCount(): boolean {
    return (
      this.#mentionsCounts || this.#numbers.some(([path]) => /token|usage/i.test(path) && !LIMIT.test(path))
    );
  }
}

/** Counts that hide in the text of some other language's object. */
const COUNTED = /(^|[._])usage$/i;
const LIMIT = /max_?(output_?|completion_?|new_?)?tokens?|budget/i;

export const READ: RegExp = /prompt|input|cache/i;
export const WRITTEN: RegExp = /completion|output|candidates|generated/i;

export function squash(text: string): string {
  return text.replace(/\s+/g, '');
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Equal for equal JSON, whatever the order of keys. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.keys(value)
      .filter((key) => (value as Record<string, unknown>)[key] !== undefined)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`)
      .join()}}`;
  return JSON.stringify(value) ?? 'null';
}
