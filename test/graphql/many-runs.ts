import type { Database } from '../../src/store/database.ts';

/** How a row of `seedRuns` is made; SQL expressions of `n`, which counts from 1. */
export type RunRecipe = {
  readonly pipelineUuid?: string;
  readonly status?: string;
  readonly createdAt?: string;
  readonly startedAt?: string;
  readonly completedAt?: string;
  readonly tags?: string;
  readonly reasonCode?: string;
};

/** Writes `count` runs of existing pipelines at once, as the engine would have left them, each with `blocks` block runs. */
export async function seedRuns(database: Database, count: number, recipe: RunRecipe = {}, blocks = 0): Promise<void> {
  const {
    pipelineUuid = `'sales'`,
    status = `'completed'`,
    createdAt = `timestamptz '2026-03-01 00:00:00Z' + n * interval '1 second'`,
    startedAt = `${createdAt} + interval '1 second'`,
    completedAt = `${createdAt} + interval '11 seconds'`,
    tags = `'{}'::text[]`,
    reasonCode = `'SUCCEEDED'`,
  } = recipe;
  await database.pool.query(`
    with runs as (
      insert into pipeline_run
        (pipeline_uuid, pipeline_version, code_version, tags, status, cause, execution_date, variables, reason_code, reason_message,
         blocks_total, blocks_initial, blocks_completed, created_at, attempt_created_at, started_at, completed_at)
      select ${pipelineUuid}, 'v1', 'v1', ${tags}, (${status})::pipeline_run_status, 'api', ${createdAt}, '{}', ${reasonCode}, 'Done.',
             ${blocks}, 0, ${blocks}, ${createdAt}, ${createdAt}, ${startedAt}, ${completedAt}
      from generate_series(1, ${count}) as n
      returning id, created_at
    )
    insert into block_run
      (pipeline_run_id, block_uuid, position, status, attempt, pending_upstream, upstream, downstream, created_at, reason_code)
    select runs.id, 'block_' || place, place, 'completed', 1, 0, '{}', '{}', runs.created_at, 'SUCCEEDED'
    from runs cross join generate_series(1, ${blocks}) as place`);
  await database.pool.query('analyze pipeline_run, block_run');
}
