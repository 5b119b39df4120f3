import type pg from 'pg';
import type { PipelineRunStatus } from '../domain/lifecycle.ts';

type Client = pg.ClientBase | pg.Pool;

/** A run that may be deleted, and the run that it repeats. */
export type DeletableRun = {
  readonly id: bigint;
  readonly status: PipelineRunStatus;
  readonly retryOfId: bigint | null;
};

/**
 * Locks runs to be deleted and, in the same order, those that a deletion also touches: the runs that they repeat, and the retries
 * of them. Answers with the runs themselves, by their ids; those that don't exist are left out.
 */
export async function lockRunsToDelete(
  client: pg.ClientBase,
  runIds: readonly bigint[],
): Promise<ReadonlyMap<bigint, DeletableRun>> {
  const related = await client.query<{ id: bigint }>({
    name: 'relatives-of-runs',
    text: `select id from pipeline_run where retry_of_id = any($1)
           union select retry_of_id from pipeline_run where id = any($1) and retry_of_id is not null`,
    values: [runIds],
  });
  const result = await client.query<DeletableRun>({
    name: 'lock-runs-to-delete',
    text: `select id, status, retry_of_id as "retryOfId" from pipeline_run where id = any($1) order by id for update`,
    values: [[...new Set([...runIds, ...related.rows.map((row) => row.id)])]],
  });
  const asked = new Set(runIds);
  return new Map(result.rows.filter((row) => asked.has(row.id)).map((row) => [row.id, row]));
}

/**
 * Deletes runs that `lockRunsToDelete` locked, with everything of them that is small. Log lines and outputs are left to a sweep,
 * which finds them by what is entered here. The history stays, with the deletion as its last entry: subscribers hear of it.
 */
export async function deleteRuns(
  client: pg.ClientBase,
  runs: readonly DeletableRun[],
  why: { readonly actor: string; readonly message: string },
  now: Date,
): Promise<void> {
  if (runs.length === 0) return;
  const ids = runs.map((run) => run.id);
  await client.query({
    name: 'delete-attempts-of-runs',
    text: 'delete from block_attempt where block_run_id = any(array(select id from block_run where pipeline_run_id = any($1)))',
    values: [ids],
  });
  await client.query({
    name: 'delete-runs',
    text: `with gone as (
             delete from pipeline_run where id = any($1) returning id, pipeline_uuid, attempt, event_seq, status),
           told as (
             insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, from_status, actor, reason_code, reason_message)
             select id, event_seq + 1, $2, 'run_deleted', pipeline_uuid, attempt, status::text, $3, 'OTHER', $4 from gone order by id)
           insert into deleted_run (pipeline_run_id, deleted_at) select id, $2 from gone`,
    values: [ids, now, why.actor, why.message],
  });
  // Where the newest of a chain of retries is gone, the one before is the newest again.
  await client.query({
    name: 'restore-newest',
    text: `update pipeline_run r set is_newest = true
            where r.id = any($1) and not r.is_newest and not exists (select 1 from pipeline_run c where c.retry_of_id = r.id)`,
    values: [runs.flatMap((run) => run.retryOfId ?? [])],
  });
}

/** Deleted runs of which something is left, at most a hundred. */
export async function deletedRuns(client: Client): Promise<readonly bigint[]> {
  const result = await client.query<{ id: bigint }>({
    name: 'deleted-runs',
    text: 'select pipeline_run_id as id from deleted_run order by deleted_at, pipeline_run_id limit 100',
  });
  return result.rows.map((row) => row.id);
}

/** Deletes log lines of a run, no more than `limit`; answers how many. */
export async function deleteLogLines(client: Client, runId: bigint, limit: number): Promise<number> {
  const result = await client.query({
    name: 'delete-log-lines',
    text: 'delete from log_line where id = any(array(select id from log_line where pipeline_run_id = $1 order by id limit $2))',
    values: [runId, limit],
  });
  return result.rowCount ?? 0;
}

/** Nothing is left of a deleted run. */
export async function forgetDeletedRun(client: Client, runId: bigint): Promise<void> {
  await client.query({
    name: 'forget-deleted-run',
    text: 'delete from deleted_run where pipeline_run_id = $1',
    values: [runId],
  });
}
