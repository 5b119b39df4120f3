import { performance } from 'node:perf_hooks';
import type { Database } from '../store/database.ts';
import { readRunBounds } from '../store/run-event-log.ts';
import type { QueueBound } from './bounded-queue.ts';
import { createBus } from './bus.ts';
import { formatLogCursor } from './cursor.ts';
import type { EventFeed, FeedMessage, StreamOptions } from './event-feed.ts';
import { createGate } from './gate.ts';
import { createLogReader } from './log-reader.ts';
import { createPositions } from './positions.ts';
import type { LogAccess } from './reader.ts';
import { type Resumption, resumeLog, resumeRun } from './resume.ts';
import { createRunReader } from './run-reader.ts';
import { type FeedStream, openEventStream } from './stream.ts';
import { startTail } from './tail.ts';

export type FeedOptions = {
  readonly database: Database;
  /** Registers what is to be called when the log may have grown; returns what takes it back. */
  readonly onWake?: (listener: () => void) => () => void;
  /** Told when the database couldn't be read; the feed tries again by itself. */
  readonly onProblem?: (error: unknown) => void;
  /** How much may wait for one subscriber that doesn't read. */
  readonly bound?: QueueBound;
  /** How many events a replay reads at a time. */
  readonly pageSize?: number;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicMs?: () => number;
};

export type RunningFeed = EventFeed & {
  /** The log may have grown. Cheap; to be called after commits. */
  readonly wake: () => void;
  /** As wake, and at once: somebody waits for what was committed. */
  readonly hurry: () => void;
  /** How many streams are open. */
  readonly listeners: () => number;
  /** Which history the cursors of this moment belong to; for formatRunCursor. */
  readonly epoch: () => number;
  /** Ends every stream and lets go of the database. */
  readonly stop: () => Promise<void>;
};

/** Replays take this many connections of the pool at most: the others are for those who move runs. */
const readsAtOnce = 3;

/** Starts the one follower of the event log that a process needs. Rejects when the database can't be reached. */
export async function startEventFeed(options: FeedOptions): Promise<RunningFeed> {
  const { database, onProblem = () => {}, bound = { events: 1000, bytes: 1_000_000 }, pageSize = 500 } = options;
  const bus = createBus();
  const streams = new Set<FeedStream>();
  const gate = createGate(readsAtOnce);
  const position = createPositions(database);
  let epoch = 0;

  const access: LogAccess = {
    read: (work) => gate(() => work(database.pool)),
    pageSize,
    epoch: () => epoch,
  };
  const tail = await startTail({
    database,
    onEpoch(found) {
      epoch = found;
      for (const stream of streams) stream.expire();
    },
    publish: bus.publish,
    kinds: bus.kinds,
    hasListeners: () => streams.size > 0,
    onProblem,
    monotonicMs: options.monotonicMs ?? (() => performance.now()),
  });
  const offWake = options.onWake?.(tail.wake);

  /** Where a stream begins. */
  async function begin({ after, pipelineRunId }: StreamOptions): Promise<Resumption> {
    if (pipelineRunId === null) {
      if (after !== null) return resumeLog(access, after);
      return { reader: createLogReader(access, { seen: await position(), page: null }), isExpired: false };
    }
    if (after !== null) return resumeRun(access, pipelineRunId, after);
    const { newestSeq } = await access.read((client) => readRunBounds(client, pipelineRunId));
    return { reader: createRunReader(access, pipelineRunId, newestSeq), isExpired: false };
  }

  return {
    position: async () => formatLogCursor(epoch, { seen: await position(), page: null }),
    async open(streamOptions) {
      const { pipelineRunId, kinds = null, filter } = streamOptions;
      const epochAtStart = epoch;
      const { reader, isExpired } = await begin(streamOptions);
      const cursor = reader.cursor();
      const opening: FeedMessage[] = [{ type: 'subscribed', cursor }];
      if (isExpired) opening.push({ type: 'expired', oldestCursor: cursor, resumesAt: cursor });
      const stream = openEventStream({
        bus,
        reader,
        pipelineRunId,
        kinds,
        filter,
        bound,
        opening,
        onProblem,
        onEnd: () => streams.delete(stream),
      });
      streams.add(stream);
      if (epoch !== epochAtStart) stream.expire();
      tail.wake();
      return stream;
    },
    lagMs: tail.lagMs,
    wake: tail.wake,
    hurry: tail.hurry,
    listeners: () => streams.size,
    epoch: () => epoch,
    async stop() {
      offWake?.();
      for (const stream of streams) stream.end();
      await tail.stop();
    },
  };
}
