import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { LogPosition } from '../../src/store/log-position.ts';
import { readPosition, readTail } from '../../src/store/run-event-log.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { outOfOrder } from './reading.ts';
import { appendEvents, openTestLog, type TestLog } from './test-log.ts';

/**
 * The three interleavings of commits that break a tail, each constructed step by step. Penstock's tail passes them all. The two
 * tails that one would write first fail here, on purpose: so we know that these tests can tell.
 */

/** Looks at the log and gives back what it takes for new. */
type Tail = () => Promise<readonly string[]>;

let testDatabase: TestDatabase;
let elsewhere: TestDatabase;
let log: TestLog;
let run: bigint;
let other: bigint;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  elsewhere = await createTestDatabase();
  log = await openTestLog(testDatabase.connection);
});
beforeEach(async () => {
  [run, other] = (await log.createRuns(2)) as [bigint, bigint];
});
afterAll(async () => {
  await log.close();
  await testDatabase.drop();
  await elsewhere.drop();
});

describe('the tail asks for what its last snapshot did not see', () => {
  test('and finds what was written early and committed late', async () => {
    expect(await lateCommit(await snapshotTail())).toEqual([`${other}:1`, `${run}:1`]);
  });
  test('and keeps the order of a run whose later writer has the older transaction', async () => {
    expect(outOfOrder(await olderTransactionWritesLater(await snapshotTail()))).toEqual([]);
  });
  test('and waits for no stranger', async () => {
    expect(await strangerHoldsTheHorizon(await snapshotTail())).toEqual([`${run}:1`]);
  });
});

describe('a tail by id', () => {
  test('loses what was written early and committed late', async () => {
    expect(await lateCommit(await tailById())).toEqual([`${other}:1`]);
  });
});

describe('a tail by xid and id, below the oldest transaction', () => {
  test('turns around the order of a run whose later writer has the older transaction', async () => {
    // Without the horizon: it doesn't change the order, and other tests of this cluster may hold it.
    expect(outOfOrder(await olderTransactionWritesLater(await tailByXid('true')))).toEqual([`${run}:1`]);
  });
  test('stops for a stranger', async () => {
    expect(await strangerHoldsTheHorizon(await tailByXid('xid < pg_snapshot_xmin(pg_current_snapshot())'))).toEqual([]);
  });
});

/** The lower id is committed after a look has seen the higher one. */
async function lateCommit(look: Tail): Promise<readonly string[]> {
  const slow = await transactionOn(log);
  await appendEvents(slow, run, 1);
  await log.append(other, 1);
  const seen = await look();
  await commit(slow);
  return [...seen, ...(await look())];
}

/** One transaction has a number early; another writes the run's first event; then the early one writes the second. */
async function olderTransactionWritesLater(look: Tail): Promise<readonly string[]> {
  const early = await transactionOn(log);
  await early.query('select pg_current_xact_id()');
  await log.append(run, 1);
  await appendEvents(early, run, 1);
  await commit(early);
  return await look();
}

/** A transaction in another database of the cluster has written and idles. */
async function strangerHoldsTheHorizon(look: Tail): Promise<readonly string[]> {
  const stranger = new pg.Client(elsewhere.connection);
  await stranger.connect();
  await stranger.query('begin; create table idle (n int); insert into idle values (1)');
  await log.append(run, 1);
  const seen = await look();
  await stranger.end();
  return seen;
}

async function transactionOn({ database }: TestLog): Promise<pg.PoolClient> {
  const client = await database.pool.connect();
  await client.query('begin');
  return client;
}

async function commit(client: pg.PoolClient): Promise<void> {
  await client.query('commit');
  client.release();
}

async function snapshotTail(): Promise<Tail> {
  let position: LogPosition = await readPosition(log.database.pool);
  return async () => {
    const client = await log.database.pool.connect();
    const { upTo, entries } = await readTail(client, position, null, 1000);
    client.release();
    position = upTo;
    return entries.map(({ event }) => `${event.pipelineRunId}:${event.seq}`);
  };
}

async function tailById(): Promise<Tail> {
  let last = (await readPosition(log.database.pool)).maxId;
  return async () => {
    const { rows } = await log.database.pool.query<{ id: bigint; key: string }>(
      `select id, pipeline_run_id || ':' || seq as key from run_event where id > $1 order by id`,
      [last],
    );
    last = rows.at(-1)?.id ?? last;
    return rows.map(({ key }) => key);
  };
}

async function tailByXid(horizon: string): Promise<Tail> {
  const { snapshot, maxId } = await readPosition(log.database.pool);
  let last = { xid: String(snapshot.xmax - 1n), id: maxId };
  return async () => {
    const { rows } = await log.database.pool.query<{ xid: string; id: bigint; key: string }>(
      `select xid::text as xid, id, pipeline_run_id || ':' || seq as key from run_event
        where (xid, id) > ($1::xid8, $2::bigint) and ${horizon}
        order by run_event.xid, id`,
      [last.xid, last.id],
    );
    last = rows.at(-1) ?? last;
    return rows.map(({ key }) => key);
  };
}
