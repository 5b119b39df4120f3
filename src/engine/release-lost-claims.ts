import { planRelease } from '../domain/release.ts';
import { releaseCallbacks } from '../store/callback-runs.ts';
import { applyRunPlan } from '../store/run-plans.ts';
import { lockRun } from '../store/run-snapshots.ts';
import { endWorker, heldBlockRuns, runsHeldByWorker } from '../store/workers.ts';
import type { EngineContext } from './context.ts';
import { endCallbackRun } from './end-callback.ts';

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
  await releaseLostCallbacks(context, workerId);
  await endWorker(context.database.pool, workerId, context.now());
  return released;
}

/** A callback whose worker was lost is run once more; lost twice, it has failed. */
async function releaseLostCallbacks(context: EngineContext, workerId: bigint): Promise<void> {
  const { queued, spent } = await releaseCallbacks(context.database.pool, workerId);
  if (queued > 0) context.wake('callbacks');
  const message = 'The worker that ran it was lost, twice.';
  const error = { blockUuid: null, type: 'WorkerLost', message, stackTrace: null };
  for (const callback of spent) await endCallbackRun(context, { ...callback, workerId, error });
}
