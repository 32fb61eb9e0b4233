/** Vectors are never sent: their count and dimension are (design.md section 2). */
import { describe, expect, it } from 'vitest';
import type { Reading } from '../../src/completion/completion.ts';
import { withoutNestedVectors } from '../../src/readers/embeddings.ts';

const vector = (length: number): number[] => Array.from({ length }, (_, i) => i / 7);

describe('vectors in what steps hand around', () => {
  const outputOf = (outputValue: Reading['outputValue']): unknown =>
    withoutNestedVectors({ operation: 'workflow', outputValue }).outputValue;

  it.each<[string, Reading['outputValue'], unknown]>([
    ['of one text', { embedding: vector(16) }, { embedding: { vectors: 1, dimensions: 16 } }],
    [
      'of documents',
      [{ node: { text: 'a', embedding: vector(16) } }, { node: { text: 'b', embedding: null } }],
      [
        { node: { text: 'a', embedding: { vectors: 1, dimensions: 16 } } },
        { node: { text: 'b', embedding: null } },
      ],
    ],
    [
      'of several texts',
      { embeddings: [vector(8), vector(8)] },
      { embeddings: { vectors: 2, dimensions: 8 } },
    ],
  ])('%s are counted', (_, value, expected) => {
    expect(outputOf(value)).toEqual(expected);
  });

  it.each<[string, Reading['outputValue']]>([
    ['numbers under other names', { prices: vector(16) }],
    ['a short vector', { vector: [3, 4] }],
    ['the name of a model', { embedding: 'text-embedding-3-small' }],
    ['a text', 'embedding'],
    ['nothing', undefined],
  ])('%s stay as they are', (_, value) => {
    expect(outputOf(value)).toEqual(value);
  });

  it('touch nothing else: a reading without any is the same', () => {
    const reading: Reading = { operation: 'tool', inputValue: { city: 'Oslo' }, outputValue: [1, 2, 3] };
    expect(withoutNestedVectors(reading)).toBe(reading);
  });
});
