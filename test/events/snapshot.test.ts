import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatSnapshot, isVisible, parseSnapshot, type Snapshot, sawMore } from '../../src/store/snapshot.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const snapshot = fc
  .record({ xmin: fc.bigInt({ min: 3n, max: 60n }), ended: fc.array(fc.boolean(), { maxLength: 12 }) })
  .map(({ xmin, ended }): Snapshot => {
    const xids = ended.map((_, index) => xmin + BigInt(index));
    return { xmin, xmax: xmin + BigInt(ended.length), xip: xids.filter((_, index) => !ended[index]) };
  });

describe('a snapshot', () => {
  let testDatabase: TestDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    testDatabase = await createTestDatabase();
    client = new pg.Client(testDatabase.connection);
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await testDatabase.drop();
  });

  test('sees what Postgres says that it sees', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(snapshot, fc.bigInt({ min: 0n, max: 80n })), { minLength: 20 }),
        async (cases) => {
          const { rows } = await client.query<{ visible: boolean }>(
            `select pg_visible_in_snapshot(xid::xid8, snapshot::pg_snapshot) as visible
             from unnest($1::text[], $2::text[]) with ordinality c(xid, snapshot, ord) order by ord`,
            [cases.map(([, xid]) => xid), cases.map(([one]) => formatSnapshot(one))],
          );
          expect(cases.map(([one, xid]) => isVisible(xid, one))).toEqual(rows.map(({ visible }) => visible));
        },
      ),
      { numRuns: 20 },
    );
  });

  test('that Postgres would refuse is refused', () => {
    for (const text of ['', '5', '5:4:', '5:9:4', '5:9:9', '5:9:7,6', '5:9:6,6', '0:9:', '5:9:6,', '-1:9:']) {
      expect(parseSnapshot(text), text).toBeNull();
    }
  });
});

test('a snapshot comes through being written down', () => {
  fc.assert(
    fc.property(snapshot, (one) => {
      expect(parseSnapshot(formatSnapshot(one))).toEqual(one);
    }),
  );
});

test('of two snapshots, the later one saw more', () => {
  const early: Snapshot = { xmin: 5n, xmax: 9n, xip: [5n, 7n] };
  const oneEnded: Snapshot = { xmin: 7n, xmax: 9n, xip: [7n] };
  const oneBegan: Snapshot = { xmin: 5n, xmax: 11n, xip: [5n, 7n, 9n] };
  expect(sawMore(oneEnded, early)).toBe(true);
  expect(sawMore(oneBegan, early)).toBe(true);
  expect(sawMore(early, oneEnded)).toBe(false);
  expect(sawMore(early, early)).toBe(false);
});
