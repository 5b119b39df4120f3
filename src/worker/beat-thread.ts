import { parentPort, workerData } from 'node:worker_threads';
import type pg from 'pg';
import type { ConnectionSettings } from '../store/connection.ts';
import { endWhenVanished, patientClient } from '../store/postgres-client.ts';
import { endSessions, type Session, sessionOf } from '../store/sessions.ts';
import { beatWorker, holdWorkerLock } from '../store/workers.ts';
import { beatSlot } from './beat-slots.ts';

// The thread behind beat.ts. It knows three things: where the database is, whose beat it is, and how many attempts run.

const { settings, workerId, shared } = workerData as {
  readonly settings: ConnectionSettings;
  readonly workerId: bigint;
  readonly shared: Int32Array;
};
const intervalMs = { busy: 500, idle: 10_000 } as const;
/** A worker that does not beat is taken for lost after two seconds, and taken back with its next beat. */
const PatientClient = patientClient({ connectMs: 3000, answerMs: 3000 });
/** After a failed beat: without its lock a worker is taken for lost in 0.6 s, so it has to be back before. */
const retryMs = 100;
/** Idle beats in a row before it sleeps long: work often comes soon after work. */
const restlessBeats = 10;

let client: pg.Client | null = null;
/** The newest session that the server had with this thread. */
let session: Session | null = null;
/** Ends the present sleep. */
let hurry: () => void = () => {};

// Atomics.waitAsync alone does not keep a thread alive.
setInterval(() => {}, 60_000);

async function connect(): Promise<pg.Client> {
  const fresh = new PatientClient({ ...settings, application_name: 'penstock-beat' });
  fresh.on('error', () => {});
  await fresh.connect();
  await endWhenVanished(fresh, settings.host);
  // Where the network swallowed the last connection, the server may not know that, and the lock would still be that session's.
  if (session) await endSessions(fresh, [session]);
  session = await sessionOf(fresh);
  // The lock went with the connection: back at once.
  fresh.once('end', () => {
    if (client !== fresh) return;
    client = null;
    hurry();
  });
  await holdWorkerLock(fresh, workerId);
  return fresh;
}

async function beat(): Promise<void> {
  client ??= await connect();
  const busy = Atomics.load(shared, beatSlot.busy);
  idleBeats = busy > 0 ? 0 : idleBeats + 1;
  // Said before it rests, so that nobody takes the long silence for death.
  await beatWorker(client, workerId, busy, idleBeats >= restlessBeats);
}

let idleBeats = restlessBeats;
let isKnown = false;
let failures = 0;
for (;;) {
  try {
    await beat();
    failures = 0;
    if (!isKnown) parentPort?.postMessage('beating');
    isKnown = true;
  } catch (error) {
    // While Postgres is away, once is enough.
    if (failures++ === 0) parentPort?.postMessage(error instanceof Error ? error.message : String(error));
    const broken: pg.Client | null = client;
    client = null;
    // Not waited for: a connection without an other end takes its time.
    (broken as pg.Client | null)?.end().catch(() => {});
  }
  if (failures > 0) await sleep(retryMs);
  else if (client === null) continue;
  else if (idleBeats < restlessBeats) await sleep(intervalMs.busy);
  else await sleepLong();
}

async function sleep(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    hurry = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

/** Until the first attempt comes, at most 10 s. */
async function sleepLong(): Promise<void> {
  Atomics.store(shared, beatSlot.sleepsLong, 1);
  // One that came just before is seen here; one that comes later finds us asleep and wakes us.
  if (Atomics.load(shared, beatSlot.busy) > 0) return;
  const wait = Atomics.waitAsync(shared, beatSlot.sleepsLong, 1, intervalMs.idle);
  const hurried = new Promise<void>((resolve) => {
    hurry = resolve;
  });
  if (wait.async) await Promise.race([wait.value, hurried]);
  idleBeats = restlessBeats - 1;
}
