import { planTimeout } from '../domain/run.ts';
import { noteDeadlinePassed, runsPastDeadline } from '../store/deadlines.ts';
import { applyRunPlan } from '../store/run-plans.ts';
import { lockRun } from '../store/run-snapshots.ts';
import type { EngineContext } from './context.ts';

/** Stops the runs whose timeout has passed; one with `timeout_status: warning` goes on and says so. Answers how many were over. */
export async function timeOutRuns(context: EngineContext): Promise<number> {
  const now = context.now();
  const over = await runsPastDeadline(context.database.pool, now);
  for (const { id, timeoutStatus, timeoutSeconds } of over) {
    const message = `It ran longer than its timeout of ${timeoutSeconds} s.`;
    await context.database.transaction(async (client) => {
      const run = await lockRun(client, id);
      if (run?.status !== 'running' || run.endingStatus !== null) return;
      if (timeoutStatus === 'warning') {
        await noteDeadlinePassed(client, id, message, now);
        return;
      }
      const outcome = timeoutStatus === 'cancelled' ? 'cancelled' : 'failed';
      await applyRunPlan(client, run, planTimeout(run, outcome, { code: 'TIMED_OUT', message, actor: null }), now);
    });
  }
  if (over.length > 0) context.wake('stop', 'events', 'admission', 'callbacks');
  return over.length;
}
