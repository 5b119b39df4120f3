import { planGiveUp, reportPatienceMs } from '../domain/give-up.ts';
import { overdueStops } from '../store/deadlines.ts';
import { applyRunPlan } from '../store/run-plans.ts';
import { lockRun } from '../store/run-snapshots.ts';
import type { EngineContext } from './context.ts';

/**
 * Cancels block runs that were told to stop and whose worker lives but never reported: `graceMs` is what workers leave a process to end.
 * Answers how many runs it freed. Safe to repeat.
 */
export async function giveUpStops(context: EngineContext, graceMs: number): Promise<number> {
  const now = context.now();
  const overdue = await overdueStops(context.database.pool, new Date(now.getTime() - graceMs - reportPatienceMs));
  for (const { runId, blockRunIds } of overdue) {
    await context.database.transaction(async (client) => {
      const run = await lockRun(client, runId);
      if (!run) return;
      await applyRunPlan(client, run, planGiveUp(run, new Set(blockRunIds)), now, { settleAfter: true });
    });
    context.wake('stop', 'events', 'settle', 'callbacks');
  }
  return overdue.length;
}
