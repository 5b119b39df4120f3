import fc from 'fast-check';
import { expect, test } from 'vitest';
import { descendants, topologicalOrder } from '../../src/domain/graph.ts';
import { arbitraryDag } from './arbitrary-run.ts';

const asMap = (dag: readonly (readonly number[])[]) => new Map(dag.map((upstream, place) => [place, upstream]));

test('an order puts every block after those that it waits for, and leaves none out', () => {
  fc.assert(
    fc.property(arbitraryDag(12), (dag) => {
      const order = topologicalOrder(asMap(dag));
      expect(order).toHaveLength(dag.length);
      const place = new Map(order?.map((key, index) => [key, index]));
      dag.forEach((upstream, key) => {
        for (const above of upstream) expect(place.get(above)).toBeLessThan(place.get(key)!);
      });
    }),
  );
});

test('a cycle has no order', () => {
  expect(
    topologicalOrder(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['a']],
      ]),
    ),
  ).toBeNull();
  expect(topologicalOrder(new Map([['a', ['a']]]))).toBeNull();
});

test('a chain of 20,000 blocks overflows no stack', () => {
  const chain = new Map(Array.from({ length: 20_000 }, (_, i) => [20_000 - i, i === 19_999 ? [] : [19_999 - i]]));
  expect(topologicalOrder(chain)).toHaveLength(20_000);
});

test('descendants are everything below, each once', () => {
  const downstream = new Map([
    ['a', ['b', 'c']],
    ['b', ['d']],
    ['c', ['d']],
    ['d', []],
    ['e', ['d']],
  ]);
  expect([...descendants(downstream, ['a'])].sort()).toEqual(['b', 'c', 'd']);
  expect([...descendants(downstream, ['d'])]).toEqual([]);
});
