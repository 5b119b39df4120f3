import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { formatRunCursor, InvalidCursorError } from '../../src/events/cursor.ts';
import { type RunningFeed, startEventFeed } from '../../src/events/feed.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { keyOf, nextMessage, takeEvents } from './reading.ts';
import { openTestLog, type TestLog } from './test-log.ts';

let testDatabase: TestDatabase;
let log: TestLog;
let feed: RunningFeed;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  log = await openTestLog(testDatabase.connection);
});
beforeEach(async () => {
  feed = await startEventFeed({ database: log.database });
});
afterEach(async () => {
  await feed.stop();
});
afterAll(async () => {
  await log.close();
  await testDatabase.drop();
});

const everything = { after: null, pipelineRunId: null, filter: () => true };

describe('a subscriber', () => {
  test('is told first from where nothing will be missed, then what happens, in order', async () => {
    const [run] = await runs(1);
    await log.append(run, 2);
    const stream = await feed.open(everything);
    await log.append(run, 3);
    expect(await nextMessage(stream)).toMatchObject({ type: 'subscribed' });
    expect((await takeEvents(stream, 3)).map(keyOf)).toEqual([`${run}:3`, `${run}:4`, `${run}:5`]);
  });

  test('gets what is both in the log and on the bus once', async () => {
    const [run] = await runs(1);
    const watcher = await feed.open(everything);
    await log.append(run, 1);
    await takeEvents(watcher, 1);
    const [ofAll, ofRun] = [await feed.open(everything), await feed.open({ ...everything, pipelineRunId: run })];
    await log.append(run, 3);
    // Live for the watcher, so offered to the others too; they have not begun to read the log.
    await takeEvents(watcher, 3);
    for (const stream of [ofAll, ofRun]) {
      expect((await takeEvents(stream, 3)).map(({ event }) => event.seq)).toEqual([2, 3, 4]);
    }
    await log.append(run, 1);
    for (const stream of [ofAll, ofRun]) expect((await takeEvents(stream, 1)).map(keyOf)).toEqual([`${run}:5`]);
  });

  test('gets a large commit whole', async () => {
    const [run] = await runs(1);
    const stream = await feed.open(everything);
    await log.append(run, 1);
    await takeEvents(stream, 1);
    const reading = takeEvents(stream, 1001);
    await log.append(run, 1000);
    await log.append(run, 1);
    expect((await reading).map(({ event }) => event.seq)).toEqual(Array.from({ length: 1001 }, (_, n) => n + 2));
  });

  test('sees only what its filter lets through', async () => {
    const [run] = await runs(1);
    const stream = await feed.open({ ...everything, filter: (event) => event.seq % 2 === 0 });
    await log.append(run, 4);
    expect((await takeEvents(stream, 2)).map(keyOf)).toEqual([`${run}:2`, `${run}:4`]);
  });

  test('that watches one run hears nothing of others, and its cursors are those of the run', async () => {
    const [run, other] = await runs(2);
    await log.append(run, 2);
    const stream = await feed.open({ ...everything, pipelineRunId: run });
    await log.append(other, 5);
    await log.append(run, 2);
    const events = await takeEvents(stream, 2);
    expect(events.map(keyOf)).toEqual([`${run}:3`, `${run}:4`]);
    const again = await feed.open({ ...everything, pipelineRunId: run, after: events[0]?.cursor ?? null });
    expect((await takeEvents(again, 1)).map(keyOf)).toEqual([`${run}:4`]);
  });

  test('that comes back with a cursor gets exactly what it missed, then what happens', async () => {
    const [one, two] = await runs(2);
    const stream = await feed.open(everything);
    await log.append(one, 3);
    await log.append(two, 3);
    const events = await takeEvents(stream, 4);
    await stream.return?.();
    await log.append(one, 1);
    const back = await feed.open({ ...everything, after: events[3]?.cursor ?? null });
    expect((await takeEvents(back, 3)).map(keyOf)).toEqual([`${two}:2`, `${two}:3`, `${one}:4`]);
    await log.append(two, 1);
    expect((await takeEvents(back, 1)).map(keyOf)).toEqual([`${two}:4`]);
  });

  test('that starts from the position read before a query misses nothing of what comes after the query', async () => {
    const [run] = await runs(1);
    await log.append(run, 1);
    const position = await feed.position();
    await log.append(run, 2);
    const stream = await feed.open({ ...everything, after: position });
    await log.append(run, 1);
    expect((await takeEvents(stream, 3)).map(keyOf)).toEqual([`${run}:2`, `${run}:3`, `${run}:4`]);
  });

  test('can go from a cursor of everything to one run', async () => {
    const [one, two] = await runs(2);
    const stream = await feed.open(everything);
    await log.append(one, 2);
    await log.append(two, 2);
    const cursor = (await takeEvents(stream, 1))[0]?.cursor ?? null;
    const ofOne = await feed.open({ ...everything, pipelineRunId: one, after: cursor });
    const ofTwo = await feed.open({ ...everything, pipelineRunId: two, after: cursor });
    expect((await takeEvents(ofOne, 1)).map(keyOf)).toEqual([`${one}:2`]);
    expect((await takeEvents(ofTwo, 2)).map(keyOf)).toEqual([`${two}:1`, `${two}:2`]);
  });

  test('is told when a cursor belongs to another kind of subscription', async () => {
    const [one, two] = await runs(2);
    await log.append(one, 2);
    const cursor = formatRunCursor(one, 1, feed.epoch());
    await expect(feed.open({ ...everything, after: cursor })).rejects.toThrow(/cursor of one run's events/);
    await expect(feed.open({ ...everything, after: cursor, pipelineRunId: two })).rejects.toThrow(
      `cursor of run ${one}'s events`,
    );
    await expect(feed.open({ ...everything, after: 'nonsense' })).rejects.toThrow(InvalidCursorError);
    expect(feed.listeners()).toBe(0);
  });

  test('leaves at once, although nothing happens any more', async () => {
    const stream = await feed.open(everything);
    await nextMessage(stream);
    const waiting = stream.next();
    const startedAt = performance.now();
    await stream.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(feed.listeners()).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(100);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test('whose filter fails is told so, and nobody else notices', async () => {
    const [run] = await runs(1);
    const broken = await feed.open({
      ...everything,
      filter: () => {
        throw new Error('This filter is broken.');
      },
    });
    const stream = await feed.open(everything);
    await nextMessage(broken);
    await log.append(run, 1);
    await expect(broken.next()).rejects.toThrow('This filter is broken.');
    expect(await broken.next()).toEqual({ done: true, value: undefined });
    expect((await takeEvents(stream, 1)).map(keyOf)).toEqual([`${run}:1`]);
  });
});

test('a feed that has caught up is not behind', async () => {
  const [run] = await runs(1);
  const stream = await feed.open(everything);
  await log.append(run, 1);
  feed.wake();
  await takeEvents(stream, 1);
  await expect.poll(() => feed.lagMs()).toBe(0);
});

async function runs(count: number): Promise<[bigint, bigint]> {
  return (await log.createRuns(count)) as [bigint, bigint];
}
