import { setImmediate as nextTurn } from 'node:timers/promises';
import type pg from 'pg';
import type { Database } from '../store/database.ts';
import type { LogPoint, LogPosition } from '../store/log-position.ts';
import { type LogEntry, readPage, readPosition, readTail } from '../store/run-event-log.ts';
import type { LiveBatch } from './bus.ts';
import { liveBatch } from './live-batch.ts';
import { createPause } from './pause.ts';
import { createTailConnection } from './tail-connection.ts';

export type TailOptions = {
  readonly database: Database;
  readonly epoch: () => number;
  readonly publish: (batch: LiveBatch) => void;
  readonly hasListeners: () => boolean;
  /** The log tells another history now; nothing was read of it yet. */
  readonly onNewEpoch: (epoch: number) => void;
  readonly onProblem: (error: unknown) => void;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicMs: () => number;
};

export type Tail = {
  /** The log may have grown, or somebody began to listen: looks at once, or once more when it is just looking. */
  readonly wake: () => void;
  readonly lagMs: () => number;
  readonly stop: () => Promise<void>;
};

/** How long it sleeps when nothing wakes it. */
const listeningMs = 250;
const idleMs = 2000;
/** Woken again and again it looks this often: half of a core would go into looks that find one event each. */
const shortestMs = 5;
const firstRetryMs = 100;
const longestRetryMs = 2000;
/** A batch is handed over in one turn of the event loop and has to fit a subscriber's queue well. */
const batchSize = 250;

/** What was published, and, in the middle of a look that found much, how far it got. */
type Progress = {
  readonly seen: LogPosition;
  /** The same set of events, as of the last time there were new ones: so that each batch begins where the one before ended. */
  readonly published: LogPosition;
  readonly page: LogPoint['page'];
};

/**
 * Follows the log and publishes what becomes visible, each event once, in order within its run. One loop, so that there is never
 * more than one look at a time: look, sleep until woken, look. When the database is away, it goes on from where it was.
 * Rejects when the database can't be reached at the start.
 */
export async function startTail(options: TailOptions): Promise<Tail> {
  const { database, epoch, publish, hasListeners, onNewEpoch, onProblem, monotonicMs } = options;
  const pause = createPause();
  const connection = createTailConnection(database, (fresh) => {
    progress = null;
    onNewEpoch(fresh);
  });
  /** Null: it follows from now on. */
  let progress: Progress | null = null;
  let wokenAt: number | null = null;
  let behindSince: number | null = null;
  let resting = false;
  let stopped = false;

  async function look(client: pg.Client): Promise<void> {
    if (progress === null || !hasListeners()) {
      const now = await readPosition(client);
      // Who came in the meantime is to see what came in the meantime.
      if (progress === null || !hasListeners()) {
        progress = { seen: now, published: now, page: null };
        return;
      }
    }
    if (progress.page === null) {
      const { seen, published } = progress;
      const { upTo, entries } = await readTail(client, seen, batchSize);
      progress = entries.length === 0 ? { seen: upTo, published, page: null } : handOver(progress, upTo, entries);
    }
    while (progress.page !== null) {
      await nextTurn();
      const { seen, page }: Progress = progress;
      if (page === null) return;
      progress = handOver(progress, page.upTo, await readPage(client, { seen, page }, batchSize));
    }
  }

  function handOver({ seen, published }: Progress, upTo: LogPosition, entries: readonly LogEntry[]): Progress {
    const last = entries.length === batchSize ? entries.at(-1) : undefined;
    if (entries.length > 0) publish(liveBatch(epoch(), published, upTo, entries, last === undefined));
    if (last === undefined) return { seen: upTo, published: upTo, page: null };
    return { seen, published, page: { upTo, lastId: last.event.id } };
  }

  async function follow(): Promise<void> {
    let retryMs = firstRetryMs;
    while (!stopped) {
      const startedAt = monotonicMs();
      wokenAt = null;
      behindSince ??= startedAt;
      try {
        await connection.use(look);
      } catch (error) {
        if (stopped) return;
        onProblem(error);
        await pause.sleep(retryMs);
        retryMs = Math.min(retryMs * 2, longestRetryMs);
        continue;
      }
      retryMs = firstRetryMs;
      behindSince = wokenAt;
      await rest(startedAt);
    }
  }

  async function rest(lookedAt: number): Promise<void> {
    if (wokenAt === null && !stopped) {
      resting = true;
      await pause.sleep(hasListeners() ? listeningMs : idleMs);
      resting = false;
    }
    const early = shortestMs - (monotonicMs() - lookedAt);
    if (early > 0 && !stopped) await pause.sleep(early);
  }

  await connection.use(look);
  const following = follow();
  return {
    wake() {
      if (!hasListeners()) return;
      wokenAt ??= monotonicMs();
      behindSince ??= wokenAt;
      if (resting) pause.cut();
    },
    lagMs: () => (behindSince === null ? 0 : monotonicMs() - behindSince),
    async stop() {
      stopped = true;
      pause.cut();
      connection.close();
      await following;
    },
  };
}
