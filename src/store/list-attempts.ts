import type { BlockAttempt } from '../generated/prisma/client.ts';
import type { Database } from './database.ts';

/**
 * The attempts of block runs, oldest first. An attempt is written once, at its end: the one that runs now is read from its block
 * run, in the same statement, so that none is missed or seen twice while it ends.
 */
export async function listAttempts(
  database: Database,
  blockRunIds: readonly bigint[],
): Promise<readonly BlockAttempt[]> {
  const result = await database.pool.query<BlockAttempt>({
    name: 'list-attempts',
    text: `select block_run_id as "blockRunId", number, pipeline_run_id as "pipelineRunId", run_attempt as "runAttempt", fence, status,
                  reason_code as "reasonCode", reason_message as "reasonMessage", worker_id as "workerId", pid, queued_at as "queuedAt",
                  started_at as "startedAt", completed_at as "completedAt", error, cpu_time_ms as "cpuTimeMs",
                  max_rss_bytes as "maxRssBytes", outputs, tests, dropped_lines as "droppedLines",
                  retry_at as "retryAt", calls
             from block_attempt where block_run_id = any($1)
           union all
           select b.id, b.attempt, b.pipeline_run_id, r.attempt, b.fence, b.status, null, null, b.worker_id, b.pid, b.queued_at,
                  b.started_at, null, null, null, null, null, null, 0, null, nullif(b.calls, 0)
             from block_run b join pipeline_run r on r.id = b.pipeline_run_id
            where b.id = any($1) and b.status = 'running'
            order by 1, 2`,
    values: [blockRunIds],
  });
  return result.rows;
}
