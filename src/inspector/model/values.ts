/** Reading JSON of strangers: every function is total. */
import type { JsonValue } from '../../json/json-text.ts';

export type JsonObject = { readonly [key: string]: JsonValue | undefined };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `{}` for everything else. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** `[]` for everything else. */
export function listOf(value: unknown): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

/** A string that says something. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

/** The object or list a text is, if it is one: `"5"` and `"true"` are words to a reader. */
export function structureIn(text: string): JsonValue | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  const value = parseJson(text);
  return typeof value === 'object' && value !== null ? value : undefined;
}

/** Names that hold nothing are left out. */
export function entriesOf(value: unknown): readonly (readonly [string, JsonValue])[] {
  return Object.entries(objectOf(value)).filter(
    (entry): entry is [string, JsonValue] => entry[1] !== undefined,
  );
}
