import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import type { ConnectionSettings } from '../store/connection.ts';
import { beatWorker, holdWorkerLock } from '../store/workers.ts';
import { beatSlot } from './beat-slots.ts';

// The thread behind beat.ts. It knows three things: where the database is, whose beat it is, and how many attempts run.

const { settings, workerId, shared } = workerData as {
  readonly settings: ConnectionSettings;
  readonly workerId: bigint;
  readonly shared: Int32Array;
};
const intervalMs = { busy: 500, idle: 10_000 } as const;
/** Idle beats in a row before it sleeps long: work often comes soon after work. */
const restlessBeats = 10;

let client: pg.Client | null = null;

// Atomics.waitAsync alone does not keep a thread alive.
setInterval(() => {}, 60_000);

async function connect(): Promise<pg.Client> {
  const fresh = new pg.Client({ ...settings, application_name: 'penstock-beat' });
  fresh.on('error', () => {});
  await fresh.connect();
  await holdWorkerLock(fresh, workerId);
  return fresh;
}

async function beat(): Promise<void> {
  client ??= await connect();
  await beatWorker(client, workerId, Atomics.load(shared, beatSlot.busy));
}

let idleBeats = restlessBeats;
for (let first = true; ; first = false) {
  try {
    await beat();
    if (first) parentPort?.postMessage('beating');
  } catch (error) {
    parentPort?.postMessage(error instanceof Error ? error.message : String(error));
    const broken: pg.Client | null = client;
    client = null;
    await (broken as pg.Client | null)?.end().catch(() => {});
  }
  idleBeats = Atomics.load(shared, beatSlot.busy) > 0 ? 0 : idleBeats + 1;
  if (idleBeats < restlessBeats) await new Promise((resolve) => setTimeout(resolve, intervalMs.busy));
  else await sleepLong();
}

/** Until the first attempt comes, at most 10 s. */
async function sleepLong(): Promise<void> {
  Atomics.store(shared, beatSlot.sleepsLong, 1);
  // One that came just before is seen here; one that comes later finds us asleep and wakes us.
  if (Atomics.load(shared, beatSlot.busy) > 0) return;
  const wait = Atomics.waitAsync(shared, beatSlot.sleepsLong, 1, intervalMs.idle);
  if (wait.async) await wait.value;
  idleBeats = restlessBeats - 1;
}
