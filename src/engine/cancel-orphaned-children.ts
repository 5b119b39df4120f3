import { isTerminalRun } from '../domain/lifecycle.ts';
import { planCancel } from '../domain/run.ts';
import { orphanedChildren } from '../store/child-runs.ts';
import { applyRunPlans } from '../store/run-plans.ts';
import { lockRuns } from '../store/run-snapshots.ts';
import type { EngineContext } from './context.ts';

/**
 * Cancels the runs that blocks waited for and wait for no more: a run that is waited for ends with its parent. Answers how many.
 * Safe to repeat; a process that dies in between leaves them to the next call.
 */
export async function cancelOrphanedChildren(context: EngineContext): Promise<number> {
  const orphans = await orphanedChildren(context.database.pool);
  if (orphans.length === 0) return 0;
  const reason = {
    code: 'PARENT_CANCELLED',
    message: 'The block that had started it and waited for it has ended.',
    actor: null,
  } as const;
  await context.database.transaction(async (client) => {
    const runs = [...(await lockRuns(client, orphans)).values()];
    const open = runs.filter((run) => !isTerminalRun(run.status) && run.endingStatus !== 'cancelled');
    const plans = open.map((run) => ({ run, plan: planCancel(run, reason), options: { cancelRequested: true } }));
    await applyRunPlans(client, plans, context.now());
  });
  context.wake('stop', 'events', 'ends', 'admission');
  return orphans.length;
}
