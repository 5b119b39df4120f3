import type pg from 'pg';
import { appendLogLines, type NewLogLine } from '../store/log-lines.ts';

/** One statement carries at most this many lines. */
const maxBatch = 1000;
/** While Postgres is away, at most this many lines wait in memory; later ones are counted instead of kept. */
const maxWaiting = 20_000;

/** Writes the log lines of a worker's attempts in order: at once when idle, in batches when they come faster than they are written. */
export type LogWriter = {
  /** Takes a line; false when it was dropped because too many wait. */
  readonly write: (line: NewLogLine) => boolean;
  /** Settles when every line taken so far is stored: a block that is seen to have ended has all its lines. */
  readonly flushed: () => Promise<void>;
  readonly end: () => Promise<void>;
};

/** Starts a writer on a connection of its own, opened with the first line. */
export function startLogWriter(options: {
  readonly connect: () => Promise<pg.Client>;
  readonly onError: (error: unknown) => void;
}): LogWriter {
  let waiting: NewLogLine[] = [];
  let taken = 0;
  let stored = 0;
  let client: pg.Client | null = null;
  let writing = false;
  let ended = false;
  let waiters: { readonly upTo: number; readonly resolve: () => void }[] = [];

  async function run(): Promise<void> {
    writing = true;
    let failures = 0;
    while (waiting.length > 0 && !ended) {
      const batch = waiting.slice(0, maxBatch);
      try {
        client ??= await open();
        await appendLogLines(client, batch);
      } catch (error) {
        options.onError(error);
        await client?.end().catch(() => {});
        client = null;
        failures++;
        await new Promise((resolve) => setTimeout(resolve, Math.min(50 * 2 ** failures, 2000)));
        continue;
      }
      failures = 0;
      waiting = waiting.slice(batch.length);
      stored += batch.length;
      waiters = waiters.filter(({ upTo, resolve }) => {
        if (upTo > stored) return true;
        resolve();
        return false;
      });
    }
    writing = false;
  }

  async function open(): Promise<pg.Client> {
    const fresh = await options.connect();
    await fresh.query('set synchronous_commit = off');
    return fresh;
  }

  return {
    write(line) {
      if (waiting.length >= maxWaiting) return false;
      waiting.push(line);
      taken++;
      if (!writing) void run();
      return true;
    },
    flushed() {
      if (stored >= taken || ended) return Promise.resolve();
      const upTo = taken;
      return new Promise((resolve) => waiters.push({ upTo, resolve }));
    },
    async end() {
      ended = true;
      for (const { resolve } of waiters) resolve();
      await client?.end().catch(() => {});
    },
  };
}
