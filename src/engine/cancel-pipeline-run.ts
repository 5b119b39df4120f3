import type pg from 'pg';
import { isTerminalRun, type StatusReason } from '../domain/lifecycle.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import { planCancel, type RunSnapshot } from '../domain/run.ts';
import { isCancelledAsWhole } from '../domain/whole-run.ts';
import { applyRunPlans, type PlannedRun } from '../store/run-plans.ts';
import { readRuns } from '../store/run-snapshots.ts';
import { cancelWholeRuns, lockRunOutlines } from '../store/whole-runs.ts';
import type { EngineContext } from './context.ts';
import { noSuchRun } from './decided-run.ts';

type CancelReason = { readonly reason: string | null; readonly actor: string };

export type CancelPipelineRunInput = CancelReason & { readonly runId: bigint };

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
  why: CancelReason,
): Promise<readonly Answer<{ readonly runId: bigint }>[]> {
  const outlines = await lockRunOutlines(client, runIds);
  const whole = [...outlines.values()].filter(isCancelledAsWhole).map((run) => run.id);
  await cancelWholeRuns(client, whole, reasonOf(why), context.now());

  const isDone = new Set(whole);
  const refusals = new Map(runIds.map((id) => [id, refuseCancel(id, outlines.get(id))]));
  const runs = await readRuns(
    client,
    runIds.filter((id) => !isDone.has(id) && !refusals.get(id)),
  );
  const planned = [...runs.values()].flatMap((run) => planOfCancel(run, why) ?? []);
  await applyRunPlans(client, planned, context.now());
  return runIds.map((runId) => refusals.get(runId) ?? done({ runId }));
}

/** Whether the run may be cancelled, without doing it. */
export function decideCancel(
  runId: bigint,
  run: Pick<RunSnapshot, 'status'> | undefined,
): Answer<{ readonly runId: bigint }> {
  return refuseCancel(runId, run) ?? done({ runId });
}

function refuseCancel(runId: bigint, run: Pick<RunSnapshot, 'status'> | undefined): Answer<never> | null {
  if (!run) return noSuchRun(runId);
  if (!isTerminalRun(run.status)) return null;
  return refused({
    code: 'INVALID_STATE',
    currentStatus: run.status,
    message: `The run is already ${run.status}; there is nothing left to cancel.`,
  });
}

/** What a cancel changes; null when it was cancelled before. */
function planOfCancel(run: RunSnapshot, why: CancelReason): PlannedRun | null {
  if (run.isCancelRequested) return null;
  return { run, plan: planCancel(run, reasonOf(why)), options: { cancelRequested: true } };
}

function reasonOf({ reason, actor }: CancelReason): StatusReason {
  const message = reason ? `Cancelled by ${actor}: ${reason}` : `Cancelled by ${actor}.`;
  return { code: 'CANCELLED_BY_USER', message, actor };
}
