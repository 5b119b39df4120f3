import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import type { ConnectionSettings } from '../store/connection.ts';
import { workerLockClass } from '../store/workers.ts';

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
  // Held as long as this session lives: a free lock is the fast hint that the worker is gone.
  await fresh.query('select pg_advisory_lock($1, $2)', [workerLockClass, Number(workerId)]);
  return fresh;
}

async function beat(): Promise<void> {
  client ??= await connect();
  await client.query({
    name: 'beat',
    // One that was taken for lost and is not comes back into sight with its next beat.
    text: `with revived as (update worker set ended_at = null where id = $1 and ended_at is not null)
           insert into worker_beat (worker_id, counter, busy, at) values ($1, 1, $2, now())
           on conflict (worker_id) do update set counter = worker_beat.counter + 1, busy = excluded.busy, at = excluded.at`,
    values: [workerId, Atomics.load(shared, 0)],
  });
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
