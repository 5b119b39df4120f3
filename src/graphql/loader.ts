import DataLoader from 'dataloader';

/**
 * Gathers what the fields of one level ask for into one query. It remembers nothing: one operation of a subscription
 * executes for each of its events, and each execution must see the rows as they are by then.
 */
export function createLoader<Key, Value>(
  load: (keys: readonly Key[]) => Promise<readonly Value[]>,
): DataLoader<Key, Value> {
  return new DataLoader<Key, Value>(load, { cache: false, maxBatchSize: 1_000 });
}

/** A loader of rows that have one of the keys each. */
export function createRowLoader<Key, Row>(
  keyOf: (row: Row) => Key,
  find: (keys: Key[]) => Promise<readonly Row[]>,
): DataLoader<Key, Row | null> {
  return createLoader(async (keys) => {
    const rows = new Map((await find([...new Set(keys)])).map((row) => [keyOf(row), row]));
    return keys.map((key) => rows.get(key) ?? null);
  });
}

/** A loader of the many rows that share a key; their order is that of `find`. */
export function createGroupLoader<Key, Row>(
  keyOf: (row: Row) => Key,
  find: (keys: Key[]) => Promise<readonly Row[]>,
): DataLoader<Key, readonly Row[]> {
  return createLoader(async (keys) => {
    const groups = Map.groupBy(await find([...new Set(keys)]), keyOf);
    return keys.map((key) => groups.get(key) ?? []);
  });
}
