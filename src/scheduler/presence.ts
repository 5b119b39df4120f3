import type pg from 'pg';
import type { Database } from '../store/database.ts';
import { enterScheduler } from '../store/scheduler-presence.ts';
import { startLoop } from './loop.ts';

/** How often it is looked whether the connection is still there, in milliseconds. */
const lookMs = 5000;

/** Shows that a scheduler is at work, also again after the connection was lost. Rejects when the database can't be reached now. */
export async function startPresence(
  database: Database,
  onError: (error: unknown) => void,
): Promise<{ readonly stop: () => Promise<void> }> {
  let present: pg.Client | null = null;
  async function enter(): Promise<void> {
    const client = await database.connect('scheduler');
    client.once('end', () => {
      if (present !== client) return;
      present = null;
      loop.wake();
    });
    try {
      await enterScheduler(client);
      present = client;
    } catch (error) {
      client.end().catch(() => {});
      throw error;
    }
  }

  let isFirst = true;
  const entered = Promise.withResolvers<void>();
  const loop = startLoop(
    async () => {
      if (present === null) await enter();
      entered.resolve();
      isFirst = false;
      return lookMs;
    },
    (error) => (isFirst ? entered.reject(error) : onError(error)),
  );
  const stop = async () => {
    await loop.stop();
    const last = present;
    present = null;
    await last?.end();
  };
  try {
    await entered.promise;
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}
