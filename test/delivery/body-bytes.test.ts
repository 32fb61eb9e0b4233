import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createBodyEncoder } from '../../src/delivery/body-bytes.ts';

/** Pieces of a text, none of which ends within a surrogate pair. */
function cutUp(text: string): readonly string[] {
  return text.match(/.{1,700}/gsu) ?? [];
}

it('encodes any text as UTF-8, and no body changes once it is made', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 50 }),
    fc
      .tuple(fc.constantFrom('a', 'é', '€', '😀', '\ud800'), fc.nat(20_000))
      .map(([unit, count]) => unit.repeat(count)),
  );
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 40 }), (list) => {
      const encode = createBodyEncoder();
      const bodies = list.map((text) => encode(cutUp(text)));
      for (const [index, text] of list.entries())
        expect(Buffer.compare(bodies[index] ?? Buffer.alloc(0), Buffer.from(text))).toBe(0);
    }),
    { numRuns: 50 },
  );
});

it('shares memory among small bodies, and none with a large one', () => {
  const encode = createBodyEncoder();
  const [first, second, large] = ['a'.repeat(5_000), 'b'.repeat(5_000), 'c'.repeat(1_000_000)].map((text) =>
    encode([text]),
  );
  expect(first?.buffer).toBe(second?.buffer);
  expect(large?.buffer).not.toBe(second?.buffer);
});
