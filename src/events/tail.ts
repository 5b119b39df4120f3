import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { RunEventKind } from '../domain/events.ts';
import type { Database } from '../store/database.ts';
import type { LogPoint, LogPosition } from '../store/log-position.ts';
import { readPage, readTail, readTailPosition, readWindow } from '../store/run-event-log.ts';
import type { LiveBatch } from './bus.ts';
import { liveBatch } from './live-batch.ts';
import { createPause } from './pause.ts';
import { createTailConnection } from './tail-connection.ts';

export type TailOptions = {
  readonly database: Database;
  /** The epoch of what is published from now on. Told before anything of it is read, at the start and whenever it changed. */
  readonly onEpoch: (epoch: number) => void;
  readonly publish: (batch: LiveBatch) => void;
  readonly hasListeners: () => boolean;
  /** The kinds that anybody listens for; null: every kind. Others are passed over. */
  readonly kinds: () => readonly RunEventKind[] | null;
  readonly onProblem: (error: unknown) => void;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicMs: () => number;
};

export type Tail = {
  /** The log may have grown, or somebody began to listen: looks at once, or once more when it is just looking. */
  readonly wake: () => void;
  /** As wake, but without the few milliseconds that lie between two looks: for what somebody waits for. */
  readonly hurry: () => void;
  readonly lagMs: () => number;
  readonly stop: () => Promise<void>;
};

/** How long it sleeps when nothing wakes it. */
const listeningMs = 250;
const idleMs = 2000;
/** Woken again and again it looks this often: half of a core would go into looks that find one event each. */
const shortestMs = 20;
const firstRetryMs = 100;
const longestRetryMs = 2000;
const longestStopMs = 1000;
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
  const { database, publish, hasListeners, kinds, onEpoch, onProblem, monotonicMs } = options;
  const pause = createPause();
  const connection = createTailConnection(database, (found) => {
    mustLookBack = true;
    if (found === epoch) return;
    epoch = found;
    progress = null;
    onEpoch(found);
  });
  let epoch = 0;
  /** A lost connection may mean a crash: after it, the numbers of transactions alone don't tell what is new. */
  let mustLookBack = false;
  /** Null: it follows from now on. */
  let progress: Progress | null = null;
  let wokenAt: number | null = null;
  let behindSince: number | null = null;
  let resting = false;
  /** Between two looks, for whatever reason. */
  let pausing = false;
  let hurried = false;
  let stopped = false;

  async function look(client: pg.Client): Promise<void> {
    if (progress === null || !hasListeners()) {
      const now = await readTailPosition(client);
      // Who came in the meantime is to see what came in the meantime.
      if (progress === null || !hasListeners()) {
        progress = { seen: now, published: now, page: null };
        mustLookBack = false;
        return;
      }
    }
    if (progress.page === null) progress = mustLookBack ? await lookBack(progress) : await lookAhead(client, progress);
    while (progress.page !== null) {
      const { seen, published, page }: Progress = progress;
      const { entries, next } = await readPage(database.pool, { seen, page }, batchSize);
      if (entries.length > 0) publish(liveBatch(epoch, published, page.upTo, entries, next.page === null));
      progress = next.page
        ? { seen, published, page: next.page }
        : { seen: page.upTo, published: page.upTo, page: null };
      await nextTurn();
    }
  }

  async function lookAhead(client: pg.Client, { seen, published }: Progress): Promise<Progress> {
    const asked = kinds();
    const { upTo, entries } = await readTail(client, seen, asked, batchSize);
    // Somebody came meanwhile who listens for more, and may count on this look for what was committed before it.
    if (!covers(asked, kinds())) return lookAhead(client, { seen, published, page: null });
    const last = entries.at(-1);
    if (last === undefined) return { seen: upTo, published, page: null };
    const isLast = entries.length < batchSize;
    publish(liveBatch(epoch, published, upTo, entries, isLast));
    return isLast
      ? { seen: upTo, published: upTo, page: null }
      : { seen, published, page: { upTo, lastId: last.event.id } };
  }

  async function lookBack({ seen, published }: Progress): Promise<Progress> {
    const { upTo, startId } = await readWindow(database.pool, seen);
    mustLookBack = false;
    if (startId === null) return { seen: upTo, published, page: null };
    return { seen, published, page: { upTo, lastId: startId - 1n } };
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
      pausing = true;
      await pause.sleep(hasListeners() ? listeningMs : idleMs);
      resting = false;
    }
    const early = shortestMs - (monotonicMs() - lookedAt);
    pausing = true;
    if (early > 0 && !stopped && !hurried) await pause.sleep(early);
    pausing = false;
    hurried = false;
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
    hurry() {
      if (!hasListeners()) return;
      wokenAt ??= monotonicMs();
      behindSince ??= wokenAt;
      hurried = true;
      if (pausing) pause.cut();
    },
    lagMs: () => (behindSince === null ? 0 : monotonicMs() - behindSince),
    async stop() {
      stopped = true;
      pause.cut();
      connection.close();
      // Connecting to a host that doesn't answer can take minutes, and is not worth waiting for.
      await Promise.race([following, sleep(longestStopMs, undefined, { ref: false })]);
    },
  };
}

/** Whether who asked for some kinds, null for every one, has asked for all that are wanted. */
function covers(asked: readonly RunEventKind[] | null, wanted: readonly RunEventKind[] | null): boolean {
  return asked === null || (wanted?.every((kind) => asked.includes(kind)) ?? false);
}
