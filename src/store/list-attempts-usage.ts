import type { Database } from './database.ts';

/** What all attempts of a run took together. */
export type AttemptsUsage = {
  readonly pipelineRunId: bigint;
  readonly cpuTimeMs: number | null;
  readonly maxRssBytes: number | null;
  readonly droppedLines: number | null;
};

/** Sums CPU time and dropped log lines, and takes the largest memory, over every attempt of each run. By the keys of block runs: attempts have no index by run, which each claim would pay for. */
export async function listAttemptsUsage(
  database: Database,
  pipelineRunIds: readonly bigint[],
): Promise<readonly AttemptsUsage[]> {
  const result = await database.pool.query<AttemptsUsage>({
    name: 'attempts-usage',
    text: `select b.pipeline_run_id as "pipelineRunId", sum(a.cpu_time_ms) as "cpuTimeMs", max(a.max_rss_bytes) as "maxRssBytes",
                  sum(a.dropped_lines)::int as "droppedLines"
             from block_run b join block_attempt a on a.block_run_id = b.id
            where b.pipeline_run_id = any($1) group by b.pipeline_run_id`,
    values: [pipelineRunIds],
  });
  return result.rows;
}
