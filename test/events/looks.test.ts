import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEventFeed } from '../../src/events/feed.ts';
import type { Database } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { keyOf, takeEvents } from './reading.ts';
import { openTestLog, type TestLog } from './test-log.ts';

let testDatabase: TestDatabase;
let log: TestLog;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  log = await openTestLog(testDatabase.connection);
});
afterAll(async () => {
  await log.close();
  await testDatabase.drop();
});

test('a thousand wake-ups during a look are one more look', async () => {
  const looks = watchLooks(log.database);
  const feed = await startEventFeed({ database: looks.database });
  const [run] = (await log.createRuns(1)) as [bigint];
  const stream = await feed.open({ after: null, pipelineRunId: null, filter: () => true });
  await log.append(run, 1);
  await takeEvents(stream, 1);

  looks.hold();
  feed.wake();
  await looks.begun();
  const before = looks.count();
  for (let n = 0; n < 1000; n++) feed.wake();
  expect(feed.lagMs()).toBeGreaterThan(0);
  looks.release();
  await log.append(run, 1);
  feed.wake();
  expect((await takeEvents(stream, 1)).map(keyOf)).toEqual([`${run}:2`]);
  await expect.poll(() => feed.lagMs()).toBe(0);
  // The one more, one for the last wake-up, and what the clock may have brought on a busy machine.
  expect(looks.count() - before).toBeLessThan(6);
  await feed.stop();
});

test('who comes while the tail looks for nobody misses nothing', async () => {
  const looks = watchLooks(log.database);
  const feed = await startEventFeed({ database: looks.database });
  const everything = { pipelineRunId: null, filter: () => true };
  const [run] = (await log.createRuns(1)) as [bigint];
  const before = await feed.position();
  await log.append(run, 1);

  // Woken by somebody who is gone before the look begins.
  const left = await feed.open({ ...everything, after: null });
  looks.hold();
  await left.return?.();
  await looks.begun();
  const stream = await feed.open({ ...everything, after: before });
  await takeEvents(stream, 1);
  await log.append(run, 1);
  looks.release();
  expect((await takeEvents(stream, 1)).map(keyOf)).toEqual([`${run}:2`]);
  await feed.stop();
});

test('what nobody asks for is passed over, and who comes for it during such a look misses nothing', async () => {
  const looks = watchLooks(log.database);
  const feed = await startEventFeed({ database: looks.database });
  const [run] = (await log.createRuns(1)) as [bigint];
  const before = await feed.position();
  await log.append(run, 1);
  const ofAll = { pipelineRunId: null, filter: () => true };
  await feed.open({ ...ofAll, after: null, kinds: ['run_created', 'run_status_changed'] });
  looks.hold();
  feed.wake();
  await looks.begun();
  expect(looks.kinds()).toEqual(['run_created', 'run_status_changed']);

  const streams = [
    await feed.open({ ...ofAll, after: before, kinds: ['block_status_changed'] }),
    await feed.open({ ...ofAll, after: before, pipelineRunId: run }),
  ];
  // Each comes from the log, at its end: from here on they go by what the look finds.
  for (const stream of streams) expect((await takeEvents(stream, 1)).map(keyOf)).toEqual([`${run}:1`]);
  await log.append(run, 1);
  looks.release();
  await log.append(run, 1);
  feed.wake();
  for (const stream of streams) {
    expect((await takeEvents(stream, 2)).map(keyOf)).toEqual([`${run}:2`, `${run}:3`]);
  }
  expect(looks.kinds()).toBe(null);
  await streams[1]?.return?.();
  await expect
    .poll(() => {
      feed.wake();
      return looks.kinds();
    })
    .toEqual(['run_created', 'run_status_changed', 'block_status_changed']);
  await feed.stop();
});

test('with nobody listening, wake-ups cost nothing', async () => {
  const looks = watchLooks(log.database);
  const feed = await startEventFeed({ database: looks.database });
  for (let n = 0; n < 1000; n++) feed.wake();
  await feed.position();
  expect(looks.count()).toBe(0);
  await feed.stop();
});

/** Counts the looks that read events, and can hold back looks of any kind. */
function watchLooks(database: Database) {
  let count = 0;
  let kinds: unknown;
  let gate = Promise.resolve();
  let release = () => {};
  let begun = Promise.withResolvers<void>();
  const connect = async (name: string): Promise<pg.Client> => {
    const client = await database.connect(name);
    const query = client.query.bind(client) as (...given: readonly unknown[]) => Promise<unknown>;
    const watched = async (...given: readonly unknown[]) => {
      const [statement] = given;
      if (typeof statement === 'object' && statement !== null && 'name' in statement) {
        count++;
        kinds = (statement as pg.QueryConfig).values?.[4];
      }
      begun.resolve();
      await gate;
      return query(...given);
    };
    return name === 'tail' ? Object.assign(client, { query: watched }) : client;
  };
  return {
    database: { ...database, connect },
    count: () => count,
    /** The kinds that the newest of these looks asks for. */
    kinds: () => kinds,
    begun: () => begun.promise,
    hold: () => {
      begun = Promise.withResolvers();
      gate = new Promise((resolve) => {
        release = resolve;
      });
    },
    release: () => release(),
  };
}
