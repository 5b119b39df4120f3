import type pg from 'pg';
import type { Database } from '../store/database.ts';
import { establishEpoch } from '../store/epoch.ts';
import { prepareTail } from '../store/run-event-log.ts';

/** The tail's own connection, made anew when it broke. */
export type TailConnection = {
  /** Runs a read; rejects when the database can't be reached, and the next call connects again. */
  readonly use: <T>(work: (client: pg.Client) => Promise<T>) => Promise<T>;
  readonly close: () => void;
};

/** `onEpoch` is told at each connection which history it is, before anything is read: the database may have been restored meanwhile. */
export function createTailConnection(database: Database, onEpoch: (epoch: number) => void): TailConnection {
  let client: pg.Client | null = null;
  let isClosed = false;

  async function connect(): Promise<pg.Client> {
    const fresh = await database.connect('tail');
    try {
      await prepareTail(fresh);
      const epoch = await establishEpoch(database);
      if (isClosed) throw new Error('The tail was stopped while it connected.');
      onEpoch(epoch);
      return fresh;
    } catch (error) {
      letGo(fresh);
      throw error;
    }
  }

  return {
    async use(work) {
      client ??= await connect();
      try {
        return await work(client);
      } catch (error) {
        if (client) letGo(client);
        client = null;
        throw error;
      }
    },
    close() {
      isClosed = true;
      if (client) letGo(client);
      client = null;
    },
  };
}

/** Ends a connection without waiting: the other end may be gone, or in the middle of an answer. */
function letGo(client: pg.Client): void {
  client.end().catch(() => {});
}
