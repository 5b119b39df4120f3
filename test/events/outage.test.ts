import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type RunningFeed, startEventFeed } from '../../src/events/feed.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { keyOf, nextMessage, takeEvents } from './reading.ts';
import { openTestLog, type TestLog } from './test-log.ts';

let testDatabase: TestDatabase;
let log: TestLog;
let feed: RunningFeed;
let problems: unknown[];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  log = await openTestLog(testDatabase.connection);
});
afterEach(async () => {
  await feed.stop();
});
afterAll(async () => {
  await log.close();
  await testDatabase.drop();
});

const everything = { after: null, pipelineRunId: null, filter: () => true };

async function start(): Promise<void> {
  problems = [];
  feed = await startEventFeed({ database: log.database, onProblem: (error) => problems.push(error) });
}

test('a tail whose connection is cut goes on from where it was', async () => {
  await start();
  const [run] = (await log.createRuns(1)) as [bigint];
  const stream = await feed.open(everything);
  await log.append(run, 1);
  await takeEvents(stream, 1);
  for (let n = 0; n < 3; n++) {
    await cutTheTail();
    await log.append(run, 2);
    feed.wake();
  }
  expect((await takeEvents(stream, 6)).map(keyOf)).toEqual([2, 3, 4, 5, 6, 7].map((seq) => `${run}:${seq}`));
  expect(problems.length).toBeGreaterThan(0);
  expect(feed.lagMs()).toBeLessThan(2000);
});

test('a replay goes on after the database was away', async () => {
  await start();
  const [run] = (await log.createRuns(1)) as [bigint];
  const position = await feed.position();
  await log.append(run, 1200);
  const stream = await feed.open({ ...everything, after: position });
  await takeEvents(stream, 500);
  await cutEverything();
  expect((await takeEvents(stream, 700)).map(({ event }) => event.seq)).toEqual(
    Array.from({ length: 700 }, (_, n) => n + 501),
  );
});

test('events of a transaction whose number was given out a second time are seen', async () => {
  // After a crash Postgres gives out again the numbers of transactions that never reached the disk. All connections are lost then.
  await start();
  const [run] = (await log.createRuns(1)) as [bigint];
  const stream = await feed.open(everything);
  await log.append(run, 1);
  const [first] = await takeEvents(stream, 1);
  await cutTheTail();
  await log.database.pool.query(
    `with moved as (update pipeline_run set event_seq = 2 where id = $1)
     insert into run_event (xid, pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt)
     values ('3', $1, 2, now(), 'run_status_changed', 'flow', 1)`,
    [run],
  );
  expect((await takeEvents(stream, 1)).map(keyOf)).toEqual([`${run}:2`]);
  const back = await feed.open({ ...everything, after: first?.cursor ?? null });
  expect((await takeEvents(back, 1)).map(keyOf)).toEqual([`${run}:2`]);
});

test('a feed that stops ends its streams', async () => {
  await start();
  const stream = await feed.open(everything);
  await nextMessage(stream);
  const waiting = stream.next();
  await feed.stop();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(feed.listeners()).toBe(0);
});

test('what nobody listened to is there for who comes later', async () => {
  await start();
  const [run] = (await log.createRuns(1)) as [bigint];
  const position = await feed.position();
  await log.append(run, 3);
  const late = await feed.open(everything);
  const back = await feed.open({ ...everything, after: position });
  await log.append(run, 1);
  expect((await takeEvents(late, 1)).map(keyOf)).toEqual([`${run}:4`]);
  expect((await takeEvents(back, 4)).map(keyOf)).toEqual([1, 2, 3, 4].map((seq) => `${run}:${seq}`));
});

async function cutTheTail(): Promise<void> {
  await log.database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'penstock-tail' and datname = current_database()`,
  );
}

async function cutEverything(): Promise<void> {
  await log.database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
  );
}
