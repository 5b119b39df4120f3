import type pg from 'pg';

type Client = pg.ClientBase | pg.Pool;

/** Enters a worker process; its id is new at each start, so that a write of an earlier life is told apart. */
export async function registerWorker(
  client: Client,
  worker: { readonly host: string; readonly pid: number; readonly labels: readonly string[]; readonly slots: number },
  now: Date,
): Promise<bigint> {
  const result = await client.query<{ id: bigint }>(
    'insert into worker (host, pid, labels, slots, started_at) values ($1, $2, $3, $4, $5) returning id',
    [worker.host, worker.pid, worker.labels, worker.slots, now],
  );
  return result.rows[0]!.id;
}

/** Marks a worker as gone: it left in order, or was found lost. */
export async function endWorker(client: Client, workerId: bigint, now: Date): Promise<void> {
  await client.query('update worker set ended_at = $2 where id = $1 and ended_at is null', [workerId, now]);
  await client.query('delete from worker_beat where worker_id = $1', [workerId]);
}

/** The class of the advisory lock that a worker's session holds while it lives. */
export const workerLockClass = 7401;

/** Takes a worker's lock for as long as this session lives: a free lock is the fast hint that the worker is gone. */
export async function holdWorkerLock(client: pg.ClientBase, workerId: bigint): Promise<void> {
  await client.query('select pg_advisory_lock($1, $2)', [workerLockClass, Number(workerId)]);
}

/**
 * Moves a worker's counter on; `rests` says that the next beat comes in 10 s and not in half a second. One that was taken for lost and is
 * not comes back into sight with its next beat.
 */
export async function beatWorker(client: pg.ClientBase, workerId: bigint, busy: number, rests: boolean): Promise<void> {
  await client.query({
    name: 'beat',
    text: `with revived as (update worker set ended_at = null where id = $1 and ended_at is not null)
           insert into worker_beat (worker_id, counter, busy, rests, at) values ($1, 1, $2, $3, now())
           on conflict (worker_id) do update set counter = worker_beat.counter + 1, busy = excluded.busy, rests = excluded.rests, at = excluded.at`,
    values: [workerId, busy, rests],
  });
}

export type WorkerSighting = {
  readonly id: bigint;
  /** null when there is no row: not beaten yet, or a Postgres crash emptied the table. */
  readonly counter: bigint | null;
  /** It said that it beats every 10 s only, because it holds nothing. */
  readonly rests: boolean;
  readonly lockIsFree: boolean;
};

/**
 * Looks at every worker that has not ended: its beat, and whether the session that holds its lock is gone. `server` is another
 * one after Postgres was restarted: then all sessions are.
 */
export async function sightWorkers(
  client: Client,
): Promise<{ readonly server: string | null; readonly workers: readonly WorkerSighting[] }> {
  const result = await client.query<{
    id: bigint;
    counter: bigint | null;
    rests: boolean;
    lock_is_free: boolean;
    server: string;
  }>({
    name: 'sight-workers',
    text: `select w.id, b.counter, coalesce(b.rests, false) as rests, pg_postmaster_start_time()::text as server,
                  not exists (select 1 from pg_locks l
                               where l.locktype = 'advisory' and l.classid = $1::int::oid and l.objid = w.id::int::oid and l.objsubid = 2
                                 and l.database = (select oid from pg_database where datname = current_database())) as lock_is_free
             from worker w left join worker_beat b on b.worker_id = w.id
            where w.ended_at is null order by w.id`,
    values: [workerLockClass],
  });
  const workers = result.rows.map((row) => ({
    id: row.id,
    counter: row.counter,
    rests: row.rests,
    lockIsFree: row.lock_is_free,
  }));
  return { server: result.rows[0]?.server ?? null, workers };
}

/** Running runs that hold block runs of a worker, ascending. Asked only when a worker is lost or comes back: it reads all active runs. */
export async function runsHeldByWorker(client: Client, workerId: bigint): Promise<readonly bigint[]> {
  const result = await client.query<{ id: bigint }>({
    name: 'runs-held-by-worker',
    text: `select distinct b.pipeline_run_id as id from block_run b
            where b.pipeline_run_id = any(array(select id from pipeline_run where status = 'running'))
              and b.status = 'running' and b.worker_id = $1 order by 1`,
    values: [workerId],
  });
  return result.rows.map((row) => row.id);
}

/**
 * Workers that have ended and yet hold block runs or callback runs, both since before: one that left while the database did not answer, or that
 * was killed between being taken for lost and its next beat. Nobody else would find these.
 */
