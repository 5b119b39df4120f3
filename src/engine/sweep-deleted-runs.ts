import { deletedRuns, deleteLogLines, forgetDeletedRun } from '../store/delete-runs.ts';
import type { EngineContext } from './context.ts';

/** Log lines in one commit: few enough that nobody waits for it. */
const linesAtOnce = 5_000;

/**
 * Clears away what deleted runs have left: outputs and log lines. Whoever is killed in between, or runs it twice, does no harm.
 * Answers how many runs were cleared; there may be more.
 */
export async function sweepDeletedRuns(
  { database: { pool } }: EngineContext,
  removeOutputs: (runId: bigint) => Promise<void>,
): Promise<number> {
  const runs = await deletedRuns(pool);
  for (const runId of runs) {
    await removeOutputs(runId);
    while ((await deleteLogLines(pool, runId, linesAtOnce)) === linesAtOnce);
    await forgetDeletedRun(pool, runId);
  }
  return runs.length;
}
