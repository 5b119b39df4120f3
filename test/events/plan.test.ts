import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LogPosition } from '../../src/store/log-position.ts';
import {
  prepareTail,
  readLogBounds,
  readPage,
  readPosition,
  readRunPage,
  readSeenSeq,
  readTail,
  readTailPosition,
  readWindow,
} from '../../src/store/run-event-log.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { appendEvents, openTestLog, type TestLog } from './test-log.ts';

/**
 * Every fresh database was analyzed while it was empty; plans made then must still do when it has grown. Counted in blocks touched,
 * which, other than milliseconds, are the same on every machine.
 */

let testDatabase: TestDatabase;
let log: TestLog;
let tail: pg.Client;
let reader: pg.Client;
let old: LogPosition;
let now: LogPosition;
let run: bigint;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  log = await openTestLog(testDatabase.connection);
  tail = await log.database.connect('tail');
  await prepareTail(tail);
  reader = await log.database.connect('reader');
  await tail.query('alter table run_event set (autovacuum_enabled = off)');
  await tail.query('analyze run_event');
  old = await readPosition(reader);
  for (let n = 0; n < 10; n++) await readTail(tail, old, null, 250);

  const [big, small] = (await log.createRuns(2)) as [bigint, bigint];
  for (let n = 0; n < 20; n++) await log.append(big, 5000);
  now = await readPosition(reader);
  for (let n = 0; n < 10; n++) await log.append(small, 10);
  run = small;
});
afterAll(async () => {
  await tail.end();
  await reader.end();
  await log.close();
  await testDatabase.drop();
});

describe('behind 100,000 events, in a table that was empty when analyzed,', () => {
  test('a look of the tail touches only what is new', async () => {
    const { result, blocks } = await counted(tail, (client) => readTail(client, now, null, 250));
    expect(result.entries).toHaveLength(100);
    expect(blocks).toBeLessThan(50);
  });

  test('a look of the tail with transactions in progress does, too', async () => {
    const open = await log.database.pool.connect();
    await open.query('begin');
    await appendEvents(open, run, 5);
    const since = await readPosition(log.database.pool);
    await open.query('commit');
    open.release();
    const { result, blocks } = await counted(tail, (client) => readTail(client, since, null, 250));
    expect(result.entries).toHaveLength(5);
    expect(blocks).toBeLessThan(50);
  });

  test('the position of this moment touches next to nothing, also on the connection of the tail', async () => {
    expect((await counted(reader, readPosition)).blocks).toBeLessThan(20);
    const before = await blocksEverFetched(tail);
    expect(await readTailPosition(tail)).toEqual(await readPosition(reader));
    expect((await blocksEverFetched(tail)) - before).toBeLessThan(20);
  });

  test('a page of a replay costs the same at the beginning and at the end', async () => {
    const { upTo } = await readWindow(reader, old);
    for (const lastId of [0n, 50_000n, 99_000n]) {
      const { result, blocks } = await counted(reader, (client) =>
        readPage(client, { seen: old, page: { upTo, lastId } }, 500),
      );
      expect(result.entries).toHaveLength(500);
      expect(blocks).toBeLessThan(200);
    }
  });

  test('a page of one run touches only that run', async () => {
    const { result, blocks } = await counted(reader, (client) => readRunPage(client, run, 20, 50));
    expect(result).toHaveLength(50);
    expect(blocks).toBeLessThan(150);
  });

  test('finding how much of a run was seen touches only that run', async () => {
    const { result, blocks } = await counted(reader, (client) => readSeenSeq(client, run, { seen: now, page: null }));
    expect(result).toBe(0);
    expect(blocks).toBeLessThan(150);
  });

  test('finding where to go on touches only what was missed', async () => {
    expect((await counted(reader, (client) => readWindow(client, now))).blocks).toBeLessThan(50);
    expect((await counted(reader, readLogBounds)).blocks).toBeLessThan(20);
  });
});

/** What the statement answers, and how many blocks of the log and its indexes it looked at. */
async function counted<T>(
  client: pg.Client,
  read: (client: pg.Client) => Promise<T>,
): Promise<{ readonly result: T; readonly blocks: number }> {
  await client.query('begin');
  const before = await blocksFetched(client);
  const result = await read(client);
  const after = await blocksFetched(client);
  await client.query('rollback');
  return { result, blocks: after - before };
}

/** Blocks of the log and its indexes that the present transaction looked at. */
async function blocksFetched(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ blocks: number }>(
    `select sum(pg_stat_get_xact_blocks_fetched(oid))::int as blocks from pg_class
      where oid = 'run_event'::regclass or oid in (select indexrelid from pg_index where indrelid = 'run_event'::regclass)`,
  );
  return rows[0]?.blocks ?? 0;
}

/** As blocksFetched, of all transactions that are over, of which the connection's own are counted up to now. */
async function blocksEverFetched(client: pg.Client): Promise<number> {
  await client.query('select pg_stat_force_next_flush()');
  const { rows } = await client.query<{ blocks: number }>(
    `select sum(pg_stat_get_blocks_fetched(oid))::int as blocks from pg_class
      where oid = 'run_event'::regclass or oid in (select indexrelid from pg_index where indrelid = 'run_event'::regclass)`,
  );
  return rows[0]?.blocks ?? 0;
}
