import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import type { ConnectionSettings } from '../store/connection.ts';
import { beatWorker, holdWorkerLock } from '../store/workers.ts';

// The thread behind beat.ts. It knows three things: where the database is, whose beat it is, and how many attempts run.

const { settings, workerId, shared } = workerData as {
  readonly settings: ConnectionSettings;
  readonly workerId: bigint;
  readonly shared: Int32Array;
};
const intervalMs = { busy: 500, idle: 10_000 } as const;

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
  await beatWorker(client, workerId, Atomics.load(shared, 0));
}

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
  const busy = Atomics.load(shared, 0);
  const wait = Atomics.waitAsync(shared, 0, busy, busy > 0 ? intervalMs.busy : intervalMs.idle);
  if (wait.async) await wait.value;
}
