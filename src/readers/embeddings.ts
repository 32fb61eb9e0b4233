/** Embeddings: what was embedded, and how many vectors of which dimension came out. The vectors themselves are never sent. */
import type { Reading } from '../completion/completion.ts';
import { asArray, isObject, type LazyJson } from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import { getAttribute, getCount, withPrefix } from '../span/attributes.ts';
import type { Attributes } from '../span/span-data.ts';

interface Vectors {
  count: number;
  dimensions: number | undefined;
}

/** Shorter lists of numbers are data, not vectors. */
const MIN_DIMENSIONS = 2;
/** Of what a step hands around: a tool's result may have a vector of its own. */
const MIN_NESTED_DIMENSIONS = 8;
const MAX_DEPTH = 8;

/** The reading of an embedding with its output replaced by a summary, its input by the texts where the dialect named none. */
export function withoutVectors(reading: Reading, attributes: Attributes): Reading {
  return {
    ...reading,
    choices: undefined,
    inputValue: decoded(reading.inputValue ?? embeddedTexts(attributes)),
    outputValue: summary(reading.outputValue, attributes),
  };
}

/** Of other steps: what they hand around may hold documents with their vectors. */
export function withoutNestedVectors(reading: Reading): Reading {
  const { inputValue, outputValue } = reading;
  if (!mayHoldVectors(inputValue, 0) && !mayHoldVectors(outputValue, 0)) return reading;
  return { ...reading, inputValue: stripped(inputValue, 0), outputValue: stripped(outputValue, 0) };
}

const VECTOR_KEY = /^(dense_?|sparse_?)?(embeddings?|vectors?)$/i;

/** Almost none does, and finding that out makes nothing. */
function mayHoldVectors(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return false;
  if (Array.isArray(value)) return value.some((item) => mayHoldVectors(item, depth + 1));
  for (const key in value) {
    const item: unknown = (value as { [key: string]: unknown })[key];
    if (Array.isArray(item) && VECTOR_KEY.test(key)) return true;
    if (mayHoldVectors(item, depth + 1)) return true;
  }
  return false;
}

function stripped(value: LazyJson | undefined, depth: number): LazyJson | undefined {
  if (depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((item) => stripped(item as LazyJson, depth + 1)) as LazyJson;
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withoutVector(key, item as LazyJson, depth)]),
  ) as LazyJson;
}

function withoutVector(key: string, item: LazyJson | undefined, depth: number): LazyJson | undefined {
  const found: Vectors = { count: 0, dimensions: undefined };
  if (VECTOR_KEY.test(key) && Array.isArray(item)) collect(item, found, depth + 1);
  const isVector = (found.dimensions ?? 0) >= MIN_NESTED_DIMENSIONS;
  return isVector ? told(found) : stripped(item, depth + 1);
}

/** The AI SDK writes each text as JSON. */
function decoded(input: LazyJson | undefined): LazyJson | undefined {
  const list = asArray(input);
  return list ? list.map((item) => jsonValue(item) as LazyJson) : input;
}

function summary(output: LazyJson | undefined, attributes: Attributes): LazyJson | undefined {
  const found: Vectors = { count: 0, dimensions: undefined };
  // The first source that has any: a second processor may have copied them.
  for (const source of [output, ...vectorSources(attributes)])
    if (found.count === 0) collect(source, found, 0);
  const dimensions =
    found.dimensions ??
    getCount(attributes, 'gen_ai.embeddings.dimension.count', 'gen_ai.request.embedding.dimensions');
  return found.count === 0 && dimensions === undefined ? undefined : told({ ...found, dimensions });
}

function told({ count, dimensions }: Vectors): LazyJson {
  return {
    ...(count > 0 ? { vectors: count } : {}),
    ...(dimensions === undefined ? {} : { dimensions }),
  };
}

function vectorSources(attributes: Attributes): readonly unknown[] {
  const flat = [...withPrefix(attributes, 'embedding.embeddings.')].filter(([key]) =>
    key.endsWith('.vector'),
  );
  return [
    getAttribute(attributes, 'ai.embedding'),
    getAttribute(attributes, 'ai.embeddings'),
    flat.map(([, value]) => value),
  ];
}

function collect(raw: unknown, found: Vectors, depth: number): void {
  if (depth > MAX_DEPTH) return;
  const value = typeof raw === 'string' ? jsonValue(raw) : raw;
  const list = asArray(value);
  if (list) {
    if (list.length >= MIN_DIMENSIONS && typeof list[0] === 'number') {
      found.count++;
      found.dimensions ??= list.length;
    } else for (const item of list) collect(item, found, depth + 1);
  } else if (isObject(value)) {
    const encoded = value.embedding;
    // The API's compact form: 32-bit floats in base64.
    if (typeof encoded === 'string' && /^[A-Za-z0-9+/]{8,}={0,2}$/.test(encoded)) {
      found.count++;
      found.dimensions ??= Math.floor((encoded.replace(/=+$/, '').length * 3) / 16);
    } else for (const item of Object.values(value)) collect(item, found, depth + 1);
  }
}

function embeddedTexts(attributes: Attributes): LazyJson | undefined {
  const texts = [...withPrefix(attributes, 'embedding.embeddings.')]
    .filter(([key]) => key.endsWith('.text'))
    .map(([, value]) => String(value));
  if (texts.length > 0) return texts;
  const input = jsonValue(
    getAttribute(attributes, 'gen_ai.embeddings.input') ?? getAttribute(attributes, 'embedding.text'),
  );
  return input as LazyJson | undefined;
}
