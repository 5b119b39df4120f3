import { planRelease } from '../domain/release.ts';
import { applyRunPlan, lockRun } from '../store/pipeline-runs.ts';
import { endWorker, heldBlockRuns, runsHeldByWorker } from '../store/workers.ts';
import type { EngineContext } from './context.ts';

/**
 * Takes back what a lost worker holds: its attempts end failed with WORKER_LOST, and their block runs are queued again at once,
 * until one was lost more often than its `crash_retries` allow. The fence rises, so that a late answer changes nothing.
 * Answers how many block runs were released. Safe to repeat.
 */
export async function releaseLostClaims(context: EngineContext, workerId: bigint): Promise<number> {
  let released = 0;
  for (const runId of await runsHeldByWorker(context.database.pool, workerId)) {
    released += await context.database.transaction(async (client) => {
      const run = await lockRun(client, runId);
      if (!run) return 0;
      const held = new Map((await heldBlockRuns(client, runId, workerId)).map((block) => [block.id, block.lossesLeft]));
      const plan = planRelease(run, held);
      await applyRunPlan(client, run, plan, context.now(), { settleAfter: true });
      return plan.blocks.length;
    });
    context.wake('ready', 'events', 'settle');
  }
  await endWorker(context.database.pool, workerId, context.now());
  return released;
}
