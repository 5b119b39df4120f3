import type { StatusReason } from '../domain/lifecycle.ts';
import { type BlockChange, nothing, type RunPlan, type RunSnapshot } from '../domain/run.ts';
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

function planRelease(run: RunSnapshot, held: ReadonlyMap<bigint, number>): RunPlan {
  const blocks: BlockChange[] = run.blocks
    .filter((block) => held.has(block.id))
    .map((block) => {
      if (block.stopRequested) return { block, to: 'cancelled' as const, reason: block.reason, bumpFence: true };
      const isLastStraw = (held.get(block.id) ?? 0) <= 0;
      const reason: StatusReason = {
        code: 'WORKER_LOST',
        message: isLastStraw
          ? 'The worker that ran it was lost, once more than its crash_retries allow.'
          : 'The worker that ran it was lost; it runs again.',
        actor: null,
      };
      if (!isLastStraw) return { block, to: 'queued' as const, reason, bumpFence: true };
      const error = { blockUuid: block.uuid, type: 'WorkerLost', message: reason.message, stackTrace: null };
      return { block, to: 'failed' as const, reason, bumpFence: true, error };
    });
  const announcements = blocks.map(({ block, reason }) => ({ kind: 'block_worker_lost' as const, reason, block }));
  return { ...nothing, announcements, blocks };
}
