/** The shape of a run: who waits for whom. Keys are whatever names a block: uuids of a definition, ids of a run. */
export type Graph<Key> = ReadonlyMap<Key, readonly Key[]>;

/** Everything downstream of `starts`, the starts themselves left out unless one lies below another. */
export function descendants<Key>(downstream: Graph<Key>, starts: Iterable<Key>): Set<Key> {
  const found = new Set<Key>();
  const waiting = [...starts];
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    for (const next of downstream.get(key) ?? []) {
      if (found.has(next)) continue;
      found.add(next);
      waiting.push(next);
    }
  }
  return found;
}

/** Every key after all of its upstreams, otherwise in the given order; null when the graph has a cycle. */
export function topologicalOrder<Key>(upstream: Graph<Key>): Key[] | null {
  const order: Key[] = [];
  const state = new Map<Key, 'open' | 'done'>();
  for (const start of upstream.keys()) {
    // An explicit stack: a chain of 10,000 blocks must not overflow ours.
    const stack: { readonly key: Key; next: number }[] = [{ key: start, next: 0 }];
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (state.get(top.key) === 'done') {
        stack.pop();
        continue;
      }
      state.set(top.key, 'open');
      const above = upstream.get(top.key) ?? [];
      const next = above[top.next++];
      if (next === undefined) {
        state.set(top.key, 'done');
        order.push(top.key);
        stack.pop();
      } else if (state.get(next) === 'open') {
        return null;
      } else if (state.get(next) === undefined) {
        stack.push({ key: next, next: 0 });
      }
    }
  }
  return order;
}
