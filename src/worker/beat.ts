import { Worker as Thread } from 'node:worker_threads';
import type { ConnectionSettings } from '../store/connection.ts';
import { beatSlot } from './beat-slots.ts';

export type Beat = {
  /** How many attempts the worker holds: with none for a while it beats every 10 s, else every 500 ms. */
  readonly busy: (count: number) => void;
  readonly stop: () => Promise<void>;
};

/**
 * Shows that a worker lives: a thread of its own, which a busy loop in the main thread can't stop, moves a counter and holds the
 * worker's advisory lock. Settles after the first beat.
 */
export async function startBeat(
  settings: ConnectionSettings,
  workerId: bigint,
  onError: (error: unknown) => void,
): Promise<Beat> {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const thread = new Thread(new URL('./beat-thread.ts', import.meta.url), {
    workerData: { settings, workerId, shared },
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
  });
  await new Promise<void>((resolve, reject) => {
    thread.once('error', reject);
    thread.on('message', (message: unknown) => {
      if (message === 'beating') resolve();
      else onError(new Error(String(message)));
    });
  });
  thread.on('error', onError);
  return {
    busy(count) {
      Atomics.store(shared, beatSlot.busy, count);
      // The thread sleeps long while nothing runs: wake it for the first attempt. Only then, because each waking is a beat.
      if (count > 0 && Atomics.exchange(shared, beatSlot.sleepsLong, 0) === 1)
        Atomics.notify(shared, beatSlot.sleepsLong);
    },
    async stop() {
      await thread.terminate();
    },
  };
}
