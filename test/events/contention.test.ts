import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningFeed, startEventFeed } from '../../src/events/feed.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { keyOf, outOfOrder, sorted, takeEvents } from './reading.ts';
import { appendEvents, openTestLog, type TestLog } from './test-log.ts';

const writers = 16;
const transactionsEach = 60;

let testDatabase: TestDatabase;
let elsewhere: TestDatabase;
let log: TestLog;
let feed: RunningFeed;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  elsewhere = await createTestDatabase();
  log = await openTestLog(testDatabase.connection);
  feed = await startEventFeed({ database: log.database });
});
afterAll(async () => {
  await feed.stop();
  await log.close();
  await testDatabase.drop();
  await elsewhere.drop();
});

test('many writers on few runs, rollbacks and an idle stranger: nothing is lost, doubled, turned around or held up', async () => {
  const runs = await log.createRuns(4);
  const stranger = new pg.Client(elsewhere.connection);
  await stranger.connect();
  await stranger.query('begin; create table idle (n int); insert into idle values (1)');

  const stream = await feed.open({ after: null, pipelineRunId: null, filter: () => true });
  const ofOneRun = await feed.open({ after: null, pipelineRunId: runs[0] ?? 0n, filter: () => true });
  const written = await Promise.all(Array.from({ length: writers }, () => write(runs)));
  const counts = Map.groupBy(written.flat(), ({ run }) => run);
  const countOf = (run: bigint | undefined) =>
    (counts.get(run ?? 0n) ?? []).reduce((sum, { events }) => sum + events, 0);

  // The stranger is still there: were it waited for, this would not end.
  const all = await takeEvents(
    stream,
    runs.reduce((sum, run) => sum + countOf(run), 0),
  );
  const keys = all.map(keyOf);
  expect(outOfOrder(keys)).toEqual([]);
  expect(sorted(keys)).toEqual(await log.contents());
  const ofRun = await takeEvents(ofOneRun, countOf(runs[0]));
  expect(ofRun.map(({ event }) => event.seq)).toEqual(ofRun.map((_, index) => index + 1));
  await stranger.end();
}, 60_000);

/** Writes to random runs: in some transactions the number is drawn long before the row is locked, some use savepoints, some roll back. */
async function write(runs: readonly bigint[]): Promise<readonly { readonly run: bigint; readonly events: number }[]> {
  const client = await log.database.pool.connect();
  const committed: { run: bigint; events: number }[] = [];
  for (let n = 0; n < transactionsEach; n++) {
    const run = runs[below(runs.length)] ?? 0n;
    const events = 1 + below(4);
    await client.query('begin');
    if (below(3) === 0) await client.query('select pg_current_xact_id()');
    await sleep(below(3));
    if (below(3) === 0) await client.query('savepoint here');
    await appendEvents(client, run, events);
    await sleep(below(3));
    const isKept = below(6) > 0;
    await client.query(isKept ? 'commit' : 'rollback');
    if (isKept) committed.push({ run, events });
    feed.wake();
  }
  client.release();
  return committed;
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}
