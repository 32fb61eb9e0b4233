/**
 * JSON that may not have been parsed yet.
 *
 * A message value inside the core is either a parsed value or a `JsonText`: a slice of the JSON text it was found in.
 * Readers never ask `typeof value`; they ask `asText`, `asArray`, `asObject`, which accept both. So a scanner can hand
 * out slices instead of parsed values, and bodies can be written by copying them, without any reader changing.
 */

import { keepOptimised } from '../keep-optimised.ts';

/** A parsed JSON value. `undefined` members are treated as absent. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/** A value of which any node may still be JSON text. */
export type LazyJson =
  | JsonText
  | string
  | number
  | boolean
  | null
  | readonly LazyJson[]
  | { readonly [key: string]: LazyJson | undefined };

/** A text leaf: parsed, or the slice of a JSON string literal with its quotes. */
export type Text = string | JsonText;

/** A slice of JSON text known to hold exactly one JSON value. */
export class JsonText {
  readonly source: string;
  readonly start: number;
  readonly end: number;
  /** It is, letter by letter, what `JSON.stringify` would make of its value: whoever writes it may copy it. */
  readonly canonical: boolean;

  constructor(source: string, start: number = 0, end: number = source.length, canonical: boolean = false) {
    this.source = source;
    this.start = start;
    this.end = end;
    this.canonical = canonical;
  }

  /** The JSON text itself. */
  get json(): string {
    return this.source.slice(this.start, this.end);
  }

  get isString(): boolean {
    return this.source.charCodeAt(this.start) === 0x22;
  }

  parse(): JsonValue {
    return JSON.parse(this.json) as JsonValue;
  }

  /** Lets `JSON.stringify` write a body that holds slices. */
  toJSON(): JsonValue {
    return this.parse();
  }
}

keepOptimised(new JsonText(''));

/** JSON text, whole or a slice. */
export function jsonOf(text: string | JsonText): string {
  return typeof text === 'string' ? text : text.json;
}

const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Keys that could reach a prototype when copied onto a plain object. */
export function isForbiddenKey(key: string): boolean {
  return FORBIDDEN_KEYS.has(key);
}

/** One level parsed: a `JsonText` becomes its value, anything else stays. */
export function open(value: unknown): unknown {
  return value instanceof JsonText ? value.parse() : value;
}

/** True for a string, parsed or not. */
export function isText(value: unknown): value is Text {
  return typeof value === 'string' || (value instanceof JsonText && value.isString);
}

/** The string, or `undefined` if the value is none. */
export function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof JsonText && value.isString ? (value.parse() as string) : undefined;
}

export type JsonObject = { readonly [key: string]: unknown };

export function asObject(value: unknown): JsonObject | undefined {
  const opened = value instanceof JsonText && !value.isString ? value.parse() : value;
  return isObject(opened) ? opened : undefined;
}

export function asArray(value: unknown): readonly unknown[] | undefined {
  const opened = value instanceof JsonText && !value.isString ? value.parse() : value;
  return Array.isArray(opened) ? opened : undefined;
}

export function asNumber(value: unknown): number | undefined {
  const opened = value instanceof JsonText && !value.isString ? value.parse() : value;
  return typeof opened === 'number' && Number.isFinite(opened) ? opened : undefined;
}

/** A plain object: not null, not an array, not a slice, not binary. */
export function isObject(value: unknown): value is JsonObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof JsonText) &&
    !ArrayBuffer.isView(value)
  );
}

/** Own member of an object; never the prototype's. */
export function member(object: JsonObject | undefined, ...keys: readonly string[]): unknown {
  if (object === undefined) return undefined;
  for (const key of keys) {
    if (Object.hasOwn(object, key)) {
      const value = object[key];
      if (value !== undefined && value !== null) return value;
    }
  }
  return undefined;
}

/** The text of the first of these members that is a non-empty string. */
export function textMember(object: JsonObject | undefined, ...keys: readonly string[]): string | undefined {
  if (object === undefined) return undefined;
  for (const key of keys) {
    if (Object.hasOwn(object, key)) {
      const text = asText(object[key]);
      if (text !== undefined && text !== '') return text;
    }
  }
  return undefined;
}

/** A text as a JSON string literal. */
export function writeText(text: Text): string {
  return text instanceof JsonText && text.canonical ? text.json : JSON.stringify(asText(text) ?? '');
}

/** Whether the text is empty, without unescaping it. */
export function isEmptyText(value: Text): boolean {
  return typeof value === 'string' ? value === '' : value.end - value.start <= 2;
}

const MAX_DEPTH = 64;

/**
 * A value as plain, acyclic JSON of bounded depth: slices parsed, `undefined` and functions gone, bigints as numbers where
 * exact, NaN and infinities as null, binary as base64. What cannot be JSON becomes its text.
 */
export function toJsonValue(value: unknown, depth: number = 0): JsonValue {
  if (value === null || value === undefined) return null;
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : null;
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
    case 'object':
      break;
    default:
      return null;
  }
  if (value instanceof JsonText) return toJsonValue(value.parse(), depth);
  if (depth >= MAX_DEPTH) return '[too deep]';
  if (ArrayBuffer.isView(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  if (Array.isArray(value)) return value.map((item) => toJsonValue(item, depth + 1));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  const copy: { [key: string]: JsonValue } = {};
  for (const key of Object.keys(value)) {
    if (isForbiddenKey(key)) continue;
    const item = (value as { [key: string]: unknown })[key];
    if (item !== undefined && typeof item !== 'function') copy[key] = toJsonValue(item, depth + 1);
  }
  return copy;
}

/** JSON text of any value; a slice is copied, not parsed. */
export function toJsonString(value: unknown): string {
  return value instanceof JsonText ? value.json : JSON.stringify(toJsonValue(value));
}
