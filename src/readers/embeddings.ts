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
  const inputValue = stripped(reading.inputValue, 0);
  const outputValue = stripped(reading.outputValue, 0);
  if (inputValue === reading.inputValue && outputValue === reading.outputValue) return reading;
  return { ...reading, inputValue, outputValue };
}

const VECTOR_KEY = /^(dense_?|sparse_?)?(embeddings?|vectors?)$/i;

/** The value itself where it holds none. */
function stripped(value: LazyJson | undefined, depth: number): LazyJson | undefined {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  const list = asArray(value);
  if (list) {
    const items = list.map((item) => stripped(item as LazyJson, depth + 1));
    return items.some((item, i) => item !== list[i]) ? (items as LazyJson) : value;
  }
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(
    ([key, item]) => [key, item, withoutVector(key, item, depth)] as const,
  );
  if (entries.every(([, item, rest]) => item === rest)) return value;
  return Object.fromEntries(entries.map(([key, , rest]) => [key, rest])) as LazyJson;
}

function withoutVector(key: string, item: unknown, depth: number): unknown {
  const found: Vectors = { count: 0, dimensions: undefined };
  if (VECTOR_KEY.test(key) && Array.isArray(item)) collect(item, found, depth + 1);
  const isVector = (found.dimensions ?? 0) >= MIN_NESTED_DIMENSIONS;
  return isVector ? told(found) : stripped(item as LazyJson, depth + 1);
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
