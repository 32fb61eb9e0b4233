/** Typed, total readers of attributes: they give a value of the right type or `undefined`, and never throw. */

import { isObject, type JsonObject } from '../json/json-text.ts';
import { jsonValue, type ReadJson, readJson } from '../json/read-json.ts';
import { presentKeys } from './shape.ts';
import type { Attributes } from './span-data.ts';

/** The attribute as it is; own properties only. */
export function getAttribute(attributes: Attributes, key: string): unknown {
  return Object.hasOwn(attributes, key) ? attributes[key] : undefined;
}

export function hasAttribute(attributes: Attributes, key: string): boolean {
  return Object.hasOwn(attributes, key) && attributes[key] !== undefined && attributes[key] !== null;
}

/** Words that emitters write for "nothing". */
const PLACEHOLDERS = new Set(['', 'None', 'null', 'undefined', 'NaN', 'unknown', '-1']);

/** The first of these attributes that holds a text which says something. */
export function getString(attributes: Attributes, ...keys: readonly string[]): string | undefined {
  return firstString(attributes, keys);
}

function firstString(attributes: Attributes, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const value = getAttribute(attributes, key);
    if (typeof value === 'string' && !PLACEHOLDERS.has(value.trim())) return value;
  }
  return undefined;
}

/** As {@link getString}, of a list that is always the same: only keys that are there are asked for. */
export function pickString(attributes: Attributes, list: readonly string[]): string | undefined {
  return firstString(attributes, presentKeys(attributes, list));
}

/** As {@link getString}, and numbers count as their text: ids are sometimes numbers. */
export function getId(attributes: Attributes, ...keys: readonly string[]): string | undefined {
  return firstId(attributes, keys);
}

/** What a scrubber leaves of an id: one text for all of them, which would make one session of everybody's. */
const MASK = /^(\[(scrubbed|filtered|redacted|masked)\b[^\]]*\]|__REDACTED__)$/i;

export function isMask(text: string): boolean {
  return MASK.test(text);
}

function firstId(attributes: Attributes, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const value = getAttribute(attributes, key);
    if (typeof value === 'string' && !PLACEHOLDERS.has(value.trim()) && !isMask(value)) return value;
    if (typeof value === 'number' && Number.isFinite(value)) return String(value);
    if (typeof value === 'bigint') return value.toString();
  }
  return undefined;
}

/** As {@link getId}, of a list that is always the same. */
export function pickId(attributes: Attributes, list: readonly string[]): string | undefined {
  return firstId(attributes, presentKeys(attributes, list));
}

/** A number from a number, a numeric string (OTLP int64), a bigint, or a `{low, high, unsigned}` Long. */
export function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'string') {
    const text = value.trim();
    return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined;
  }
  if (isObject(value) && typeof value.low === 'number' && typeof value.high === 'number') {
    return value.high * 2 ** 32 + (value.low >>> 0);
  }
  return undefined;
}

/** A count: a non-negative whole number. A placeholder such as -1 or NaN is none. */
export function toCount(value: unknown): number | undefined {
  const number = toNumber(value);
  if (number === undefined || number < 0) return undefined;
  const count = Math.round(number);
  return Number.isSafeInteger(count) ? count : undefined;
}

export function getNumber(attributes: Attributes, ...keys: readonly string[]): number | undefined {
  return firstNumber(attributes, keys);
}

function firstNumber(attributes: Attributes, keys: readonly string[]): number | undefined {
  for (const key of keys) {
    const value = toNumber(getAttribute(attributes, key));
    if (value !== undefined) return value;
  }
  return undefined;
}

/** As {@link getNumber}, of a list that is always the same. */
export function pickNumber(attributes: Attributes, list: readonly string[]): number | undefined {
  return firstNumber(attributes, presentKeys(attributes, list));
}

export function getCount(attributes: Attributes, ...keys: readonly string[]): number | undefined {
  return firstCount(attributes, keys);
}

function firstCount(attributes: Attributes, keys: readonly string[]): number | undefined {
  for (const key of keys) {
    const value = toCount(getAttribute(attributes, key));
    if (value !== undefined) return value;
  }
  return undefined;
}

/** As {@link getCount}, of a list that is always the same. */
export function pickCount(attributes: Attributes, list: readonly string[]): number | undefined {
  return firstCount(attributes, presentKeys(attributes, list));
}

export function toBoolean(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    const word = value.trim().toLowerCase();
    if (word === 'true') return true;
    if (word === 'false') return false;
  }
  return undefined;
}

/** A list of texts from an array, a JSON list in a string, a comma list, or a single text. Empty entries are dropped. */
export function toStringArray(value: unknown): readonly string[] | undefined {
  const parsed = typeof value === 'string' && value.trim().startsWith('[') ? jsonValue(value) : value;
  if (Array.isArray(parsed)) {
    const texts = parsed.filter((item): item is string => typeof item === 'string' && item !== '');
    return texts.length > 0 ? texts : undefined;
  }
  if (typeof parsed === 'string' && !PLACEHOLDERS.has(parsed.trim())) return [parsed];
  return undefined;
}

export function getStringArray(
  attributes: Attributes,
  ...keys: readonly string[]
): readonly string[] | undefined {
  return firstStringArray(attributes, keys);
}

function firstStringArray(attributes: Attributes, keys: readonly string[]): readonly string[] | undefined {
  for (const key of keys) {
    const list = toStringArray(getAttribute(attributes, key));
    if (list) return list;
  }
  return undefined;
}

/** As {@link getStringArray}, of a list that is always the same. */
export function pickStringArray(
  attributes: Attributes,
  list: readonly string[],
): readonly string[] | undefined {
  return firstStringArray(attributes, presentKeys(attributes, list));
}

/** The first of these attributes that is present, read as JSON; an empty text counts as absent. */
export function getJson(attributes: Attributes, ...keys: readonly string[]): ReadJson | undefined {
  for (const key of keys) {
    const raw = getAttribute(attributes, key);
    if (raw === '' || raw === undefined || raw === null) continue;
    return readJson(raw);
  }
  return undefined;
}

/** The first of these attributes that holds a JSON object. */
export function getJsonObject(attributes: Attributes, ...keys: readonly string[]): JsonObject | undefined {
  for (const key of keys) {
    const value = readJson(getAttribute(attributes, key))?.value;
    if (isObject(value)) return value;
  }
  return undefined;
}

/** Entries whose key starts with the prefix, keyed by the rest. At most `limit`. */
export function withPrefix(
  attributes: Attributes,
  prefix: string,
  limit: number = 256,
): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const key of Object.keys(attributes)) {
    if (!key.startsWith(prefix) || key.length === prefix.length) continue;
    if (found.size >= limit) break;
    found.set(key.slice(prefix.length), attributes[key]);
  }
  return found;
}

/** Whether any attribute below the prefix holds something. */
export function hasPrefix(attributes: Attributes, prefix: string): boolean {
  for (const key in attributes) if (key.startsWith(prefix) && hasAttribute(attributes, key)) return true;
  return false;
}
