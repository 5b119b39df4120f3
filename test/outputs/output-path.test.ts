import fc from 'fast-check';
import { expect, test } from 'vitest';
import { outputPath } from '../../src/outputs/output-path.ts';

test('the folder of an attempt says whose it is', () => {
  expect(outputPath(12, 'load_sales', 3)).toBe('12/load_sales/3');
  expect(outputPath(12n, 'folder/load sales', 3)).toBe('12/folder%2Fload%20sales/3');
});

test('no uuid leads out of its place', () => {
  for (const uuid of ['..', '.', '', '/', '../../etc', 'a/../..', '\0', '\\', '~', 'a'.repeat(5000), '\ud800', '*']) {
    const name = outputPath(1, uuid, 2).slice('1/'.length, -'/2'.length);
    expect(name).toMatch(/^[\w%~-][\w%~.-]{0,199}$/);
  }
});

test('different blocks have different folders', () => {
  const uuid = fc.string({
    unit: fc.oneof(fc.constantFrom('/', '%', '.', '~', 'a', '2', 'F'), fc.string({ maxLength: 1 })),
    maxLength: 300,
  });
  fc.assert(
    fc.property(uuid, uuid, (one, other) => {
      fc.pre(one !== other);
      return outputPath(1, one, 1) !== outputPath(1, other, 1);
    }),
    { numRuns: 2000 },
  );
});
