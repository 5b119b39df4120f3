import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatLogCursor, formatRunCursor } from '../../src/events/cursor.ts';
import { type RunningFeed, startEventFeed } from '../../src/events/feed.ts';
import { establishEpoch } from '../../src/store/epoch.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { keyOf, nextMessage, takeEvents } from './reading.ts';
import { openTestLog, type TestLog } from './test-log.ts';

let testDatabase: TestDatabase;
let log: TestLog;
let feed: RunningFeed;
let run: bigint;

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  log = await openTestLog(testDatabase.connection);
  feed = await startEventFeed({ database: log.database });
  [run] = (await log.createRuns(1)) as [bigint];
});
afterEach(async () => {
  await feed.stop();
  await log.close();
  await testDatabase.drop();
});

const everything = { after: null, pipelineRunId: null, filter: () => true };

describe('a cursor from before the database was restored', () => {
  test('is refused with the oldest one, and everything follows', async () => {
    await log.append(run, 3);
    const { pipelineRunId, filter } = everything;
    const cursor = await feed.position();
    await restore();
    await restart();
    const stream = await feed.open({ after: cursor, pipelineRunId, filter });
    const subscribed = await nextMessage(stream);
    const expired = await nextMessage(stream);
    expect(subscribed.type).toBe('subscribed');
    expect(expired).toMatchObject({ type: 'expired', resumesAt: 'cursor' in subscribed ? subscribed.cursor : '' });
    expect((await takeEvents(stream, 3)).map(keyOf)).toEqual([1, 2, 3].map((seq) => `${run}:${seq}`));

    const fromOldest = await feed.open({ ...everything, after: 'oldestCursor' in expired ? expired.oldestCursor : '' });
    expect((await takeEvents(fromOldest, 3)).map(keyOf)).toHaveLength(3);
  });

  test('is refused by a stream of one run, too', async () => {
    await log.append(run, 3);
    const cursor = formatRunCursor(run, 2, feed.epoch());
    await restore();
    await restart();
    const stream = await feed.open({ ...everything, after: cursor, pipelineRunId: run });
    await nextMessage(stream);
    expect((await nextMessage(stream)).type).toBe('expired');
    expect((await takeEvents(stream, 3)).map(keyOf)).toHaveLength(3);
  });

  test('is refused when the database is replaced under a running feed, whose open streams start over', async () => {
    await log.append(run, 2);
    const stream = await feed.open(everything);
    await nextMessage(stream);
    const next = stream.next();
    await restore();
    await log.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'penstock-tail' and datname = current_database()`,
    );
    feed.wake();
    expect(await next).toMatchObject({ value: { type: 'expired' } });
    expect((await takeEvents(stream, 2)).map(keyOf)).toEqual([`${run}:1`, `${run}:2`]);
    await log.append(run, 1);
    expect((await takeEvents(stream, 1)).map(keyOf)).toEqual([`${run}:3`]);
    expect(feed.epoch()).toBe(2);
  });
});

describe('an epoch', () => {
  test('stays through restarts', async () => {
    expect(await establishEpoch(log.database)).toBe(1);
    expect(await establishEpoch(log.database)).toBe(1);
  });

  test('rises once, however many processes start', async () => {
    await restore();
    const epochs = await Promise.all([1, 2, 3, 4].map(() => establishEpoch(log.database)));
    expect(epochs).toEqual([2, 2, 2, 2]);
  });

  test('forgets transactions of another cluster, whose numbers may be ahead of this one', async () => {
    await log.append(run, 3);
    await log.database.pool.query(`update run_event set xid = '999999999'`);
    await restore();
    await restart();
    const stream = await feed.open(everything);
    for (const seq of [4, 5, 6]) {
      await log.append(run, 1);
      expect((await takeEvents(stream, 1)).map(keyOf)).toEqual([`${run}:${seq}`]);
    }
  });
});

describe('a cursor older than what is kept', () => {
  test('is refused, and what is kept follows', async () => {
    const cursor = await feed.position();
    await log.append(run, 10);
    await log.database.pool.query('delete from run_event where seq <= 4');
    const stream = await feed.open({ ...everything, after: cursor });
    expect((await nextMessage(stream)).type).toBe('subscribed');
    expect((await nextMessage(stream)).type).toBe('expired');
    expect((await takeEvents(stream, 6)).map(({ event }) => event.seq)).toEqual([5, 6, 7, 8, 9, 10]);
  });

  test('of one run is refused by the run', async () => {
    await log.append(run, 10);
    await log.database.pool.query('delete from run_event where seq <= 4');
    const gone = await feed.open({ ...everything, pipelineRunId: run, after: formatRunCursor(run, 3) });
    await nextMessage(gone);
    expect(await nextMessage(gone)).toMatchObject({
      type: 'expired',
      oldestCursor: formatRunCursor(run, 4, feed.epoch()),
    });
    expect((await takeEvents(gone, 6)).map(({ event }) => event.seq)).toEqual([5, 6, 7, 8, 9, 10]);
    const atTheEdge = await feed.open({ ...everything, pipelineRunId: run, after: formatRunCursor(run, 4) });
    await nextMessage(atTheEdge);
    expect(await nextMessage(atTheEdge)).toMatchObject({ type: 'event', event: { seq: 5 } });
  });
});

test('a cursor from before the first event is not too old', async () => {
  const cursor = await feed.position();
  await log.append(run, 2);
  const stream = await feed.open({ ...everything, after: cursor });
  await nextMessage(stream);
  expect((await takeEvents(stream, 2)).map(keyOf)).toEqual([`${run}:1`, `${run}:2`]);
});

test('a cursor from the future of the log is expired', async () => {
  await log.append(run, 2);
  const future = { snapshot: { xmin: 10n ** 9n, xmax: 10n ** 9n, xip: [] }, maxId: 1000n };
  const stream = await feed.open({ ...everything, after: formatLogCursor(feed.epoch(), { seen: future, page: null }) });
  await nextMessage(stream);
  expect((await nextMessage(stream)).type).toBe('expired');
  const ofRun = await feed.open({ ...everything, pipelineRunId: run, after: formatRunCursor(run, 3) });
  await nextMessage(ofRun);
  expect((await nextMessage(ofRun)).type).toBe('expired');
});

/** Makes the database look as if it came from another cluster. */
async function restore(): Promise<void> {
  await log.database.pool.query(`update installation set system_identifier = 'another cluster'`);
}

async function restart(): Promise<void> {
  await feed.stop();
  feed = await startEventFeed({ database: log.database });
}
