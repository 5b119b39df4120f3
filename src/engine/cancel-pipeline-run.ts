import { isTerminalRun } from '../domain/lifecycle.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import { planCancel } from '../domain/run.ts';
import { applyRunPlan, lockRun } from '../store/pipeline-runs.ts';
import type { EngineContext } from './context.ts';

export type CancelPipelineRunInput = { readonly runId: bigint; readonly reason: string | null; readonly actor: string };

/**
 * Cancels a run: what has not begun is cancelled at once, what runs is stopped by its worker, and the run ends when nothing of
 * it runs any more. Cancelling twice is the first cancel; a run that has ended is refused.
 */
export async function cancelPipelineRun(
  context: EngineContext,
  input: CancelPipelineRunInput,
): Promise<Answer<{ readonly runId: bigint }>> {
  const answer = await context.database.transaction(async (client) => {
    const run = await lockRun(client, input.runId);
    if (!run) return refused({ code: 'NOT_FOUND', message: `There is no run run_${input.runId}.` });
    if (isTerminalRun(run.status)) {
      return refused({
        code: 'INVALID_STATE',
        currentStatus: run.status,
        message: `The run is already ${run.status}; there is nothing left to cancel.`,
      });
    }
    if (run.endingStatus !== 'cancelled') {
      const message = input.reason ? `Cancelled by ${input.actor}: ${input.reason}` : `Cancelled by ${input.actor}.`;
      const plan = planCancel(run, { code: 'CANCELLED_BY_USER', message, actor: input.actor });
      await applyRunPlan(client, run, plan, context.now(), { cancelRequested: true });
    }
    return done({ runId: input.runId });
  });
  if (answer.ok) context.wake('stop', 'events', 'admission');
  return answer;
}
