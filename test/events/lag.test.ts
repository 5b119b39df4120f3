import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { EventStream, FeedMessage } from '../../src/events/event-feed.ts';
import { type RunningFeed, startEventFeed } from '../../src/events/feed.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { keyOf, nextMessage, sorted, takeEvents } from './reading.ts';
import { openTestLog, type TestLog } from './test-log.ts';

let testDatabase: TestDatabase;
let log: TestLog;
let feed: RunningFeed | undefined;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  log = await openTestLog(testDatabase.connection);
});
afterEach(async () => {
  await feed?.stop();
  feed = undefined;
});
afterAll(async () => {
  await log.close();
  await testDatabase.drop();
});

const everything = { after: null, pipelineRunId: null, filter: () => true };

test.each([
  { what: 'events', bound: { events: 10, bytes: 1_000_000 } },
  { what: 'bytes', bound: { events: 1000, bytes: 8_000 } },
])(
  'who stops reading is told so when too many $what wait, and then gets everything from the log',
  async ({ bound }) => {
    feed = await startEventFeed({ database: log.database, bound, pageSize: 20 });
    const [run, other] = (await log.createRuns(2)) as [bigint, bigint];
    const [slow, quick] = await liveStreams(feed, run);

    await log.append(run, 5);
    await log.append(other, 40);
    await log.append(run, 30);
    // The quick one has them all: so they have been offered to the slow one too.
    await takeEvents(quick, 75);

    const messages: FeedMessage[] = [];
    while (messages.filter(({ type }) => type === 'event').length < 75) messages.push(await nextMessage(slow));
    expect(messages.map(({ type }) => type).indexOf('lagged')).toBe(0);
    expect(messages.filter(({ type }) => type === 'lagged')).toHaveLength(1);
    const keys = messages.flatMap((message) => (message.type === 'event' ? [keyOf(message)] : []));
    expect(sorted(keys)).toEqual(
      (await log.contents()).filter(
        (key) => [`${run}`, `${other}`].includes(key.split(':')[0] ?? '') && ![`${run}:1`, `${run}:2`].includes(key),
      ),
    );

    // And live again, without another word.
    await log.append(run, 1);
    expect(await nextMessage(slow)).toMatchObject({ type: 'event', event: { pipelineRunId: run, seq: 38 } });
  },
);

test('who lags in one run catches up in that run', async () => {
  feed = await startEventFeed({ database: log.database, bound: { events: 10, bytes: 1_000_000 }, pageSize: 20 });
  const [run] = (await log.createRuns(1)) as [bigint];
  const [slow, quick] = await liveStreams(feed, run, run);
  await log.append(run, 100);
  await takeEvents(quick, 100);
  expect(await nextMessage(slow)).toMatchObject({ type: 'lagged', skippedLive: 11 });
  expect((await takeEvents(slow, 100)).map(({ event }) => event.seq)).toEqual(
    Array.from({ length: 100 }, (_, n) => n + 3),
  );
});

test('the cursor of the lag message is a place to come back to', async () => {
  feed = await startEventFeed({ database: log.database, bound: { events: 10, bytes: 1_000_000 } });
  const [run] = (await log.createRuns(1)) as [bigint];
  const [slow, quick] = await liveStreams(feed, run);
  await log.append(run, 50);
  await takeEvents(quick, 50);
  const lagged = await nextMessage(slow);
  await slow.return?.();
  const back = await feed.open({ ...everything, after: lagged.type === 'lagged' ? lagged.cursor : null });
  expect((await takeEvents(back, 50)).map(({ event }) => event.seq)).toEqual(
    Array.from({ length: 50 }, (_, n) => n + 3),
  );
});

/** Two streams that are live, having read the run's first two events; the first one may be about one run only. */
async function liveStreams(
  from: RunningFeed,
  run: bigint,
  only: bigint | null = null,
): Promise<[EventStream, EventStream]> {
  const slow = await from.open({ ...everything, pipelineRunId: only });
  const quick = await from.open(everything);
  // The first may come from the log, and a second time over the bus; with the second one nothing waits any more.
  for (let n = 0; n < 2; n++) {
    await log.append(run, 1);
    await takeEvents(slow, 1);
    await takeEvents(quick, 1);
  }
  return [slow, quick];
}