export async function workersThatLeftWork(client: Client, before: Date): Promise<readonly bigint[]> {
  const result = await client.query<{ id: bigint }>({
    name: 'workers-that-left-work',
    text: `select distinct w.id from block_run b join worker w on w.id = b.worker_id
            where b.pipeline_run_id = any(array(select id from pipeline_run where status = 'running'))
              and b.status = 'running' and b.started_at < $1 and w.ended_at < $1
           union
           select w.id from callback_run c join worker w on w.id = c.worker_id
            where c.status = 'running' and c.started_at < $1 and w.ended_at < $1`,
    values: [before],
  });
  return result.rows.map((row) => row.id);
}

/** Which block runs of a run a worker holds, and how many losses each has left. */
export async function heldBlockRuns(
  client: Client,
  runId: bigint,
  workerId: bigint,
): Promise<readonly { readonly id: bigint; readonly lossesLeft: number }[]> {
  const result = await client.query<{ id: bigint; losses_left: number }>({
    name: 'held-block-runs',
    text: `select id, crash_retries - losses as losses_left from block_run
            where pipeline_run_id = $1 and status = 'running' and worker_id = $2`,
    values: [runId, workerId],
  });
  return result.rows.map((row) => ({ id: row.id, lossesLeft: row.losses_left }));
}

/**
 * Of the block runs that a worker believes it holds: those that it has to stop, because their run ends (`stop`) or because
 * they are not its any more (`lost`).
 */
export async function claimsToStop(
  client: Client,
  workerId: bigint,
  held: readonly { readonly blockRunId: number; readonly fence: number }[],
): Promise<{ readonly stop: readonly number[]; readonly lost: readonly number[] }> {
  const result = await client.query<{ id: bigint; lost: boolean }>({
    name: 'claims-to-stop',
    text: `select h.id, b.id is null or b.worker_id is distinct from $1 or b.fence <> h.fence or b.status <> 'running' as lost
             from unnest($2::bigint[], $3::int[]) h(id, fence)
             left join block_run b on b.id = any($2::bigint[]) and b.id = h.id
            where b.id is null or b.stop_requested or b.worker_id is distinct from $1 or b.fence <> h.fence or b.status <> 'running'`,
    values: [workerId, held.map((h) => h.blockRunId), held.map((h) => h.fence)],
  });
  const ids = (lost: boolean) => result.rows.filter((row) => row.lost === lost).map((row) => Number(row.id));
  return { stop: ids(false), lost: ids(true) };
}

/** Records the processes of attempts that run. */
export async function recordPids(
  client: Client,
  attempts: readonly { readonly blockRunId: number; readonly fence: number; readonly pid: number }[],
): Promise<void> {
  await client.query({
    name: 'record-pids',
    text: `update block_run b set pid = p.pid from unnest($1::bigint[], $2::int[], $3::int[]) p(id, fence, pid)
            where b.id = any($1::bigint[]) and b.id = p.id and b.fence = p.fence and b.status = 'running'`,
    values: [attempts.map((a) => a.blockRunId), attempts.map((a) => a.fence), attempts.map((a) => a.pid)],
  });
}

/** Puts queued block runs and waiting sensors of running runs that lost their ready row back into the queue; answers how many. */
export async function restoreReadyRows(client: Client, queuedBefore: Date, now: Date): Promise<number> {
  const result = await client.query({
    name: 'restore-ready-rows',
    text: `insert into ready (block_run_id, run_id, label, prio, run_at)
           select b.id, b.pipeline_run_id, b.label, 0, greatest(coalesce(b.next_attempt_at, $2), $2)
             from block_run b
            where b.pipeline_run_id = any(array(select id from pipeline_run where status = 'running' and blocks_queued + blocks_running > 0))
              and (b.status = 'queued' or (b.status = 'running' and b.worker_id is null)) and b.queued_at < $1
              and not exists (select 1 from ready q where q.block_run_id = b.id)`,
    values: [queuedBefore, now],
  });
  return result.rowCount ?? 0;
}

/** What a worker holds according to the store. Asked after an answer was lost: what it doesn't know of, it gives back. */
export async function claimsHeld(
  client: Client,
  workerId: bigint,
): Promise<readonly { readonly id: number; readonly run: number; readonly attempt: number; readonly fence: number }[]> {
  const result = await client.query<{ id: bigint; run: bigint; attempt: number; fence: number }>({
    name: 'claims-held',
    text: `select id, pipeline_run_id as run, attempt, fence from block_run
            where pipeline_run_id = any(array(select id from pipeline_run where status = 'running'))
              and status = 'running' and worker_id = $1`,
    values: [workerId],
  });
  return result.rows.map((row) => ({ ...row, id: Number(row.id), run: Number(row.run) }));
}

/**
 * Takes the dead rows out of the queue. Rows there live for milliseconds, and each look walks past the dead ones at the front of
 * the index: at 20,000 of them a step costs twice as much, long before autovacuum comes around.
 */
export async function vacuumReady(client: Client): Promise<void> {
  await client.query('vacuum (skip_locked, truncate off, analyze off) ready');
}
