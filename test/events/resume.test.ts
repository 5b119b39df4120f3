import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EventStream } from '../../src/events/event-feed.ts';
import { type RunningFeed, startEventFeed } from '../../src/events/feed.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type EventMessage, keyOf, nextMessage, outOfOrder, sorted, takeEvents } from './reading.ts';
import { openTestLog, type TestLog } from './test-log.ts';

let testDatabase: TestDatabase;
let log: TestLog;
let feed: RunningFeed;
let runs: readonly bigint[];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  log = await openTestLog(testDatabase.connection);
  // Small pages and queues, so that a short history has every seam.
  feed = await startEventFeed({ database: log.database, pageSize: 7, bound: { events: 20, bytes: 1_000_000 } });
  runs = await log.createRuns(3);
});
afterAll(async () => {
  await feed.stop();
  await log.close();
  await testDatabase.drop();
});

const everything = { after: null, pipelineRunId: null, filter: () => true };

test('a cursor from anywhere in a stream gives exactly the rest, over any number of disconnects', async () => {
  const watcher = await feed.open(everything);
  await nextMessage(watcher);
  const history: EventMessage[] = [];
  for (let round = 0; round < 8; round++) {
    const writing = Promise.all(runs.flatMap((run) => [log.append(run, 1 + (round % 5)), log.append(run, 2)]));
    history.push(...(await takeEvents(watcher, runs.length * (3 + (round % 5)))));
    await writing;
  }

  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: history.length - 1 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 }),
      async (cut, visits) => {
        const expected = history.slice(cut + 1).map(keyOf);
        const got: EventMessage[] = [];
        let cursor = history[cut]?.cursor ?? '';
        for (const visit of [...visits, history.length]) {
          const stream = await feed.open({ ...everything, after: cursor });
          got.push(...(await takeEvents(stream, Math.min(visit, expected.length - got.length))));
          await stream.return?.();
          cursor = got.at(-1)?.cursor ?? cursor;
        }
        expect(sorted(got.map(keyOf))).toEqual(sorted(expected));
        expect(outOfOrder(got.map(keyOf))).toEqual([]);
      },
    ),
    { numRuns: 20 },
  );
}, 60_000);

test('who comes and goes while others write gets every event once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 3, maxLength: 10 }), async (visits) => {
      let cursor = await feed.position();
      const before = await log.contents();
      const writing = writeABit();
      const got: string[] = [];
      for (const visit of visits) {
        const stream = await feed.open({ ...everything, after: cursor });
        const events = await takeEvents(stream, Math.min(visit, 180 - got.length));
        await stream.return?.();
        got.push(...events.map(keyOf));
        cursor = events.at(-1)?.cursor ?? cursor;
      }
      const last = await feed.open({ ...everything, after: cursor });
      got.push(...(await takeEvents(last, 180 - got.length)).map(keyOf));
      await writing;
      await last.return?.();
      const known = new Set(before);
      expect(sorted(got)).toEqual((await log.contents()).filter((key) => !known.has(key)));
      expect(outOfOrder(got)).toEqual([]);
    }),
    { numRuns: 6 },
  );
}, 60_000);

test('one run can be followed over disconnects, by its own cursors', async () => {
  const [run] = await log.createRuns(1);
  if (run === undefined) throw new Error('There is no run.');
  const writing = (async () => {
    for (let n = 0; n < 20; n++) await log.append(run, 3);
  })();
  const seqs: number[] = [];
  let stream: EventStream = await feed.open({ ...everything, pipelineRunId: run });
  const first = await nextMessage(stream);
  const from = first.type === 'subscribed' ? first.cursor : '';
  let cursor = from;
  while (seqs.at(-1) !== 60) {
    await stream.return?.();
    stream = await feed.open({ ...everything, pipelineRunId: run, after: cursor });
    const [event] = await takeEvents(stream, 1);
    if (event) seqs.push(event.event.seq);
    cursor = event?.cursor ?? cursor;
  }
  await writing;
  expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
}, 60_000);

/** 180 events by three writers at once. */
async function writeABit(): Promise<void> {
  await Promise.all(
    runs.map(async (run) => {
      for (let n = 0; n < 20; n++) {
        await log.append(run, 3);
        feed.wake();
      }
    }),
  );
}
