import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Database } from '../store/database.ts';
import { createPause } from './pause.ts';

/** The bell between processes. */
export type Doorbell = {
  readonly ring: (topics: readonly string[]) => void;
  readonly close: () => Promise<void>;
};

export type DoorbellOptions = {
  readonly database: Database;
  /** Another process rang; null when rings may have been missed. */
  readonly onRing: (topics: readonly string[] | null) => void;
  readonly onProblem: (error: unknown) => void;
};

const channel = 'penstock_wake';
/** At most 50 rings a second: each takes a lock that all notifying commits of the cluster queue for. */
const betweenRingsMs = 20;
const firstRetryMs = 100;
const longestRetryMs = 2000;
const longestCloseMs = 1000;

/**
 * NOTIFY on a connection of its own, after commits and never within them: there it would make them wait for each other's fsync.
 * The first ring is at once, further ones within 20 ms are one. Rejects when the database can't be reached at the start.
 */
export async function openDoorbell({ database, onRing, onProblem }: DoorbellOptions): Promise<Doorbell> {
  // Told apart from one's own rings; nobody trusts it.
  const ownName = randomUUID();
  const pause = createPause();
  const pending = new Set<string>();
  let client: pg.Client | null = null;
  let reconnecting: Promise<void> = Promise.resolve();
  let restTimer: NodeJS.Timeout | null = null;
  let isRinging = false;
  let isClosed = false;

  async function connect(): Promise<pg.Client> {
    const fresh = await database.connect('doorbell');
    fresh.on('notification', ({ payload }) => {
      const [name, topics] = payload?.split(' ') ?? [];
      if (name !== ownName) onRing(topics?.split(',') ?? []);
    });
    fresh.once('end', () => {
      if (client === fresh) lose(new Error('The connection for wake-ups between processes was lost.'));
    });
    await fresh.query(`listen ${channel}`);
    return fresh;
  }

  function lose(error: unknown): void {
    client?.end().catch(() => {});
    client = null;
    if (isClosed) return;
    onProblem(error);
    reconnecting = reconnect();
  }

  async function reconnect(): Promise<void> {
    for (let retryMs = firstRetryMs; !isClosed; retryMs = Math.min(retryMs * 2, longestRetryMs)) {
      await pause.sleep(retryMs);
      if (isClosed) return;
      try {
        const fresh = await connect();
        if (isClosed) return void fresh.end().catch(() => {});
        client = fresh;
        onRing(null);
        return;
      } catch (error) {
        onProblem(error);
      }
    }
  }

  /** Rings what is pending; the next ring comes 20 ms later at the earliest, and never before this one was answered. */
  async function ringNow(): Promise<void> {
    if (pending.size === 0 || isRinging || isClosed) return;
    const payload = `${ownName} ${[...pending].join(',')}`;
    pending.clear();
    isRinging = true;
    restTimer = setTimeout(rested, betweenRingsMs);
    const ringing = client;
    try {
      // Without a connection nobody hears it: they poll.
      await ringing?.query({ name: 'ring', text: 'select pg_notify($1, $2)', values: [channel, payload] });
    } catch (error) {
      if (client === ringing) lose(error);
    }
    isRinging = false;
    if (restTimer === null) void ringNow();
  }

  function rested(): void {
    restTimer = null;
    void ringNow();
  }

  client = await connect();
  return {
    ring(topics) {
      for (const topic of topics) pending.add(topic);
      if (restTimer === null) void ringNow();
    },
    async close() {
      isClosed = true;
      if (restTimer) clearTimeout(restTimer);
      pause.cut();
      const last = client;
      client = null;
      // Connecting to a host that doesn't answer can take minutes, and is not worth waiting for.
      const ended = Promise.all([reconnecting, last?.end().catch(() => {})]);
      await Promise.race([ended, sleep(longestCloseMs, undefined, { ref: false })]);
    },
  };
}
