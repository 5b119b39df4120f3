import type { Graph } from '../domain/graph.ts';

/**
 * The cycles of a graph, each as its keys in the direction of the data: [a, b] means a → b → a. At least one for every knot of
 * cycles, none twice; empty exactly when the graph has a topological order.
 */
export function findCycles<Key>(upstream: Graph<Key>): readonly (readonly Key[])[] {
  const cycles: Key[][] = [];
  const done = new Set<Key>();
  for (const start of upstream.keys()) {
    // An explicit stack, as a chain may be thousands long; `open` holds each key's place on the path to it.
    const path: { readonly key: Key; next: number }[] = [{ key: start, next: 0 }];
    const open = new Map<Key, number>([[start, 0]]);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const above = done.has(top.key) ? undefined : upstream.get(top.key)?.[top.next++];
      if (above === undefined) {
        done.add(top.key);
        open.delete(top.key);
        path.pop();
        continue;
      }
      const place = open.get(above);
      if (place !== undefined) {
        const cycle = path.slice(place).map(({ key }) => key);
        cycles.push(cycle.reverse());
      } else if (!done.has(above)) {
        open.set(above, path.length);
        path.push({ key: above, next: 0 });
      }
    }
  }
  return cycles;
}
