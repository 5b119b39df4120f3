import type { Database } from './database.ts';

/** A worker process that has not left: who it is, and how it last was. */
export type WorkerState = {
  readonly id: bigint;
  readonly host: string;
  readonly labels: readonly string[];
  readonly slots: number;
  readonly busy: number;
  readonly lastSeenAt: Date;
};

/** The workers that are there, oldest first. One that has not beaten yet was last seen when it started. */
export async function listWorkers(database: Database): Promise<readonly WorkerState[]> {
  const result = await database.pool.query<WorkerState>(`
    select w.id, w.host, w.labels, w.slots, coalesce(b.busy, 0) as busy, coalesce(b.at, w.started_at) as "lastSeenAt"
    from worker w
    left join worker_beat b on b.worker_id = w.id
    where w.ended_at is null
    order by w.id`);
  return result.rows;
}

/** How many block runs wait for a worker. Read from the runs' counters: no index of block_run names status. */
export async function countQueuedBlockRuns(database: Database): Promise<number> {
  const result = await database.pool.query<{ queued: number }>(
    `select coalesce(sum(blocks_queued), 0)::int as queued from pipeline_run where status = 'running'`,
  );
  return result.rows[0]?.queued ?? 0;
}
