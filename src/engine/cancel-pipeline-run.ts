import type pg from 'pg';
import { isTerminalRun } from '../domain/lifecycle.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import { planCancel, type RunSnapshot } from '../domain/run.ts';
import { applyRunPlans, lockRuns, type PlannedRun } from '../store/pipeline-runs.ts';
import type { EngineContext } from './context.ts';
import { type DecidedRun, noSuchRun } from './decided-run.ts';

export type CancelPipelineRunInput = { readonly runId: bigint; readonly reason: string | null; readonly actor: string };

/**
 * Cancels a run: what has not begun is cancelled at once, what runs is stopped by its worker, and the run ends when nothing of
 * it runs any more. Cancelling twice is the first cancel; a run that has ended is refused.
 */
export async function cancelPipelineRun(
  context: EngineContext,
  input: CancelPipelineRunInput,
): Promise<Answer<{ readonly runId: bigint }>> {
  const [answer = noSuchRun(input.runId)] = await context.database.transaction((client) =>
    cancelRuns(context, client, [input.runId], input),
  );
  if (answer.ok) context.wake('stop', 'events', 'admission', 'callbacks');
  return answer;
}

/** As `cancelPipelineRun`, of many different runs within the caller's transaction; one answer each, in order. The caller wakes. */
export async function cancelRuns(
  context: EngineContext,
  client: pg.ClientBase,
  runIds: readonly bigint[],
  why: { readonly reason: string | null; readonly actor: string },
): Promise<readonly Answer<{ readonly runId: bigint }>[]> {
  const runs = await lockRuns(client, runIds);
  const plans: PlannedRun[] = [];
  const answers = runIds.map((runId) => {
    const run = runs.get(runId);
    const decided = run ? decideCancel(run, why) : noSuchRun(runId);
    if (!decided.ok) return decided;
    if (decided.value.planned) plans.push(decided.value.planned);
    return done({ runId });
  });
  await applyRunPlans(client, plans, context.now());
  return answers;
}

/** What a cancel of the run does, without doing it. */
export function decideCancel(
  run: RunSnapshot,
  { reason, actor }: { readonly reason: string | null; readonly actor: string },
): Answer<DecidedRun> {
  if (isTerminalRun(run.status)) {
    return refused({
      code: 'INVALID_STATE',
      currentStatus: run.status,
      message: `The run is already ${run.status}; there is nothing left to cancel.`,
    });
  }
  if (run.endingStatus === 'cancelled') return done({ runId: run.id, planned: null });
  const message = reason ? `Cancelled by ${actor}: ${reason}` : `Cancelled by ${actor}.`;
  const plan = planCancel(run, { code: 'CANCELLED_BY_USER', message, actor });
  return done({ runId: run.id, planned: { run, plan, options: { cancelRequested: true } } });
}
